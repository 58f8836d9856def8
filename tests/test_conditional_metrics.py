"""Metrics of conditional and information GANs: by hand, by closed forms, and through the judge on an exact game.

The game's generator paints its class and codes into fixed pixels, its recognition network reads them off again, and so
does the classifier: every agreement is exactly 1, and less where labels, codes and samples are not of one order.
"""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import tiny_recipe

from gan_cli import features as feature_networks
from gan_cli.data import toy
from gan_cli.data.source import in_memory
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment, definitions, initial_state, state_shapes
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.features.digits import digits
from gan_cli.games.game import Ask, Game
from gan_cli.games.networks import Nets
from gan_cli.judging.model_evaluator import ModelEvaluator
from gan_cli.judging.reference import Reference
from gan_cli.media.medium import from_levels, to_levels
from gan_cli.metrics import classes, find_metric, ms_ssim, ssim
from gan_cli.metrics.code_accuracy import matched
from gan_cli.metrics.collect import NotFiniteError, collect
from gan_cli.metrics.frechet import frechet_distance, statistics
from gan_cli.metrics.metric import Code, Sample, Scope
from gan_cli.metrics.mutual_information import lower_bound
from gan_cli.recipe import Ema, Eval, Train
from gan_cli.types import Control, Spec

rng = np.random.default_rng(0)
EMPTY = statistics(np.zeros((2, 1)))


def sample(n, **parts):
    return Sample(statistics(np.zeros((n, 1))), **parts)


def asked(values, categories):
    return {"class": Code(Control(categories), np.asarray(values))}


# ---- class-agreement


def test_class_agreement_by_hand():
    fake = sample(6, codes=asked([0, 0, 1, 1, 1, 3], 4), classified=np.array([0, 1, 1, 1, 0, 3]))
    real = sample(4, labels=np.array([0, 1, 2, 3]), classified=np.array([0, 1, 2, 2]))
    values = find_metric("class-agreement").compute(real, fake)
    shuffled = values.pop("class-agreement-shuffled")
    assert values == pytest.approx(
        {
            "class-agreement": 4 / 6,
            "class-agreement-real": 3 / 4,
            "class-agreement-0": 1 / 2,
            "class-agreement-1": 2 / 3,
            "class-agreement-3": 1.0,  # nothing was asked for class 2
        }
    )
    assert 0 <= shuffled <= 1


def test_shuffled_requests_agree_by_chance():
    labels = rng.integers(4, size=20_000)
    real = sample(2, labels=np.zeros(2, int), classified=np.zeros(2, int))
    values = find_metric("class-agreement").compute(real, sample(20_000, codes=asked(labels, 4), classified=labels))
    assert values["class-agreement"] == 1
    assert values["class-agreement-shuffled"] == pytest.approx(0.25, abs=0.02)
    again = find_metric("class-agreement").compute(real, sample(20_000, codes=asked(labels, 4), classified=labels))
    assert values == again


def test_the_class_of_a_point_is_its_nearest_component_in_standard_deviations():
    mixture = toy.mixture(Store(), n=10, means=(0, 10), sds=(1, 4)).mixture
    points = np.array([[1.0], [1.9], [2.1], [9.0]], np.float32)  # 2 is as far from one as from the other
    found = classes.classify(feature_networks.find_network("points"), sample(4, outputs={"features": points}), mixture)
    assert found.classified.tolist() == [0, 0, 1, 1]


# ---- code-accuracy


def test_assignment_undoes_a_permutation():
    """Whatever the names of the categories: all are right when they are a permutation of the labels."""
    labels = np.repeat(np.arange(5), [3, 9, 4, 1, 6])
    shifted = (labels + 2) % 5
    assert matched(shifted, labels) == 1
    inferred = np.log(np.full((23, 5), 0.1) + 0.5 * np.eye(5)[shifted])
    codes = {"c0": Code(Control(5), inferred=inferred)}
    fake = sample(23, codes={"c0": Code(Control(5), shifted)}, classified=labels)
    values = find_metric("code-accuracy").compute(sample(23, codes=codes, labels=labels), fake)
    assert values == {
        "code-accuracy": 1,
        "code-accuracy-unmatched": 0,
        "code-accuracy-samples": 1,
        "code-accuracy-samples-unmatched": 0,
    }


