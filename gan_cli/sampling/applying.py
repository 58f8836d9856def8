"""`gan apply`: what a trained game makes of examples that it is given: translations, masks, classes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_cli import datasets, door, media
from gan_cli.binding import nearest
from gan_cli.data.left_out import SUFFIXES
from gan_cli.data.npz import npz
from gan_cli.data.picture import decode
from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment
from gan_cli.errors import DamagedError, InputError
from gan_cli.judging import image_sets, reference
from gan_cli.judging.given import Given, stream_of, take_given
from gan_cli.recipe import Eval
from gan_cli.runs.load import Loaded
from gan_cli.sampling.picture_files import picture_files, tell
from gan_cli.sampling.writing import check_kind
from gan_cli.types import Spec, Y, leaf, leaves

SHOWN = 16  # examples of the run's own data, where nobody says how many
MOST = 100_000  # examples at once
LARGEST = 1 << 28  # bytes of an image file

Note = Callable[[str], None]


class Application(NamedTuple):
    """What a person wants done."""

    input: str | None = None  # images, a folder, an archive or a data source; None: the run's own data
    ask: str = ""  # empty: the first that starts from examples
    split: str | None = None  # of the run's own data; None: the one of [eval]
    n: int | None = None  # examples; None: all of `input`, SHOWN of the run's own data
    seed: int = 0  # result i depends on it, on i and on what is given
    raw: bool = False  # the weights of the last step, not their average
    batch: int = 500


class Applied(NamedTuple):
    """Results, and what they are of."""

    ask: str
    given: Given
    results: np.ndarray  # as their medium stores them, [n, ...]; of a label log-probabilities float32 [n, K]
    names: tuple[str, ...]  # of the files that were given; empty: they are none
    classes: tuple[str, ...]  # of what is given, and of results that are labels
    experiment: Experiment

    @property
    def spec(self) -> Spec | None:
        """The spec of a result; None: log-probabilities of a label."""
        return self.experiment.made_by(self.ask)


def apply(loaded: Loaded, wanted: Application, store: Store, note: Note, told: sampler.Told) -> Applied:
    """Ask a checkpoint's game about examples; raises InputError, before anything is compiled, where it cannot be."""
    experiment = loaded.experiment
    ask = applied_ask(experiment, wanted.ask)
    store = store.near(loaded.folder.path)
    given, names = examples_for(loaded, ask, wanted, store)
    note(f"step {loaded.step} of {loaded.folder.path}: compiling, then {ask} of {given.n} examples")
    asking = sampler.Sampler(experiment, min(wanted.batch, given.n), told=told, ask=ask)
    inputs = {**sampler.draw_many(experiment, wanted.seed, given.n), **given.inputs}
    results = asking(loaded.leaves(wanted.raw), inputs)
    classes = experiment.specs[experiment.stream(ask)].classes
    return Applied(ask, given, results, names, classes, experiment)


def examples_for(loaded: Loaded, ask: str, wanted: Application, store: Store) -> tuple[Given, tuple[str, ...]]:
    """The examples that are wanted, and the names of their files; raises InputError where they cannot be had."""
    return (_own if wanted.input is None else _at_hand)(loaded, ask, wanted, store)


