"""Layers: the two formulations agree; norms are what their papers say, also over devices and in bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_cli.layers import layers
from gan_cli.types import DEVICES

B, H, W, C = 4, 4, 6, 3


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape or (B, H, W, C)).astype(np.float32)


def call(layer, x):
    """The layer's output for images [B, H, W, C], and what it keeps for the next call; on one device."""
    graph, params, rest = nnx.split(layer, nnx.Param, ...)

    def run(x):
        merged = nnx.merge(graph, params, rest, copy=True)
        y = layers.leave(merged(layers.enter(x))) if x.ndim == 4 else merged(x)
        return y, nnx.split(merged, nnx.Param, ...)[2]

    outputs = jax.jit(jax.vmap(run, axis_name=DEVICES))(x[None])
    return jax.tree.map(lambda leaf: leaf[0], outputs)


LAYERS = {
    "conv": lambda rngs: layers.Conv(C, 5, 3, rngs),
    "strided conv": lambda rngs: layers.Conv(C, 5, 4, rngs, stride=2, padding=1, spectral=True),
    "5x5": lambda rngs: layers.Conv(C, 5, 5, rngs, stride=2, bias=False),
    "conv transpose": lambda rngs: layers.ConvTranspose(C, 5, 4, rngs, stride=2, padding=1, spectral=True),
    "conv transpose, same": lambda rngs: layers.ConvTranspose(C, 5, 5, rngs, stride=2),
    "up conv": lambda rngs: layers.UpConv(C, 5, rngs, spectral=True),
    "batch norm": lambda rngs: layers.BatchNorm(C, rngs),
    "layer norm": lambda rngs: layers.LayerNorm(C, rngs),
    "instance norm": lambda rngs: layers.InstanceNorm(C, rngs),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_both_formulations_agree_on_the_same_weights(make):
    layer = make(nnx.Rngs(0))
    with layers.formulation("cpu"):
        ours, our_state = call(layer, images())
    with layers.formulation("lax"):
        plain, plain_state = call(layer, images())
    np.testing.assert_allclose(ours, plain, atol=2e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), our_state, plain_state)


@pytest.mark.parametrize("features", [C - 1, C])
def test_derivatives_of_a_linear_layer_agree_in_both_formulations(features):
    """Of the loss, and of the norm of its gradient with respect to the input: what penalties differentiate."""
    layer, x = layers.Linear(C, features, nnx.Rngs(0)), images(B, C)
    graph, params = nnx.split(layer)

    def gradients(form):
        def loss(params, x):
            return jnp.sum(jnp.tanh(nnx.merge(graph, params)(x)))

        def penalty(params, x):
            return jnp.sum(jax.grad(loss, argnums=1)(params, x) ** 2)

        with layers.formulation(form):
            return [jax.jit(jax.grad(f, argnums=(0, 1)))(params, x) for f in (loss, penalty)]

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), gradients("cpu"), gradients("lax"))


@pytest.mark.parametrize("form", ["cpu", "lax"])
def test_sides(form):
    def side(layer):
        return jax.eval_shape(lambda: layers.leave(layer(layers.enter(jnp.ones((1, 8, 8, 2)))))).shape[1]

    rngs = nnx.Rngs(0)
    with layers.formulation(form):
        assert side(layers.Conv(2, 1, 3, rngs)) == 8
        assert side(layers.Conv(2, 1, 5, rngs, stride=2)) == 4
        assert side(layers.Conv(2, 1, 8, rngs, padding=0)) == 1
        assert side(layers.ConvTranspose(2, 1, 4, rngs, stride=2, padding=1)) == 16
        assert side(layers.ConvTranspose(2, 1, 5, rngs, stride=2)) == 16
        assert side(layers.ConvTranspose(2, 1, 7, rngs, padding=0)) == 14
        assert side(layers.UpConv(2, 1, rngs)) == 16


def test_the_formulation_is_restored_also_after_an_error():
    with layers.formulation("lax"):
        with pytest.raises(ZeroDivisionError), layers.formulation("cpu"):
            raise ZeroDivisionError
        assert layers.enter(jnp.ones((1, 2, 3, 4))).shape == (1, 2, 3, 4)
    with layers.formulation("cpu"):
        x = layers.enter(jnp.ones((1, 2, 3, 4)))
        assert x.shape == (4, 2, 3, 1)
        assert x.shape[layers.axes(x).channel] == 4
        assert layers.leave(x).shape == (1, 2, 3, 4)


def test_a_transposed_convolution_is_initialised_by_its_own_inputs():
    """The variance of LeCun's initialisation is 1 / (k k I), with I its input channels."""
    kernel = layers.ConvTranspose(64, 2, 4, nnx.Rngs(0)).kernel.weight[...]
    assert kernel.shape == (4, 4, 2, 64)
    np.testing.assert_allclose(kernel.var(), 1 / (4 * 4 * 64), rtol=0.1)