def test_assignment_is_one_to_one():
    """Category 0 is most often label 0, and so is category 1: only one of them can be."""
    categories, labels = np.array([0] * 5 + [1] * 5), np.array([0] * 4 + [1] + [0] * 3 + [1] * 2)
    assert matched(categories, labels) == 6 / 10  # 4 and 2, rather than 4 and 3
    assert matched(np.arange(6), np.repeat([0, 1], 3)) == 2 / 6  # six categories, two labels: two can be right
    assert matched(np.zeros(6, int), np.repeat([0, 1, 2], 2)) == 2 / 6


def test_the_best_of_several_codes_is_the_headline():
    labels = np.array([0, 0, 1, 1])
    good, bad = np.log([0.9, 0.1]), np.log([0.1, 0.9])
    codes = {
        "c0": Code(Control(2), inferred=np.array([good, bad, good, bad])),
        "c1": Code(Control(2), inferred=np.array([good, good, bad, good])),
        "c2": Code(Control(), inferred=np.zeros((4, 2))),
    }
    fake = sample(4, codes={name: Code(code.control, np.zeros(4, int)) for name, code in codes.items()})
    values = find_metric("code-accuracy").compute(sample(4, codes=codes, labels=labels), fake)
    assert values == {
        "code-accuracy": 0.75,
        "code-accuracy-unmatched": 0.75,
        "code-accuracy-c0": 0.5,
        "code-accuracy-c0-unmatched": 0.5,
        "code-accuracy-c1": 0.75,
        "code-accuracy-c1-unmatched": 0.75,
    }


# ---- mutual-information


def test_information_of_a_sure_and_of_an_ignorant_recognition():
    values = np.arange(60) % 6
    control = Control(6, entropy=math.log(6))
    sure = np.log(np.full((60, 6), 1e-30) + np.eye(6)[values])
    ignorant = np.full((60, 6), -math.log(6))
    assert lower_bound(Code(control, values, sure)) == pytest.approx(math.log(6))
    assert lower_bound(Code(control, values, ignorant)) == pytest.approx(0)


@pytest.mark.parametrize("sd", [1.0, 0.1])
def test_information_of_a_number_is_of_a_gaussian(sd):
    """c ~ U(-1, 1), Q = N(c + 0.3, sd²): -log(sd √(2π)) - 0.3² / (2 sd²) + log 2."""
    c = rng.uniform(-1, 1, 50).astype(np.float32)
    inferred = np.stack([c + 0.3, np.full(50, math.log(sd))], axis=1)
    expected = -math.log(sd * math.sqrt(2 * math.pi)) - 0.09 / (2 * sd**2) + math.log(2)
    assert lower_bound(Code(Control(entropy=math.log(2)), c, inferred)) == pytest.approx(expected, rel=1e-5)


def test_information_is_summed_over_categorical_codes():
    values = np.arange(12) % 2
    two = Code(Control(2, entropy=math.log(2)), values, np.log(np.full((12, 2), 1e-30) + np.eye(2)[values]))
    number = Code(Control(entropy=0.5), np.zeros(12), np.zeros((12, 2)))
    codes = {"c0": two, "c1": two, "c2": number, "class": Code(Control(3), values)}  # the class: not recognised
    found = find_metric("mutual-information").compute(None, sample(12, codes=codes))
    of_number = 0.5 - 0.5 * math.log(2 * math.pi)
    assert found == pytest.approx(
        {
            "mutual-information": 2 * math.log(2),
            "mutual-information-c0": math.log(2),
            "mutual-information-c1": math.log(2),
            "mutual-information-c2": of_number,
        }
    )
    alone = find_metric("mutual-information").compute(None, sample(12, codes={"c2": number}))
    assert alone["mutual-information"] == pytest.approx(of_number)


# ---- intra-fid


