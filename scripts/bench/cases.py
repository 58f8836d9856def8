"""The cases as data: what is measured, and who takes part. A new case is a function here, or an entry of `cases`."""

import sys
from collections.abc import Mapping
from pathlib import Path

from harness import Case
from processes import Contender

HERE = Path(__file__).parent
KINDS = {  # tables, in order
    "training": "Training steps, ms",
    "floor": "Training steps beside their direct matrix products (no convolution trick, no other work), ms",
    "sampling": "Sampling to uint8 arrays on the host, s",
    "scoring": "Features and FID, s",
    "data": "Data pipeline from a folder of PNGs, s",
    "compile": "The first training step in a process that has imported everything, s",
    "start": "From the command to its end or to the first training step, s",
    "gpu": "Training steps on the GPU; the floor is the step's products at the card's measured matmul rate, ms",
}
MS = 1e3
PYTORCH = {  # variants, of which the best is the peer
    "PyTorch eager": ("--variant", "eager"),
    "PyTorch channels_last": ("--variant", "channels_last"),
    "PyTorch compile, channels_last": ("--variant", "compile,channels_last"),
}
SMALL = {  # networks so small that threads and dispatch decide
    "PyTorch eager": ("--variant", "eager"),
    "PyTorch eager, 1 thread": ("--variant", "eager", "--threads", "1"),
    "PyTorch compile": ("--variant", "compile"),
    "PyTorch compile, 1 thread": ("--variant", "compile", "--threads", "1"),
}


def ours(script: str, *options: str, name: str = "gan", **how: object) -> Contender:
    """A script of ours, run by this interpreter."""
    return Contender(name, (sys.executable, str(HERE / script), *options), role="ours", **how)


def peer(torch: str, script: str, name: str, *options: str, **how: object) -> Contender:
    """A PyTorch script, run by the interpreter `torch`."""
    return Contender(name, (torch, str(HERE / script), *options), **how)


def settings(**values: object) -> tuple[str, ...]:
    """Options of ours that change a recipe: train__batch=64 is --set train.batch=64."""
    return tuple(f"--set={name.replace('__', '.')}={value}" for name, value in values.items())


def training(
    torch: str,
    name: str,
    what: str,
    recipe: tuple[str, ...],
    game: tuple[str, ...],
    variants: Mapping[str, tuple[str, ...]],
    steps: int,
    quick: int,
    bf16: bool = False,
) -> Case:
    """Steps of a recipe beside the same game in PyTorch."""
    half = settings(train__precision="bfloat16") if bf16 else ()
    peers = [
        peer(torch, "torch_training.py", variant, *game, *options, *(["--bf16"] if bf16 else []))
        for variant, options in variants.items()
    ]
    contenders = (ours("ours_training.py", "--recipe", *recipe, *half), *peers)
    precision = "bfloat16" if bf16 else "float32"
    return Case(name, "training", what, "step", contenders, steps, quick, precision, MS)


WIDTHS = settings(networks__generator__width=64, networks__discriminator__width=64)


def dcgan(torch: str, size: int, channels: int, bf16: bool) -> Case:
    shape = f"{size}x{size}x{channels}"
    recipe = ("dcgan_mnist", "--noise", shape, *WIDTHS)
    game = ("--game", "dcgan", "--size", str(size), "--channels", str(channels))
    what = f"DCGAN {shape}, batch 64, width 64: an update of each player"
    name = f"dcgan-{size}{'-bf16' if bf16 else ''}"
    return training(torch, name, what, recipe, game, PYTORCH, 20, 5, bf16)


def mlp(torch: str, batch: int) -> Case:
    what = f"GAN of two MLPs on a 2-D ring, batch {batch}: an update of each player"
    recipe = ("ring", *settings(train__batch=batch))
    game = ("--game", "mlp", "--batch", str(batch), "--rate", "1e-3")
    return training(torch, f"mlp-{batch}", what, recipe, game, SMALL, 1000, 200)


def cases(torch: str) -> list[Case]:
    """All cases, with `torch` the interpreter that has PyTorch."""
    return [
        *(dcgan(torch, size, channels, bf16) for size, channels in ((32, 1), (64, 3)) for bf16 in (False, True)),
        *(mlp(torch, batch) for batch in (256, 512)),
    ]


def gpu_cases(torch: str) -> list[Case]:
    """Cases for a GPU. They have never run: no GPU was at hand when they were written."""
    return []
