"""The cases as data: what is measured, and who takes part. A new case is a function here, or an entry of `cases`."""

import sys
from collections.abc import Mapping
from pathlib import Path

from harness import Case
from processes import Contender
from variants import PYTORCH, SMALL, SMALL_BATCH, SMALL_IMAGES, WHOLE_IMAGES, Variant

HERE = Path(__file__).parent
KINDS = {  # tables, in order
    "training": "Training steps, ms",
    "observation": "Steps with the numbers that they report, and without, ms",
    "floor": "Training steps beside their direct matrix products (no convolution trick, no other work), ms",
    "loop": "Steps of `gan train`, with all it does beside them, and the bare compiled steps, ms",
    "sampling": "Sampling to uint8 arrays on the host, s",
    "scoring": "Features and FID, s",
    "data": "Data pipeline from a folder of PNGs, s",
    "compile": "The first call in a process that has imported everything, s",
    "start": "From the command to its end or to the numbers of the first call, s",
    "gpu": "Training steps on the GPU; the floor is the step's products at the card's measured matmul rate, ms",
}
MS = 1e3


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
    variants: Mapping[str, Variant],
    steps: int,
    quick: int,
    bf16: bool = False,
) -> Case:
    """Steps of a recipe beside the same game in PyTorch; both numbers of steps are whole calls of ours."""
    half = settings(train__precision="bfloat16") if bf16 else ()
    peers = [
        peer(torch, "torch_training.py", name, *game, *v.options, *(["--bf16"] if bf16 else []), env=v.env)
        for name, v in variants.items()
    ]
    contenders = (ours("ours_training.py", "--recipe", *recipe, *half), *peers)
    precision = "bfloat16" if bf16 else "float32"
    return Case(name, "training", what, "step", contenders, steps, quick, precision, MS)


WIDTHS = settings(networks__generator__width=64, networks__discriminator__width=64)


def dcgan(torch: str, size: int, channels: int, batch: int = 64, bf16: bool = False, steps: int = 10) -> Case:
    shape = f"{size}x{size}x{channels}"
    recipe = ("dcgan_mnist", "--noise", shape, *WIDTHS, *settings(train__batch=batch))
    game = ("--game", "dcgan", "--size", str(size), "--channels", str(channels), "--batch", str(batch))
    what = f"DCGAN {shape}, batch {batch}, width 64: an update of each player"
    name = f"dcgan-{size}{f'-batch-{batch}' if batch > 64 else ''}{'-bf16' if bf16 else ''}"
    return training(torch, name, what, recipe, game, PYTORCH, steps, 10, bf16)


DIGITS = (  # of recipes/dcgan_digits.toml and those like it
    *("--size", "16", "--latent", "64", "--d-width", "32", "--rate", "4e-4"),
    *("--norm", "spectral"),
)


def digits(torch: str) -> Case:
    what = "The demo, dcgan_digits: 16x16x1, batch 64, spectral norm: an update of each player"
    return training(torch, "digits-16", what, ("dcgan_digits",), DIGITS, SMALL_IMAGES, 50, 10)


def conditional(torch: str) -> Case:
    what = "Projection discriminator and conditional batch norm, 16x16x1, batch 64: an update of each player"
    recipe, game = ("conditional/projection_digits",), ("--game", "projection", *DIGITS)
    return training(torch, "projection-16", what, recipe, game, SMALL_IMAGES, 50, 10)


def mlp(torch: str, batch: int) -> Case:
    what = f"GAN of two MLPs on a 2-D ring, batch {batch}: an update of each player"
    recipe = ("ring", *settings(train__batch=batch))
    game = ("--game", "mlp", "--batch", str(batch), "--rate", "1e-3")
    return training(torch, f"mlp-{batch}", what, recipe, game, SMALL, 1000, 200)


def wgan_gp(torch: str) -> Case:
    what = "WGAN-GP 32x32x1, batch 64, width 64: an update of the critic, and in every fifth step one of G"
    recipe = ("losses/wgan_gp_mnist", "--noise", "32x32x1", *WIDTHS)
    rates = ("--rate", "1e-4", "--beta1", "0", "--beta2", "0.9")
    game = ("--game", "wgan-gp", "--critic-steps", "5", "--latent", "128", *rates)
    return training(torch, "wgan-gp-32", what, recipe, game, {**PYTORCH, **WHOLE_IMAGES}, 20, 10)


