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
    "loop": "Steps of `gan train`, with all it does beside them, and the bare compiled steps, ms",
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
SMALL_BATCH = {"PyTorch compile, channels_last, batch 64": ("--variant", "compile,channels_last", "--batch", "64")}
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


def wgan_gp(torch: str) -> Case:
    what = "WGAN-GP 32x32x1, batch 64, width 64: an update of the critic, and in every fifth step one of G"
    recipe = ("losses/wgan_gp_mnist", "--noise", "32x32x1", *WIDTHS)
    rates = ("--rate", "1e-4", "--beta1", "0", "--beta2", "0.9")
    game = ("--game", "wgan-gp", "--latent", "128", *rates)
    return training(torch, "wgan-gp-32", what, recipe, game, PYTORCH, 20, 5)


def unrolled(torch: str) -> Case:
    what = "Unrolled GAN of two MLPs on a 2-D ring, k = 5 through Adam, batch 512: an update of each player"
    smooth = {"optimisers__discriminator__eps_root": 1e-12}  # the look-ahead differentiates through Adam's root
    recipe = ("ring", *settings(game__play="unrolled", game__unroll=5, train__batch=512, **smooth))
    game = ("--game", "unrolled", "--unroll", "5", "--batch", "512", "--rate", "1e-3")
    return training(torch, "unrolled-512", what, recipe, game, SMALL, 200, 50)


def floor(size: int, channels: int, bf16: bool) -> Case:
    """Our step beside its products."""
    shape, precision = f"{size}x{size}x{channels}", "bfloat16" if bf16 else "float32"
    half = settings(train__precision="bfloat16") if bf16 else ()
    game = ("--size", str(size), "--channels", str(channels), "--precision", precision)
    contenders = (
        ours("ours_training.py", "--recipe", "dcgan_mnist", "--noise", shape, *WIDTHS, *half),
        Contender("matrix products", ours("ours_floor.py", *game).command, role="floor"),
    )
    name = f"floor-{size}{'-bf16' if bf16 else ''}"
    what = f"DCGAN {shape}, batch 64, width 64, beside its direct matrix products"
    return Case(name, "floor", what, "step", contenders, 20, 5, precision, MS)


def loop(name: str, recipe: tuple[str, ...], steps: int, quick: int) -> Case:
    """What logging, the progress bar, samples and checkpoints add to the compiled steps."""
    contenders = (
        ours("ours_loop.py", "--recipe", *recipe, name="gan train", env={"FORCE_COLOR": "1"}),
        Contender("compiled steps", ours("ours_training.py", "--recipe", *recipe).command, role="floor"),
    )
    what = f"{recipe[0]}: a log line every 100 steps, samples and a checkpoint every {steps:,}"
    return Case(f"loop-{name}", "loop", what, "step", contenders, steps, quick, "float32", MS)


def sampling(torch: str, bf16: bool) -> Case:
    half = settings(train__precision="bfloat16") if bf16 else ()
    recipe = ("--recipe", "dcgan_mnist", "--noise", "32x32x1", *WIDTHS, *half)
    peers = [
        peer(torch, "torch_sampling.py", name, *options, *(["--bf16"] if bf16 else []))
        for name, options in {**PYTORCH, **SMALL_BATCH}.items()
    ]
    contenders = (ours("ours_sampling.py", *recipe), *peers)
    what = "10,000 images 32x32x1 of the DCGAN generator of width 64 (1,000 with --quick)"
    precision, name = ("bfloat16", "sample-32-bf16") if bf16 else ("float32", "sample-32")
    return Case(name, "sampling", what, "images", contenders, 10_000, 1000, precision, divide=False)


def scoring(torch: str) -> Case:
    weights = ("--weights", str(HERE.parents[1] / "gan_cli/features/digits.npz"))
    peers = [peer(torch, "torch_scoring.py", name, *weights, *options) for name, options in PYTORCH.items()]
    what = "FID of 10,000 images 32x32x1 with the digits features (1,000 with --quick)"
    return Case(
        "fid", "scoring", what, "images", (ours("ours_scoring.py"), *peers), 10_000, 1000, "float32", divide=False
    )


