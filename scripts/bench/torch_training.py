"""The PyTorch peer of training steps, as its best users write it. Speaks the protocol of worker.py.

Same networks, optimiser, batch, number of updates of each player and moving average as ours.
"""

import argparse
import contextlib
import math
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch_networks import discriminator, generator, mlp
from worker import serve

MIB = 2**20


class Peer:
    """Two players with their optimisers, data on the device, and how this variant runs them."""

    def __init__(self, a: argparse.Namespace, G: nn.Module, D: nn.Module, data: Tensor, latent: tuple[int, ...]):
        self.device = torch.device(a.device)
        self.layout = torch.channels_last if "channels_last" in a.variant else torch.contiguous_format
        self.G, self.D = (m.to(self.device, memory_format=self.layout) for m in (G, D))
        self.g_optim, self.d_optim = (
            torch.optim.Adam(m.parameters(), a.rate, betas=(a.beta1, a.beta2), fused=True) for m in (self.G, self.D)
        )
        self.average = [p.detach().clone() for p in self.G.parameters()]
        self._data, self._batch, self._latent = data.to(self.device), a.batch, latent
        self._bf16 = a.bf16

    def real(self) -> Tensor:
        """A batch of data: images as floats in [-1, 1], points as they are."""
        chosen = self._data[torch.randint(0, len(self._data), (self._batch,), device=self.device)]
        if chosen.dtype != torch.uint8:
            return chosen
        return chosen.to(torch.float32).div_(127.5).sub_(1).to(memory_format=self.layout)

    def latents(self) -> Tensor:
        return torch.randn(self._batch, *self._latent, device=self.device)

    def cast(self) -> Any:
        """The precision of forward passes."""
        return torch.autocast(self.device.type, torch.bfloat16) if self._bf16 else contextlib.nullcontext()

    def move(self, optim: torch.optim.Optimizer, loss: Tensor) -> None:
        optim.zero_grad(set_to_none=True)
        loss.backward()
        optim.step()

    @torch.no_grad()
    def blend(self) -> None:
        """The moving average of G's weights."""
        torch._foreach_lerp_(self.average, [p.detach() for p in self.G.parameters()], 0.001)


def standard(peer: Peer, compiled: Callable[[Any], Any]) -> Callable[[], None]:
    """A step of the non-saturating game: one update of each player, G's forward pass shared by both."""

    def d_loss(real: Tensor, fake: Tensor) -> Tensor:
        real_score, fake_score = peer.D(real), peer.D(fake)
        return softplus(-real_score.float()).mean() + softplus(fake_score.float()).mean()

    def g_loss(fake: Tensor) -> Tensor:
        return softplus(-peer.D(fake).float()).mean()

    run_g, d_loss, g_loss = compiled(peer.G), compiled(d_loss), compiled(g_loss)

    def step() -> None:
        peer.D.requires_grad_(True)
        with peer.cast():
            fake = run_g(peer.latents())
            loss = d_loss(peer.real(), fake.detach())
        peer.move(peer.d_optim, loss)
        peer.D.requires_grad_(False)  # no gradients of its weights in G's turn
        with peer.cast():
            loss = g_loss(fake)
        peer.move(peer.g_optim, loss)
        peer.blend()

    return step


def wasserstein(peer: Peer, compiled: Callable[[Any], Any], penalty: float, critic_steps: int) -> Callable[[], None]:
    """A step of WGAN-GP: one update of the critic; G moves in every `critic_steps`-th."""

    def d_loss(real: Tensor, fake: Tensor) -> Tensor:
        mix = torch.rand(len(real), 1, 1, 1, device=real.device)
        between = torch.lerp(fake, real, mix).requires_grad_(True)
        slope = torch.autograd.grad(peer.D(between).sum(), between, create_graph=True)[0]
        norm = slope.flatten(1).norm(dim=1)
        return peer.D(fake).mean() - peer.D(real).mean() + penalty * (norm - 1).square().mean()

    def g_loss(fake: Tensor) -> Tensor:
        return -peer.D(fake).mean()

    run_g, g_loss = compiled(peer.G), compiled(g_loss)  # torch.compile has no second derivatives: d_loss stays eager
    steps = count(1)

    def step() -> None:
        moves = next(steps) % critic_steps == 0
        peer.D.requires_grad_(True)
        with torch.set_grad_enabled(moves):
            fake = run_g(peer.latents())
        peer.move(peer.d_optim, d_loss(peer.real(), fake.detach()))
        if moves:
            peer.D.requires_grad_(False)
            peer.move(peer.g_optim, g_loss(fake))
        peer.blend()

    return step


def ring(n: int = 100_000) -> Tensor:
    """Eight Gaussians on a circle: [n, 2]."""
    angle = torch.randint(0, 8, (n,)) * (2 * math.pi / 8)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.01 * torch.randn(n, 2)


def players(a: argparse.Namespace) -> Peer:
    """The networks and data of a game."""
    if a.game == "mlp":
        return Peer(a, mlp(2, [128, 128], 2), mlp(2, [128, 128], 0), ring(), (2,))
    images = torch.randint(0, 256, (10_000, a.channels, a.size, a.size), dtype=torch.uint8)
    D = discriminator(a.size, a.channels, a.width, norm=a.game == "dcgan")
    return Peer(a, generator(a.size, a.channels, a.latent, a.width), D, images, (a.latent, 1, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--game", choices=["dcgan", "wgan-gp", "mlp"], default="dcgan")
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
    parser.add_argument("--variant", default="eager", help="eager or compile, and channels_last")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    a = parser.parse_args()

    torch.manual_seed(0)
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    peer = players(a)
    compiled = torch.compile if "compile" in a.variant else lambda x: x
    step = wasserstein(peer, compiled, a.penalty, a.critic_steps) if a.game == "wgan-gp" else standard(peer, compiled)
    wait = torch.cuda.synchronize if a.device == "cuda" else lambda: None

    def work(steps: int) -> None:
        for _ in range(steps):
            step()
        wait()

    began = time.perf_counter()
    work(1)
    first_call = time.perf_counter() - began
    work(10)
    gpu = {"gpu_memory": torch.cuda.max_memory_allocated() / MIB} if a.device == "cuda" else {}
    serve(work, first_call=first_call, backend=a.device, **gpu)


if __name__ == "__main__":
    main()
