"""Demonstrations: their truths by other means, short trainings against them, and `gan lab` as a person uses it."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from gan_cli import lab
from gan_cli.data.source import Mixture
from gan_cli.engine import platform
from gan_cli.errors import InputError
from gan_cli.lab import disjoint_lines, fgan, optimal_discriminator, save_figure, table
from gan_cli.losses.divergences import DIVERGENCES

ALL = ["disjoint-lines", "fgan", "generator-losses", "optimal-discriminator"]


def shown(name, *overrides):
    return lab.demonstrate(lab.request(name, overrides), lambda message: None)


@pytest.fixture(scope="module", autouse=True)
def _compiled_once(compilation_cache):
    platform.start()


@pytest.fixture
def lab_command(gan, monkeypatch, tmp_path):
    """Run `gan lab ...` in this process and an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    return partial(gan, "lab")


def test_demonstrations_are_listed_with_a_line_each(lab_command, tmp_path):
    code, out, _ = lab_command()
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ALL
    assert all(line.endswith(".") for line in out.splitlines())
    assert list(json.loads(lab_command("--json")[1])["demonstrations"]) == ALL
    assert not list(tmp_path.iterdir())


def test_a_demonstration_prints_its_numbers_and_writes_its_figure(lab_command, tmp_path):
    code, out, _ = lab_command("generator-losses")
    assert code == 0
    assert "maximum_likelihood" in out
    assert out.splitlines()[-1] == "lab/generator-losses.png"
    with Image.open(tmp_path / "lab" / "generator-losses.png") as picture:
        assert picture.width > 600
    assert [path.name for path in (tmp_path / "lab").iterdir()] == ["generator-losses.png"]  # no temporary file


def test_json_is_one_object_and_nothing_else(lab_command, tmp_path):
    code, out, _ = lab_command("generator_losses", "--out", "new/x.png", "--set", "reach=3.0", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["reach"] == 3
    assert report["figure"] == "new/x.png"
    assert set(report["values"]) == {"error_minimax", "error_non_saturating", "error_maximum_likelihood"}
    assert (tmp_path / "new" / "x.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generator-loses"], "did you mean 'generator_losses'?"),
        (["generator-losses", "--set", "reech=3"], "did you mean 'reach'?"),
        (["generator-losses", "--set", "reach=-1"], "greater than 0"),
        (["generator-losses", "--set", "reach"], "expected option=value"),
        (["fgan", "--set", 'only=["kll"]'], "'kl'"),
        (["optimal-discriminator", "--set", "real_target=0.4"], "greater than 0.5"),
        (["generator-losses", "--out", "x.pdf"], "ends in .png"),
        (["--set", "reach=3"], "go with a demonstration"),
    ],
)
def test_bad_input_says_what_would_be_right_and_writes_nothing(lab_command, tmp_path, arguments, message):
    code, out, err = lab_command(*arguments)
    assert code == 2
    assert message in err
    assert not out
    assert not list(tmp_path.iterdir())


def test_no_figure_where_something_is_in_the_way(lab_command, tmp_path):
    (tmp_path / "lab").write_text("a file")
    (tmp_path / "folder.png").mkdir()
    code, _, err = lab_command("generator-losses")
    assert code == 2
    assert "lab: cannot be written" in err
    code, _, err = lab_command("generator-losses", "--out", "folder.png")
    assert code == 2
    assert "is a folder" in err


def test_options_are_toml_values_or_bare_words():
    assert lab.request("fgan", ['only=["kl"]', "steps = 10"]) == {
        "demonstration": "fgan",
        "seeds": 3,
        "steps": 10,
        "only": ["kl"],
    }
    with pytest.raises(InputError, match="only"):
        lab.request("fgan", ["only=kl"])


def test_columns_of_a_table_are_flush():
    assert table(["a", "bb"], [["ccc", "d"]]) == "a    bb\nccc   d"


def test_gradients_of_the_generator_losses_are_the_closed_forms():
    assert max(shown("generator-losses").values.values()) < 1e-9


@pytest.mark.parametrize(("dims", "steps"), [(1, 800), pytest.param(2, 1500, marks=pytest.mark.slow)])
@pytest.mark.slow  # trains for seven seconds
def test_a_trained_discriminator_is_nearly_optimal(tmp_path, dims, steps):
    demonstration = shown("optimal-discriminator", f"dims={dims}", f"steps={steps}")
    values = demonstration.values
    assert values["mean_error"] < 0.04
    assert values["optimal_value"] == pytest.approx(values["two_jsd_minus_log_4"], abs=1e-6)
    assert values["optimal_value"] - 0.01 < values["value"] < values["optimal_value"]
    save_figure(tmp_path / "x.png", demonstration)


@pytest.mark.slow
def test_a_smoothed_discriminator_is_scaled():
    values = shown("optimal-discriminator", "real_target=0.9", "steps=800").values
    assert values["mean_error"] < 0.04
    assert values["optimal_value"] - 0.01 < values["value"] < values["optimal_value"] < values["two_jsd_minus_log_4"]


def test_the_optimal_discriminator_has_the_highest_value():
    points = np.linspace(-8, 8, 4001)[:, None]
    p, q = (norm.pdf(points[:, 0], mean) for mean in (-1, 1))
    for target in (1.0, 0.9):
        best = np.log(target * p) - np.log((1 - target) * p + q)
        plane = optimal_discriminator.Plane(points, 16 / 4000, p, q, best, best, p + q > 0)
        values = [plane.value(best + shift, target) for shift in (-0.1, 0.0, 0.1)]
        assert values[1] > max(values[0], values[2])
    assert plane.jensen_shannon() == pytest.approx(0.3369, abs=1e-3)  # of two unit Gaussians two apart