def loading(torch: str, number: int, quick: int) -> list[Case]:
    """An epoch, and opening the folder: ours looks into every file, to know shapes and a fingerprint beforehand."""
    place = ("--folder", "{scratch}")
    fill = (sys.executable, str(HERE / "make_pngs.py"), "{scratch}", "--n")
    epoch = (
        ours("ours_loading.py", *place, "--what", "streamed", name="gan, streamed"),
        ours("ours_loading.py", *place, "--what", "resident", name="gan, kept in memory: the first epoch"),
        peer(torch, "torch_loading.py", "PyTorch DataLoader, 2 workers", *place),
        peer(torch, "torch_loading.py", "PyTorch DataLoader, no workers", *place, "--workers", "0"),
    )
    opening = (
        ours("ours_loading.py", *place, "--what", "open"),
        peer(torch, "torch_loading.py", "PyTorch ImageFolder", *place, "--what", "open"),
    )
    what = f"{number:,} PNGs 64x64x3 ({quick:,} with --quick)"
    return [
        Case(
            "folder-epoch", "data", f"An epoch of {what} in batches of 64", "epoch", epoch, fill=(fill, number, quick)
        ),
        Case("folder-open", "data", f"Opening a folder of {what}", "opening", opening, fill=(fill, number, quick)),
    ]


CACHE = {"cold": "nothing cached", "warm": "compiled programs cached"}


def compiling(torch: str, cache: str) -> Case:
    recipe = ("--recipe", "dcgan_mnist", "--noise", "32x32x1", *WIDTHS, "--warm-up", "0")
    options = ("--variant", "compile,channels_last", "--warm-up", "0")
    how = {"clock": "first_call", "cache": cache}
    contenders = (
        ours("ours_training.py", *recipe, **how),
        peer(torch, "torch_training.py", "PyTorch compile, channels_last", *options, **how),
    )
    return Case(f"compile-{cache}", "compile", f"DCGAN 32x32x1: the first step, {CACHE[cache]}", "call", contenders)


def helping(torch: str) -> Case:
    python = sys.executable
    contenders = (
        Contender("gan --help", (python, "-m", "gan_cli", "--help"), role="ours", clock="exit"),
        Contender("python", (python, "-c", "pass"), role="floor", clock="exit"),
        Contender("python, import torch", (torch, "-c", "import torch"), clock="exit"),
    )
    return Case("help", "start", "gan --help", "process", contenders)


def starting(torch: str, cache: str) -> Case:
    """`gan train` until its log has the first step; PyTorch until the same step has been done."""
    same = settings(data__size=32, networks__discriminator__norm="batch", game__latent=100)
    train = (sys.executable, "-m", "gan_cli", "train", "dcgan_digits", "--out", "{new}/run", *WIDTHS, *same)
    once = settings(train__steps=1, run__log_every=1)
    bare = settings(run__sample_every=0, eval__every=0)
    timed = {"role": "ours", "clock": "file", "mark": "{new}/run/log.jsonl", "cache": cache}
    script = (torch, str(HERE / "torch_training.py"), "--warm-up", "0", "--variant")
    contenders = (
        Contender("gan train", (*train, *once, *bare), **timed),
        Contender("gan train with samples and FID before it", (*train, *once), **timed),
        Contender("PyTorch eager", (*script, "eager"), clock="ready"),
        Contender("PyTorch compile, channels_last", (*script, "compile,channels_last"), clock="ready", cache=cache),
    )
    what = f"From the command to the first step of DCGAN 32x32x1, {CACHE[cache]}"
    return Case(f"first-step-{cache}", "start", what, "start", contenders)


def cases(torch: str) -> list[Case]:
    """All cases for a CPU, with `torch` the interpreter that has PyTorch."""
    images = [(size, channels, bf16) for size, channels in ((32, 1), (64, 3)) for bf16 in (False, True)]
    return [
        *(dcgan(torch, *image) for image in images),
        wgan_gp(torch),
        *(mlp(torch, batch) for batch in (256, 512)),
        unrolled(torch),
        *(floor(*image) for image in images),
        loop("dcgan", ("dcgan_mnist", "--noise", "32x32x1"), 500, 100),
        loop("mlp", ("ring",), 5000, 1000),
        *(sampling(torch, bf16) for bf16 in (False, True)),
        scoring(torch),
        *loading(torch, 20_000, 1000),
        *(compiling(torch, cache) for cache in CACHE),
        helping(torch),
        *(starting(torch, cache) for cache in CACHE),
    ]
