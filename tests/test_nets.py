"""Networks: shapes for every size, both formulations, what the papers say of them, and what they refuse."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from pydantic import ValidationError

from gan_cli.binding import options_model
from gan_cli.errors import InputError
from gan_cli.layers.layers import formulation
from gan_cli.nets import dcgan, mlp
from gan_cli.types import DEVICES, Ports

SIDES = [8, 10, 12, 14, 16, 20, 24, 28, 32, 48, 64, 96, 112, 128, 192, 256]


def build(factory, ports, **options):
    return nnx.split(factory(ports, nnx.Rngs(0), **options), nnx.Param, ...)


def run(network, x, dtype=jnp.float32, noise=0):
    """What the engine does in training, on one device: (output, intermediates)."""
    graph, params, rest = network

    def call(x):
        module = nnx.merge(graph, jax.tree.map(lambda p: p.astype(dtype), params), rest, copy=True)
        nnx.reseed(module, default=noise)
        return module(x.astype(dtype))

    return jax.tree.map(lambda y: y[0], jax.jit(jax.vmap(call, axis_name=DEVICES))(x[None]))


def shapes(factory, ports, **options):
    """Output and intermediates for a batch of 2, without computing or compiling anything."""
    module = nnx.eval_shape(lambda: factory(ports, nnx.Rngs(0), **options))
    module.eval()
    graph, state = nnx.split(module)
    x = jax.ShapeDtypeStruct((2, *ports.inputs), jnp.float32)
    output, inner = jax.eval_shape(lambda state, x: nnx.merge(graph, state, copy=True)(x), state, x)
    return output.shape, {name: value.shape for name, value in inner.items()}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("form", ["cpu", "lax"])
def test_dcgan_has_every_side(side, form):
    image = (side, side, 1 + side % 4)
    base = next(b for b in (4, 5, 6, 7) if side % b == 0 and (side // b).bit_count() == 1)
    with formulation(form):
        assert shapes(dcgan.generator, Ports((9,), image), width=2)[0] == (2, *image)
        score, inner = shapes(dcgan.discriminator, Ports(image, ()), width=2)
    assert score == (2,)
    assert inner["features"] == (2, base * base * min(512, side // base))


def test_dcgan_of_64_pixels_is_the_papers():
    module = nnx.eval_shape(lambda: dcgan.generator(Ports((100,), (64, 64, 3)), nnx.Rngs(0), width=128, max_width=1024))
    kernels = [layer.kernel.weight.shape for layer in (module.project, *module.ups, module.to_image)]
    assert kernels == [(4, 4, 1024, 100), (4, 4, 512, 1024), (4, 4, 256, 512), (4, 4, 128, 256), (4, 4, 3, 128)]


def test_dcgan_starts_as_the_paper_says():
    _, params, _ = build(dcgan.generator, Ports((100,), (32, 32, 1)))
    std = {name: float(params[name]["kernel"]["weight"][...].std()) for name in ("project", "to_image")}
    assert std == pytest.approx({"project": 0.02, "to_image": 0.02}, rel=0.1)
    scale = params["norms"][0]["scale"][...]
    assert (float(scale.mean()), float(scale.std())) == pytest.approx((1.0, 0.02), abs=0.005)
    assert "bias" not in params["project"]  # the norm after it has one
    assert "bias" in params["to_image"]


NORMS = ["batch", "layer", "instance", "none", "spectral"]


@pytest.mark.parametrize("norm", NORMS)
def test_dcgan_is_the_same_in_both_formulations(norm):
    x = np.random.default_rng(0).normal(size=(3, 16, 16, 2)).astype(np.float32)
    discriminator = build(dcgan.discriminator, Ports(x.shape[1:], ()), width=3, norm=norm)
    z = x[:, 0, :, 0]
    generator = build(dcgan.generator, Ports((16,), (16, 16, 2)), width=3, norm=norm.replace("spectral", "none"))
    results = []
    for form in ("cpu", "lax"):
        with formulation(form):
            results.append((run(discriminator, x), run(generator, z)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), *results)
    image, _ = results[0][1]
    assert float(jnp.abs(image).max()) < 1


def test_dcgan_in_bfloat16_stays_near_float32():
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype(np.float32)
    network = build(dcgan.discriminator, Ports((8, 8, 1), (3,)), width=16)
    full, _ = run(network, x)
    for form in ("cpu", "lax"):
        with formulation(form):
            half, _ = run(network, x, jnp.bfloat16)
        assert half.shape == (8, 3)
        error = float(jnp.abs(half.astype(jnp.float32) - full).max())
        assert 0 < error < 0.03 * float(jnp.abs(full).max())


@pytest.mark.parametrize(
    ("factory", "ports", "message"),
    [
        (dcgan.generator, Ports((9,), (30, 30, 1)), "30 x 30 pixels at its output.*28, 32, 64"),
        (dcgan.generator, Ports((9,), (4, 4, 1)), "4 x 4 pixels"),
        (dcgan.generator, Ports((9,), (512, 512, 1)), "512 x 512 pixels"),
        (dcgan.discriminator, Ports((32, 64, 1), ()), "32 x 64 pixels at its input"),
        (dcgan.generator, Ports((9,), (32, 32, 5)), "makes images of 1 to 4 channels, not 5"),
        (dcgan.generator, Ports((9,), (2,)), r"images .* at its output, not data of shape \(2,\)"),
        (dcgan.generator, Ports((9, 9, 1), (32, 32, 1)), "vector at its input"),
        (dcgan.discriminator, Ports((32, 32, 1), (4, 4)), "vector at its output"),
        (dcgan.generator, Ports((9,), (32, 32, 1), 10), 'generator": the game gives it a label of 10 classes; set'),
        (dcgan.discriminator, Ports((32, 32, 1), (), 10), 'discriminator": the game gives it a label of 10'),
        (mlp.mlp, Ports((2,), (), 10), '"mlp": the game gives it a label'),
        (mlp.maxout, Ports((2,), (), 10), '"mlp.maxout": the game gives it a label'),
    ],
)
def test_what_does_not_fit_is_refused(factory, ports, message):
    with pytest.raises(InputError, match=message):
        factory(ports, nnx.Rngs(0))


@pytest.mark.parametrize(
    ("ports", "options"),
    [
        (Ports((2,), ()), {}),
        (Ports((5,), (4, 4, 3)), {"hidden": (8, 6), "output": "tanh", "norm": "batch"}),
        (Ports((4, 4, 3), ()), {"hidden": (6,), "norm": "layer", "activation": "leaky_relu", "init": "orthogonal"}),
        (Ports((3,), (2,)), {"hidden": (), "norm": "spectral"}),
    ],
)
def test_mlp_shapes(ports, options):
    output, inner = shapes(mlp.mlp, ports, **options)
    assert output == (2, *ports.outputs)
    width = (options.get("hidden", (128,)) or ports.inputs)[-1]
    assert inner == {"features": (2, width)}


def test_mlp_is_what_it_says():
    network = build(mlp.mlp, Ports((3,), (2,)), hidden=(4,), activation="tanh", output="sigmoid", init_scale=3.0)
    _, params, _ = network
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    first, last = params["linears"][0]["kernel"]["weight"][...], params["last"]["kernel"]["weight"][...]
    logit = np.tanh(x @ first) @ last
    np.testing.assert_allclose(run(network, x)[0], 2 / (1 + np.exp(-logit)) - 1, atol=1e-6)
    assert float(jnp.abs(first).max()) <= 3 * np.sqrt(6 / (3 + 4))  # Glorot's bound, times the scale


def test_maxout_is_the_largest_of_its_pieces():
    network = build(mlp.maxout, Ports((4,), ()), hidden=(2,), pieces=3, keep_input=1.0, keep_hidden=1.0)
    _, params, _ = network
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    first, last = params["linears"][0]["kernel"]["weight"][...], params["last"]["kernel"]["weight"][...]
    hidden = (x @ first).reshape(5, 2, 3).max(axis=-1)
    score, inner = run(network, x)
    np.testing.assert_allclose(inner["features"], hidden, atol=1e-6)
    np.testing.assert_allclose(score, (hidden @ last)[:, 0], atol=1e-6)


def test_dropout_is_new_with_each_key_and_off_in_evaluation():
    x = np.ones((1, 64), np.float32)
    network = build(mlp.maxout, Ports((64,), ()))
    first, again, other = (run(network, x, noise=n)[0] for n in (0, 0, 1))
    assert first == again
    assert first != other
    module = nnx.merge(*network)
    module.eval()
    assert module(x)[0] == module(x)[0]


def test_layers_of_one_size_drop_different_units():
    """Also when the engine gives every stream of the network the same key: there is only one stream."""
    module = mlp.maxout(Ports((8,), ()), nnx.Rngs(0), hidden=(8, 8), keep_input=0.5)
    assert len(jax.tree.leaves(nnx.state(module, nnx.RngKey))) == 1
    masks = [dropout(jnp.ones(64), rngs=module.noise) for dropout in module.dropouts]
    assert all((a != b).any() for a, b in pairwise(masks))


@pytest.mark.parametrize(
    ("factory", "options"),
    [
        (dcgan.generator, {"width": 0}),
        (dcgan.generator, {"norm": "spectral"}),
        (dcgan.discriminator, {"norm": "bach"}),
        (mlp.mlp, {"hidden": [0]}),
        (mlp.mlp, {"init_scale": -1.0}),
        (mlp.maxout, {"keep_input": 0.0}),
        (mlp.maxout, {"depth": 3}),
    ],
)
def test_options_are_checked(factory, options):
    with pytest.raises(ValidationError):
        options_model(factory).model_validate(options)


def test_options_accept_what_toml_has():
    assert options_model(mlp.mlp)(hidden=[3, 2]).hidden == (3, 2)
