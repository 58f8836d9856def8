"""Metrics against closed forms, the textbook formula, and the promises of the pass that feeds them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from gan_cli.data.source import Mixture
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.metrics import find_metric, names
from gan_cli.metrics.cache import cached, key, load_statistics, save_statistics
from gan_cli.metrics.collect import collect, eight_bit, equal_batches, evaluate, kept_by
from gan_cli.metrics.frechet import Moments, Statistics, frechet_distance, no_moments, statistics
from gan_cli.metrics.metric import Code, Decoder, Sample, Scope
from gan_cli.metrics.protocol import protocol
from gan_cli.types import Control

rng = np.random.default_rng(0)


def tiny_apply(images):
    pixels = images.reshape(len(images), -1)[:, :6]  # [B, 6]
    return {"features": pixels, "logits": 4 * pixels[:, :3]}


TINY = Features("tiny", "ab" * 32, dim=6, classes=("a", "b", "c"), protocol="images as they are", apply=tiny_apply)


def correlated(n, dim):
    return rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) + rng.normal(size=dim)


def by_sqrtm(a, b):
    root = scipy.linalg.sqrtm(a.covariance @ b.covariance)
    return np.square(a.mean - b.mean).sum() + np.trace(a.covariance + b.covariance - 2 * root.real)


@pytest.mark.parametrize("dim", [1, 5, 64])
def test_frechet_distance_equals_the_sqrtm_formula(dim):
    a, b = statistics(correlated(500, dim)), statistics(correlated(400, dim))
    assert frechet_distance(a, b) == pytest.approx(by_sqrtm(a, b), rel=1e-6)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_frechet_distance_of_known_gaussians():
    """Commuting covariances: |m1 - m2|² + Σ (σ1 - σ2)²."""
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    s1, s2 = np.array([1.0, 2, 3, 0]), np.array([2.0, 2, 0.5, 1])
    a = Statistics(np.zeros(4), turn @ np.diag(s1**2) @ turn.T, 100)
    b = Statistics(np.full(4, 2.0), turn @ np.diag(s2**2) @ turn.T, 100)
    expected = 16 + np.square(s1 - s2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)  # a zero eigenvalue is known to the root of eps


def test_frechet_distance_of_equal_statistics_is_zero():
    a = statistics(correlated(300, 32))
    assert 0 <= frechet_distance(a, a) < 1e-9 * np.trace(a.covariance)


def test_frechet_distance_of_rank_deficient_covariances():
    """Where `sqrtm` fails: the root's trace is the nuclear norm of the product of the centred data."""
    x, y = correlated(20, 50), correlated(30, 50)
    a, b = statistics(x), statistics(y)
    factor_x, factor_y = (z - z.mean(0) for z in (x, y))
    nuclear = np.linalg.svd(factor_x @ factor_y.T, compute_uv=False).sum() / np.sqrt(19 * 29)
    expected = np.square(a.mean - b.mean).sum() + np.trace(a.covariance + b.covariance) - 2 * nuclear
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_constant_images_is_the_distance_of_means():
    a, b = (Statistics(np.full(3, mean), np.zeros((3, 3)), 10) for mean in (0.0, 2.0))
    assert frechet_distance(a, b) == 12


def test_frechet_distance_refuses_other_dimensions():
    with pytest.raises(InputError, match="3 and of 4 features"):
        frechet_distance(statistics(correlated(9, 3)), statistics(correlated(9, 4)))


@pytest.mark.parametrize("sizes", [[1000], [1] * 10 + [990], [0, 500, 500]])
def test_moments_do_not_depend_on_the_batches(sizes):
    """Also with a mean that is large beside the spread, where sums of squares would lose every digit."""
    x = rng.normal(size=(1000, 5)) * 1e-3 + 1e4
    moments = no_moments(5)
    for part in np.split(x, np.cumsum(sizes)[:-1]):
        moments = moments.add(part)
    found = moments.statistics()
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), rtol=1e-6, atol=1e-12)
    assert found.n == 1000