def checked_leaves(experiment: Experiment, ask: str, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The leaves that an ask starts from, as stored, [n, ...] each; raises InputError for any of another format."""
    specs, checked = leaves(experiment.specs), {}
    for name in experiment.game.ask(ask).given:
        spec = specs[name]
        if name not in given:
            raise InputError(f"{ask} starts from {name}, which is missing")
        x = np.asarray(given[name])
        shape, dtype = (spec.shape, media.of(spec).dtype) if spec else ((), "int32")
        if x.shape[1:] != shape or (x.dtype != dtype and dtype == "uint8"):
            raise InputError(f"{name}: {dtype} {('n', *shape)} is wanted, not {x.dtype} {x.shape}")
        checked[name] = x.astype(dtype)
    return checked


def applied_ask(experiment: Experiment, named: str) -> str:
    """The ask that starts from examples: the named one, or the game's first; raises InputError where there is none."""
    asks = {name: ask for name, ask in experiment.game.asks.items() if ask.given}
    if not asks:
        raise InputError("this model draws from nothing and is given no examples: gan sample --ckpt RUN")
    if named and named not in asks:
        what = "draws from nothing: gan sample --ask" if named in experiment.game.asks else "is nothing it can be asked"
        raise InputError(f"--ask {named}: {what}{nearest(named, asks)}")
    return named or next(iter(asks))


def _own(loaded: Loaded, ask: str, wanted: Application, store: Store) -> tuple[Given, tuple[str, ...]]:
    """Examples of the run's own data."""
    resolved, experiment = loaded.meta.recipe, loaded.experiment
    found = reference.of_streams(resolved, experiment.stream(ask), {}, wanted.split, store)
    paired = Eval(**resolved["eval"]).paired
    return take_given(experiment, ask, found.streams, wanted.n or SHOWN, paired=paired), ()


def _at_hand(loaded: Loaded, ask: str, wanted: Application, store: Store) -> tuple[Given, tuple[str, ...]]:
    """Examples that a person names, brought to the format of what the ask is given; raises InputError."""
    assert wanted.input is not None
    experiment = loaded.experiment
    asked, specs = experiment.game.ask(ask), leaves(experiment.specs)
    first = asked.given[0]
    spec, stream = specs[first], stream_of(first, experiment.specs) or ""
    if spec is None:
        raise InputError(f"--input {wanted.input}: {ask} starts from labels, which no image has")
    table = datasets.data_tables(loaded.meta.recipe["data"])[stream]
    source = open_examples(wanted.input, spec, table.get("resize", "pad"), store)
    n = min(source.size, wanted.n or MOST)
    examples = source.load(np.arange(n))
    inputs: dict[str, np.ndarray] = {}
    for name in asked.given:
        part = name.removeprefix(f"{stream}_") if stream else name
        if part not in examples and name != first:
            raise InputError(f"--input {wanted.input}: {ask} wants {part} beside each image, and there is none")
        inputs[name] = examples[part] if part in examples else examples["x"]
    labels = examples.get(Y) if source.spec.classes == experiment.specs[stream].classes else None
    truth = labels if asked.like == leaf(stream, Y) else None
    return Given(inputs, truth, labels), tuple(source.names[:n])


def open_examples(text: str, spec: Spec, resize: Any, store: Store) -> Source:
    """A single image, or whatever else holds examples, brought to a shape; arrays are of the spec's medium.

    Raises InputError where they cannot be.
    """
    path, shape = Path(text).expanduser(), spec.shape
    if spec.medium and path.suffix.lower() == ".npz" and path.is_file():
        found = npz(store, path=path, medium=spec.medium)  # type: ignore[arg-type]
        if found.spec.shape != shape or len(found.spec.words) > len(spec.words):
            told, wanted = (_in_words(one) for one in (found.spec, spec))
            raise InputError(f"{text}: holds {told}, and the model is given {wanted}")
        return found
    if path.suffix.lower() in SUFFIXES and path.is_file():
        try:
            image = decode(door.read_file(path, LARGEST))
        except DamagedError as error:
            raise InputError(str(error)) from None
        except Exception as error:  # whatever a damaged file makes Pillow raise
            raise InputError(f"{text}: cannot be read as an image: {error or type(error).__name__}") from None
        alone = in_memory(path.name, image[None])._replace(names=(path.name,))
        opened: Source | None = image_sets.brought_to(text, alone, shape, resize)
    else:
        opened = image_sets.open_like(text, shape, store, resize).source
    if opened is None:
        raise InputError(f"{text}: holds statistics of images, not images")
    if len(shape) == 3:
        tell(text, picture_files(text, store), store, shape[2], deep=False)
    return opened


def _in_words(spec: Spec) -> str:
    """ "sequences of shape (5,) of 7 words"."""
    words = f" of {len(spec.words)} words" if spec.words else ""
    return f"{media.of(spec).many} of shape {spec.shape}{words}"


def check_medium(experiment: Experiment, ask: str, out: Path) -> None:
    """Raise InputError where results of this medium cannot be written to `out`."""
    made = experiment.made_by(ask)
    if made is None:
        if out.suffix not in (".csv", ".npz"):
            raise InputError(f"--out {out}: {ask} makes classes and their probabilities: a table (.csv) or .npz")
    else:
        check_kind(out, made, walks=False)
