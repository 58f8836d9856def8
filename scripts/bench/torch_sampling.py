"""The PyTorch peer of sampling: N images of DCGAN's generator in evaluation mode as uint8 arrays on the host."""

import argparse
import contextlib

import numpy as np
import torch
from torch_networks import generator
from worker import serve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--latent", type=int, default=100)
    parser.add_argument("--batch", type=int, default=500, help="images drawn at once")
    parser.add_argument("--variant", default="eager", help="eager or compile, and channels_last")
    parser.add_argument("--bf16", action="store_true")
    a = parser.parse_args()

    torch.manual_seed(0)
    layout = torch.channels_last if "channels_last" in a.variant else torch.contiguous_format
    G = generator(a.size, a.channels, a.latent, a.width).to(memory_format=layout).eval()
    if "compile" in a.variant:
        import torch._inductor.config as inductor

        inductor.freezing = True  # weights are constants: batch norm is folded into them
        G = torch.compile(G)
    cast = torch.autocast("cpu", torch.bfloat16) if a.bf16 else contextlib.nullcontext()

    @torch.inference_mode() if "compile" not in a.variant else torch.no_grad()  # freezing wants no_grad
    def work(n: int) -> None:
        images = np.empty((n, a.size, a.size, a.channels), np.uint8)
        for start in range(0, n, a.batch):
            with cast:
                made = G(torch.randn(a.batch, a.latent, 1, 1))
            levels = made.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
            images[start : start + a.batch] = levels.permute(0, 2, 3, 1)[: n - start].numpy()

    work(a.batch)
    serve(work, backend="cpu")


if __name__ == "__main__":
    main()