def unrolled(torch: str) -> Case:
    what = "Unrolled GAN of two MLPs on a 2-D ring, k = 5 through Adam, batch 512: an update of each player"
    smooth = {"optimisers__discriminator__eps_root": 1e-12}  # the look-ahead differentiates through Adam's root
    recipe = ("ring", *settings(game__play="unrolled", game__unroll=5, train__batch=512, **smooth))
    game = ("--game", "unrolled", "--unroll", "5", "--batch", "512", "--rate", "1e-3")
    return training(torch, "unrolled-512", what, recipe, game, SMALL, 200, 100)


def observation(name: str, recipe: tuple[str, ...], steps: int, quick: int) -> Case:
    """What it costs that a step reports numbers: the other side drops them, and XLA what only they need."""
    mine = ours("ours_training.py", "--recipe", *recipe)
    blind = Contender("the same, reporting nothing", (*mine.command, "--unobserved"), role="floor")
    what = f"{recipe[0]}: losses, norms, dead gradients and whether all is finite"
    return Case(f"observed-{name}", "observation", what, "step", (mine, blind), steps, quick, "float32", MS)


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
    return Case(name, "floor", what, "step", contenders, 20, 10, precision, MS)


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
        peer(torch, "torch_sampling.py", name, *v.options, *(["--bf16"] if bf16 else []), env=v.env)
        for name, v in {**PYTORCH, **SMALL_BATCH}.items()
    ]
    contenders = (ours("ours_sampling.py", *recipe), *peers)
    what = "10,000 images 32x32x1 of the DCGAN generator of width 64 (1,000 with --quick)"
    precision, name = ("bfloat16", "sample-32-bf16") if bf16 else ("float32", "sample-32")
    return Case(name, "sampling", what, "images", contenders, 10_000, 1000, precision, divide=False)


def scoring(torch: str) -> Case:
    weights = ("--weights", str(HERE.parents[1] / "gan_cli/features/digits.npz"))
    peers = [peer(torch, "torch_scoring.py", name, *weights, *v.options, env=v.env) for name, v in PYTORCH.items()]
    what = "FID of 10,000 images 32x32x1 with the digits features (1,000 with --quick)"
    return Case(
        "fid", "scoring", what, "images", (ours("ours_scoring.py"), *peers), 10_000, 1000, "float32", divide=False
    )


def loading(torch: str, number: int, quick: int) -> list[Case]:
    """An epoch, and opening the folder: ours looks into every file, to know shapes and a fingerprint beforehand."""
    place = ("--folder", "{scratch}")
    fill = (sys.executable, str(HERE / "make_pngs.py"), "{scratch}", "--n", "{n}")
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


def cases(torch: str) -> list[Case]:
    """All cases for a CPU, with `torch` the interpreter that has PyTorch; starts.py has those of starts."""
    images = [(size, channels, bf16) for size, channels in ((32, 1), (64, 3)) for bf16 in (False, True)]
    return [
        *(dcgan(torch, 32, 1, bf16=bf16, steps=20) for bf16 in (False, True)),
        *(dcgan(torch, 64, 3, bf16=bf16) for bf16 in (False, True)),
        dcgan(torch, 32, 1, batch=256),
        dcgan(torch, 128, 3, batch=16),
        digits(torch),
        conditional(torch),
        wgan_gp(torch),
        *(mlp(torch, batch) for batch in (256, 512)),
        unrolled(torch),
        *(floor(*image) for image in images),
        observation("mlp", ("ring",), 1000, 200),
        observation("digits", ("dcgan_digits",), 50, 10),
        observation("dcgan", ("dcgan_mnist", "--noise", "32x32x1"), 50, 10),
        loop("dcgan", ("dcgan_mnist", "--noise", "32x32x1"), 500, 100),
        loop("mlp", ("ring",), 5000, 1000),
        *(sampling(torch, bf16) for bf16 in (False, True)),
        scoring(torch),
        *loading(torch, 20_000, 1000),
    ]