def test_moments_are_taken_in_float64():
    assert isinstance(no_moments(2), Moments)
    assert statistics(np.ones((3, 2), np.float32)).covariance.dtype == np.float64


@pytest.mark.parametrize(("n", "notices"), [(64, None), (65, 1), (639, 1), (640, 0)])
def test_fid_refuses_or_warns_of_few_images(n, notices):
    check = find_metric("fid").check
    if notices is None:
        with pytest.raises(InputError, match="64 fake images are too few for features of dimension 64"):
            check(Scope(10_000, n, 64))
    else:
        assert len(check(Scope(10_000, n, 64))) == notices


def test_fid_needs_real_images():
    with pytest.raises(InputError, match="real images"):
        find_metric("fid").compute(None, Sample(statistics(correlated(9, 3))))


def predicted(logits):
    return Sample(statistics(rng.normal(size=(len(logits), 2))), {"logits": np.asarray(logits, np.float32)})


@pytest.mark.parametrize("classes", [1, 4, 10])
def test_inception_score_of_sure_and_even_predictions_is_the_number_of_classes(classes):
    sure = 1e3 * np.eye(10)[np.arange(1000) % classes]
    values = find_metric("inception-score", splits=5).compute(None, predicted(sure))
    assert values == pytest.approx({"inception-score": classes, "inception-score-std": 0}, abs=1e-9)


def test_inception_score_of_unsure_predictions_is_one():
    assert find_metric("inception-score").compute(None, predicted(np.zeros((50, 10))))[
        "inception-score"
    ] == pytest.approx(1)


def test_inception_score_by_hand():
    """Two images, p = (.9, .1) and (.1, .9): exp(ln 2 - H(.9))."""
    logits = np.log([[0.9, 0.1], [0.1, 0.9]])
    expected = 2 * np.exp(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    value = find_metric("inception-score", splits=1).compute(None, predicted(logits))["inception-score"]
    assert value == pytest.approx(expected, rel=1e-6)


def test_inception_score_splits_in_order():
    """The first half sees class 0 only, the second two classes: scores 1 and 2."""
    sure = 1e3 * np.eye(2)[[0] * 10 + [0, 1] * 5]
    values = find_metric("inception-score", splits=2).compute(None, predicted(sure))
    assert values == pytest.approx({"inception-score": 1.5, "inception-score-std": 0.5})
    with pytest.raises(InputError, match="4 fake images cannot be divided into 5"):
        find_metric("inception-score", splits=5).check(Scope(0, 4, 2))


def test_class_coverage_counts():
    values = find_metric("class-coverage").compute(
        None, predicted(np.log([[0.7, 0.2, 0.1], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1]]))
    )
    assert values["class-coverage"] == 2
    assert [values[f"class-coverage-count-{label}"] for label in range(3)] == [2, 1, 0]
    assert values["class-coverage-top-probability"] == pytest.approx(0.7, rel=1e-6)


QUICK = {"ais": {"n": 2, "validation": 2, "simulated": 2, "steps": 10}}