def test_intra_fid_is_the_mean_of_the_distances_of_classes():
    real, fake = (rng.normal(size=(90, 3)).astype(np.float32) for _ in range(2))
    labels, requests = np.arange(90) % 3, np.arange(90) // 30
    values = find_metric("intra-fid").compute(
        sample(90, outputs={"features": real}, labels=labels),
        sample(90, outputs={"features": fake}, codes=asked(requests, 3)),
    )
    each = [frechet_distance(statistics(real[labels == k]), statistics(fake[requests == k])) for k in range(3)]
    assert values == pytest.approx({"intra-fid": np.mean(each), **{f"intra-fid-{k}": each[k] for k in range(3)}})


def test_intra_fid_sees_classes_that_are_taken_for_each_other():
    """All fakes together are the data, but those of class 0 were asked for class 1: fid sees nothing."""
    labels = np.arange(400) % 2
    features = (rng.normal(size=(400, 2)) + 10 * labels[:, None]).astype(np.float32)
    real = Sample(statistics(features), {"features": features}, labels=labels)
    right, wrong = (real._replace(codes=asked(requests, 2)) for requests in (labels, 1 - labels))
    assert find_metric("fid").compute(real, wrong)["fid"] < 1e-6
    assert find_metric("intra-fid").compute(real, right)["intra-fid"] < 1e-6
    assert find_metric("intra-fid").compute(real, wrong)["intra-fid"] > 150


def test_intra_fid_counts_images_of_each_class():
    plan = Scope(900, 900, 64, real_by_class=(100, 640, 640), fake_by_class=(640, 64, 640))
    with pytest.raises(InputError, match="64 fake images of class 1 are too few for features of dimension 64"):
        find_metric("intra-fid").check(plan)
    (notice,) = find_metric("intra-fid").check(plan._replace(fake_by_class=(640, 640, 640)))
    assert "100 real images of class 0 are few" in notice
    features = rng.normal(size=(10, 4)).astype(np.float32)
    labels = np.array([0] * 6 + [1] * 4)
    with pytest.raises(InputError, match="4 real images of class 1 are too few"):
        find_metric("intra-fid").compute(
            sample(10, outputs={"features": features}, labels=labels),
            sample(10, outputs={"features": features}, codes=asked(labels, 2)),
        )


# ---- ms-ssim


def waves(n, channels, seed):
    """An image uint8 [n, n, channels]."""
    y, x = np.mgrid[:n, :n].astype(np.float64)
    planes = [127.5 + 60 * np.sin(x / (3 + seed + k)) + 50 * np.cos(y / (5 + k)) for k in range(channels)]
    return np.round(np.stack(planes, -1)).astype(np.uint8)


# SSIM and MS-SSIM of waves(.., 0) and waves(.., 1) by pytorch-msssim 1.0.0 on torch 2.13.0 (float64, data_range=255).
# `ms_ssim` itself wants over 160 pixels; smaller images by its own `_ssim` on as many scales as hold its window, halved
# by `avg_pool2d`, the weights enlarged to the same sum. SSIM by scikit-image 0.26.0 agrees with the first to 3e-6.
REFERENCE = [
    (12, 1, 1, 0.7700848162649677, 0.7700646977062291),
    (28, 1, 2, 0.48755133488380525, 0.46561681492517226),
    (32, 3, 2, 0.6249427167262929, 0.667406339524432),
    (96, 3, 4, 0.2964571828889553, 0.23927604090683816),
    (176, 1, 5, 0.3083752843166296, 0.35575207608730874),
]


@pytest.mark.parametrize(("n", "channels", "scales", "one", "several"), REFERENCE)
def test_similarity_agrees_with_pytorch_msssim(n, channels, scales, one, several):
    a, b = waves(n, channels, 0)[None], waves(n, channels, 1)[None]
    assert ssim.scales(n, n) == scales
    luminance, rest = ssim.compare(*(jnp.asarray(x, jnp.float32) / 255 for x in (a, b)))
    assert float((luminance * rest).mean()) == pytest.approx(one, abs=2e-5)  # windows in float32
    both = jax.jit(ssim.ms_ssim)(np.concatenate([a, b, a]), np.concatenate([b, a, a]))
    np.testing.assert_allclose(both, [several, several, 1], atol=2e-5)


