"""`gan sample`: which samples, and the file or folder they go to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan_cli.engine import sampler
from gan_cli.engine.sampler import Inputs, Sampler
from gan_cli.errors import InputError
from gan_cli.files import atomic
from gan_cli.recipe import SEEDS
from gan_cli.report import grids
from gan_cli.runs.load import Loaded

DEFAULT_N = 64


def parse_seeds(text: str) -> list[int]:
    """ "0,3,7-9" -> [0, 3, 7, 8, 9]; raises InputError."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise InputError(f"--seeds {text}: {part.strip()!r} is neither a seed nor a range; right: 0,3,7-9")
        low, high = int(first), int(last or first)
        if high < low or high >= SEEDS or high - low > 1_000_000:
            raise InputError(f"--seeds {text}: {part.strip()!r} is not an ascending range of seeds below 2^32")
        seeds.extend(range(low, high + 1))
    return seeds


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def check_request(seeds: Sequence[int] | None, seed: int | None, n: int | None, out: Path) -> None:
    """Raise InputError for options that contradict each other or an output that cannot be written."""
    if seeds is not None and (n is not None or seed is not None):
        raise InputError("--seeds goes with neither --n nor --seed: it names each sample")
    if not out.resolve().parent.is_dir():
        raise InputError(f"--out {out}: the folder {out.parent} does not exist")
    if out.suffix in (".png", ".npz"):
        if out.is_dir():
            raise InputError(f"--out {out}: is a folder")
    elif out.suffix:
        raise InputError(f"--out {out}: a grid is .png, an archive .npz, and anything else a folder without a suffix")
    elif out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: exists and is not a folder")
    elif out.exists() and any(out.iterdir()):
        raise InputError(
            f"--out {out}: the folder is not empty; name a new one, so that old and new samples do not mix"
        )


def inputs(loaded: Loaded, *, seeds: Sequence[int] | None, seed: int, n: int, truncation: float | None) -> Inputs:
    """The game's inputs for the samples asked for: leaves [n, ...]."""
    experiment = loaded.experiment
    drawn = sampler.draw(experiment, seeds) if seeds is not None else sampler.draw_many(experiment, seed, n)
    if truncation is None:
        return drawn
    if loaded.meta.recipe["game"].get("prior") != "normal" or "z" not in drawn:
        raise InputError("--truncation: the latents of this recipe are not normal, so there is nothing to truncate")
    return {**drawn, "z": sampler.truncate(drawn["z"], truncation)}


def draw(loaded: Loaded, drawn: Inputs, *, raw: bool, batch: int) -> np.ndarray:
    """Samples with the checkpoint's weights: images uint8 [n, H, W, C], points float32 [n, D]."""
    n = len(next(iter(drawn.values())))
    return Sampler(loaded.experiment, min(batch, n))(loaded.weights(raw), drawn)


def write(out: Path, samples: np.ndarray) -> None:
    """Write samples as the suffix of `out` says; raises InputError when they cannot be written."""
    try:
        if out.suffix == ".png":
            grids.save_samples(out, samples)
        elif out.suffix == ".npz":
            _write_npz(out, samples)
        else:
            _write_folder(out, samples)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror or error}") from None


def _write_npz(out: Path, samples: np.ndarray) -> None:
    """The layout that the field's evaluators read: arr_0 uint8 [N, H, W, C]; points stay float32."""
    with atomic(out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, arr_0=samples)


def _write_folder(out: Path, samples: np.ndarray) -> None:
    if samples.ndim != 4:
        raise InputError(f"--out {out}: samples of this recipe are points, not images; write them to .npz or .png")
    out.mkdir(exist_ok=True)
    for i, image in enumerate(samples):
        grids.to_pil(image).save(out / f"{i:06d}.png")
