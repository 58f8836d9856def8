"""The PyTorch peer of training steps, as its best users write it. Speaks the protocol of worker.py.

Same networks, optimiser, batch, number of updates of each player and moving average as ours.
"""

import argparse
import math
import time

import torch
from torch import Tensor
from torch_games import Peer, Step, standard, unrolled, wasserstein
from torch_networks import discriminator, generator, mlp
from worker import serve

MIB = 2**20


def ring(n: int = 100_000) -> Tensor:
    """Eight Gaussians on a circle: [n, 2]."""
    angle = torch.randint(0, 8, (n,)) * (2 * math.pi / 8)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.01 * torch.randn(n, 2)


def players(a: argparse.Namespace) -> Peer:
    """The networks and data of a game."""
    if a.game in ("mlp", "unrolled"):
        return Peer(a, mlp(2, [128, 128], 2), mlp(2, [128, 128], 0), ring(), (2,))
    images = torch.randint(0, 256, (10_000, a.channels, a.size, a.size), dtype=torch.uint8)
    D = discriminator(a.size, a.channels, a.width, norm=a.game == "dcgan")
    return Peer(a, generator(a.size, a.channels, a.latent, a.width), D, images, (a.latent, 1, 1))


def game(a: argparse.Namespace, peer: Peer) -> Step:
    """One step of the game that was asked for."""
    compiled = torch.compile if "compile" in a.variant else lambda x: x
    if a.game == "wgan-gp":
        return wasserstein(peer, compiled, a.penalty, a.critic_steps)
    if a.game == "unrolled":
        return unrolled(peer, compiled, a.unroll)
    return standard(peer, compiled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--game", choices=["dcgan", "wgan-gp", "mlp", "unrolled"], default="dcgan")
    parser.add_argument("--size", type=int, default=32, help="pixels of a side")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--latent", type=int, default=100)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--beta1", type=float, default=0.5)
    parser.add_argument("--beta2", type=float, default=0.999)
    parser.add_argument("--penalty", type=float, default=10.0)
    parser.add_argument("--critic-steps", type=int, default=5)
    parser.add_argument("--unroll", type=int, default=5, help="updates of D that G looks ahead")
    parser.add_argument("--variant", default="eager", help="eager or compile, and channels_last")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    parser.add_argument("--warm-up", type=int, default=10, help="steps after the first, before it is ready")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    a = parser.parse_args()

    torch.manual_seed(0)
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    step = game(a, players(a))
    wait = torch.cuda.synchronize if a.device == "cuda" else lambda: None

    def work(steps: int) -> None:
        for _ in range(steps):
            step()
        wait()

    began = time.perf_counter()
    work(1)
    first_call = time.perf_counter() - began
    work(a.warm_up)
    gpu = {"gpu_memory": torch.cuda.max_memory_allocated() / MIB} if a.device == "cuda" else {}
    serve(work, first_call=first_call, backend=a.device, **gpu)


if __name__ == "__main__":
    main()