@pytest.mark.slow  # a minute on a busy core
def test_lines_that_do_not_meet(tmp_path):
    demonstration = shown("disjoint-lines", "lines=4", "seeds=1", "steps=800")
    values = demonstration.values
    assert 0.98 * np.log(2) < values["jsd_lowest"] <= values["jsd_highest"] <= np.log(2) + 1e-6
    assert values["minimax_largest_gradient"] < 1e-3
    assert values["wgan_gp_slope"] == pytest.approx(1.07, abs=0.05)
    assert values["wgan_gp_r_squared"] > 0.99
    assert 0.9 < values["wgan_gp_lowest_gradient"] <= values["wgan_gp_highest_gradient"] < 1.15
    assert values["wgan_gp_farthest_end"] < 0.3
    save_figure(tmp_path / "x.png", demonstration)


def test_fixed_lines_lie_on_both_sides_and_never_near_the_data():
    import jax

    places = np.array([disjoint_lines._anywhere(jax.random.key(seed)) for seed in range(50)])
    assert (places < 0).any()
    assert (places > 0).any()
    assert ((np.abs(places) >= 0.2) & (np.abs(places) <= 1.2 + 1e-6)).all()


@pytest.fixture(scope="module")
def gaussian() -> fgan.Data:
    """Data that are themselves a Gaussian: N(1, 2²)."""
    return fgan._data(Mixture(np.array([[1.0]]), np.array([2.0])))


def test_every_divergence_is_named():
    assert set(fgan.NAMES) == set(DIVERGENCES)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_optimum_for_a_gaussian_is_itself(gaussian, name):
    optimum, least = gaussian.best(name, [np.array([0.5, 1.5])])
    np.testing.assert_allclose(optimum, [1.0, 2.0], atol=2e-3)
    assert least == pytest.approx(-np.log(4) if name == "gan" else 0.0, abs=1e-5)


def test_divergences_of_two_gaussians_are_the_closed_forms(gaussian):
    q = np.array([0.0, 1.8])

    def kl(a, b):
        return np.log(b[1] / a[1]) + (a[1] ** 2 + (a[0] - b[0]) ** 2) / (2 * b[1] ** 2) - 0.5

    p = (1.0, 2.0)
    assert gaussian.divergence("kl", q) == pytest.approx(kl(p, q), rel=1e-6)
    assert gaussian.divergence("reverse_kl", q) == pytest.approx(kl(q, p), rel=1e-6)
    assert gaussian.divergence("jeffrey", q) == pytest.approx(kl(p, q) + kl(q, p), rel=1e-6)
    overlap = np.sqrt(2 * 2 * 1.8 / (4 + 1.8**2)) * np.exp(-1 / (4 * (4 + 1.8**2)))  # Bhattacharyya's coefficient
    assert gaussian.divergence("squared_hellinger", q) == pytest.approx(2 - 2 * overlap, rel=1e-6)


def test_the_bound_at_the_optimal_score_is_the_divergence(gaussian):
    q = np.array([0.0, 1.8])

    def optimal(x):  # kl: g_f(s) = s = f'(u) = 1 + log u
        return 1 + norm.logpdf(x[:, 0], 1, 2) - norm.logpdf(x[:, 0], *q)

    assert gaussian.bound("kl", q, optimal) == pytest.approx(gaussian.divergence("kl", q), rel=1e-6)
    assert gaussian.bound("kl", q, lambda x: optimal(x) + 0.1) < gaussian.divergence("kl", q)


@pytest.mark.slow  # half a minute on a busy core
def test_short_trainings_come_near_each_optimum(tmp_path):
    demonstration = shown("fgan", "steps=800", "seeds=1", 'only=["kl", "reverse_kl"]')
    values = demonstration.values
    for name in ("kl", "reverse_kl"):
        assert values[f"{name}_mu_error"] < 0.15
        assert values[f"{name}_sigma_error"] < 0.15
        assert values[f"{name}_gap"] < 0.3
        assert values[f"{name}_excess"] == 0
    assert "f, by g" in demonstration.text
    save_figure(tmp_path / "x.png", demonstration)


@pytest.mark.slow
def test_lines_that_do_not_meet_at_length():
    values = shown("disjoint-lines").values
    assert values["jsd_lowest"] > 0.999 * np.log(2)
    assert values["wgan_gp_r_squared"] > 0.999
    assert values["wgan_gp_farthest_end"] < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("dims=2",), ("real_target=0.9",)])
def test_a_trained_discriminator_is_optimal_at_length(options):
    values = shown("optimal-discriminator", *options).values
    assert values["largest_error"] < 0.08
    assert values["mean_error"] < 0.015
    assert values["value"] == pytest.approx(values["optimal_value"], abs=2e-3)


@pytest.mark.slow
def test_every_divergence_finds_its_own_optimum_and_knows_how_far_it_is():
    values = shown("fgan").values
    for name in DIVERGENCES:
        assert values[f"{name}_mu_error"] < 0.05, name
        assert values[f"{name}_sigma_error"] < 0.05, name
        assert values[f"{name}_gap"] < 0.05, name
