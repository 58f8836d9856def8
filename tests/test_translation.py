"""pix2pix by hand, translators against the sizes of published ones, and metrics of pairs against closed forms."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from test_games import KEY, play

from gan_cli import build, datasets, metrics, recipe
from gan_cli.data.store import Store
from gan_cli.engine.loop import Trainer
from gan_cli.engine.sampler import Sampler, draw_many
from gan_cli.engine.state import initial_state
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.games.networks import Nets, define, initialise, shown
from gan_cli.games.pix2pix import pix2pix
from gan_cli.judging import reference
from gan_cli.judging.model_evaluator import ModelEvaluator
from gan_cli.layers import chance, layers
from gan_cli.layers.layout import formulation
from gan_cli.losses import adversarial
from gan_cli.metrics import ssim
from gan_cli.metrics.frechet import Statistics
from gan_cli.metrics.metric import Sample, Scope
from gan_cli.nets import patchgan, translator
from gan_cli.recipe_tables import laid_over
from gan_cli.types import Ports, Spec

PIXELS = Spec((1, 2, 1), parts={"input": Spec((1, 2, 1))})
X = np.array([[1.0, 2.0], [3.0, -1.0]])
INPUT = np.array([[0.5, 0.0], [-1.0, 2.0]])
MADE = np.array([[0.5, 0.5], [1.0, 1.0]])  # a generator of ones: the sum of the input, in both pixels
BATCH = {"seed": jnp.zeros(2, jnp.uint32)} | {
    name: jnp.asarray(x, jnp.float32).reshape(2, 1, 2, 1) for name, x in (("x", X), ("input", INPUT))
}
LOSS = adversarial.wasserstein()


SRRESNET = {"halvings": 0, "upsample": "shuffle", "skip": True, "ends": 3}


class Linear(nnx.Module):
    """x W, W ones; its maps are what it is shown, and the double of it."""

    def __init__(self, ports, rngs):
        self.weight = nnx.Param(jnp.ones((int(np.prod(ports.inputs)), int(np.prod(ports.outputs)))))
        self.outputs = ports.outputs

    def __call__(self, x, y=None):
        made = (x.reshape(len(x), -1) @ self.weight[...]).reshape(len(x), *self.outputs)
        return made, {"maps": [x, 2 * x]}


def game(**options):
    return pix2pix(PIXELS, Linear, Linear, loss=LOSS, **options)


# ---- the game


def test_pix2pix_by_hand():
    real, fake = ((pair + INPUT).sum(1).mean() for pair in (X, MADE))
    value, report = play(game(), "discriminator", BATCH)
    assert value == pytest.approx(fake - real)
    assert report["accuracy"] == 0.5  # of the two pairs one
    value, report = play(game(l1=10.0, l2=3.0, adversarial=0.5), "generator", BATCH)
    l1, l2 = np.abs(MADE - X).mean(), ((MADE - X) ** 2).mean()
    assert value == pytest.approx(-0.5 * fake + 10 * l1 + 3 * l2, rel=1e-6)
    assert report["l1"] == pytest.approx(l1)
    value, _ = play(game(conditional=False), "discriminator", BATCH)
    assert value == pytest.approx(MADE.sum(1).mean() - X.sum(1).mean())


def test_the_perceptual_term_and_its_margin_by_hand():
    """The maps of true and made pairs differ in the half that is not the input."""
    term = (3.0 + 2 * 0.5) * np.abs(MADE - X).mean() / 2
    value, report = play(game(l1=0.0, perceptual=(3.0, 0.5)), "generator", BATCH)
    assert report["perceptual"] == pytest.approx(term)
    assert value == pytest.approx(term - (MADE + INPUT).sum(1).mean())
    plain, _ = play(game(), "discriminator", BATCH)
    for margin, expected in ((0.0, 0.0), (term - 1, 0.0), (term + 1, 1.0)):
        value, _ = play(game(perceptual=(3.0, 0.5), margin=margin), "discriminator", BATCH)
        assert value - plain == pytest.approx(expected, abs=1e-5)


def test_the_cross_entropy_of_masks_by_hand():
    class Bounded(Linear):
        def __call__(self, x, y=None):
            made, inside = super().__call__(x)
            return jnp.tanh(made), inside

    masks, p = np.sign(X), (np.tanh(MADE) + 1) / 2
    batch = {**BATCH, "x": jnp.asarray(masks).reshape(BATCH["x"].shape)}
    options = {"l1": 0.0, "cross_entropy": 2.0, "adversarial": 0.0}
    value, _ = play(pix2pix(PIXELS, Bounded, Linear, loss=LOSS, **options), "generator", batch)
    assert value == pytest.approx(-2 * np.log(np.where(masks > 0, p, 1 - p)).mean(), rel=1e-4)


def test_masks_want_a_generator_with_bounds():
    with pytest.raises(ValueError, match="masks are made in"):
        game(cross_entropy=1.0)


def test_the_content_term_by_hand():
    fixed = Features("fixed", "", 0, (), "", lambda x: {"features": x}, maps=lambda x: (x, x.sum(2) ** 2))
    value, report = play(game(l1=0.0, content=fixed, content_weights=(3.0, 0.5)), "generator", BATCH)
    squares = ((MADE.sum(1) ** 2 - X.sum(1) ** 2) ** 2).mean()
    assert report["content"] == pytest.approx(3 * ((MADE - X) ** 2).mean() + 0.5 * squares)
    assert value == pytest.approx(float(report["content"]) - (MADE + INPUT).sum(1).mean(), rel=1e-6)


def test_pretraining_is_the_differences_alone_and_the_game_begins_after_it():
    made = game(pretrain=5, l1=2.0)
    value, _ = play(made, "pretrain", BATCH)
    assert value == pytest.approx(2 * np.abs(MADE - X).mean())
    due = {turn.name: [bool(turn.due(jnp.int32(step))) for step in (0, 4, 5, 9)] for turn in made.turns}
    begins = [False, False, True, True]
    assert due == {"pretrain": [True, True, False, False], "discriminator": begins, "generator": begins}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"input_views": []}}, r"play = 'pix2pix': it wants examples with a part 'input'.*input_views = \["),
        ({"data": {"input_views": ["views.grey", "views.smaller"]}}, "one size, and these are 4x4x1 and 16x16x1"),
        ({"game": {"content": "digits"}}, "content_weights are 1, and content = 'digits' shows 0 maps; photos shows 5"),
        ({"game": {"content": "vgg"}}, "content.features = 'vgg': no such feature network"),
        ({"game": {"margin": 1.0}}, "margin is of the perceptual term"),
        ({"game": {"perceptual": [1.0] * 3}}, "has 3 weights, and the discriminator shows 2 maps"),
        (
            {"game": {"perceptual": [1.0]}, "networks": {"discriminator": {"net": "dcgan.discriminator"}}},
            'shows 0 maps; .*net = "patchgan"',
        ),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_mend(changes, message):
    path = recipe.find_recipe("translation/pix2pix_digits")
    tables = laid_over(recipe.read_tables(path), changes)
    with pytest.raises(InputError, match=message):
        build.prepare(tables, str(path), Store(download=False))


# ---- networks


def parameters(factory, ports, **options):
    shapes = define(lambda rngs: factory(ports, rngs, **options)).shapes.params
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def test_translators_have_the_sizes_of_the_papers():
    """As the authors' code prints them: https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix/issues/1152 and /45."""

    def of(side, halvings):
        grey = (side, side, 1)
        made = parameters(translator.unet, Ports(grey, grey), norm="batch")
        return made, parameters(patchgan.patchgan, Ports((side, side, 2), ()), halvings=halvings)

    millions = [round(count / 1e6, 3) for count in (*of(256, 3), *of(64, 2))]
    assert millions == [54.408, 2.765, 29.238, 0.662]
    colours = (256, 256, 3)
    # theirs have a bias before each norm, which takes it away again: one for each of 5,248 channels
    assert parameters(translator.resnet, Ports(colours, colours), blocks=9) + 5248 == 11_388_675


