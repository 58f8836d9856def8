"""One training step of each game in PyTorch, as its best users write it."""

import argparse
import contextlib
from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

Step = Callable[[], None]
Compiled = Callable[[Any], Any]  # torch.compile, or what leaves things as they are


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


def standard(peer: Peer, compiled: Compiled) -> Step:
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


def wasserstein(peer: Peer, compiled: Compiled, penalty: float, critic_steps: int) -> Step:
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


def unrolled(peer: Peer, compiled: Compiled, k: int) -> Step:
    """A step of the unrolled GAN: D moves as usual; G moves against D after k more of its updates, through them."""
    beta1, beta2 = peer.d_optim.param_groups[0]["betas"]
    rate = peer.d_optim.param_groups[0]["lr"]
    names = [name for name, _ in peer.D.named_parameters()]

    def d_loss(weights: list[Tensor], real: Tensor, fake: Tensor) -> Tensor:
        D = dict(zip(names, weights, strict=True))
        real_score, fake_score = functional_call(peer.D, D, (real,)), functional_call(peer.D, D, (fake,))
        return softplus(-real_score).mean() + softplus(fake_score).mean()

    def ahead(real: Tensor, fake: Tensor) -> Tensor:
        """Minus D's loss after k updates by Adam, from where its moments stand; differentiable."""
        weights = list(peer.D.parameters())
        states = [peer.d_optim.state[p] for p in weights]
        means, squares = [s["exp_avg"] for s in states], [s["exp_avg_sq"] for s in states]
        steps = states[0]["step"]
        for i in range(1, k + 1):
            slopes = torch.autograd.grad(d_loss(weights, real, fake), weights, create_graph=True)
            means = torch._foreach_lerp(means, slopes, 1 - beta1)
            squares = torch._foreach_lerp(squares, torch._foreach_mul(slopes, slopes), 1 - beta2)
            size = rate / (1 - beta1 ** (steps + i))
            scaled = torch._foreach_div(squares, 1 - beta2 ** (steps + i))
            roots = torch._foreach_sqrt(torch._foreach_add(scaled, 1e-12))  # the root of 0 has no slope
            moves = torch._foreach_div(means, torch._foreach_add(roots, 1e-8))
            weights = torch._foreach_sub(weights, torch._foreach_mul(moves, size))
        return -d_loss(weights, real, fake)

    run_g = compiled(peer.G)  # torch.compile has no second derivatives: the rest stays eager

    def step() -> None:
        real, fake = peer.real(), run_g(peer.latents())
        peer.move(peer.d_optim, d_loss(list(peer.D.parameters()), real, fake.detach()))
        loss = ahead(real, fake)
        gradients = torch.autograd.grad(loss, list(peer.G.parameters()))
        for parameter, gradient in zip(peer.G.parameters(), gradients, strict=True):
            parameter.grad = gradient
        peer.g_optim.step()
        peer.blend()

    return step
