"""One training step of each game in PyTorch, as its best users write it.

A step is run as it is written, or its players' losses are compiled one by one, or it is one compiled graph, with its
draws, both backward passes, both updates and the moving average.
"""

import argparse
import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

Step = Callable[[bool], tuple[Tensor, ...]]  # whether G moves -> the losses
Losses = tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]  # of scores: D's of real, fake; G's

NON_SATURATING: Losses = (
    lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
    lambda fake: softplus(-fake).mean(),
)
HINGE: Losses = (
    lambda real, fake: (1 - real).relu().mean() + (1 + fake).relu().mean(),
    lambda fake: -fake.mean(),
)


class FusedAdam:
    """PyTorch's fastest Adam outside a graph: one kernel for all weights."""

    def __init__(self, weights: list[Tensor], rate: float, betas: tuple[float, float]):
        self._weights, self._adam = weights, torch.optim.Adam(weights, rate, betas=betas, fused=True)

    def move(self, gradients: tuple[Tensor, ...]) -> None:
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = gradient
        self._adam.step()


class GraphAdam:
    """Adam as tensors only, so that it fits into a compiled graph, and a look-ahead can follow it."""

    def __init__(self, weights: list[Tensor], rate: float, betas: tuple[float, float]):
        self.weights, self.rate, (self.beta1, self.beta2) = weights, rate, betas
        self.means, self.squares = ([torch.zeros_like(w) for w in weights] for _ in range(2))
        self.steps = torch.zeros((), device=weights[0].device)

    def state(self) -> list[Tensor]:
        """All that it changes besides the weights."""
        return [*self.means, *self.squares, self.steps]

    @torch.no_grad()
    def move(self, gradients: tuple[Tensor, ...]) -> None:
        self.steps.add_(1)
        torch._foreach_lerp_(self.means, gradients, 1 - self.beta1)
        torch._foreach_mul_(self.squares, self.beta2)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 1 - self.beta2)
        roots = torch._foreach_sqrt(torch._foreach_div(self.squares, 1 - self.beta2**self.steps))
        moves = torch._foreach_div(self.means, torch._foreach_add(roots, 1e-8))
        torch._foreach_sub_(self.weights, torch._foreach_mul(moves, self.rate / (1 - self.beta1**self.steps)))


class Peer:
    """Two players with their optimisers, data on the device, and how this variant runs them."""

    def __init__(self, a: argparse.Namespace, G: nn.Module, D: nn.Module, data: tuple[Tensor, ...], latent: Any):
        words = set(a.variant.split(","))
        self.whole, self.in_parts, self._graphs = (word in words for word in ("whole", "compile", "graphs"))
        self.device = torch.device(a.device)
        self.layout = torch.channels_last if "channels_last" in words else torch.contiguous_format
        self.G, self.D = (m.to(self.device, memory_format=self.layout) for m in (G, D))
        self.g_weights, self.d_weights = (list(m.parameters()) for m in (self.G, self.D))
        adam = GraphAdam if self.whole or a.game == "unrolled" else FusedAdam
        self.g_adam, self.d_adam = (adam(w, a.rate, (a.beta1, a.beta2)) for w in (self.g_weights, self.d_weights))
        self.average = [w.detach().clone() for w in self.g_weights]
        self.joint = not a.apart and not any(isinstance(m, nn.BatchNorm2d) for m in self.D.modules())
        self._data, self._batch, self._latent = [each.to(self.device) for each in data], a.batch, latent
        self._bf16 = a.bf16
        if self._graphs:  # what a CUDA graph reads or changes in place must not be copied into it at each step
            kept = [*self.g_weights, *self.d_weights, *self.average, *self._data]
            kept += [x for each in (self.g_adam, self.d_adam) if isinstance(each, GraphAdam) for x in each.state()]
            for tensor in kept:
                torch._dynamo.mark_static_address(tensor)

    def compiled(self, function: Any, whole: bool = False) -> Any:
        """The function as this variant runs it: a part of a step, or a whole one."""
        if not (self.whole if whole else self.in_parts):
            return function
        torch._dynamo.config.trace_autograd_ops = whole  # backward passes in a graph; imported only where it is needed
        return torch.compile(function, fullgraph=whole, mode="reduce-overhead" if self._graphs else None)

    def real(self) -> list[Tensor]:
        """A batch of data: images as floats in [-1, 1], points as they are; and their labels where there are any."""
        rows = torch.randint(0, len(self._data[0]), (self._batch,), device=self.device)
        x, *y = (each[rows] for each in self._data)
        return [x.float().div(127.5).sub(1).to(memory_format=self.layout) if x.dtype == torch.uint8 else x, *y]

    def latents(self) -> Tensor:
        return torch.randn(self._batch, *self._latent, device=self.device)

    def scores(self, D: Callable[..., Tensor], real: Tensor, fake: Tensor, *y: Tensor) -> tuple[Tensor, ...]:
        """D's of real and fake, float32: in one call, unless a batch norm would mix the two."""
        if self.joint:
            return D(torch.cat([real, fake]), *(torch.cat([each, each]) for each in y)).float().chunk(2)
        return D(real, *y).float(), D(fake, *y).float()

    def cast(self) -> Any:
        """The precision of forward passes."""
        return torch.autocast(self.device.type, torch.bfloat16) if self._bf16 else contextlib.nullcontext()

    def d_takes_part(self, trained: bool) -> None:
        """Whether gradients of D's weights are wanted: compiled parts compute all that are. A whole graph knows."""
        if not self.whole:
            self.D.requires_grad_(trained)

    def move_d(self, loss: Tensor) -> None:
        self.d_adam.move(torch.autograd.grad(loss, self.d_weights))

    def move_g(self, loss: Tensor) -> None:
        self.g_adam.move(torch.autograd.grad(loss, self.g_weights))

    @torch.no_grad()
    def blend(self) -> None:
        """The moving average of G's weights."""
        torch._foreach_lerp_(self.average, [w.detach() for w in self.g_weights], 0.001)


