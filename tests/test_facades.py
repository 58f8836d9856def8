"""Houses made here: their labels can be read off, and what is read off is judged."""

import jax.numpy as jnp
import numpy as np
import pytest
from test_translation import trained

from gan_cli import metrics
from gan_cli.data import facades
from gan_cli.data.store import Store
from gan_cli.errors import InputError

SOURCE = facades.facades(Store(download=False), n=300)
ALL = SOURCE.load(np.arange(300))
LABELS = (ALL["input"][..., None, :] == facades.LABELS).all(-1).argmax(-1)  # of the label maps, by their colours


def test_what_each_pixel_shows_can_be_read_off_its_colour():
    assert ALL["x"].dtype == ALL["input"].dtype == np.uint8
    np.testing.assert_array_equal(facades.LABELS[LABELS], ALL["input"])
    np.testing.assert_array_equal(SOURCE.reads(ALL["x"]), LABELS)
    np.testing.assert_array_equal(SOURCE.reads(jnp.asarray(ALL["x"])), LABELS)
    assert all((part == LABELS).any() for part in range(len(facades.PARTS)))


def test_a_house_is_a_function_of_its_number_and_each_split_has_others():
    some = np.array([7, 3, 7])
    np.testing.assert_array_equal(SOURCE.load(some)["x"], ALL["x"][some])
    others = [facades.facades(Store(download=False), n=300, **own) for own in ({"split": "test"}, {"seed": 1})]
    assert all((other.load(some)["input"] != ALL["input"][some]).any((1, 2, 3)).all() for other in others)
    tiny = facades.facades(Store(download=False), n=50, side=8).load(np.arange(50))
    assert tiny["x"].shape == tiny["input"].shape == (50, 8, 8, 3)
    assert len({SOURCE.fingerprint, *(other.fingerprint for other in others)}) == 3


def test_the_mean_of_what_a_part_may_look_like_looks_like_another():
    for number, part in enumerate(facades.PARTS.values()):
        mean = np.mean(part.tints, axis=0).reshape(1, 1, 1, 3)
        assert (SOURCE.reads(mean)[0, 0, 0] == number) == (len(part.tints) == 1)


def test_agreement_is_the_share_of_pixels_that_show_the_same():
    metric = metrics.find_metric("label-agreement")
    x = jnp.asarray(ALL["x"][:2])
    other = x.at[0, :4].set(jnp.uint8(128)).at[1].set(jnp.uint8(128))  # the grey of roofs
    expected = [(LABELS[0] == np.r_[np.full((4, 32), facades.ROOF), LABELS[0, 4:]]).mean(), (LABELS[1] == 3).mean()]
    np.testing.assert_allclose(metric.pair(other, x, reads=SOURCE.reads), expected, atol=1e-6)


def test_a_translation_is_judged_by_what_is_read_off_it():
    small = ("data.n=20", "data.side=24", "eval.n=20", "eval.metric=label-agreement,psnr", "eval.batch=20")
    nets = ("networks.generator.width=2", "networks.discriminator.width=2", "train.batch=4")
    _, _, (before, _) = trained("translation/facades", 0, *small, *nets, "eval.options={psnr={where='changed'}}")
    assert 0 <= before["label-agreement"] < 0.9
    assert before["psnr"] < 20


def test_it_is_refused_where_nobody_knows_how_to_read():
    with pytest.raises(InputError, match=r"label-agreement reads off each pixel .* source = \"facades\""):
        trained("translation/facades", 0, "data.size=16", "eval.metric=label-agreement")