@pytest.mark.parametrize("name", names())
def test_every_metric_keeps_the_interface(name):
    metric = find_metric(name, **QUICK.get(name, {}))
    assert metric.name == name
    assert metric.one_line
    assert metric.paper.startswith("https://")
    outputs = {output: rng.normal(size=(1100, 30)) for output in ("logits", "digit_logits")}
    outputs["features"] = rng.normal(size=(1100, 3))
    outputs["images"] = rng.integers(0, 256, (1100, 16, 16, 1), dtype=np.uint8)
    labels = np.arange(1100) % 2
    codes = {
        "class": Code(Control(2), labels, np.log(rng.dirichlet(np.ones(2), 1100))),
        "c1": Code(Control(), rng.normal(size=1100), rng.normal(size=(1100, 2))),
    }
    mixture = Mixture(np.zeros((1, 3)), np.ones(1))
    sample = Sample(statistics(outputs["features"]), outputs, mixture, labels, labels[::-1], codes)
    decoder = Decoder(lambda u: jnp.tile(u, (1, 2))[:, :3], 2)
    real = sample._replace(
        training=Sample(sample.statistics, {"features": rng.normal(size=(1200, 3))}),
        samples=labels.reshape(-1, 10),
        log_likelihood=lambda x: -x.sum(1).astype(float),
        density=rng.normal(size=1100),
        numbers=3,
    )
    fake = sample._replace(
        decoder=decoder,
        pairs={name: rng.random((1100, 4)) if name == "attributes" else rng.random(1100)},
        answers=np.log(rng.dirichlet(np.ones(2), 1100)),
        truths=labels,
        samples=labels.reshape(-1, 10),
    )
    sees_real = metric.needs_real or metric.needs_density or metric.needs_samples
    values = metric.compute(real if sees_real else None, fake)
    assert all(key == name or key.startswith(f"{name}-") for key in values)
    assert next(iter(values)) == name
    assert all(type(value) is float for value in values.values())
    controls = {name: code.control for name, code in codes.items()}
    plan = Scope(10_000, 10_000, 3, (16, 16, 3), real_by_class=(5000,) * 2, fake_by_class=(5000,) * 2)
    assert metric.check(plan._replace(recognised=controls, n_training=10_000)) == ()


def test_unknown_metric_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'inception-score'"):
        find_metric("inception_scor")
    with pytest.raises(InputError, match="valid: accuracy, ais, attributes, class-agreement, class-coverage, "):
        find_metric("zzz")


def images(n):
    return rng.integers(0, 256, (n, 4, 4, 1), dtype=np.uint8)


def test_collect_does_not_depend_on_the_batches():
    x = images(25)
    whole = collect(TINY, [x], keep=["logits"])
    for cuts in ([10, 20], [10, 13], [5, 25], [2, 24]):
        parts = collect(TINY, iter(np.split(x, cuts)), keep=["logits"])
        np.testing.assert_array_equal(parts.outputs["logits"], whole.outputs["logits"])
        np.testing.assert_allclose(parts.statistics.covariance, whole.statistics.covariance, rtol=1e-12)
        assert parts.n == 25


