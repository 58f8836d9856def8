"""The cases for a GPU, and whether they can run here.

They have never run: no GPU was at hand when they were written.
"""

import subprocess
import sys
from pathlib import Path

from cases import MS, WIDTHS, ours, peer, settings
from harness import Case
from processes import Contender

ASK_JAX = "import jax; print(jax.default_backend() == 'gpu')"
ASK_TORCH = "import torch; print(torch.cuda.is_available())"

VARIANTS = {
    "eager, channels_last": "channels_last",
    "compile, channels_last": "compile,channels_last",
    "compile, channels_last, CUDA graphs": "compile,channels_last,graphs",
    "whole step compiled, channels_last, CUDA graphs": "whole,channels_last,graphs",
}


def why_not(torch: str, devices: Path = Path("/dev")) -> str:
    """Why the GPU cases cannot run, in words; empty when both sides see a GPU."""
    if not any(devices.glob("nvidia[0-9]*")):
        return "this machine has no NVIDIA GPU"
    for python, ask, who in ((sys.executable, ASK_JAX, "JAX"), (torch, ASK_TORCH, "PyTorch")):
        answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False).stdout
        if answer.strip() != "True":
            return f"{who} ({python}) does not see the GPU: install its CUDA build there"
    return ""


def gpu_cases(torch: str) -> list[Case]:
    """All cases for a GPU, with `torch` the interpreter that has PyTorch."""
    return [gpu_dcgan(torch, size, batch, bf16) for size in (64, 128) for batch in (128, 512) for bf16 in (False, True)]


def gpu_dcgan(torch: str, size: int, batch: int, bf16: bool) -> Case:
    """float32 is TF32 on both sides: XLA's default precision on such cards, and allowed in PyTorch."""
    precision = "bfloat16" if bf16 else "float32"
    shape = f"{size}x{size}x3"
    recipe = ("--recipe", "dcgan_mnist", "--noise", shape, *WIDTHS)
    chosen = settings(train__batch=batch, train__precision=precision)
    game = ("--size", str(size), "--channels", "3", "--batch", str(batch))
    shared = {"env": {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}}  # the card's memory is for all contenders
    half = ("--bf16",) if bf16 else ()
    peers = [
        peer(torch, "torch_training.py", f"PyTorch {name}", *game, *half, "--device", "cuda", "--variant", words)
        for name, words in VARIANTS.items()
    ]
    ceiling = ours("ours_floor.py", *game, "--precision", precision, "--ceiling").command
    contenders = (
        ours("ours_training.py", *recipe, *chosen, **shared),
        *peers,
        Contender("one large product of as many operations", ceiling, role="floor", **shared),
    )
    name = f"gpu-dcgan-{size}-{batch}{'-bf16' if bf16 else ''}"
    what = f"DCGAN {shape}, batch {batch}, width 64: an update of each player"
    return Case(name, "gpu", what, "step", contenders, 200, 50, precision, MS)
