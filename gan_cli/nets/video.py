"""Networks of what videos are made of besides frames."""

from flax import nnx

from gan_cli.errors import InputError
from gan_cli.layers.recurrent import GRU
from gan_cli.types import Array, Ports


class Motion(nnx.Module):
    """A recurrent unit: the motion of a frame follows from a noise of its own and from the motions before."""

    def __init__(self, inputs: int, features: int, rngs: nnx.Rngs):
        self.unit = GRU(inputs, features, rngs)

    def __call__(self, noise: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:  # noqa: ARG002
        """Noise [B, T, I] -> (motion codes [B, T, F], {})."""
        return self.unit(noise), {}


def motion(ports: Ports, rngs: nnx.Rngs) -> nnx.Module:
    """MoCoGAN's R_M, https://arxiv.org/abs/1707.04993: a GRU from the noise of each frame to its motion code."""
    if len(ports.inputs) != 2 or len(ports.outputs) != 2 or ports.inputs[0] != ports.outputs[0]:
        raise InputError(
            'net = "video.motion" has a noise for each frame at its input and a code for each at its output, as the '
            f'game "mocogan" wants it, not data of shape {ports.inputs} and {ports.outputs}'
        )
    if ports.classes:
        raise InputError('net = "video.motion" takes no label')
    return Motion(ports.inputs[1], ports.outputs[1], rngs)