@pytest.mark.parametrize(
    ("factory", "given", "made", "options"),
    [
        (translator.unet, (16, 24, 2), (16, 24, 3), {}),
        (translator.unet, (18, 6, 1), (18, 6, 1), {"norm": "none"}),  # can be halved once
        pytest.param(translator.resnet, (16, 24, 2), (16, 24, 3), {"blocks": 1}, marks=pytest.mark.slow),
        (translator.resnet, (5, 6, 1), (20, 24, 1), {**SRRESNET, "blocks": 1, "norm": "batch"}),
        pytest.param(
            translator.resnet,
            (8, 12, 1),
            (8, 12, 1),
            {"blocks": 1, "padding": "reflect", "upsample": "transposed"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_translators_are_the_same_in_both_formulations(factory, given, made, options):
    def both(x):
        net = factory(Ports(given, made), nnx.Rngs(0), width=4, **options)
        net.eval()
        for form in ("lax", "cpu"):
            with formulation(form):
                yield net(x)[0]

    one, other = jax.jit(lambda x: tuple(both(x)))(jax.random.normal(KEY, (3, *given)))
    assert one.shape == (3, *made)
    assert 0 < float(jnp.abs(one).max()) < 1
    np.testing.assert_allclose(one, other, atol=2e-6)


def test_noise_of_a_unet_belongs_to_the_example_and_not_to_its_batch():
    """Dropout in training and in sampling: from seeds, the same in any batch, in both formulations."""
    ports = Ports((8, 8, 1), (8, 8, 1))

    def build(rngs):
        return translator.unet(ports, rngs, width=4, dropout=0.5)

    definition, variables = define(build), initialise(build, KEY)
    assert jax.tree.structure(variables) == jax.tree.structure(
        initialise(partial(translator.unet, ports, width=4), KEY)
    )
    x, seeds = jnp.ones((3, 8, 8, 1)), jnp.array([5, 6, 5], jnp.uint32)

    @jax.jit
    def made(variables):
        with formulation("cpu"):
            together = Nets({"g": definition}, {"g": variables})["g"](x, seeds=seeds)[0]
            alone = Nets({"g": definition}, {"g": variables})["g"](x[:1], seeds=seeds[1:2])[0]
        with formulation("lax"):
            training = Nets({"g": definition}, {"g": variables}, KEY, step=jnp.int32(3))
            return together, alone, training["g"](x, seeds=seeds)[0]

    three, alone, other = made(variables)
    assert (three[0] != three[1]).any()
    np.testing.assert_array_equal(three[0], three[2])
    np.testing.assert_allclose(alone[0], three[1], atol=1e-6)
    np.testing.assert_allclose(other, three, atol=2e-6)
    with pytest.raises(InputError, match=r"\[networks.g\]: it drops values .* this game gives it none"):
        jax.eval_shape(lambda: Nets({"g": definition}, {"g": variables})["g"](x))


def test_dropout_keeps_the_mean_and_layers_drop_different_values():
    first, second = (chance.Dropout(0.25, number) for number in range(2))
    kept = []
    for layer in (first, second):
        layer.seeds.set_value(jnp.arange(4, dtype=jnp.uint32))
        kept.append(np.asarray(layer(jnp.ones((4, 5000)))))
    assert set(np.unique(kept[0])) == {0.0, np.float32(1 / 0.75)}
    assert np.mean(kept) == pytest.approx(1, abs=0.02)  # standard error 0.003
    assert abs(np.corrcoef(kept[0].ravel(), kept[1].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("form", ["lax", "cpu"])
def test_a_map_that_is_reflected_beyond_its_edges(form):
    layer = layers.ReflectedConv(2, 3, 5, nnx.Rngs(0), padding=2)
    x = jax.random.normal(KEY, (2, 6, 7, 2))
    mirrored = jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), "reflect")
    expected = jax.lax.conv_general_dilated(
        mirrored, layer.kernel(), (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    with formulation(form):
        np.testing.assert_allclose(layers.leave(layer(layers.enter(x))), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "patch"),
    [({"kernel": 1, "halvings": 1}, 1), ({"halvings": 1}, 16), ({"halvings": 3}, 70), ({"halvings": 5}, 286)],
)
def test_patches_are_as_large_as_those_of_the_paper(options, patch):
    """The pixels on which a score in the middle depends, by its gradient."""
    side = 2 * patch + 32
    net = patchgan.patchgan(Ports((side, side, 1), ()), nnx.Rngs(0), width=1, norm="none", **options)

    def score(x):
        scores = net(x)[0][0]
        return scores[tuple(n // 2 for n in scores.shape)]

    with formulation("lax"):
        seen = jax.jit(jax.grad(score))(jax.random.normal(KEY, (1, side, side, 1)))[0, ..., 0] != 0
    assert [int(seen.any(axis).sum()) for axis in (0, 1)] == [patch, patch]


@pytest.mark.parametrize(
    ("factory", "given", "made", "options", "message"),
    [
        (translator.unet, (16, 16, 1), (32, 32, 1), {}, "16 x 16 pixels, and not 32 x 32.*translator.resnet"),
        (translator.unet, (28, 28, 1), (28, 28, 1), {"halvings": 3}, "can be halved 2 times, not 3"),
        (translator.unet, (15, 16, 1), (15, 16, 1), {}, "15 x 16 pixels can be halved 0 times"),
        (translator.unet, (18, 18, 1), (18, 18, 1), {"dropout": 0.5}, "dropout wants two halvings, and has one"),
        (translator.unet, (16,), (16, 16, 1), {}, "images .* at its input"),
        (translator.resnet, (16, 16, 1), (8, 8, 1), {}, "16 x 16 pixels, and not 8 x 8"),
        (translator.resnet, (16, 16, 1), (48, 48, 1), {}, "16 x 16 pixels, and not 48 x 48"),
        (translator.resnet, (18, 18, 1), (18, 18, 1), {}, "halvings = 2: 18 x 18 pixels can be halved 1 times"),
        (translator.resnet, (16, 16, 1), (16, 16), {}, "images .* at its output"),
    ],
)
def test_what_does_not_fit_is_refused(factory, given, made, options, message):
    with pytest.raises(InputError, match=message):
        factory(Ports(given, made), nnx.Rngs(0), **options)


def test_patchgan_shows_a_map_for_each_layer_but_the_last():
    inside = shown(partial(patchgan.patchgan, Ports((32, 32, 2), ()), width=2, halvings=2), (32, 32, 2))
    assert [x.shape for x in inside["maps"]] == [(1, 16, 16, 2), (1, 8, 8, 4), (1, 7, 7, 8)]
    assert inside["features"].shape == (1, 7, 7, 8)


# ---- metrics of pairs


def pairs_of(name, results, truths):
    """The number of each pair, and the values of the metric."""
    metric = metrics.find_metric(name)
    numbers = np.asarray(metric.pair(jnp.asarray(results), jnp.asarray(truths)))
    return numbers, metric.compute(None, Sample(Statistics(np.zeros(0), np.zeros((0, 0)), 0), pairs={name: numbers}))


def test_psnr_of_what_was_missing():
    """Of the pixels in which the input is not the truth; where there is none, nothing is wrong."""
    truths = np.zeros((2, 4, 4, 3), np.uint8)
    given, results = truths.copy(), truths + np.uint8(255)
    given[0, 0, :2, 1] = 9  # two pixels
    results[0, 0, 0], results[0, 0, 1] = 51, 0  # one of them wrong by 0.2
    metric = metrics.find_metric("psnr", where="changed")
    numbers = metric.pair(*map(jnp.asarray, (results, truths)), given=jnp.asarray(given))
    np.testing.assert_allclose(numbers, [-10 * np.log10(0.02), 100.0], rtol=1e-5)
    with pytest.raises(InputError, match="inputs with truths, and these are 2x2x3 and 4x4x3"):
        metric.pair(results, truths, given=given[:, :2, :2])


def test_metrics_of_pairs_by_hand():
    truths = np.zeros((2, 12, 12, 3), np.uint8)
    results = truths.copy()
    results[0, :6] = 51  # half of it 0.2 brighter
    results[1] = 255
    numbers, values = pairs_of("l1", results, truths)
    np.testing.assert_allclose(numbers, [0.1, 1.0], rtol=1e-6)
    assert values["l1"] == pytest.approx(0.55)
    assert values["l1-error"] == pytest.approx(0.45)
    numbers, values = pairs_of("psnr", results, truths)
    np.testing.assert_allclose(numbers, [-10 * np.log10(0.02), 0.0], rtol=1e-5, atol=1e-6)
    assert pairs_of("psnr", truths, truths)[0].tolist() == [100.0, 100.0]
    numbers, _ = pairs_of("ssim", results, truths)
    assert numbers[1] == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-3)  # constants: luminance alone, c1 / (1 + c1)
    assert pairs_of("ssim", results, results)[0] == pytest.approx([1.0, 1.0], abs=1e-5)
    vectors = np.array([[1.0, -2.0], [0.0, 0.0]], np.float32)
    assert pairs_of("l1", vectors, np.zeros_like(vectors))[0].tolist() == [1.5, 0.0]


def ssim_by_definition(a, b):
    """SSIM of two grey images in [0, 1], by a loop over its windows, in float64."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            u, v = (x[top : top + 11, left : left + 11] for x in (a, b))
            mu, mv = (window * u).sum(), (window * v).sum()
            uu, vv, uv = ((window * p).sum() - q for p, q in ((u * u, mu * mu), (v * v, mv * mv), (u * v, mu * mv)))
            values.append((2 * mu * mv + 1e-4) * (2 * uv + 9e-4) / ((mu**2 + mv**2 + 1e-4) * (uu + vv + 9e-4)))
    return np.mean(values)


def test_ssim_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    truths = rng.integers(0, 256, (2, 14, 13, 3), dtype=np.uint8)
    results = np.clip(truths + rng.normal(0, 40, truths.shape), 0, 255).astype(np.uint8)
    expected = [
        np.mean([ssim_by_definition(a[..., c] / 255, b[..., c] / 255) for c in range(3)])
        for a, b in zip(results, truths, strict=True)
    ]
    np.testing.assert_allclose(ssim.similarity(jnp.asarray(results), jnp.asarray(truths)), expected, atol=2e-5)


@pytest.mark.parametrize(("name", "shape"), [("psnr", (2,)), ("ssim", (2,)), ("ssim", (10, 16, 1))])
def test_metrics_of_pairs_of_images_refuse_others(name, shape):
    with pytest.raises(InputError, match=f"{name} compares images of"):
        metrics.find_metric(name).check(Scope(1, 1, 1, shape))


# ---- all together


def trained(name, steps, *overrides):
    """A recipe trained for so many steps; its metrics before and after, and what it makes of two inputs."""
    path = recipe.find_recipe(name)
    tables = recipe.read_tables(path, overrides)
    store = Store(download=False)
    prepared = build.prepare(tables, str(path), store)
    judged = recipe.Eval(**prepared.resolved["eval"])
    against = reference.of_streams(prepared.resolved, "", prepared.sources, None, store)
    judge = ModelEvaluator(prepared.experiment, judged, against, store, seed=0)
    feed = datasets.feed(prepared.resolved, prepared.sources)
    trainer = Trainer(prepared.experiment, feed, jax.devices()[:1])
    state = trainer.place(initial_state(prepared.experiment, 0))
    values = [judge(state.average).values]
    done = 0
    while done < steps:
        n = min(prepared.experiment.train.steps_per_call, steps - done)
        state, _ = trainer.advance(state, done, n)
        done += n
    return prepared, state, [*values, judge(state.average).values]


TINY = ("data.size=8", "networks.generator.width=2", "networks.discriminator={net='mlp', hidden=[4]}", "train.batch=4")


@pytest.mark.slow
def test_a_trained_translation_is_asked_and_judged():
    small = ("eval.n=20", "eval.metric=l1,psnr", "train.steps_per_call=2", "eval.batch=20")
    prepared, state, (before, after) = trained("translation/pix2pix_digits", 2, *TINY, *small)
    assert before.keys() == after.keys() == {"l1", "l1-error", "psnr", "psnr-error"}
    assert before["l1"] != after["l1"]
    given = prepared.source.load(np.array([3, 0, 3]))
    ask = Sampler(prepared.experiment, 2, ask="translate")
    made = ask(state.average, {**draw_many(prepared.experiment, 0, 3), "input": given["input"]})
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made[0], made[2])  # a result is a function of its input
    assert (made[0] != made[1]).any()


@pytest.mark.slow
def test_digits_are_made_from_their_edges():
    _, _, (before, after) = trained("translation/pix2pix_digits", 400)
    assert after["l1"] < 0.5 * before["l1"]
    assert after["fid"] < 0.2 * before["fid"]
    assert after["ssim"] > before["ssim"] + 0.3