def test_similarity_of_constant_images_is_their_luminance():
    """Contrast and structure are 1: ((2ab + c1) / (a² + b² + c1)) to the power of the coarsest scale's weight."""
    a, b = (np.full((1, 28, 20, 1), grey, np.uint8) for grey in (51, 204))  # one scale
    expected = (2 * 0.2 * 0.8 + 1e-4) / (0.2**2 + 0.8**2 + 1e-4)
    assert float(ssim.ms_ssim(a, b)[0]) == pytest.approx(expected ** sum(ssim.WEIGHTS), rel=1e-4)


def test_scales_are_as_many_as_hold_the_window():
    assert [ssim.scales(n, 500) for n in (10, 11, 21, 22, 43, 44, 87, 88, 175, 176, 400)] == [
        *(0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5)
    ]
    assert np.asarray(ssim.halve(np.arange(15.0).reshape(1, 3, 5, 1))).ravel().tolist() == [3, 5]


def test_pairs_are_of_two_different_members_and_always_the_same():
    members = np.array([3, 5, 8])
    pairs = ms_ssim.draw_pairs(members, 600)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    np.testing.assert_array_equal(pairs, ms_ssim.draw_pairs(members, 600))
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    assert len(kinds) == 6
    assert counts.min() > 70  # 100 are expected of each
    assert set(ms_ssim.draw_pairs(np.array([1, 4]), 20)[:, 0].tolist()) == {1, 4}


def test_ms_ssim_compares_within_classes():
    """One image a class: collapse within each, of images that differ between classes."""
    labels = np.arange(40) % 2
    collapsed = np.stack([waves(12, 1, 0), waves(12, 1, 1)])[labels]
    noise = rng.integers(0, 256, (40, 12, 12, 1), dtype=np.uint8)
    fake = sample(40, outputs={"images": collapsed}, codes=asked(labels, 2))
    real = sample(40, outputs={"images": noise}, labels=labels)
    values = find_metric("ms-ssim", pairs=70).compute(real, fake)  # more than one batch, the second one not full
    assert values["ms-ssim"] == pytest.approx(1, abs=1e-6)
    assert [values[f"ms-ssim-{k}"] for k in range(2)] == pytest.approx([1, 1], abs=1e-6)
    assert values["ms-ssim-real"] == pytest.approx(np.mean([values[f"ms-ssim-real-{k}"] for k in range(2)]))
    assert values["ms-ssim-real"] < 0.3
    assert values["ms-ssim-excess"] == pytest.approx(values["ms-ssim"] - values["ms-ssim-real"])
    pairs = ms_ssim.draw_pairs(np.flatnonzero(labels == 1), 70)
    by_hand = [float(ssim.ms_ssim(noise[i][None], noise[j][None])[0]) for i, j in pairs[:5]]
    assert float(ssim.ms_ssim(noise[pairs[:5, 0]], noise[pairs[:5, 1]]).mean()) == pytest.approx(np.mean(by_hand))


def test_ms_ssim_without_classes_is_of_all_images():
    collapsed = np.repeat(waves(12, 1, 0)[None], 9, axis=0)
    two = np.stack([waves(12, 1, 0), waves(12, 1, 1)])
    values = find_metric("ms-ssim").compute(
        sample(2, outputs={"images": two}, labels=np.zeros(2, int)), sample(9, outputs={"images": collapsed})
    )
    assert values == pytest.approx(
        {"ms-ssim": 1, "ms-ssim-real": REFERENCE[0][4], "ms-ssim-excess": 1 - REFERENCE[0][4]}, abs=1e-5
    )


def test_ms_ssim_refuses_small_images_vectors_and_single_ones():
    check, plan = find_metric("ms-ssim").check, Scope(9, 9, 2, (28, 28, 1))
    assert check(plan) == ()
    for shape, shown in (((8, 8, 1), "8x8x1"), ((2,), "these are 2$")):
        with pytest.raises(InputError, match=f"11x11 pixels or more, and .*{shown}"):
            check(plan._replace(shape=shape))
    with pytest.raises(InputError, match="pairs of fake images, and there is only 1: give more"):
        check(plan._replace(n_fake=1))
    with pytest.raises(InputError, match="pairs of real images, and there is a class with as few as 1"):
        check(plan._replace(real_by_class=(5, 1), fake_by_class=(5, 5)))


