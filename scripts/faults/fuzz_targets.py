"""What is fuzzed: each target takes any bytes, and either returns or raises one of REFUSALS."""

import io
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from fuzz_seeds import zipped

from gan_cli import binding, build, datasets, recipe, recipe_tables
from gan_cli.data import arrays, cifar10, dataset_json, idx
from gan_cli.data import folder as folders
from gan_cli.data.npz import CLASSES, npz
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.data.tree import File
from gan_cli.engine.checkpoint import Checkpoints
from gan_cli.engine.optim import OPTIMISER
from gan_cli.errors import DamagedError, InputError
from gan_cli.features import FEATURES, check_shipped, torch_file
from gan_cli.files import whole_folder
from gan_cli.judging.image_sets import Fit, open_set
from gan_cli.metrics import cache as statistics_files
from gan_cli.runs.load import described

REFUSALS = (InputError, DamagedError)
WHERE = Path("fuzzed")
KINDS = (datasets.SOURCE, build.NETWORK, build.GAME, build.LOSS, build.PENALTY, OPTIMISER, FEATURES)


@cache
def scratch() -> Path:
    """A folder in memory, where there is one, for parsers that want a path."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="gan-fuzz-", dir=memory if memory.is_dir() else None))


def written(data: bytes, name: str) -> Path:
    path = scratch() / name
    path.write_bytes(data)
    return path


def a_recipe(data: bytes) -> None:
    build.resolve(recipe.read_tables(written(data, "r.toml")), "r.toml")


def an_override(data: bytes) -> None:
    recipe_tables.set_key({"train": {"steps": 1}}, data.decode(errors="surrogateescape"))


def a_name(data: bytes) -> None:
    """A name that any kind of thing finds is one that it lists."""
    name = data.decode(errors="surrogateescape")
    for kind in KINDS:
        try:
            found = binding.validate_part(kind, name)
        except InputError:
            continue
        assert kind.has(found[kind.key])
    check_shipped(name)


def an_idx_file(data: bytes) -> None:
    array = idx.unpacked(data)
    assert array.dtype == np.uint8


def an_array_in_a_zip(data: bytes) -> None:
    """Behind the archive's checksum, which stops what changes a byte of it."""
    an_npz_file(zipped({"x.npy": data}))


def a_pickle_in_a_zip(data: bytes) -> None:
    a_torch_file(zipped({"w/data.pkl": data, "w/data/0": bytes(12), "w/data/1": bytes(4)}))


def an_npz_file(data: bytes) -> None:
    for array in arrays.load_arrays(data).values():
        assert not array.dtype.hasobject
    source = npz(Store(None, scratch(), download=False), path=written(data, "a.npz"))
    examine(source)


def examine(source: Source) -> None:
    """The first and the last example are what the source says of them."""
    examples = source.load(np.array([0, source.size - 1]))
    if 0 in source.spec.shape:
        assert {x.dtype for x in examples["x"]} == {np.dtype(np.uint8)}
        return
    assert examples["x"].shape == (2, *source.spec.shape)
    assert examples["x"].dtype == (np.uint8 if len(source.spec.shape) == 3 else np.float32)


def a_statistics_file(data: bytes) -> None:
    path = written(data, "s.npz")
    found = statistics_files.load_statistics(path)
    statistics_files.check_covariance(found.statistics, "s.npz")


def an_image(data: bytes) -> None:
    """As in a folder: its header, then its pixels."""
    file = File("a", lambda: io.BytesIO(data), str)
    (header,) = folders._headers([file], WHERE, None, None)
    pixels, _ = folders._reader([file], WHERE, None, None)(0)
    assert pixels.dtype == np.uint8
    assert header is not None
    assert pixels.shape[2] == header[2]


def a_zip_file(data: bytes) -> None:
    """What `gan eval --fake FILE` makes of it."""
    found = open_set(str(written(data, "z.zip")), Store(None, scratch(), download=False), Fit(size=8))
    if found.source:
        examine(found.source)


def a_list_of_labels(data: bytes) -> None:
    """A StyleGAN set's dataset.json."""
    found = dataset_json.read_labels(File("dataset.json", lambda: io.BytesIO(data), str), ("a/1.png", "a/2.png"), WHERE)
    if found:
        labels, _ = found
        assert 0 <= labels.min() <= labels.max() < CLASSES


def an_archive_of_cifar(data: bytes) -> None:
    cifar10.records_of_archive(data, cifar10.SPLITS["test"])


def a_torch_file(data: bytes) -> None:
    for array in torch_file.parse_tensors(data, WHERE).values():
        array.sum()  # whatever it is a view of can be read


def a_checkpoint(data: bytes) -> None:
    """The metadata of one whose checksums are right: somebody made it so."""
    folder = scratch() / "checkpoints"
    folder.mkdir(exist_ok=True)
    with whole_folder(folder / "1") as part:
        (part / "meta.json").write_bytes(data)
    described(Checkpoints(folder, read_only=True), 1)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "recipe": a_recipe,
    "override": an_override,
    "name": a_name,
    "idx": an_idx_file,
    "npz": an_npz_file,
    "npy": an_array_in_a_zip,
    "statistics": a_statistics_file,
    "image": an_image,
    "zip": a_zip_file,
    "labels": a_list_of_labels,
    "cifar": an_archive_of_cifar,
    "torch": a_torch_file,
    "pickle": a_pickle_in_a_zip,
    "checkpoint": a_checkpoint,
}
