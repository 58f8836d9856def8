"""Three-dimensional convolutions, of videos and volumes. Inside a network their frames are images, one after the other.

The frames of a batch [B, T, H, W, C] are T B images in the inner layout, those of time 0 first, so that norms (over all
frames of a channel), activations and biases are those of images. XLA:CPU has generic loops for three-dimensional
convolutions (32 times the CPU time of a layer with its gradients, docs/media.md); there the k frames of a window are
the channels of one image, whose convolution is the same sum. Elsewhere they are plain `lax`.
"""

import jax.numpy as jnp

from gan_cli.layers import lax_conv, layout
from gan_cli.layers.layout import Padding, batch_last
from gan_cli.types import Array


def enter_frames(x: Array) -> Array:
    """Videos [B, T, H, W, C] at a network's edge -> their frames in the layout inside: T B images."""
    return layout.enter(x.swapaxes(0, 1).reshape(-1, *x.shape[2:]))


def leave_frames(x: Array, frames: int) -> Array:
    """Frames in the layout inside -> videos [B, T, H, W, C] of so many."""
    images = layout.leave(x)
    return images.reshape(frames, -1, *images.shape[1:]).swapaxes(0, 1)


def conv(x: Array, kernel: Array, frames: int, stride: int, padding: Padding) -> tuple[Array, int]:
    """Convolution of videos of T = `frames`, as inside, with kernel [k, k, k, I, O]: frames again, and T'.

    T' = (T + 2 padding - k) // stride + 1; height and width likewise.
    """
    pad = _whole(padding)
    k, made = len(kernel), (frames + 2 * pad - len(kernel)) // stride + 1
    if not batch_last():
        small = lax_conv.conv(_apart(x, frames), kernel, stride, ((pad, pad),) * 3)
        return small.reshape(-1, *small.shape[2:]), made
    padded = _padded(_apart(x, frames), pad)
    windows = [padded[:, :, :, i : i + stride * (made - 1) + 1 : stride] for i in range(k)]  # [I, H, W, T', B] each
    folded = kernel.transpose(1, 2, 0, 3, 4).reshape(k, k, -1, kernel.shape[-1])  # [k, k, k I, O]
    return layout.conv(_together(windows), folded, stride, pad), made


def conv_transpose(x: Array, kernel: Array, frames: int, stride: int, padding: Padding) -> tuple[Array, int]:
    """The adjoint of `conv` with kernel [k, k, k, O, I], k - 2 padding = stride: frames, and T' = stride T."""
    pad = _whole(padding)
    k, more = len(kernel), stride * frames
    if not batch_last():
        large = lax_conv.conv_transpose(_apart(x, frames), kernel, stride, ((pad, pad),) * 3)
        return large.reshape(-1, *large.shape[2:]), more
    padded = _padded(_apart(x, frames), k)
    phases = []
    for phase in range(stride):  # frame stride t + phase is made of the frames t + reach, each through a slice i
        seen = {i: (phase + pad - i) // stride for i in range(k) if (phase + pad - i) % stride == 0}
        windows = [padded[:, :, :, k + reach : k + reach + frames] for reach in seen.values()]  # [I, H, W, T, B] each
        folded = jnp.concatenate([kernel[i] for i in seen], axis=-1)  # [k, k, O, k / stride I]
        phases.append(_apart(layout.conv_transpose(_together(windows), folded, stride, pad), frames))
    joined = jnp.stack(phases, axis=4)  # [O, H', W', T, stride, B]
    return joined.reshape(*joined.shape[:3], -1), more


def _whole(padding: Padding) -> int:
    assert isinstance(padding, int)  # "SAME" is of images: networks of videos say how much
    return padding


def _apart(x: Array, frames: int) -> Array:
    """Frames in the layout inside -> [C, H, W, T, B] on a CPU, [T, B, H, W, C] elsewhere."""
    return x.reshape(*x.shape[:3], frames, -1) if batch_last() else x.reshape(frames, -1, *x.shape[1:])


def _padded(x: Array, pad: int) -> Array:
    """Videos [C, H, W, T, B] with empty frames before and after."""
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (pad, pad), (0, 0)))


def _together(windows: list[Array]) -> Array:
    """Videos [I, H, W, T, B] -> images in the layout inside, [n I, H, W, T B], whose channels are those of all n."""
    joined = jnp.concatenate(windows)
    return joined.reshape(*joined.shape[:3], -1)
