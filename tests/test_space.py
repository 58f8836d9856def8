"""Three-dimensional convolutions: both formulations are `lax`'s own, with derivatives; networks made of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from gan_cli.layers import layers
from gan_cli.layers.recurrent import GRU
from gan_cli.nets import dcgan3d
from gan_cli.types import DEVICES, Ports

B, T, H, W, C, F = 2, 4, 6, 8, 3, 5
KINDS = {
    "halves": lambda rngs: layers.Conv3D(C, F, 4, rngs, stride=2, padding=1),
    "keeps": lambda rngs: layers.Conv3D(C, F, 3, rngs, padding=1, spectral=True),
    "doubles": lambda rngs: layers.ConvTranspose3D(C, F, 4, rngs, stride=2, padding=1),
}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def run(layer, x):
    made, frames = layer(layers.enter_frames(x), x.shape[1])
    return layers.leave_frames(made, frames)


def plain(layer, x):
    """The same by XLA's own three-dimensional convolution."""
    kernel, pad = layer.kernel.weight[...], layer.padding
    numbers_ = ("NDHWC", "DHWIO", "NDHWC")
    if not layer.transposed:
        made = lax.conv_general_dilated(x, kernel, (layer.stride,) * 3, [(pad, pad)] * 3, dimension_numbers=numbers_)
    else:
        made = lax.conv_transpose(x, kernel, (2, 2, 2), [(2, 2)] * 3, dimension_numbers=numbers_, transpose_kernel=True)
    return made + layer.bias[...]


@pytest.mark.parametrize("form", ["cpu", "lax"])
@pytest.mark.parametrize("kind", ["halves", "doubles"])
def test_a_convolution_is_xlas_own_and_so_are_its_derivatives(kind, form):
    layer, x = KINDS[kind](nnx.Rngs(0)), numbers(B, T, H, W, C)
    graph, params = nnx.split(layer)
    towards = numbers(*jax.eval_shape(lambda x: plain(layer, x), x).shape, seed=1)

    def loss(how, params, x):
        return jnp.sum(towards * how(nnx.merge(graph, params), x)) + jnp.sum(how(nnx.merge(graph, params), x) ** 3)

    with layers.formulation(form):
        np.testing.assert_allclose(run(layer, x), plain(layer, x), atol=2e-6)
        ours = jax.jit(jax.grad(lambda p, x: loss(run, p, x), (0, 1)))(params, x)
    theirs = jax.jit(jax.grad(lambda p, x: loss(plain, p, x), (0, 1)))(params, x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), ours, theirs)


def test_both_formulations_of_a_penalty_agree():
    """The gradient of a gradient."""
    layer, x = KINDS["keeps"](nnx.Rngs(0)), numbers(B, T, H, W, C)
    layer.eval()
    graph, params, rest = nnx.split(layer, nnx.Param, ...)

    def norm(params):
        return jnp.sum(jax.grad(lambda x: jnp.sum(run(nnx.merge(graph, params, rest), x) ** 3))(x) ** 2)

    found = []
    for form in ("cpu", "lax"):
        with layers.formulation(form):
            found.append(jax.jit(jax.grad(norm))(params))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-2), *found)


@pytest.mark.parametrize("shape", [(8, 8, 8, 3), (16, 16, 16, 1), (3, 14, 14, 1), (2, 16, 16, 3)])
def test_networks_have_frames_of_any_number(shape):
    """Fewer than pixels, too: what is no longer even is left."""
    make = jax.vmap(lambda z, x: (generator(z)[0], discriminator(x)), axis_name=DEVICES)
    generator = dcgan3d.generator(Ports((6,), shape), nnx.Rngs(0), width=4)
    discriminator = dcgan3d.discriminator(Ports(shape, ()), nnx.Rngs(0), width=4, norm="spectral")
    generator.eval(), discriminator.eval()
    made, (score, seen) = jax.eval_shape(make, numbers(1, B, 6), numbers(1, B, *shape))
    assert made.shape == (1, B, *shape)
    assert score.shape == (1, B)
    assert seen["features"].shape[:2] == (1, B)


def test_a_linear_layer_does_the_same_at_each_time():
    layer, x = layers.Linear(C, F, nnx.Rngs(0)), numbers(B, T, C)
    np.testing.assert_allclose(layer(x)[:, 2], layer(x[:, 2]), atol=1e-6)
    assert layer(x).shape == (B, T, F)


def test_a_gated_unit_by_hand():
    unit, x = GRU(C, F, nnx.Rngs(0)), numbers(B, 2, C)
    w, v = unit.seen.kernel.weight[...], unit.kept.kernel.weight[...]

    def step(h, now):
        (r, u, n), (r_h, u_h, n_h) = jnp.split(now @ w, 3, -1), jnp.split(h @ v, 3, -1)
        u = jax.nn.sigmoid(u + u_h)
        return (1 - u) * jnp.tanh(n + jax.nn.sigmoid(r + r_h) * n_h) + u * h

    first = step(jnp.zeros((B, F)), x[:, 0])
    np.testing.assert_allclose(unit(x), jnp.stack([first, step(first, x[:, 1])], 1), atol=1e-6)