def test_images_are_kept_as_bytes():
    floats = rng.uniform(-1.1, 1.1, (7, 4, 4, 1)).astype(np.float32)
    features = Features("sum", "0", 1, (), "", lambda x: {"features": x.sum(axis=(1, 2))})
    kept = collect(features, [floats[:4], floats[4:]], keep=["images"]).outputs["images"]
    assert kept.dtype == np.uint8
    np.testing.assert_array_equal(kept, to_levels(jnp.asarray(floats)))
    np.testing.assert_array_equal(collect(features, [kept[:4], kept[4:]], keep=["images"]).outputs["images"], kept)


# ---- through the judge

SIDE, LEVELS = 12, 8  # grey levels between black and white, on which classes and codes are painted
CONTROLS = {
    "class": Control(3, ("a", "b", "c"), entropy=math.log(3)),
    "c0": Control(4, entropy=math.log(4)),
    "c1": Control(entropy=math.log(2)),
}
SHARES = (0.5, 0.25, 0.25)


def painted(values):
    """Category -> grey in [-1, 1]."""
    return 2 * values / LEVELS - 1


class Painter(nnx.Module):
    """Paints class, code and number into the first three pixels of noise; `gain` is its only weight."""

    def __init__(self, gain: float):
        self.gain = nnx.Param(jnp.float32(gain))

    def __call__(self, inputs):
        image = jnp.tanh(inputs["z"]).reshape(-1, SIDE, SIDE, 1)
        for i, name in enumerate(CONTROLS):
            values = inputs[name] if name == "c1" else painted(inputs[name])
            image = image.at[:, 0, i, 0].set(self.gain[...] * values)
        return image


class Reader(nnx.Module):
    """Reads them again: the nearest of its levels, sure of it, and the number with a standard deviation of its own."""

    def __init__(self, sharpness: float):
        self.sharpness = nnx.Param(jnp.float32(sharpness))

    def __call__(self, x):
        def read(pixel, categories):
            off = x[:, 0, pixel] - painted(jnp.arange(categories))  # [B, K]
            return jax.nn.log_softmax(-self.sharpness[...] * off**2)

        number = jnp.concatenate([x[:, 0, 2], jnp.full((len(x), 1), math.log(0.1))], axis=1)
        return {"class": read(0, 3), "c0": read(1, 4), "c1": number}


def draw(key, n):
    keys = jax.random.split(key, 4)
    return {
        "z": jax.random.normal(keys[0], (n, SIDE * SIDE)),
        "class": jax.random.categorical(keys[1], jnp.log(jnp.array(SHARES)), shape=(n,)).astype(jnp.int32),
        "c0": jax.random.randint(keys[2], (n,), 0, 4),
        "c1": jax.random.uniform(keys[3], (n,), minval=-1.0, maxval=1.0),
    }


GAME = Game(
    networks={
        "generator": lambda rngs: Painter(1.0),
        "reader": lambda rngs: Reader(1e3),
        "idle": lambda rngs: Reader(1.0),
    },
    turns=(),
    draw=draw,
    asks={"sample": Ask(lambda nets, inputs: nets["generator"](inputs))},
    controls=CONTROLS,
    infer=lambda nets, x: nets["reader"](x),
)
SPEC = Spec((SIDE, SIDE, 1), ("a", "b", "c"), SHARES)


def look(x):
    level = (x[:, 0, 0] + 1) * LEVELS / 2  # [B, 1]
    return {"features": x[:, 0, 3:5, 0], "logits": -jnp.abs(level - jnp.arange(3))}


EYES = Features("eyes", "e" * 64, 2, ("a", "b", "c"), "as they are", look)


def experiment(game=GAME, spec=SPEC):
    return Experiment({"": spec}, game, definitions(game), {}, Train(), Ema())


