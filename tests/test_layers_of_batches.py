"""Minibatch discrimination, PatchGAN, auto-encoders and branched generators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_cli.errors import InputError
from gan_cli.games.networks import define
from gan_cli.layers.layers import MinibatchDiscrimination
from gan_cli.nets import autoencoder, dcgan, mlp, patchgan
from gan_cli.types import DEVICES, Ports

KEY = jax.random.key(0)


def on_one_device(f, x):
    return jax.vmap(f, axis_name=DEVICES)(x[None])[0]


@pytest.fixture(scope="module")
def layer():
    made = MinibatchDiscrimination(3, 4, 2, nnx.Rngs(0))
    made.tensor[...] = jax.random.normal(KEY, (3, 4, 2))
    return made


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(1), (6, 3))


def test_closeness_by_hand(layer, x):
    views = np.einsum("bf,fkd->bkd", x, layer.tensor[...])
    wanted = np.zeros((6, 4))
    for i in range(6):
        for j in range(6):
            if i != j:
                wanted[i] += np.exp(-np.abs(views[i] - views[j]).sum(axis=-1))
    found = on_one_device(layer, x)
    np.testing.assert_allclose(found[:, :3], x)
    np.testing.assert_allclose(found[:, 3:], wanted, rtol=2e-5, atol=1e-6)


def test_closeness_moves_with_the_examples(layer, x):
    order = jnp.array([3, 1, 5, 0, 2, 4])
    np.testing.assert_allclose(on_one_device(layer, x[order]), on_one_device(layer, x)[order], rtol=1e-5, atol=1e-6)


def test_examples_do_not_see_each_other_when_the_tensor_is_zero(x):
    blind = MinibatchDiscrimination(3, 4, 2, nnx.Rngs(0))
    blind.tensor[...] = jnp.zeros((3, 4, 2))
    gradient = jax.grad(lambda x: on_one_device(blind, x)[0].sum())(x)
    assert not gradient[1:].any()
    np.testing.assert_allclose(on_one_device(blind, x)[:, 3:], 5.0)


def test_two_devices_see_the_whole_batch(layer, x):
    two = jax.vmap(layer, axis_name=DEVICES)(x.reshape(2, 3, 3)).reshape(6, -1)
    np.testing.assert_allclose(two, on_one_device(layer, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("net", [mlp.mlp, dcgan.discriminator])
def test_networks_with_it_say_that_they_mix_examples(net):
    ports = Ports((8, 8, 1), ())
    options = {} if net is mlp.mlp else {"norm": "none"}
    assert define(lambda rngs: net(ports, rngs, minibatch_kernels=2, **options)).mixes
    assert not define(lambda rngs: net(ports, rngs, **options)).mixes
    module = net(ports, nnx.Rngs(0), minibatch_kernels=2, **options)
    images = jax.random.normal(KEY, (4, 8, 8, 1))
    score = on_one_device(lambda x: module(x)[0], images)
    alone = on_one_device(lambda x: module(x)[0], images.at[1:].set(9.0))
    assert score.shape == (4,)
    assert float(score[0]) != float(alone[0])


@pytest.mark.parametrize(("halvings", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_patch_is_exactly_the_receptive_field(halvings, field):
    side = {1: 32, 2: 64, 3: 128}[halvings]
    net = patchgan.patchgan(Ports((side, side, 1), ()), nnx.Rngs(0), width=2, halvings=halvings, norm="none")
    images = jax.random.normal(KEY, (1, side, side, 1))
    middle = jax.eval_shape(lambda x: net(x)[0], images).shape[1] // 2
    gradient = np.asarray(jax.jit(jax.grad(lambda x: net(x)[0][0, middle, middle]))(images))[0, ..., 0]
    rows, columns = (np.flatnonzero(gradient.any(axis=axis)) for axis in (1, 0))
    assert rows[-1] - rows[0] + 1 == field
    assert columns[-1] - columns[0] + 1 == field


def test_patchgan_runs_on_larger_images_and_refuses_ones_without_a_patch():
    net = patchgan.patchgan(Ports((32, 32, 3), ()), nnx.Rngs(0), width=2, halvings=2, norm="none")
    for shape, patches in (((2, 32, 32, 3), (2, 6, 6)), ((2, 64, 48, 3), (2, 14, 10))):
        assert jax.eval_shape(lambda x: net(x)[0], jnp.zeros(shape)).shape == patches
    with pytest.raises(InputError, match="leaves no patch"):
        patchgan.patchgan(Ports((16, 16, 3), ()), nnx.Rngs(0))
    with pytest.raises(InputError, match="one vector for each image"):
        patchgan.patchgan(Ports((64, 64, 3), (4,)), nnx.Rngs(0))


@pytest.mark.parametrize(
    ("net", "shape", "code"), [(autoencoder.mlp, (2,), 5), (autoencoder.conv, (16, 16, 3), 4 * 4 * 16)]
)
def test_autoencoders_give_back_the_shape_and_a_code(net, shape, code):
    options = {"code": 5} if net is autoencoder.mlp else {"width": 8, "norm": "none"}
    module = net(Ports(shape, shape), nnx.Rngs(0), **options)
    rebuilt, seen = module(jnp.zeros((3, *shape)))
    assert rebuilt.shape == (3, *shape)
    assert seen["features"].shape == (3, code)
    with pytest.raises(InputError, match="energy-based"):
        net(Ports(shape, ()), nnx.Rngs(0), **options)


BRANCHED = [
    (mlp.branched, (2,), {"hidden": (4, 4)}),
    (dcgan.branched, (8, 8, 1), {"width": 4, "norm": "none"}),
    (dcgan.branched, (16, 16, 3), {"width": 4, "norm": "none"}),
]


@pytest.mark.parametrize(("net", "shape", "options"), BRANCHED)
def test_branches_are_networks_of_their_own(net, shape, options):
    module = net(Ports((2,), shape, classes=3), nnx.Rngs(0), **options)
    z = jax.random.normal(KEY, (3, 2))
    each = [module(z, jnp.full(3, k))[0] for k in range(3)]
    mixed = module(z, jnp.array([2, 0, 1]))[0]
    assert mixed.shape == (3, *shape)
    np.testing.assert_allclose(mixed, jnp.stack([each[2][0], each[0][1], each[1][2]]), rtol=1e-5, atol=1e-9)
    assert not np.allclose(each[0], each[1], atol=1e-9)
    with pytest.raises(InputError, match="gives none"):
        net(Ports((2,), shape), nnx.Rngs(0), **options)


def test_branches_of_a_dcgan_share_all_layers_but_the_last_two():
    module = dcgan.branched(Ports((2,), (32, 32, 1), classes=3), nnx.Rngs(0), width=4)
    assert [len(end.ups) for end in module.ends] == [1, 1, 1]
    assert len(module.ups) == 1  # 4 -> 8 pixels in common, 8 -> 16 -> 32 each branch's own
