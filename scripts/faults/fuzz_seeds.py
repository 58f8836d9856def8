"""Small valid files of every kind that is parsed: where fuzzing starts from."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from gan_cli import build, recipe
from gan_cli.engine.checkpoint import Meta
from gan_cli.types import Spec

RECIPES = Path(__file__).parents[2] / "recipes"
RAMP = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def recipes() -> list[bytes]:
    found = [path.read_bytes() for path in sorted(RECIPES.rglob("*.toml"))]
    return [text for text in found if len(text) < 2500][:12]


def idx() -> list[bytes]:
    flat = b"\0\0\x08\x01\0\0\0\x03abc"
    images = b"\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03" + bytes(12)
    return [flat, images, gzip.compress(images, mtime=0), gzip.compress(flat, 1, mtime=0)]


def saved(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def npz() -> list[bytes]:
    images, labels = RAMP[None], np.array([1, 0, 1])
    packed = io.BytesIO()
    np.savez_compressed(packed, x=np.zeros((3, 8, 8), np.uint8), y=labels)
    return [
        saved(x=np.repeat(images, 3, 0), y=labels),
        saved(arr_0=np.asfortranarray(np.eye(4))),
        saved(x=np.ones((2, 3), ">f2")),
        packed.getvalue(),
    ]


def statistics() -> list[bytes]:
    texts = {key: np.array(key) for key in ("features", "features_hash", "protocol")}
    return [
        saved(mu=np.zeros(2), sigma=np.eye(2), n=np.array(5), **texts),
        saved(mu=np.zeros(3, np.float32), sigma=np.eye(3, dtype=np.float32)),
    ]


def picture(mode: str, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(RAMP).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def pictures() -> list[bytes]:
    """Every format that is decoded; PNG, TIFF and BMP in several modes, GIF animated, JPEG with EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.fromarray(RAMP), Image.fromarray(RAMP[::-1])]
    moving = io.BytesIO()
    frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:])
    return [
        *(picture(mode, "PNG") for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16")),
        picture("RGB", "PNG", exif=exif),
        picture("RGB", "JPEG", exif=exif),
        picture("L", "JPEG"),
        picture("RGB", "WEBP"),
        picture("RGBA", "WEBP", lossless=True),
        *(picture(mode, "BMP") for mode in ("1", "P", "RGB")),
        moving.getvalue(),
        *(picture("RGB", "TIFF", compression=name) for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg")),
        picture("L", "PPM"),
        picture("RGB", "PPM"),
    ]


def zips() -> list[bytes]:
    return [
        zipped({"a/1.png": picture("L", "PNG"), "a/2.jpg": picture("RGB", "JPEG")}),
        zipped({"../x.png": picture("RGB", "PNG"), "b/.hidden.png": b"x"}, zipfile.ZIP_DEFLATED),
        zipped({"c.tif": picture("RGB", "TIFF")}, zipfile.ZIP_DEFLATED),
    ]


def lists_of_labels() -> list[bytes]:
    """Two images' classes, as StyleGAN's tool writes them."""
    labels = [["a/1.png", 0], ["a/2.png", 3]]
    return [json.dumps({"labels": given}).encode() for given in (labels, None, dict(labels), [["a/1.png", [0.5, 1.0]]])]


def zipped(files: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def members(data: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [archive.read(name) for name in archive.namelist()]


def tar() -> list[bytes]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("readme.html", "test_batch.bin"):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = 100
            archive.addfile(info, io.BytesIO(bytes(100)))
    return [stream.getvalue()]


def state(arrays: Iterable[tuple[str, int]]) -> bytes:
    """The pickle of a dictionary of tensors [n], as torch.save writes it: name, numbers each."""
    out = b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\1("
    for key, (name, n) in enumerate(arrays):
        storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text(str(key)) + _text("cpu")
        storage += bytes((0x4B, n)) + b"tQ"
        tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + bytes((0x4B, n)) + b"\x85K\1\x85\x89)tR"
        out += _text(name) + tensor
    return out + b"u."


def _text(text: str) -> bytes:
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def torch() -> list[bytes]:
    """Both layouts of torch.save."""
    new = {"w/data.pkl": state([("a", 3), ("b", 1)]), "w/data/0": bytes(12), "w/data/1": bytes(4)}
    old = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}." + state([("a", 3)])
    old += b"\x80\x02]q\0" + _text("0") + b"a." + (3).to_bytes(8, "little") + bytes(12)
    return [zipped(new), old]


def overrides() -> list[bytes]:
    return [b"train.steps=2000", b"game.loss=adversarial.hinge", b"run.x={a=[1,2]}", b"ema.decay=1e-3"]


def names() -> list[bytes]:
    hostile = ["os.system", "..", "__init__", "gan_cli.x", "dcgan._helper", "dcgan.nnx", "dcgan.generator", "mlp.mlp"]
    return [name.encode() for name in hostile]


def checkpoints() -> list[bytes]:
    """What a run of two recipes says about itself."""
    metas = []
    for name, spec in (("ring", Spec((2,))), ("dcgan_digits", Spec((16, 16, 1), tuple("0123456789")))):
        resolved = build.resolve(recipe.read_tables(recipe.find_recipe(name)), name)
        metas.append(Meta(resolved, spec, "0", [{"step": 5, "fid": 1.5, "score": -1.5}], 1, -1.5, {"past": {}}))
    return [json.dumps(meta.to_json()).encode() for meta in metas]


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "recipe": recipes,
    "override": overrides,
    "name": names,
    "idx": idx,
    "npz": npz,
    "npy": lambda: [content for seed in npz() for content in members(seed)],
    "statistics": statistics,
    "image": pictures,
    "zip": zips,
    "labels": lists_of_labels,
    "cifar": tar,
    "torch": torch,
    "checkpoint": checkpoints,
    "pickle": lambda: [state([("a", 3), ("b", 1)])],
}
