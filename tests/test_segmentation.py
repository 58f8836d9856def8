"""Masks: SegAN against its formula, the metrics of masks on masks drawn by hand, scans and what is known of them."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from test_games import Linear, linear, play

from gan_cli.data.scans import chest, lesions, organ
from gan_cli.data.store import Store
from gan_cli.games.segan import segan
from gan_cli.metrics import dice, iou, surface_distance, topology_errors
from gan_cli.types import Spec

STORE = Store()
SPEC = Spec((2, 2, 1), parts={"input": Spec((2, 2, 1))})


class Maps(Linear):
    """A critic whose only map is twice what it is shown."""

    def __call__(self, x, y=None):
        return x.sum(axis=(1, 2, 3)), {"maps": (2 * x,)}


class Bounded(Linear):
    """Masks of tanh of the sum of the input."""

    def __call__(self, x, y=None):
        made, inside = super().__call__(x)
        return jnp.tanh(made), inside


def test_segan_by_hand():
    """Two images and true masks of different sizes: a ratio over the batch would be another one."""
    image = jnp.array([[0.2, -0.1, 0.3, -0.2], [-0.4, 0.1, 0.1, 0.0]]).reshape(2, 2, 2, 1)  # their sums are ±0.2
    truth = jnp.array([[1.0, -1.0, -1.0, 1.0], [1.0, -1.0, -1.0, -1.0]]).reshape(2, 2, 2, 1)
    batch = {"x": truth, "input": image}
    p = (np.tanh([[0.2], [-0.2]]) + 1) / 2 * np.ones((2, 4))
    y, x = (np.asarray(truth).reshape(2, 4) + 1) / 2, (np.asarray(image).reshape(2, 4) + 1) / 2
    differences = np.abs(x * p - x * y).mean() * (1 + 2) / 2
    game = segan(SPEC, Bounded, Maps)
    value, report = play(game, "critic", batch)
    assert value == pytest.approx(-differences, rel=1e-5)
    value, report = play(segan(SPEC, Bounded, Maps, cross_entropy=2.0, dice=0.5), "segmentor", batch)
    cross = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    overlap = (2 * (p * y).sum(1) / (p + y).sum(1)).mean()
    assert value == pytest.approx(differences + 2 * cross + 0.5 * (1 - overlap), rel=1e-4)
    assert report["dice"] == pytest.approx(overlap, rel=1e-4)
    value, _ = play(segan(SPEC, Bounded, Maps, masked=False), "critic", batch)
    assert value == pytest.approx(-np.abs(p - y).mean() * 1.5, rel=1e-5)


def test_masks_of_another_size_are_refused():
    with pytest.raises(ValueError, match="one size"):
        segan(Spec((2, 2, 1), parts={"input": Spec((4, 4, 1))}), linear, Maps)
    with pytest.raises(ValueError, match="a part 'input'"):
        segan(Spec((2, 2, 1)), linear, Maps)
    with pytest.raises(ValueError, match="masks are made in"):
        segan(SPEC, linear, Maps)
    with pytest.raises(ValueError, match="shows no maps"):
        segan(SPEC, Bounded, linear)


def drawn(*boxes, side=8):
    """One mask uint8 [1, H, W, 1] of boxes (top, left, bottom, right)."""
    mask = np.zeros((1, side, side, 1), np.uint8)
    for top, left, bottom, right in boxes:
        mask[:, top:bottom, left:right] = 255
    return jnp.asarray(mask)


@pytest.mark.parametrize(
    ("result", "truth", "expected"),
    [
        (drawn((1, 1, 5, 5)), drawn((1, 1, 5, 5)), (1, 1, 0, 0)),
        (drawn((1, 1, 5, 5)), drawn((1, 3, 5, 7)), (0.5, 1 / 3, None, 0)),
        (drawn((0, 0, 1, 1)), drawn((0, 3, 1, 4)), (0, 0, 3, 0)),  # two pixels, three apart
        (drawn(), drawn((0, 0, 2, 2)), (0, 0, 8 * 2**0.5, 1)),
        (drawn(), drawn(), (1, 1, 0, 0)),
        (drawn((0, 0, 2, 2), (4, 4, 6, 6)), drawn((0, 0, 6, 6)), (8 * 2 / 44, 8 / 36, None, 1)),
    ],
)
def test_metrics_of_masks_by_hand(result, truth, expected):
    metrics = (dice.dice(), iou.iou(), surface_distance.surface_distance(), topology_errors.topology_errors())
    for metric, value in zip(metrics, expected, strict=True):
        if value is not None:
            assert float(metric.pair(result, truth)[0]) == pytest.approx(value, rel=1e-5), metric.name
            both = jnp.concatenate([result, truth], axis=-1), jnp.concatenate([truth, truth], axis=-1)
            perfect = 1 - metric.lower_is_better
            assert float(metric.pair(*both)[0]) == pytest.approx((value + perfect) / 2, rel=1e-5)


def test_scans_are_of_what_is_in_their_masks():
    found = lesions(STORE, n=20, noise=5.0, distractors=0).load(np.arange(20))
    inside = found["x"][..., 0] > 0
    assert found["input"][inside].mean() - found["input"][~inside].mean() == pytest.approx(60, abs=3)
    three = chest(STORE, n=10).load(np.arange(10))
    assert three["x"].shape == (10, 64, 64, 3)
    assert all(ndimage.label(mask)[1] == 1 for scan in three["x"] for mask in scan.transpose(2, 0, 1))
    volume = organ(STORE, n=4, side=16)
    assert volume.spec.medium == volume.spec.parts["input"].medium == "volume"
    assert volume.load(np.arange(2))["input"].shape == (2, 16, 16, 16, 1)
    test = lesions(STORE, n=20, split="test")
    assert test.size == 500
    assert test.fingerprint != lesions(STORE, n=20).fingerprint
    assert not np.array_equal(test.load(np.arange(20))["x"], lesions(STORE, n=20).load(np.arange(20))["x"])