@pytest.mark.parametrize("form", ["cpu", "lax"])
@pytest.mark.parametrize("shape", [(8, 4, 4, 3), (8, 3)], ids=["images", "vectors"])
def test_batch_norm_over_two_devices_is_that_of_the_whole_batch(form, shape):
    layer = layers.BatchNorm(3, nnx.Rngs(0))
    graph, params, rest = nnx.split(layer, nnx.Param, ...)
    x = 3 + 2 * images(*shape)
    weights = images(*shape, seed=1)

    def loss(params, x, weights):
        merged = nnx.merge(graph, params, rest, copy=True)
        y = layers.leave(merged(layers.enter(x))) if x.ndim == 4 else merged(x)
        return jnp.mean(weights * y**2), (y, nnx.split(merged, nnx.Param, ...)[2])

    def device(params, x, weights):
        """What the engine does: gradients of the device's own loss, then their mean."""
        grads, (y, rest) = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x, weights)
        return jax.lax.pmean(grads[0], DEVICES), grads[1], y, rest

    def on(devices):
        split = [a.reshape(devices, -1, *shape[1:]) for a in (x, weights)]
        run = jax.jit(jax.vmap(device, in_axes=(None, 0, 0), axis_name=DEVICES))
        param_grads, x_grads, y, rest = run(params, *split)
        return jax.tree.leaves((param_grads, rest)), x_grads.reshape(shape) / devices, y.reshape(shape)

    with layers.formulation(form):
        (one, one_x, one_y), (two, two_x, two_y) = on(1), on(2)
    np.testing.assert_allclose(one_y, two_y, atol=1e-5)
    np.testing.assert_allclose(one_x, two_x, atol=1e-6)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(b[0], b[1])  # every device holds the same
        np.testing.assert_allclose(a[0], b[0], atol=1e-5)
    axes = tuple(range(x.ndim - 1))
    np.testing.assert_allclose(one_y, (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-5), atol=1e-5)


def test_batch_norm_keeps_running_averages_and_uses_them_in_evaluation():
    layer = layers.BatchNorm(3, nnx.Rngs(0), momentum=0.9)
    x = 3 + 2 * images(64, 3)
    _, rest = call(layer, x)
    np.testing.assert_allclose(rest["mean"][...], 0.1 * x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(rest["var"][...], 0.9 + 0.1 * x.var(0), rtol=1e-4)
    layer.mean[...], layer.var[...] = jnp.full(3, 3.0), jnp.full(3, 4.0)
    layer.eval()
    np.testing.assert_allclose(layer(x), (x - 3) / 2, rtol=1e-4, atol=1e-4)  # needs no mapped axis


@pytest.mark.parametrize(("name", "over"), [("layer", (1, 2, 3)), ("instance", (1, 2))])
def test_norms_of_single_examples(name, over):
    x = 1 + 2 * images()
    y, _ = call(layers.norm(name, C, nnx.Rngs(0)), x)
    mean, std = x.mean(over, keepdims=True), np.sqrt(x.var(over, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, (x - mean) / std, atol=1e-5)


def test_norm_by_name():
    rngs = nnx.Rngs(0)
    assert layers.norm("none", 3, rngs) is None
    assert layers.norm("spectral", 3, rngs) is None
    assert (layers.norm("batch", 3, rngs, nnx.initializers.constant(2.0)).scale[...] == 2).all()


@pytest.mark.parametrize("name", ["batch", "layer", "instance"])
def test_norms_of_bfloat16_compute_in_float32(name):
    layer = layers.norm(name, C, nnx.Rngs(0))
    x = jnp.asarray(100 + images(), jnp.bfloat16)  # a mean that bfloat16 could not subtract exactly
    with layers.formulation("lax"):  # on a CPU, images become float32 on their way in
        y, rest = call(layer, x)
        exact, _ = call(layer, x.astype(jnp.float32))
    assert y.dtype == jnp.bfloat16
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(rest))
    np.testing.assert_allclose(y.astype(jnp.float32), exact, rtol=0.01, atol=0.01)


SPECTRAL = {
    "linear": lambda rngs: layers.Linear(6, 4, rngs, spectral=True),
    "conv": lambda rngs: layers.Conv(6, 4, 3, rngs, spectral=True),
    "conv transpose": lambda rngs: layers.ConvTranspose(6, 4, 3, rngs, spectral=True),
}


@pytest.mark.parametrize("make", SPECTRAL.values(), ids=SPECTRAL.keys())
def test_spectral_norm_converges_to_the_largest_singular_value(make):
    kernel = make(nnx.Rngs(0)).kernel
    for _ in range(20):
        weight = kernel()
    matrix = weight.swapaxes(-1, -2) if kernel.transposed else weight
    largest = jnp.linalg.svd(matrix.reshape(-1, 4), compute_uv=False)[0]
    np.testing.assert_allclose(largest, 1.0, rtol=0.05)


def test_spectral_norm_moves_its_vector_in_training_only():
    kernel = layers.Linear(6, 4, nnx.Rngs(0), spectral=True).kernel
    before = kernel.spectral.u[...]
    kernel.eval()
    kernel()
    np.testing.assert_array_equal(kernel.spectral.u[...], before)
    kernel.train()
    kernel()
    assert not np.allclose(kernel.spectral.u[...], before)


def test_the_gradient_of_spectral_norm_is_that_of_the_paper():
    """Equation 12: with W / σ and u, v as they are, dL/dW = (G - <G, W> / σ * v uᵀ) / σ, G = dL/d(W / σ)."""
    kernel = layers.Linear(6, 4, nnx.Rngs(0), spectral=True).kernel
    for _ in range(100):
        kernel()
    graph, params, rest = nnx.split(kernel, nnx.Param, ...)
    weight, direction = kernel.weight[...], images(6, 4)

    def loss(params):
        return jnp.sum(direction * nnx.merge(graph, params, rest, copy=True)())

    left, sigma, right = np.linalg.svd(weight, full_matrices=False)
    outer = np.outer(left[:, 0], right[0])
    expected = (direction - np.sum(direction * weight) / sigma[0] * outer) / sigma[0]
    np.testing.assert_allclose(jax.grad(loss)(params)["weight"][...], expected, atol=1e-4)