def test_collect_compiles_once():
    traces = []

    def apply(x):
        traces.append(x.shape)
        return tiny_apply(x)

    features = TINY._replace(apply=apply)
    for _ in range(2):
        collect(features, [images(8), images(8), images(3)])
    assert traces == [(8 // jax.local_device_count(), 4, 4, 1)]


def test_collect_keeps_only_what_is_asked():
    assert collect(TINY, [images(4)]).outputs == {}
    assert collect(TINY, [images(4)], keep=["features"]).outputs["features"].shape == (4, 6)
    assert kept_by([find_metric("fid"), find_metric("inception-score"), find_metric("class-coverage")]) == ("logits",)
    with pytest.raises(InputError, match="'tiny' has no logits"):
        collect(TINY._replace(classes=()), [images(4)], keep=["logits"])


def test_float_images_are_measured_as_the_bytes_they_become():
    x = images(30)
    exact = x.astype(np.float32) / 127.5 - 1
    noisy = jnp.asarray(exact + rng.uniform(-0.4, 0.4, x.shape) / 127.5)
    np.testing.assert_array_equal(jax.jit(eight_bit)(noisy), jax.jit(eight_bit)(x))
    np.testing.assert_allclose(eight_bit(noisy), exact, atol=1e-6)
    assert eight_bit(jnp.array([-3.0, 3.0])).tolist() == [-1, 1]


def test_collect_refuses_nan_nothing_and_wrong_shapes():
    x = np.zeros((5, 4, 4, 1), np.float32)
    x[3, 0, 0] = np.nan
    with pytest.raises(InputError, match="image 8 has features that are not finite"):
        collect(TINY, [np.zeros((5, 4, 4, 1), np.float32), x])
    with pytest.raises(InputError, match="no images"):
        collect(TINY, [])
    with pytest.raises(InputError, match=r"\[batch, height, width, channels\]"):
        collect(TINY, [np.zeros((5, 4, 4), np.uint8)])


def test_equal_batches_pad_with_zeros():
    batches = list(equal_batches([np.ones((2, 1, 1, 1)), np.ones((3, 1, 1, 1))]))
    assert [n for _, n in batches] == [2, 2, 1]
    assert batches[-1][0].ravel().tolist() == [1, 0]


def test_one_pass_feeds_several_metrics():
    metrics = [find_metric(name) for name in ("fid", "inception-score", "class-coverage")]
    real, fake = (collect(TINY, [images(50), images(50)], keep=kept_by(metrics)) for _ in range(2))
    values = evaluate(metrics, real, fake)
    assert {"fid", "inception-score", "class-coverage"} <= set(values)
    assert values["fid"] == pytest.approx(by_sqrtm(real.statistics, fake.statistics), rel=1e-6)


def test_protocol_is_stated_in_a_line_and_in_json():
    stated = protocol(TINY, n_real=100, n_fake=50, split="mnist test", seed=3)
    assert str(stated) == (
        "features tiny abababababab, 100 real (mnist test), 50 fake, seed 3, 8-bit images, images as they are"
    )
    assert json.loads(json.dumps(stated._asdict()))["features_hash"] == "ab" * 6
    assert "seed" not in str(stated._replace(seed=None))
    assert "no real images" in str(stated._replace(n_real=0, split=""))
    assert "an unknown number of real (statistics.npz)" in str(stated._replace(n_real=0, split="statistics.npz"))
    assert str(stated._replace(options={"kid": {"degree": 3}})).endswith("; kid(degree 3)")


def test_cached_statistics_are_measured_once(tmp_path):
    calls = []

    def measure():
        calls.append(1)
        return Sample(statistics(np.arange(12.0).reshape(4, 3)))

    first, second = (cached(tmp_path, "k", TINY, measure) for _ in range(2))
    assert len(calls) == 1
    np.testing.assert_array_equal(first.statistics.covariance, second.statistics.covariance)
    np.testing.assert_array_equal(first.statistics.mean, second.statistics.mean)
    assert first.n == second.n == 4
    cached(None, "k", TINY, measure)
    assert len(calls) == 2


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "text", "nan", "missing key", "shape"])
def test_damaged_cache_is_measured_anew(tmp_path, harm):
    good = statistics(correlated(50, 8))
    path = tmp_path / "statistics" / "k.npz"
    path.parent.mkdir()
    save_statistics(path, good, TINY)
    data = bytearray(path.read_bytes())
    match harm:
        case "truncate":
            path.write_bytes(data[: len(data) // 2])
        case "flip":
            data[len(data) // 2] ^= 255
            path.write_bytes(data)
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("not an npz file")
        case "nan":
            save_statistics(path, good._replace(covariance=good.covariance * np.nan), TINY)
        case "missing key":
            np.savez(path, mu=good.mean)
        case "shape":
            save_statistics(path, good._replace(mean=good.mean[:3]), TINY)
    with pytest.raises(InputError, match=r"k\.npz"):
        load_statistics(path)
    again = cached(tmp_path, "k", TINY, lambda: Sample(good))
    np.testing.assert_array_equal(again.statistics.mean, good.mean)
    assert load_statistics(path).statistics.n == 50
    assert [file.name for file in path.parent.iterdir()] == ["k.npz"]


def test_unwritable_cache_costs_time_only(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert cached(blocked, "k", TINY, lambda: Sample(statistics(np.eye(3)))).n == 3


def test_interrupted_save_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_statistics(tmp_path / "k.npz", statistics(np.eye(3)), TINY)
    assert not list(tmp_path.iterdir())


def test_cache_key_holds_everything_that_decides():
    base = key(TINY, "content", n=100, split="test")
    others = [
        key(TINY, "other content", n=100, split="test"),
        key(TINY, "content", n=200, split="test"),
        key(TINY, "content", n=100, split="train"),
        key(TINY._replace(hash="cd" * 32), "content", n=100, split="test"),
        key(TINY._replace(protocol="another"), "content", n=100, split="test"),
    ]
    assert len({base, *others}) == 6
    assert base == key(TINY, "content", split="test", n=100)
