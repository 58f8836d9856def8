"""Networks that are given a label: explicit formulas, both layouts, gradients of every weight that a label chooses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gan_cli import build
from gan_cli.errors import InputError
from gan_cli.games.networks import Nets, define, initialise
from gan_cli.games.standard import standard
from gan_cli.layers import layers
from gan_cli.layers.layers import formulation
from gan_cli.losses import adversarial, penalties
from gan_cli.nets import dcgan, mlp, patchgan
from gan_cli.types import DEVICES, Adversarial, Penalty, Ports, Spec

KEY = jax.random.key(0)
K = 3
Y = np.array([0, 2, 1, 2, 0, 1], np.int32)
ONE_HOT = np.eye(K, dtype=np.float32)[Y]
IMAGE = (8, 8, 2)
X = np.random.default_rng(0).normal(size=(6, *IMAGE)).astype(np.float32)
PLANES = np.broadcast_to(ONE_HOT[:, None, None], (6, 8, 8, K))
Z = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
FORMS = ["cpu", "lax"]


def made(factory, ports, **options):
    module = factory(ports, nnx.Rngs(0), **options)
    return nnx.split(module, nnx.Param, ...)


def run(network, *inputs):
    """The output in training, on one device."""
    graph, params, rest = network

    def call(*inputs):
        return nnx.merge(graph, params, rest, copy=True)(*inputs)[0]

    return np.asarray(jax.vmap(call, axis_name=DEVICES)(*(jnp.asarray(x)[None] for x in inputs))[0])


def without(params, name):
    return nnx.State({key: value for key, value in params.items() if key != name})


def on(network, other):
    """The weights of one network in another of the same layers."""
    (_, *variables), (graph, _, _) = network, other
    return graph, *(without(without(state, "label"), "projection") for state in variables)


# the label beside the input: the network without a label, on a longer input

BESIDE = [
    (mlp.mlp, (4,), (2,), {"hidden": (5,), "norm": "batch"}, 3),
    (mlp.mlp, (4,), (), {"hidden": (5,)}, 3),
    (mlp.mlp, (4,), (), {"hidden": (5,), "norm": "spectral"}, 3),
    (partial(mlp.maxout, keep_input=1.0, keep_hidden=1.0), (4,), (), {"hidden": (5,), "pieces": 2}, 3),
    (dcgan.generator, (4,), IMAGE, {"width": 2}, 3),
    (dcgan.discriminator, IMAGE, (), {"width": 2}, 1),
    (dcgan.discriminator, IMAGE, (), {"width": 2, "norm": "spectral"}, 1),
    (patchgan.patchgan, IMAGE, (), {"width": 2, "halvings": 1}, 1),
]


@pytest.mark.parametrize(
    ("factory", "inputs", "outputs", "options", "embedding", "form"),
    [(*case, form) for case in BESIDE for form in (FORMS if IMAGE in case else FORMS[1:])],  # vectors have one layout
)
def test_beside_the_input(factory, inputs, outputs, options, embedding, form):
    x = X if len(inputs) == 3 else Z
    own = {"embedding": embedding} if embedding != 1 else {}
    with formulation(form):
        for condition, extra in (("concatenate", {}), ("embedding", own)):
            network = made(factory, Ports(inputs, outputs, K), condition=condition, **extra, **options)
            beside = ONE_HOT
            if condition == "embedding":
                beside = ONE_HOT @ np.asarray(network[1]["label"]["embed"]["kernel"]["weight"][...])
            if condition == "embedding" and len(inputs) == 3:  # a channel of the label's own
                beside = beside.reshape(6, *inputs[:-1], 1)
            else:
                beside = np.broadcast_to(
                    beside.reshape(6, *[1] * (len(inputs) - 1), -1), (6, *inputs[:-1], beside.shape[1])
                )
            shape = (*inputs[:-1], inputs[-1] + beside.shape[-1])
            plain = on(network, made(factory, Ports(shape, outputs), **options))
            expected = run(plain, np.concatenate([x, beside], axis=-1))
            np.testing.assert_allclose(run(network, x, Y), expected, atol=1e-5, rtol=1e-4)


def test_maxout_does_not_take_a_one_hot_label_for_pixels():
    """Pixels are brought from [-1, 1] to [0, 1] first, labels are not."""
    options = {"hidden": (5,), "pieces": 2, "keep_input": 1.0, "keep_hidden": 1.0}
    network = made(mlp.maxout, Ports(IMAGE, (), K), condition="concatenate", **options)
    plain = on(network, made(mlp.maxout, Ports((128 + K,), ()), **options))
    expected = run(plain, np.concatenate([(X.reshape(6, -1) + 1) / 2, ONE_HOT], axis=1))
    np.testing.assert_allclose(run(network, X, Y), expected, rtol=1e-4)


def test_embeddings_start_as_wide_as_a_latent():
    network = made(mlp.mlp, Ports((4,), (2,), 40), condition="embedding")
    weight = network[1]["label"]["embed"]["kernel"]["weight"][...]
    assert weight.shape == (40, 50)
    assert float(weight.std()) == pytest.approx(1, rel=0.05)


# projection

PROJECTING = [
    (mlp.mlp, (4,), {"hidden": (5,)}),
    (mlp.mlp, (4,), {"hidden": ()}),
    (dcgan.discriminator, IMAGE, {"width": 2}),
    (dcgan.discriminator, IMAGE, {"width": 2, "norm": "none"}),
]


@pytest.mark.parametrize(("factory", "inputs", "options"), PROJECTING)
@pytest.mark.parametrize("form", FORMS)
def test_projection_adds_an_inner_product_with_the_features(factory, inputs, options, form):
    x = X if len(inputs) == 3 else Z
    with formulation(form):
        network = made(factory, Ports(inputs, (), K), condition="projection", **options)
        graph, params, rest = on(network, made(factory, Ports(inputs, ()), **options))

        def both(x):
            return nnx.merge(graph, params, rest, copy=True)(x)

        score, inner = jax.tree.map(lambda a: np.asarray(a)[0], jax.vmap(both, axis_name=DEVICES)(x[None]))
        own = ONE_HOT @ np.asarray(network[1]["projection"]["embed"]["kernel"]["weight"][...])
        expected = score + (own * inner["features"]).sum(axis=1)
        np.testing.assert_allclose(run(network, x, Y), expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("factory", "inputs"), [(mlp.mlp, (4,)), (dcgan.discriminator, IMAGE)])
def test_spectral_normalisation_is_of_the_projections_vectors_too(factory, inputs):
    module = factory(Ports(inputs, (), K), nnx.Rngs(0), condition="projection", norm="spectral")
    for _ in range(50):
        kernel = module.projection.embed.kernel()
    assert float(jnp.linalg.svd(kernel, compute_uv=False)[0]) == pytest.approx(1, rel=0.02)
    plain = factory(Ports(inputs, (), K), nnx.Rngs(0), condition="projection", norm="none")
    assert plain.projection.embed.kernel.spectral is None


# norms

NORMS = ["batch", "layer", "instance"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "x"), [*((name, X) for name in NORMS), ("batch", Z), ("layer", Z)], ids=lambda x: getattr(x, "ndim", x)
)
def test_a_conditional_norm_is_each_labels_affine_map_of_what_is_normalised(name, x, form):
    channels = x.shape[-1]
    layer = layers.norm(name, channels, nnx.Rngs(0), nnx.initializers.normal(1.0), K)
    layer.bias[...] = jax.random.normal(KEY, (K, channels))
    bare = layers.norm(name, channels, nnx.Rngs(0))

    def call(layer, *given):
        parts = nnx.split(layer)

        def one(x, y=None):
            merged = nnx.merge(*parts, copy=True)
            return layers.leave(merged(layers.enter(x), y)) if x.ndim == 4 else merged(x, y)

        return np.asarray(jax.vmap(one, axis_name=DEVICES)(*(jnp.asarray(a)[None] for a in given))[0])

    with formulation(form):
        normalised, conditional = call(bare, x), call(layer, x, Y)
    shape = (6, *[1] * (x.ndim - 2), channels)
    scale, bias = (np.asarray(p[...])[Y].reshape(shape) for p in (layer.scale, layer.bias))
    np.testing.assert_allclose(conditional, scale * normalised + bias, atol=2e-5)


@pytest.mark.parametrize("name", NORMS)
def test_norms_without_labels_keep_the_names_and_shapes_of_older_checkpoints(name):
    kept = nnx.to_pure_dict(nnx.state(layers.norm(name, 5, nnx.Rngs(0))))
    statistics = {"mean": (5,), "var": (5,)} if name == "batch" else {}
    assert {key: value.shape for key, value in kept.items()} == {"scale": (5,), "bias": (5,), **statistics}
    with_labels = nnx.state(layers.norm(name, 5, nnx.Rngs(0), classes=K), nnx.Param)
    assert {key: value.shape for key, value in nnx.to_pure_dict(with_labels).items()} == dict.fromkeys(
        ("scale", "bias"), (K, 5)
    )


@pytest.mark.parametrize(
    ("factory", "ports", "names"),
    [
        (mlp.mlp, Ports((4,), ()), {"last", "linears", "norms"}),
        (dcgan.generator, Ports((4,), IMAGE), {"norms", "project", "to_image", "ups"}),
        (dcgan.discriminator, Ports(IMAGE, ()), {"downs", "norms", "score"}),
        (partial(patchgan.patchgan, halvings=1), Ports(IMAGE, ()), {"convs", "norms", "score"}),
        (mlp.maxout, Ports((4,), ()), {"last", "linears"}),
    ],
)
def test_networks_without_a_label_have_no_weights_of_one(factory, ports, names):
    assert set(made(factory, ports)[1]) <= names


# what a step moves

TINY = {"hidden": (6,)}
CASES = [
    # generator, its options, discriminator, its options
    *(
        (mlp.mlp, {**TINY, "condition": "concatenate"}, mlp.mlp, {**TINY, "condition": "projection", "norm": n})
        for n in ("none", "spectral")
    ),
    (mlp.mlp, {**TINY, "condition": "norm", "norm": "batch"}, mlp.mlp, {**TINY, "condition": "norm", "norm": "layer"}),
    (mlp.mlp, {**TINY, "condition": "norm", "norm": "layer"}, mlp.mlp, {**TINY, "condition": "norm", "norm": "batch"}),
    (mlp.branched, TINY, mlp.maxout, {**TINY, "pieces": 2, "condition": "embedding"}),
    (
        dcgan.generator,
        {"width": 2, "condition": "norm"},
        dcgan.discriminator,
        {"width": 2, "condition": "projection", "norm": "spectral"},
    ),
    (
        dcgan.generator,
        {"width": 2, "condition": "norm", "norm": "instance"},
        dcgan.discriminator,
        {"width": 2, "condition": "concatenate", "norm": "layer"},
    ),
    (
        dcgan.generator,
        {"width": 2, "condition": "norm", "norm": "layer"},
        dcgan.discriminator,
        {"width": 2, "condition": "embedding", "norm": "instance"},
    ),
    (
        dcgan.generator,
        {"width": 2, "condition": "embedding"},
        patchgan.patchgan,
        {"width": 2, "halvings": 1, "condition": "concatenate", "norm": "none"},
    ),
    (
        dcgan.generator,
        {"width": 2, "condition": "concatenate", "norm": "none"},
        patchgan.patchgan,
        {"width": 2, "halvings": 1, "condition": "embedding"},
    ),
]


def ids(case):
    return "-".join(
        f"{part.__name__}" if callable(part) else f"{part.get('condition')},{part.get('norm')}" for part in case
    )


def of_label(params, inputs):
    """Gradients of the weights that belong to labels, each [K, ...] where a label has a row of its own."""
    found = {
        "/".join(map(str, path)): np.asarray(leaf) for path, leaf in nnx.to_flat_state(params) for leaf in [leaf[...]]
    }
    rows = [leaf for path, leaf in found.items() if "embed" in path or ("norms" in path and leaf.ndim == 2)]
    for path, leaf in found.items():  # one-hot numbers are the last of the first layer's inputs
        if path.startswith(("linears/0", "downs/0", "convs/0")) and leaf.shape[-2:-1] == (inputs + K,):
            rows.append(np.moveaxis(leaf, -2, 0)[inputs:])
        if path.startswith("project/") and leaf.shape[-1:] == (inputs + K,):
            rows.append(np.moveaxis(leaf, -1, 0)[inputs:])
        if path.startswith(("hiddens/", "lasts/")):
            rows.append(leaf[None])
    return rows


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_every_label_moves_what_is_its_own_in_both_networks(case):
    g, g_options, d, d_options = case
    image = g is dcgan.generator
    spec = Spec(IMAGE if image else (4,), tuple("abc"))
    networks = [partial(net, **options) for net, options in ((g, g_options), (d, d_options))]
    penalised = () if d_options.get("norm", "batch" if image else "none") == "batch" else (penalties.r1(gamma=1.0),)
    game = standard(spec, *networks, loss=adversarial.non_saturating(), latent=5, conditional=True, penalties=penalised)
    x = X if image else np.tanh(Z)
    with formulation("lax"):  # whose programs compile in half the time; the contract tests have the other
        gradients = moved(game, x)
    for name, found in zip(("generator", "discriminator"), gradients, strict=True):
        assert all(np.isfinite(leaf[...]).all() for leaf in jax.tree.leaves(found))
        rows = of_label(found, 5 if name == "generator" else spec.shape[-1])
        assert rows, name
        for row in rows:
            assert (np.abs(row).reshape(len(row), -1).max(axis=1) > 0).all(), name


def moved(game, x):
    """Gradients of both turns, at weights wide enough to tell them from nothing."""
    definitions = {role: define(b) for role, b in game.networks.items()}

    @jax.jit
    def both(batch):
        variables = {role: initialise(b, KEY) for role, b in game.networks.items()}

        def gradient(turn):
            (role,) = turn.trains

            def loss(params):
                return turn.loss(
                    Nets(definitions, {**variables, role: variables[role]._replace(params=params)}, KEY), batch
                )[0]

            return jax.grad(loss)(variables[role].params)

        return gradient(game.turns[-1]), gradient(game.turns[0])

    batch = {"x": jnp.asarray(x), "y": jnp.asarray(Y), **game.draw(KEY, 6)}
    found = jax.vmap(both, axis_name=DEVICES)(jax.tree.map(lambda a: a[None], batch))
    return jax.tree.map(lambda a: a[0], found)


LOSSES = sorted(name for name in build.LOSS.names())
PENALTIES = sorted(name for name in build.PENALTY.names())


def test_every_loss_and_every_penalty_plays_with_labels():
    """One program: finite losses and gradients of both turns, with label weights that move."""
    networks = [
        partial(mlp.mlp, hidden=(6,), condition="concatenate", activation="tanh"),
        partial(mlp.mlp, hidden=(6,), condition="projection", activation="tanh"),
    ]
    spec = Spec((4,), tuple("abc"))
    losses: dict[str, Adversarial] = {name: build.LOSS.find(name)() for name in LOSSES}
    games = {
        name: standard(spec, *networks, loss=loss, latent=5, conditional=True, mismatched=0.5)
        for name, loss in losses.items()
    }
    for name in PENALTIES:
        penalty: Penalty = build.PENALTY.find(name)()
        games[name] = standard(
            spec, *networks, loss=adversarial.wasserstein(), latent=5, conditional=True, penalties=(penalty,)
        )
    assert len(games) >= 15
    definitions = {role: define(b) for role, b in games[LOSSES[0]].networks.items()}
    variables = {role: initialise(b, KEY) for role, b in games[LOSSES[0]].networks.items()}
    drawn = {**games[PENALTIES[0]].draw(KEY, 6), **games[LOSSES[0]].draw(KEY, 6)}
    batch = {"x": jnp.tanh(Z), "y": jnp.asarray(Y), **drawn}

    def gradient(game, index, role, batch):
        def loss(params):
            nets = Nets(definitions, {**variables, role: variables[role]._replace(params=params)}, KEY)
            return game.turns[index].loss(nets, batch)[0]

        return jax.value_and_grad(loss)(variables[role].params)

    @jax.jit
    def everything(batch):
        return {
            name: (gradient(game, -1, "generator", batch), gradient(game, 0, "discriminator", batch))
            for name, game in games.items()
        }

    for name, ((g_loss, g), (d_loss, d)) in everything(batch).items():
        assert np.isfinite([g_loss, d_loss]).all(), name
        own = [of_label(g, 5), of_label(d, 4)]
        for rows in own:
            assert rows, name
            for row in rows:
                assert np.isfinite(row).all(), name
                assert (np.abs(row).reshape(K, -1).max(axis=1) > 0).all(), name


# what does not fit is refused


@pytest.mark.parametrize(
    ("factory", "ports", "options", "words"),
    [
        (mlp.mlp, Ports((4,), ()), {"condition": "projection"}, "this game gives it none"),
        (mlp.mlp, Ports((4,), (), K), {}, 'set condition = "concatenate", "embedding", "norm" or "projection"'),
        (mlp.mlp, Ports((4,), (2,), K), {"condition": "projection"}, "added to a score"),
        (dcgan.discriminator, Ports(IMAGE, (2,), K), {"condition": "projection"}, "added to a score"),
        (mlp.mlp, Ports((4,), (), K), {"condition": "norm"}, 'norm = "none" has no such layer'),
        (mlp.mlp, Ports((4,), (), K), {"condition": "norm", "norm": "spectral"}, 'norm = "spectral" has no such layer'),
        (mlp.mlp, Ports((4,), (), K), {"condition": "norm", "norm": "layer", "hidden": ()}, r"hidden = \[\] has none"),
        (
            dcgan.generator,
            Ports((4,), IMAGE, K),
            {"condition": "norm", "norm": "none"},
            'norm = "none" has no such layer',
        ),
        (dcgan.generator, Ports((4,), IMAGE), {"condition": "norm"}, "this game gives it none"),
        (patchgan.patchgan, Ports(IMAGE, (), K), {}, 'set condition = "concatenate" or "embedding"'),
        (patchgan.patchgan, Ports(IMAGE, ()), {"condition": "embedding"}, "this game gives it none"),
        (mlp.maxout, Ports((4,), ()), {"condition": "embedding"}, "this game gives it none"),
    ],
)
def test_a_label_that_does_not_fit_is_refused(factory, ports, options, words):
    with pytest.raises(InputError, match=words):
        factory(ports, nnx.Rngs(0), **options)
