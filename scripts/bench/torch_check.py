"""Whether all variants of a PyTorch peer compute the same: losses of some steps from the same seed, beside plain eager.

    .venv-bench/bin/python scripts/bench/torch_check.py [GAME...]

Plain: two calls of D, and no compiler. For spectral norm one call of D is what is checked against: two calls iterate
twice on its singular vectors.
"""

import sys

import torch
from torch_training import options, prepare

SMALL = ["--width", "8", "--batch", "8", "--latent", "8"]
GAMES = {  # options, variants
    "dcgan": (["--game", "dcgan", *SMALL], ["channels_last", "compile,channels_last", "whole"]),
    "digits": (["--game", "dcgan", "--norm", "spectral", "--size", "16", *SMALL], ["compile,channels_last", "whole"]),
    "projection": (["--game", "projection", "--size", "16", *SMALL], ["compile,channels_last", "whole"]),
    "wgan-gp": (["--game", "wgan-gp", "--critic-steps", "2", *SMALL], ["eager", "compile,channels_last", "whole"]),
    "mlp": (["--game", "mlp", "--batch", "64"], ["eager", "compile", "whole", "whole,graphs"]),
    "unrolled": (["--game", "unrolled", "--batch", "64", "--unroll", "3"], ["eager", "whole"]),
}
SPECTRAL = ("digits", "projection")
STEPS = 6


def losses(arguments: list[str]) -> torch.Tensor:
    """The losses of each step: [steps, losses]; 0 for a player that did not move."""
    torch.compiler.reset()
    work = prepare(options().parse_args(arguments))
    return torch.tensor([[*work(1), 0.0][:2] for _ in range(STEPS)])


def main() -> None:
    torch._inductor.config.fallback_random = True  # compiled steps draw what others draw
    worst = 0.0
    for name in sys.argv[1:] or GAMES:
        arguments, variants = GAMES[name]
        plain = losses([*arguments, *([] if name in SPECTRAL else ["--apart"])])
        for variant in variants:
            off = (losses([*arguments, "--variant", variant]) - plain).abs().max().item()
            worst = max(worst, off)
            print(f"{name:12}{variant:24}losses to {plain.abs().max():.3g}, off by {off:.1e} at most", flush=True)
    sys.exit(worst > 1e-4)


if __name__ == "__main__":
    main()