def standard(peer: Peer, losses: Losses) -> Step:
    """A step of the standard game: one update of each player, G's forward pass shared by both."""
    of_scores, of_fakes = losses

    def d_loss(real: Tensor, fake: Tensor, *y: Tensor) -> Tensor:
        return of_scores(*peer.scores(peer.D, real, fake, *y))

    def g_loss(fake: Tensor, *y: Tensor) -> Tensor:
        return of_fakes(peer.D(fake, *y).float())

    run_g, d_loss, g_loss = (peer.compiled(each) for each in (peer.G, d_loss, g_loss))

    def step(_: bool) -> tuple[Tensor, ...]:
        z, (real, *y) = peer.latents(), peer.real()
        peer.d_takes_part(True)
        with peer.cast():
            fake = run_g(z, *y)
            for_d = d_loss(real, fake.detach(), *y)
        peer.move_d(for_d)
        peer.d_takes_part(False)
        with peer.cast():
            for_g = g_loss(fake, *y)
        peer.move_g(for_g)
        peer.blend()
        return for_d.detach(), for_g.detach()

    return peer.compiled(step, whole=True)


def wasserstein(peer: Peer, penalty: float) -> Step:
    """A step of WGAN-GP: one update of the critic, and one of G in some."""

    def d_loss(real: Tensor, fake: Tensor) -> Tensor:
        mix = torch.rand(len(real), 1, 1, 1, device=real.device)
        between = torch.lerp(fake, real, mix).requires_grad_(True)
        slope = torch.autograd.grad(peer.D(between).sum(), between, create_graph=True)[0]
        norm = slope.flatten(1).norm(dim=1)
        real_score, fake_score = peer.scores(peer.D, real, fake)
        return fake_score.mean() - real_score.mean() + penalty * (norm - 1).square().mean()

    def g_loss(fake: Tensor) -> Tensor:
        return -peer.D(fake).mean()

    run_g, g_loss = peer.compiled(peer.G), peer.compiled(g_loss)  # d_loss has a second derivative: no part of its own

    def step(moves: bool) -> tuple[Tensor, ...]:
        z, (real,) = peer.latents(), peer.real()
        peer.d_takes_part(True)
        with torch.set_grad_enabled(moves):
            fake = run_g(z)
        found = [d_loss(real, fake.detach())]
        peer.move_d(found[0])
        if moves:
            peer.d_takes_part(False)
            found.append(g_loss(fake))
            peer.move_g(found[1])
        peer.blend()
        return tuple(loss.detach() for loss in found)

    return peer.compiled(step, whole=True)


def unrolled(peer: Peer, k: int) -> Step:
    """A step of the unrolled GAN: D moves as usual; G moves against D after k more of its updates, through them."""
    names = [name for name, _ in peer.D.named_parameters()]
    adam = peer.d_adam
    of_scores, _ = NON_SATURATING

    def d_loss(weights: list[Tensor], real: Tensor, fake: Tensor) -> Tensor:
        D = dict(zip(names, weights, strict=True))
        return of_scores(*peer.scores(lambda x: functional_call(peer.D, D, (x,)), real, fake))

    def ahead(real: Tensor, fake: Tensor) -> Tensor:
        """Minus D's loss after k updates by Adam, from where its moments stand; differentiable."""
        weights, means, squares = peer.d_weights, adam.means, adam.squares
        for i in range(1, k + 1):
            slopes = torch.autograd.grad(d_loss(weights, real, fake), weights, create_graph=True)
            means = torch._foreach_lerp(means, slopes, 1 - adam.beta1)
            squares = torch._foreach_lerp(squares, torch._foreach_mul(slopes, slopes), 1 - adam.beta2)
            size = adam.rate / (1 - adam.beta1 ** (adam.steps + i))
            scaled = torch._foreach_div(squares, 1 - adam.beta2 ** (adam.steps + i))
            roots = torch._foreach_sqrt(torch._foreach_add(scaled, 1e-12))  # the root of 0 has no slope
            moves = torch._foreach_div(means, torch._foreach_add(roots, 1e-8))
            weights = torch._foreach_sub(weights, torch._foreach_mul(moves, size))
        return -d_loss(weights, real, fake)

    run_g = peer.compiled(peer.G)  # what has a second derivative cannot be compiled in parts

    def step(_: bool) -> tuple[Tensor, ...]:
        z, (real,) = peer.latents(), peer.real()
        fake = run_g(z)
        for_d = d_loss(peer.d_weights, real, fake.detach())
        peer.move_d(for_d)
        for_g = ahead(real, fake)
        peer.move_g(for_g)
        peer.blend()
        return for_d.detach(), for_g.detach()

    return peer.compiled(step, whole=True)
