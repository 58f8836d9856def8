"""Both mode scores against hand computation and closed forms."""

import math

import numpy as np
import pytest

from gan_cli.metrics import find_metric
from gan_cli.metrics.frechet import statistics
from gan_cli.metrics.metric import Sample

rng = np.random.default_rng(0)


def predicted(logits):
    return Sample(statistics(np.zeros((len(logits), 2))), {"logits": np.asarray(logits, np.float32)})


def sure(labels, k=10):
    return predicted(1e3 * np.eye(k)[np.asarray(labels)])


def measured(real, fake):
    return find_metric("mode-score").compute(real, fake)


@pytest.mark.parametrize("m", [1, 4, 10])
def test_m_of_k_classes(m):
    found = measured(sure(np.arange(100) % 10), sure(np.arange(60) % m))
    assert found["mode-score"] == pytest.approx(m**2 / 10)
    assert found["mode-score-che"] == pytest.approx(m)
    assert found["mode-score-kl"] == pytest.approx(math.log(10 / m), abs=1e-12)


@pytest.mark.parametrize("real", [sure([0, 0, 1, 2, 9]), predicted(rng.normal(size=(50, 10)))])
def test_the_first_form_is_the_inception_score_whatever_the_real_images(real):
    """So says algebra: p_real cancels."""
    fake = predicted(rng.normal(size=(300, 10)) * 3)
    score = find_metric("inception-score", splits=1).compute(None, fake)["inception-score"]
    assert measured(real, fake)["mode-score-che"] == pytest.approx(score, rel=1e-9)


def test_mode_score_by_hand():
    """Fakes (.9, .1) and (.3, .7), so (.6, .4) on average; real images (.8, .2) and (.4, .6), the same."""
    real, fake = predicted(np.log([[0.8, 0.2], [0.4, 0.6]])), predicted(np.log([[0.9, 0.1], [0.3, 0.7]]))

    def kl(p, q):
        return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))

    expected = math.exp((kl(0.9, 0.6) + kl(0.3, 0.6)) / 2)
    assert measured(real, fake)["mode-score"] == pytest.approx(expected, rel=1e-6)
    uneven = predicted(np.log([[0.8, 0.2], [0.2, 0.8]]))
    assert measured(uneven, fake)["mode-score"] == pytest.approx(expected * math.exp(-kl(0.6, 0.5)), rel=1e-6)
    assert measured(uneven, fake)["mode-score-kl"] == pytest.approx(kl(0.6, 0.5), rel=1e-6)


def test_a_class_that_no_real_image_has_costs_everything_and_is_no_error():
    found = measured(sure([0, 1]), sure([0, 5]))
    assert found["mode-score"] == pytest.approx(0, abs=1e-100)
    assert found["mode-score-che"] == pytest.approx(2)
    assert math.isfinite(found["mode-score-kl"])


def test_unsure_predictions_and_one_image():
    assert measured(predicted(np.zeros((9, 10))), predicted(np.zeros((5, 10))))["mode-score"] == pytest.approx(1)
    assert measured(sure([0, 1, 2, 3]), sure([2]))["mode-score"] == pytest.approx(1 / 4)


def test_of_uneven_classes_the_greatest_is_not_at_the_data_s_shares():
    """Shares .64 and .04 nine times: exp H at them; (Σ √p)² at shares as √p, .8 to nine times .2."""
    real = sure(np.repeat(np.arange(10), [64] + [4] * 9))
    entropy = -(0.64 * math.log(0.64) + 9 * 0.04 * math.log(0.04))
    assert measured(real, real)["mode-score"] == pytest.approx(math.exp(entropy))
    assert measured(real, sure(np.repeat(np.arange(10), [8] + [2] * 9)))["mode-score"] == pytest.approx(2.6**2)
