"""The cases of starts, with nothing cached and with compiled programs cached beside each other."""

import sys

from cases import DIGITS, HERE, WIDTHS, ours, peer, settings
from harness import Case
from processes import Contender
from variants import IN_PARTS

CACHES = {"cold": "nothing cached", "warm": "cached"}
PYTHON = sys.executable
COMPILED = next(iter(IN_PARTS.values())).options


def in_both(contender: Contender) -> list[Contender]:
    """The contender with nothing cached, and with what an untimed run before it has left."""
    return [contender._replace(name=f"{contender.name}, {said}", cache=cache) for cache, said in CACHES.items()]


def gan(name: str, *command: str, **how: object) -> list[Contender]:
    """A command of ours, cold and warm, until it ends or until what `how` says."""
    return in_both(Contender(name, (PYTHON, "-m", "gan_cli", *command), **{"role": "ours", "clock": "exit", **how}))


def first_numbers(
    torch: str, recipe: str, per_call: int, game: tuple[str, ...], whole: str, data: tuple[str, ...] = ()
) -> Case:
    """`gan train` until its log has the first call's numbers; PyTorch until it has done as many steps."""
    once = settings(train__steps=per_call, run__log_every=per_call)
    train = gan(
        "gan train",
        *("train", recipe, "--out", "{new}/run", *once, *data),
        clock="file",
        mark="{new}/run/log.jsonl",
    )
    script = ("torch_training.py", "PyTorch eager", *game, "--warm-up", "0", "--call", str(per_call))
    compiled = peer(torch, script[0], "PyTorch compiled", *script[2:], "--variant", whole, clock="ready")
    contenders = (*train, peer(torch, *script, clock="ready"), *in_both(compiled))
    fill = ((PYTHON, str(HERE / "put_mnist.py"), "{scratch}"), 1, 1) if data else None
    what = f"gan train {recipe}, with its samples and metric before the first step; PyTorch: {per_call} steps, no more"
    return Case(f"start-{recipe.removeprefix('dcgan_')}", "start", what, "start", contenders, fill=fill)


def of_a_run(torch: str) -> list[Case]:
    """`gan sample` and `gan eval` of a trained run; PyTorch with fresh weights, which it need not read."""
    train = (PYTHON, "-m", "gan_cli", "train", "dcgan_digits", "--out", "{scratch}/run", "--set=train.steps={n}")
    fill = ((*train, "--set=eval.every=0", "--set=run.sample_every=0"), 10, 10)
    weights = ("--weights", str(HERE.parents[1] / "gan_cli/features/digits.npz"))
    score = ("eval", "--ckpt", "{scratch}/run", "--metric", "fid", "--n", "2000")
    commands = {
        "sample": (("sample", "--ckpt", "{scratch}/run", "--out", "{new}/grid.png"), ("--grid", "{new}/grid.png")),
        "eval": (score, ("--fid", "2000", *weights)),
    }
    return [
        Case(
            f"start-{name}",
            "start",
            f"gan {' '.join(mine)}; PyTorch with fresh weights",
            "process",
            (*gan(f"gan {name}", *mine), peer(torch, "torch_start.py", "PyTorch eager", *theirs, clock="exit")),
            fill=fill,
        )
        for name, (mine, theirs) in commands.items()
    ]


def compiling(torch: str) -> Case:
    """The first call alone."""
    recipe = ("--recipe", "dcgan_mnist", "--noise", "32x32x1", *WIDTHS, "--warm-up", "0")
    mine = ours("ours_training.py", *recipe, clock="first_call")
    theirs = peer(torch, "torch_training.py", "PyTorch compiled", *COMPILED, "--warm-up", "0", clock="first_call")
    what = "DCGAN 32x32x1, width 64: the first call of ten steps"
    return Case("compile-32", "compile", what, "call", (*in_both(mine), *in_both(theirs)))


def helping(torch: str) -> Case:
    contenders = (
        Contender("gan --help", (PYTHON, "-m", "gan_cli", "--help"), role="ours", clock="exit"),
        Contender("python", (PYTHON, "-c", "pass"), role="floor", clock="exit"),
        Contender("python, import torch", (torch, "-c", "import torch"), clock="exit"),
    )
    return Case("help", "start", "gan --help", "process", contenders)


def start_cases(torch: str) -> list[Case]:
    """All of them, with `torch` the interpreter that has PyTorch."""
    mnist = ("--game", "dcgan", "--size", "32", "--width", "32")
    ring = ("--game", "mlp", "--batch", "256", "--rate", "1e-3")
    return [
        compiling(torch),
        helping(torch),
        first_numbers(torch, "dcgan_digits", 10, DIGITS, "compile,channels_last"),
        first_numbers(torch, "dcgan_mnist", 10, mnist, "compile,channels_last", ("--data-dir", "{scratch}")),
        first_numbers(torch, "ring", 100, ring, "whole"),
        *of_a_run(torch),
    ]
