"""PyTorch peers of our networks: the same layers, widths and initial weights."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

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


def discriminator(size: int, channels: int, width: int, norm: bool = True) -> nn.Module:
    """DCGAN discriminator: [B, channels, size, size] -> scores [B]; with batch norm or without any."""
    widths = pyramid(size, width)
    blocks: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for inner, outer in pairwise(widths):
        blocks += [nn.Conv2d(inner, outer, 4, 2, 1, bias=not norm), *([nn.BatchNorm2d(outer)] if norm else [])]
        blocks += [nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 4, 1, 0), nn.Flatten(0)).apply(initialise)


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

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.features(images)
        return features, self.logits(features)


def _conv(arrays: dict[str, torch.Tensor], name: str) -> nn.Module:
    kernel = arrays[f"{name}.kernel"].permute(3, 2, 0, 1).contiguous()  # [O, I, 3, 3]
    layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
    layer.weight.data, layer.bias.data = kernel, arrays[f"{name}.bias"]
    return layer


def _linear(kernel: torch.Tensor, bias: torch.Tensor) -> nn.Module:
    layer = nn.Linear(*kernel.shape)
    layer.weight.data, layer.bias.data = kernel.T.contiguous(), bias
    return layer
