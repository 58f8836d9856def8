"""The PyTorch peer of training steps, as its best users write it. Speaks the protocol of worker.py.

Same networks, optimiser, batch, number of updates of each player and moving average as ours.
"""

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch_games import HINGE, NON_SATURATING, Peer, Step, standard, unrolled, wasserstein
from torch_networks import ConditionalGenerator, ProjectionDiscriminator, discriminator, generator, mlp
from worker import serve

MIB = 2**20
CLASSES = 10


def ring(n: int = 100_000) -> Tensor:
    """Eight Gaussians on a circle: [n, 2]."""
    angle = torch.randint(0, 8, (n,)) * (2 * math.pi / 8)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.01 * torch.randn(n, 2)


def players(a: argparse.Namespace) -> Peer:
    """The networks and data of a game."""
    if a.game in ("mlp", "unrolled"):
        return Peer(a, mlp(2, [128, 128], 2), mlp(2, [128, 128], 0), (ring(),), (2,))
    images = torch.randint(0, 256, (10_000, a.channels, a.size, a.size), dtype=torch.uint8)
    latent, d_width = (a.latent, 1, 1), a.d_width or a.width
    if a.game == "projection":
        G = ConditionalGenerator(a.size, a.channels, a.latent, a.width, CLASSES)
        D = ProjectionDiscriminator(a.size, a.channels, d_width, CLASSES)
        return Peer(a, G, D, (images, torch.randint(0, CLASSES, (len(images),))), latent)
    D = discriminator(a.size, a.channels, d_width, "none" if a.game == "wgan-gp" else a.norm)
    return Peer(a, generator(a.size, a.channels, a.latent, a.width), D, (images,), latent)


def game(a: argparse.Namespace, peer: Peer) -> Step:
    """One step of the game that was asked for."""
    if a.game == "wgan-gp":
        return wasserstein(peer, a.penalty)
    if a.game == "unrolled":
        return unrolled(peer, a.unroll)
    return standard(peer, HINGE if a.game == "projection" else NON_SATURATING)


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--game", choices=["dcgan", "projection", "wgan-gp", "mlp", "unrolled"], default="dcgan")
    parser.add_argument("--size", type=int, default=32, help="pixels of a side")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--d-width", type=int, default=0, help="of the discriminator; 0: the same")
    parser.add_argument("--norm", choices=["batch", "spectral", "none"], default="batch", help="of DCGAN's D")
    parser.add_argument("--latent", type=int, default=100)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--beta1", type=float, default=0.5)
    parser.add_argument("--beta2", type=float, default=0.999)
    parser.add_argument("--penalty", type=float, default=10.0)
    parser.add_argument("--critic-steps", type=int, default=1, help="G moves in each step of that number")
    parser.add_argument("--unroll", type=int, default=5, help="updates of D that G looks ahead")
    parser.add_argument(
        "--variant", default="eager", help="of: compile (parts) or whole (a step), channels_last, graphs"
    )
    parser.add_argument("--apart", action="store_true", help="D never sees real and fake in one call")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    parser.add_argument("--call", type=int, default=10, help="steps of the first call: those of a call of ours")
    parser.add_argument("--warm-up", type=int, default=10, help="steps after the first call, before it is ready")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    return parser


def prepare(a: argparse.Namespace) -> Callable[[int], list[float]]:
    """What does n steps and waits for them; returns the losses of the last one."""
    torch.manual_seed(0)
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    step = game(a, players(a))
    done = 0

    def work(steps: int) -> list[float]:
        nonlocal done
        losses: tuple[Tensor, ...] = ()
        for _ in range(steps):
            done += 1
            if "graphs" in a.variant:
                torch.compiler.cudagraph_mark_step_begin()
            losses = step(done % a.critic_steps == 0)
        return [float(loss) for loss in losses]  # waits for them

    return work


def main() -> None:
    a = options().parse_args()
    work = prepare(a)
    began = time.perf_counter()
    work(a.call)
    first_call = time.perf_counter() - began
    work(a.warm_up)
    gpu = {"gpu_memory": torch.cuda.max_memory_allocated() / MIB} if a.device == "cuda" else {}
    serve(work, first_call=first_call, backend=a.device, **gpu)


if __name__ == "__main__":
    main()
