"""The PyTorch peer of the step benchmark: the same DCGAN, written as its best users write it.

It runs in an environment of its own: prints one line "ready", then answers each line "N" on stdin with the seconds that
N steps took.
"""

import argparse
import contextlib
import sys
import time
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import softplus


def generator(size: int, channels: int, latent: int, width: int) -> nn.Sequential:
    widths = pyramid(size, width)[::-1]
    blocks: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[0], 4, 1, 0, bias=False)]
    for inner, outer in zip(widths, [*widths[1:], channels], strict=True):
        blocks += [nn.BatchNorm2d(inner), nn.ReLU(inplace=True)]
        blocks += [nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=outer == channels)]
    return nn.Sequential(*blocks, nn.Tanh())


def discriminator(size: int, channels: int, width: int) -> nn.Sequential:
    widths = pyramid(size, width)
    blocks: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for inner, outer in pairwise(widths):
        blocks += [nn.Conv2d(inner, outer, 4, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 4, 1, 0), nn.Flatten(0))


def pyramid(size: int, width: int) -> list[int]:
    """Channels from half the image's side down to 4 pixels, as in gan_cli/nets/dcgan.py."""
    halvings = (size // 4).bit_length() - 1
    return [min(width << i, 512) for i in range(halvings)]


def initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--latent", type=int, default=100)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--variant", choices=["eager", "channels_last", "compile"], default="eager")
    parser.add_argument("--bf16", action="store_true")
    a = parser.parse_args()

    torch.manual_seed(0)
    layout = torch.contiguous_format if a.variant == "eager" else torch.channels_last
    G = generator(a.size, a.channels, a.latent, a.width).apply(initialise).to(memory_format=layout)
    D = discriminator(a.size, a.channels, a.width).apply(initialise).to(memory_format=layout)
    average = [p.detach().clone() for p in G.parameters()]
    g_optim, d_optim = (torch.optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999), foreach=True) for m in (G, D))
    run_g, run_d = (torch.compile(m) if a.variant == "compile" else m for m in (G, D))
    data = torch.randint(0, 256, (10_000, a.channels, a.size, a.size), dtype=torch.uint8)
    cast = (lambda: torch.autocast("cpu", torch.bfloat16)) if a.bf16 else contextlib.nullcontext

    def step() -> None:
        real = data[torch.randint(0, len(data), (a.batch,))].to(torch.float32).div_(127.5).sub_(1)
        real = real.to(memory_format=layout)
        with cast():
            fake = run_g(torch.randn(a.batch, a.latent, 1, 1))
            real_score, fake_score = run_d(real), run_d(fake.detach())
        d_loss = softplus(-real_score.float()).mean() + softplus(fake_score.float()).mean()
        d_optim.zero_grad(set_to_none=True)
        d_loss.backward()
        d_optim.step()
        with cast():
            fake_score = run_d(fake)
        g_loss = softplus(-fake_score.float()).mean()
        g_optim.zero_grad(set_to_none=True)
        g_loss.backward(inputs=list(G.parameters()))
        g_optim.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, [p.detach() for p in G.parameters()], 0.001)

    for _ in range(3):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