def real_images(n=61):
    """Images uint8 with their label painted as class, and the label one further on as code."""
    labels = np.repeat(np.arange(3), [n - 2 * (n // 4), n // 4, n // 4])
    x = np.random.default_rng(1).integers(0, 256, (n, SIDE, SIDE, 1), dtype=np.uint8)
    x[:, 0, 0, 0], x[:, 0, 1, 0] = (
        np.asarray(to_levels(painted(v).reshape(1, n, 1, 1))).ravel() for v in (labels, labels + 1)
    )
    return in_memory("painted test", x, labels, ("a", "b", "c"))


@pytest.fixture
def judged(monkeypatch, tmp_path):
    """(metrics, what to change) -> the judge of the game, through a classifier that sees what is painted."""
    find_features = feature_networks.find_network
    monkeypatch.setattr(
        feature_networks, "find_network", lambda name, **_: EYES if name == "digits" else find_features(name)
    )

    def make(metric, *, game=GAME, source=None, spec=SPEC, **options):
        options = Eval(**{"metric": metric, "n": 53, "n_real": 61, "batch": 16, **options})
        data = source or real_images()
        against = Reference("painted test", data)
        return ModelEvaluator(experiment(game, spec), options, against, Store(cache_dir=tmp_path), seed=3)

    return make


find_features = feature_networks.find_network


def average(game=GAME):
    return initial_state(experiment(game), 0).average


def test_roles_that_recognition_runs_are_averaged():
    assert sorted(state_shapes(experiment()).average) == ["generator", "reader"]
    assert sorted(state_shapes(experiment(GAME._replace(infer=None))).average) == ["generator"]
    assert sampler.recognised(experiment()) == CONTROLS
    assert sampler.recognised(experiment(GAME._replace(infer=None))) == {}


def test_labels_and_codes_line_up_with_the_samples(judged):
    """53 samples and 61 real images in batches of 16: the last ones are filled up, on two devices."""
    judge = judged("class-agreement,code-accuracy,mutual-information")
    assert judge.sampler.batch == 16
    values = judge(average()).values
    assert values["class-agreement"] == values["class-agreement-real"] == 1
    assert values["class-agreement-shuffled"] < 0.7
    assert values["code-accuracy"] == values["code-accuracy-class"] == 1
    assert values["code-accuracy-class-unmatched"] == values["code-accuracy-class-samples-unmatched"] == 1
    assert (values["code-accuracy-c0"], values["code-accuracy-c0-unmatched"]) == (1, 0)
    assert values["code-accuracy-c0-samples"] < 0.7  # c0 is drawn without regard to the class
    assert values["mutual-information"] == pytest.approx(math.log(3) + math.log(4), abs=1e-4)
    sharp = math.log(2) - math.log(0.1 * math.sqrt(2 * math.pi))
    assert values["mutual-information-c1"] == pytest.approx(sharp, abs=1e-4)  # samples are recognised before rounding


def test_requests_are_those_of_gan_sample(judged):
    inputs = sampler.draw_many(experiment(), 3, 53)
    values = judged("class-agreement")(average()).values
    asked_for = np.unique(inputs["class"])
    assert {f"class-agreement-{label}" for label in asked_for} <= values.keys()
    images = sampler.Sampler(experiment(), 53)(average(), inputs)
    np.testing.assert_array_equal(np.round(images[:, 0, 0, 0] / 255 * LEVELS), inputs["class"])


def test_the_weights_given_are_those_that_recognise(judged):
    """A generator that paints nothing but grey, and a reader that guesses: chance, and no information."""
    blind = GAME._replace(
        networks={**GAME.networks, "generator": lambda rngs: Painter(0.0), "reader": lambda rngs: Reader(0.0)}
    )
    judge = judged("class-agreement,mutual-information")
    assert judge(average()).values["class-agreement"] == 1
    values = judge(average(blind)).values
    of_c = (sampler.draw_many(experiment(), 3, 53)["class"] == 2).mean()
    assert values["class-agreement"] == of_c  # grey is nearest to the last class's level
    assert values["class-agreement-2"] == 1
    assert values["mutual-information"] == pytest.approx(0, abs=1e-5)


def test_intra_fid_and_ms_ssim_through_the_judge(judged):
    judge = judged("intra-fid,ms-ssim", n=200)
    values = judge(average()).values
    inputs = sampler.draw_many(experiment(), 3, 200)
    images = sampler.Sampler(experiment(), 200)(average(), inputs)
    source = real_images()
    examples = source.load(np.arange(61))
    features = [np.asarray(look(from_levels(x))["features"]) for x in (examples["x"], images)]
    each = [
        frechet_distance(statistics(features[0][examples["y"] == k]), statistics(features[1][inputs["class"] == k]))
        for k in range(3)
    ]
    assert values["intra-fid"] == pytest.approx(np.mean(each), rel=1e-4)
    assert [values[f"intra-fid-{k}"] for k in range(3)] == pytest.approx(each, rel=1e-4)
    assert {"ms-ssim", "ms-ssim-real", "ms-ssim-excess", "ms-ssim-2", "ms-ssim-real-2"} <= values.keys()
    similar = ms_ssim.similarities(images, inputs["class"], 500)
    assert [values[f"ms-ssim-{k}"] for k in range(3)] == pytest.approx([similar[k] for k in range(3)], rel=1e-5)


def test_only_statistics_are_cached(judged, tmp_path):
    judged("class-agreement,fid")(average())
    assert not (tmp_path / "statistics").exists()
    judged("fid,mutual-information")(average())  # recognises samples, and needs no more of real images than statistics
    assert len(list((tmp_path / "statistics").iterdir())) == 1


def test_recognition_is_one_program_for_bytes_and_floats_of_any_number():
    traces = []

    def infer(nets: Nets, x):
        traces.append(x.shape)
        return nets["reader"](x)

    made = experiment(GAME._replace(infer=infer))
    average = initial_state(made, 0).average
    traces.clear()
    recognise = sampler.Recogniser(made, 16).bind(average)
    x = real_images().load(np.arange(37))["x"]
    parts = [recognise(part) for part in (x[:16], np.asarray(from_levels(x[16:32])), jnp.asarray(from_levels(x[32:])))]
    assert traces == [(8, *SPEC.shape)]  # on each of two devices
    whole = Reader(1e3)(from_levels(x))
    for name in CONTROLS:
        np.testing.assert_allclose(np.concatenate([part[name] for part in parts]), whole[name], rtol=1e-5, atol=1e-5)


def test_recognition_that_is_not_finite_is_no_number(judged):
    broken = average(GAME._replace(networks={**GAME.networks, "reader": lambda rngs: Reader(math.nan)}))
    with pytest.raises(NotFiniteError, match="recognises as c0 is not finite"):
        judged("mutual-information")(broken)


UNCONDITIONAL = GAME._replace(controls={name: CONTROLS[name] for name in ("c0", "c1")}, infer=None)
NUMBERS = GAME._replace(controls={"c1": CONTROLS["c1"]}, infer=lambda nets, x: {"c1": nets["reader"](x)["c1"]})
OTHER = SPEC._replace(classes=("a", "b", "d"))
REFUSED = [
    ("class-agreement", {"game": UNCONDITIONAL}, "this model cannot be asked for one: it is for conditional games"),
    ("intra-fid", {"game": UNCONDITIONAL}, "this model cannot be asked for one"),
    (
        "mutual-information",
        {"game": UNCONDITIONAL},
        "a network that recognises codes or classes, and this game has none",
    ),
    ("code-accuracy", {"game": UNCONDITIONAL}, "a network that recognises codes or classes, and this game has none"),
    ("code-accuracy", {"game": NUMBERS}, "codes with categories, and this game recognises c1"),
    ("class-agreement", {"source": in_memory("bare", np.zeros((61, SIDE, SIDE, 1), np.uint8))}, "these have none"),
    ("intra-fid", {"spec": OTHER}, "trained on the classes a, b, d, and painted test has a, b, c"),
    ("class-agreement", {"features": "pixels"}, "pixels is no classifier, while the classes of the data are a, b, c"),
    ("intra-fid", {"features": "pixels"}, "10 real images of class"),
    ("ms-ssim", {"n": 3}, "pairs of fake images, and there is a class with as few as 0"),
    ("class-agreemint", {}, "did you mean 'class-agreement'"),
]


@pytest.mark.parametrize(("metric", "changes", "message"), REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_compiled(judged, monkeypatch, metric, changes, message):
    monkeypatch.setattr(jax, "jit", None)
    if metric == "intra-fid" and "features" in changes:
        changes = {**changes, "source": real_images(40)}
    with pytest.raises(InputError, match=message):
        judged(metric, **changes)


def test_a_classifier_of_other_classes_is_refused():
    names = tuple(f"class {i}" for i in range(10))
    with pytest.raises(InputError, match=r"digits tells 0, 1, 2, 3, 4 .. 9 apart, .* are class 0, .* .. class 9"):
        classes.check_fits("class-agreement", digits(), SPEC._replace(classes=names), None)
    classes.check_fits("class-agreement", digits(), SPEC._replace(classes=tuple("0123456789")), None)


def test_code_accuracy_leaves_samples_out_where_no_classifier_fits(judged):
    values = judged("code-accuracy", features="pixels")(average()).values
    assert values["code-accuracy"] == 1
    assert not any("samples" in name for name in values)


class Centres(nnx.Module):
    """The centre of the mode asked for, and a little noise."""

    def __init__(self, means: np.ndarray):
        self.means = nnx.Param(jnp.asarray(means, jnp.float32))

    def __call__(self, z, y):
        return self.means[y] + 0.01 * z


def test_metrics_of_classes_work_on_toys(tmp_path):
    source = toy.ring(Store(), n=4000)
    game = GAME._replace(
        networks={"generator": lambda rngs: Centres(source.mixture.means)},
        draw=lambda key, n: {
            "z": jax.random.normal(key, (n, 2)),
            "class": jax.random.randint(jax.random.fold_in(key, 1), (n,), 0, 8),
        },
        asks={"sample": Ask(lambda nets, inputs: nets["generator"](inputs["z"], inputs["class"]))},
        controls={"class": Control(8)},
        infer=None,
    )
    made = experiment(game, source.spec)
    options = Eval(metric="class-agreement,intra-fid", n=1000, batch=128)
    judge = ModelEvaluator(made, options, Reference("toy all", source), Store(cache_dir=tmp_path), seed=0)
    values = judge(initial_state(made, 0).average).values
    assert values["class-agreement"] == values["class-agreement-real"] == 1
    assert values["class-agreement-shuffled"] == pytest.approx(1 / 8, abs=0.04)
    assert values["intra-fid"] < 1e-4
    assert values["intra-fid-7"] < 1e-4


# ---- as a person uses it

ACGAN = tiny_recipe(
    data={"size": 12, "channels": 1},
    networks={
        "generator": {"output": "tanh", "condition": "concatenate"},
        "classifier": {"net": "mlp", "hidden": []},
    },
    game={"play": "acgan", "loss": "adversarial.non_saturating", "latent": 4},
    train={"steps": 10},
    eval={"metric": "class-agreement", "every": 10, "n": 64, "n_real": 64, "batch": 64, "split": "all"},
)


def test_gan_eval_takes_them_of_a_trained_run(gan, tmp_path):
    recipe = tmp_path / "acgan.toml"
    recipe.write_text(ACGAN)
    code, out, err = gan("train", recipe, "--out", tmp_path / "run")
    assert code == 0, err
    names = "class-agreement,code-accuracy,mutual-information,intra-fid,ms-ssim"
    code, out, err = gan("eval", "--metric", names, "--ckpt", tmp_path / "run", "--n", 1000, "--json")
    assert code == 0, err
    values = json.loads(out)
    assert set(names.split(",")) <= values.keys()
    assert values["class-agreement-real"] > 0.9  # digits of 8x8 pixels
    assert -1 < values["mutual-information"] < math.log(10)
    assert "images of class" in err  # few of each for intra-fid: a notice
    code, out, err = gan("eval", "--metric", "intra-fid", "--ckpt", tmp_path / "run", "--n", 100)
    assert code == 2
    assert "fake images of class" in err
