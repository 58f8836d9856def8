"""PyTorch peers of our networks: the same layers, widths and initial weights."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot
from torch.nn.utils import parametrize

STAGES = ((16,), (32, 32), (64, 64))  # of the digit classifier, as in gan_cli/features/digits.py


def pyramid(size: int, width: int) -> list[int]:
    """Channels from half the image's side down to 4 pixels, as in gan_cli/nets/dcgan.py."""
    halvings = (size // 4).bit_length() - 1
    return [min(width << i, 512) for i in range(halvings)]


def generator(size: int, channels: int, latent: int, width: int) -> nn.Module:
    """DCGAN generator: [B, latent, 1, 1] -> [B, channels, size, size] in (-1, 1)."""
    widths = pyramid(size, width)[::-1]
    blocks: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[0], 4, 1, 0, bias=False)]
    for inner, outer in zip(widths, [*widths[1:], channels], strict=True):
        blocks += [nn.BatchNorm2d(inner), nn.ReLU(inplace=True)]
        blocks += [nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=outer == channels)]
    return nn.Sequential(*blocks, nn.Tanh()).apply(initialise)


def discriminator(size: int, channels: int, width: int, norm: str = "batch") -> nn.Module:
    """DCGAN discriminator: [B, channels, size, size] -> scores [B]; norm: "batch", "spectral" or "none"."""
    widths = pyramid(size, width)
    batch = norm == "batch"
    blocks: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for inner, outer in pairwise(widths):
        blocks += [nn.Conv2d(inner, outer, 4, 2, 1, bias=not batch), *([nn.BatchNorm2d(outer)] if batch else [])]
        blocks += [nn.LeakyReLU(0.2, inplace=True)]
    net = nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 4, 1, 0), nn.Flatten(0)).apply(initialise)
    return net.apply(make_spectral) if norm == "spectral" else net


class Spectral(nn.Module):
    """A weight [O, ...] over its largest singular value: one power iteration a call, as in gan_cli/layers/norms.py.

    PyTorch's own spectral norm is the same, written so that no compiler takes it whole.
    """

    def __init__(self, outputs: int):
        super().__init__()
        self.register_buffer("u", normalize(torch.randn(outputs), dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        matrix = weight.flatten(1)  # [O, K]
        with torch.no_grad():
            v = normalize(self.u @ matrix, dim=0)
            u = normalize(matrix @ v, dim=0)
            if self.training:
                self.u.copy_(u)
        return weight / torch.dot(u, matrix @ v)


def make_spectral(module: nn.Module) -> None:
    """Divide the weight of a layer by its spectral norm."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        parametrize.register_parametrization(module, "weight", Spectral(module.weight.shape[0]))


class ConditionalNorm(nn.Module):
    """Batch norm whose scales and shifts are each label's own."""

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(features, affine=False)
        self.scale = nn.Parameter(1 + 0.02 * torch.randn(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes, features))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        own = one_hot(y, len(self.scale)).to(self.scale.dtype)  # faster than an embedding, whose gradient scatters
        return self.norm(x) * (own @ self.scale)[:, :, None, None] + (own @ self.bias)[:, :, None, None]


class ConditionalGenerator(nn.Module):
    """`generator` with `ConditionalNorm`: latents [B, latent, 1, 1] and labels int64 [B] -> images."""

    def __init__(self, size: int, channels: int, latent: int, width: int, classes: int):
        super().__init__()
        plain = generator(size, channels, latent, width)
        self.layers = nn.ModuleList([layer for layer in plain if isinstance(layer, nn.ConvTranspose2d)])
        widths = pyramid(size, width)[::-1]
        self.norms = nn.ModuleList([ConditionalNorm(features, classes) for features in widths])

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=False):
            z = norm(layer(z), y).relu()
        return self.layers[-1](z).tanh()


class ProjectionDiscriminator(nn.Module):
    """`discriminator` with spectral norm, and the inner product of its smallest map with a vector of each label's."""

    def __init__(self, size: int, channels: int, width: int, classes: int):
        super().__init__()
        plain = discriminator(size, channels, width, "none")
        self.features, self.score = plain[:-2], plain[-2:]
        self.project = nn.Linear(classes, 16 * pyramid(size, width)[-1], bias=False)
        nn.init.normal_(self.project.weight, 0, 0.02)
        self.apply(make_spectral)
        self.classes = classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features = self.features(x)
        own = self.project(one_hot(y, self.classes).to(features.dtype))
        return self.score(features) + (own * features.flatten(1)).sum(1)


def initialise(module: nn.Module) -> None:
    """DCGAN's initial weights."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)


def mlp(inputs: int, hidden: Sequence[int], outputs: int, activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    """Multilayer perceptron [B, inputs] -> [B, outputs], or [B] where outputs is 0."""
    layers: list[nn.Module] = []
    for inner, outer in pairwise([inputs, *hidden]):
        layers += [nn.Linear(inner, outer), activation()]
    last = [nn.Linear(hidden[-1], outputs or 1), *([] if outputs else [nn.Flatten(0)])]
    return nn.Sequential(*layers, *last)


class DigitClassifier(nn.Module):
    """The shipped digit classifier with its weights: [B, 1, 32, 32] -> features [B, 64] and logits [B, 10]."""

    def __init__(self, weights: Path):
        super().__init__()
        with np.load(weights, allow_pickle=False) as file:
            arrays = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}
        blocks: list[nn.Module] = []
        for stage, widths in enumerate(STAGES):
            for layer in range(len(widths)):
                blocks += [_conv(arrays, f"conv{stage}{layer}"), nn.ReLU(inplace=True)]
            blocks += [nn.MaxPool2d(2)]
        # ours flattens [4, 4, C], PyTorch [C, 4, 4]
        hidden = arrays["hidden.kernel"].reshape(4, 4, -1, 64).permute(2, 0, 1, 3).reshape(-1, 64)
        self.features = nn.Sequential(*blocks, nn.Flatten(), _linear(hidden, arrays["hidden.bias"]), nn.ReLU())
        self.logits = _linear(arrays["logits.kernel"], arrays["logits.bias"])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images)
        return features, self.logits(features)


def _conv(arrays: dict[str, Tensor], name: str) -> nn.Module:
    kernel = arrays[f"{name}.kernel"].permute(3, 2, 0, 1).contiguous()  # [O, I, 3, 3]
    layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
    layer.weight.data, layer.bias.data = kernel, arrays[f"{name}.bias"]
    return layer


def _linear(kernel: Tensor, bias: Tensor) -> nn.Module:
    layer = nn.Linear(*kernel.shape)
    layer.weight.data, layer.bias.data = kernel.T.contiguous(), bias
    return layer
