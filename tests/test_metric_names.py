"""Metrics answer to the names that people type, and only their own names are stored."""

import pytest

from gan_cli import build, metrics, recipe
from gan_cli.errors import InputError
from gan_cli.names import ELSEWHERE, METRIC_ALIASES, canonical_metric

RING = recipe.find_recipe("ring")


def judged(*overrides):
    return build.resolve(recipe.read_tables(RING, ["eval.features=digits", *overrides]), "ring.toml")["eval"]


def test_no_name_is_of_two_metrics_or_hides_one():
    others = [other for found in METRIC_ALIASES.values() for other in found]
    assert len(others) == len(set(others))
    assert set(METRIC_ALIASES) <= set(metrics.names())
    assert not {*others, *ELSEWHERE} & set(metrics.names())
    assert all(canonical_metric(name) == name for name in [*metrics.names(), *ELSEWHERE])


@pytest.mark.parametrize(
    ("typed", "own"),
    [
        ("is", "inception-score"),
        ("inception_score", "inception-score"),
        ("Inception Score", "inception-score"),
        ("FID", "fid"),
        ("fid_inf", "fid-infinity"),
        ("pr", "precision-recall"),
        ("precision", "precision-recall"),
        ("1nn", "one-nn"),
        ("1-NN", "one-nn"),
        ("mode", "mode-score"),
        ("memorization", "memorisation"),
        ("swd", "sliced-wasserstein"),
        (" kid ", "kid"),
    ],
)
def test_names_that_people_type(typed, own):
    assert judged(f"eval.metric='{typed}'")["metric"] == own
    assert metrics.find_metric(typed).name == own


def test_the_same_recipe_by_any_names():
    one = judged("eval.metric=FID, is,pr,inception", "eval.options.is.splits=3", "eval.options.pr.k=4")
    same = judged(
        'eval.metric=["fid", "inception-score", "precision_recall"]',
        "eval.options.inception-score.splits=3",
        "eval.options.precision_recall.k=4",
    )
    assert one == same
    assert one["metric"] == "fid,inception-score,precision-recall"


def test_an_option_by_two_names_is_refused():
    given = {"metric": "is", "options": {"is": {"splits": 3}, "inception_score": {"splits": 4}}}
    with pytest.raises(InputError, match=r"inception-score\.splits is given twice"):
        build.resolve({**recipe.read_tables(RING), "eval": given}, "ring.toml")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("prdc", "precision-recall,density-coverage"),
        ("lpips", "ms-ssim"),
        ("clean_fid", "inception.clean"),
        ("fdi", "did you mean 'fid'"),
    ],
)
def test_names_of_no_metric_here_say_where_to_turn(typed, message, gan):
    code, _, err = gan("eval", "--fake", "digits", "--real", "digits", "--metric", typed)
    assert code == 2
    assert "no such metric" in err
    assert message in err


def test_the_command_line_takes_them(gan):
    code, out, _ = gan("eval", "--list")
    assert (code, "also: is, isc" in out) == (0, True)
    asked = ("eval", "--fake", "digits", "--real", "digits", "--n", 40, "--n-real", 40, "--features", "pixels")
    code, out, _ = gan(*asked, "--metric", "KID", "--set", "KID.subsets=3", "--set", "kid.subset_size=10")
    assert code == 0
    assert "subsets 3, subset_size 10" in out
    code, _, err = gan("runs", "nowhere", "--sort", "is")
    assert "neither a metric" not in err
