"""`gan compare`: seeds trained together are the runs that they would be alone; its bookkeeping; its tables by hand."""

import csv
import io
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from PIL import Image
from rich.console import Console
from tiny import both, tiny_recipe

from gan_cli import build, recipe
from gan_cli.cli.console import Reporter
from gan_cli.data import toy
from gan_cli.data.order import indices
from gan_cli.data.pipeline import pipeline
from gan_cli.data.store import Store
from gan_cli.engine.loop import Trainer, means
from gan_cli.engine.seeds import Outcome, train_seeds
from gan_cli.engine.state import Experiment, definitions, initial_state, state_shapes
from gan_cli.errors import InputError
from gan_cli.games.standard import standard
from gan_cli.losses import adversarial
from gan_cli.pictures import comparison, plots
from gan_cli.pictures.comparison import Result
from gan_cli.recipe import Ema, Train
from gan_cli.text import figure
from gan_cli.training import compare as runs
from gan_cli.types import Ports, Spec

RING = {
    "data": {"source": "toy.ring", "n": 300, "sd": 0.5},
    "networks": both(hidden=[8]),
    "game": {"latent": 2},
    "train": {"steps": 7, "steps_per_call": 3},
    "eval": {"metric": "modes", "n": 64, "n_real": 50, "batch": 64},
}
RECIPES = {
    "plain": tiny_recipe(**RING),
    "hinge": tiny_recipe(**{**RING, "game": {"latent": 2, "loss": "adversarial.hinge"}}),
    "fid": tiny_recipe(**{**RING, "eval": {**RING["eval"], "metric": "fid"}}),
    "broken": tiny_recipe(**{**RING, "eval": 3}),
    "digits": tiny_recipe(**{**RING, "data": {"channels": 1}}),
}


class Silent:
    def __init__(self):
        self.notes, self.starts = [], []

    def note(self, message):
        self.notes.append(message)

    def start(self, *arguments):
        self.starts.append(arguments)

    def progress(self, *_):
        pass

    verdict = alarm = progress


class Linear(nnx.Module):
    """x W, W normal: compiled in no time."""

    def __init__(self, ports, rngs):
        self.weight = nnx.Param(0.5 * jax.random.normal(rngs.params(), (*ports.inputs, int(np.prod(ports.outputs)))))
        self.shape = ports.outputs

    def __call__(self, x, y=None):
        return (x @ self.weight[...]).reshape(len(x), *self.shape), {}


def linear(ports: Ports, rngs: nnx.Rngs) -> nnx.Module:
    return Linear(ports, rngs)


SIZE, STEPS, PER_CALL = 16, 7, 3
CALLS = ((0, 3), (3, 3), (6, 1))


@pytest.fixture(scope="module")
def made() -> Experiment:
    """The standard game of two linear networks; updates are proportional to gradients: rounding stays rounding."""
    game = standard(Spec((2,)), linear, linear, loss=adversarial.non_saturating(), latent=2)
    optimisers = dict.fromkeys(("generator", "discriminator"), optax.sgd(0.1))
    options = Train(batch=SIZE, steps=STEPS, steps_per_call=PER_CALL)
    return Experiment({"": Spec((2,))}, game, definitions(game), optimisers, options, Ema(decay=0.9))


class Points:
    """Batches of points that stream from the host; the batch of step `bad` of this seed holds `value`."""

    constants: dict = {}  # noqa: RUF012

    def __init__(self, seed, bad=None, value=np.nan):
        self.seed, self.bad, self.value = seed, bad, value

    def feed(self, start, n):
        return {"x": np.stack([self.batch(step) for step in range(start, start + n)])}

    def batch(self, step):
        x = np.random.default_rng((self.seed, step)).normal(size=(SIZE, 2)).astype(np.float32)
        if step == self.bad:
            x[3, 1] = self.value
        return x

    def take(self, constants, feed):
        return feed


RING_DATA = toy.ring(Store(), n=300, sd=0.5)


def resident(seed):
    return pipeline(RING_DATA, batch=SIZE, seed=seed)


@pytest.fixture(scope="module")
def alone(made):
    """The run of one seed by the trainer of `gan train`: its state, and the numbers of each call."""
    trainers = {}

    def run(feed, seed):
        trainer = trainers.setdefault(type(feed), Trainer(made, feed, jax.devices()[:1]))
        trainer._feed = feed  # of another seed; the program is the same
        state, numbers = trainer.place(initial_state(made, seed)), []
        for step, n in CALLS:
            state, sums = trainer.advance(state, step, n)
            numbers.append(means(jax.device_get(sums)))
        return state._replace(key=jax.random.key_data(state.key)), numbers

    return run


def together(made, feeds, seeds, devices):
    """The outcome, and what `progress` was told."""
    told = []
    return train_seeds(made, feeds, seeds, jax.devices()[:devices], lambda *call: told.append(call)), told


def close(a, b):
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("seeds", "devices", "feed"),
    # 3 seeds on 2 devices: one place is filled up
    [
        pytest.param([4], 2, Points, marks=pytest.mark.slow),
        pytest.param([0, 3], 2, resident, marks=pytest.mark.slow),
        ([5, 2**32 - 1, 0], 2, Points),
        ([5, 1, 0], 1, resident),
    ],
)
def test_every_seed_is_the_run_that_gan_train_makes(made, alone, seeds, devices, feed):
    outcome, told = together(made, [feed(seed) for seed in seeds], seeds, devices)
    single = [alone(feed(seed), seed) for seed in seeds]
    assert len(outcome.states) == len(seeds)
    for state, (expected, _) in zip(outcome.states, single, strict=True):
        close(state, expected)
        assert int(state.step) == STEPS
    assert outcome.diverged == {}
    assert 0 < outcome.seconds < 60
    assert [step for step, _ in told] == [3, 6, 7]
    for call, (_, numbers) in enumerate(told):  # the mean over the seeds, each counted once
        expected = {name: np.mean([calls[call][name] for _, calls in single]) for name in numbers}
        assert numbers == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_seed_is_its_weights_its_latents_and_its_batches(made):
    """Not its batches only: with the same ones two seeds end far apart."""
    states = together(made, [Points(0), Points(0)], [0, 1], 1)[0].states
    first, second = (np.concatenate([x.ravel() for x in jax.tree.leaves(s.variables)]) for s in states)
    assert np.abs(first - second).max() > 0.1


@pytest.mark.parametrize(("value", "devices"), [(np.nan, 1), (np.inf, 2)])
def test_a_seed_that_diverges_spoils_no_other(made, alone, value, devices):
    seeds = [7, 8, 9]
    well, _ = together(made, [Points(7), Points(8), Points(9)], seeds, devices)
    ill, told = together(made, [Points(7), Points(8, 4, value), Points(9)], seeds, devices)
    assert well.diverged == {}
    assert ill.diverged == {8: 6}  # found after the second call, of steps 3 to 5
    for place in (0, 2):
        for a, b in zip(jax.tree.leaves(well.states[place]), jax.tree.leaves(ill.states[place]), strict=True):
            np.testing.assert_array_equal(a, b)
    assert [step for step, _ in told] == [3, 6, 7]
    single = [alone(Points(seed), seed)[1] for seed in (7, 9)]
    for call in (1, 2):  # the mean over those that are left
        expected = {name: np.mean([calls[call][name] for calls in single]) for name in single[0][call]}
        assert told[call][1] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_when_all_diverge_the_training_ends_and_says_so(made):
    outcome, told = together(made, [Points(0, bad=0), Points(1, bad=6)], [0, 1], 2)
    assert outcome.diverged == {0: 3, 1: 7}
    assert [step for step, _ in told] == [3, 6]
    assert len(outcome.states) == 2


def test_one_program_serves_all_calls(made, caplog):
    with jax.log_compiles():
        together(made, [Points(0), Points(1)], [0, 1], 2)
    assert sum("Compiling jit(steps)" in message for message in caplog.messages) == 1


def test_seconds_of_a_single_call_are_a_number(made):
    short = made._replace(train=made.train.model_copy(update={"steps": 2}))
    outcome, _ = together(short, [Points(0)], [0], 1)
    assert 0 < outcome.seconds < 60
    assert int(outcome.states[0].step) == 2


@pytest.fixture(scope="module")
def recipes(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recipes")
    for name, text in RECIPES.items():
        (folder / f"{name}.toml").write_text(text)
    return {name: folder / f"{name}.toml" for name in RECIPES}


def untrained(experiment, feeds, seeds, *_):
    """In the place of `train_seeds`, where only the bookkeeping is looked at: weights of 0."""
    zeros = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), state_shapes(experiment).average)
    return Outcome([state_shapes(experiment)._replace(average=zeros)] * len(seeds), {}, 0.25 * len(seeds))


def compared(paths, seeds, out, *overrides, train=untrained, at_once=None, judged=None):
    """`gan compare` without the command line; and which seeds were trained, call by call."""
    trained, watcher = [], Silent()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "train_seeds", lambda *given: trained.append(list(given[2])) or train(*given))
        entries = runs.entries([str(path) for path in paths], overrides, judged or {}, Store(download=False), watcher)
        return runs.compare(entries, seeds, at_once, out, watcher), trained, watcher


def interrupted_after(calls):
    """In the place of `train_seeds`: Ctrl-C in the call after so many."""
    left = iter(range(calls))

    def train(*given):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return untrained(*given)

    return train


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(recipes, tmp_path_factory):
    """Two recipes with three seeds each."""
    out = tmp_path_factory.mktemp("out") / "new" / "folder"
    return compared([recipes["plain"], recipes["hinge"]], [0, 1, 2], out, train=train_seeds)


def test_a_comparison_leaves_a_row_a_run_a_table_and_a_picture(finished):
    done, trained, watcher = finished
    assert trained == [[0, 1, 2], [0, 1, 2]]  # all seeds of small networks in one program
    found = rows(done.csv)
    assert [(row["recipe"], row["seed"]) for row in found] == [(r, s) for r in ("plain", "hinge") for s in "012"]
    assert list(found[0]) == [*comparison.FIELDS, "modes", "modes-high-quality", "modes-reverse-kl"]
    for row in found:
        assert (row["steps"], row["diverged"]) == ("7", "")
        assert float(row["seconds"]) >= 0
        assert 0 <= float(row["modes"]) <= 8
        assert row["protocol"].startswith("features points none, 50 real (toy.ring all), 64 fake, seed 0")
    assert done.table.read_text() == done.markdown
    assert "Difference from `plain`" in done.markdown
    with Image.open(done.picture) as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height > 50
    assert watcher.notes == ["plain: 3 runs of 7 steps", "hinge: 3 runs of 7 steps"]
    assert watcher.starts == [(0, 7, 48)] * 2
    assert sorted(path.name for path in done.csv.parent.iterdir()) == ["plot.png", "results.csv", "table.md"]


def test_a_run_is_judged_as_the_same_run_of_gan_train_is(finished, recipes, gan, tmp_path):
    """The whole way: `gan train` with the seed, `gan eval` with the protocol."""
    plain = tmp_path / "run"
    code, _, err = gan("train", recipes["plain"], "--out", plain, "--set", "run.seed=2", "--set", "train.batch=16")
    assert code == 0, err
    options = ["--metric", "modes", "--n", 64, "--n-real", 50, "--batch", 64, "--at", "latest", "--json"]
    report = json.loads(gan("eval", "--ckpt", plain, *options)[1])
    row = finished[0].results[2]
    assert (row.recipe, row.seed) == ("plain", 2)
    assert row.values == pytest.approx({name: report[name] for name in row.values}, abs=1 / 64)


def test_a_second_call_repeats_nothing(finished, recipes):
    done = finished[0]
    before = done.csv.read_bytes(), done.table.read_bytes()
    again, trained, watcher = compared([recipes["plain"], recipes["hinge"]], [0, 1, 2], done.csv.parent)
    assert trained == []
    assert [r.values for r in again.results] == [r.values for r in done.results]
    assert (done.csv.read_bytes(), done.table.read_bytes()) == before
    assert watcher.notes == ["plain: 3 already there", "hinge: 3 already there"]


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the results, for tests that add to them."""
    (tmp_path / "results.csv").write_bytes(finished[0].csv.read_bytes())
    return tmp_path


def test_further_seeds_and_recipes_leave_what_is_there(recipes, folder):
    before = (folder / "results.csv").read_text()
    done, trained, watcher = compared([recipes["hinge"]], [2, 1, 5, 5], folder)
    assert trained == [[5]]
    assert watcher.notes == ["hinge: 1 run of 7 steps, 2 already there"]
    assert [r.seed for r in done.results] == [2, 1, 5]
    assert (folder / "results.csv").read_text().startswith(before)
    assert len(rows(folder / "results.csv")) == 7
    assert "`plain`" not in done.markdown  # the table is of the runs asked for
    assert compared([recipes["plain"]], [0, 1, 2], folder)[1] == []


def test_another_override_is_another_run_and_a_cadence_is_not(recipes, folder):
    cadence = ("run.log_every=3", "run.seed=77", "monitor.every=0", "train.steps_per_call=2", "eval.batch=50")
    assert compared([recipes["plain"]], [0, 1], folder, *cadence)[1] == []
    old = [r.digest for r in comparison.read_csv(folder / "results.csv")]
    done, trained, _ = compared([recipes["plain"]], [0, 1], folder, "game.latent=3")
    assert trained == [[0, 1]]
    assert len({*old, done.results[0].digest}) == 3  # of plain, of hinge, of plain with the override
    assert compared([recipes["plain"]], [0, 1], folder)[1] == []  # and the old ones are still there
    assert compared([recipes["plain"]], [0, 1], folder, judged={"n": 65})[1] == [[0, 1]]


def test_stopped_half_way_the_finished_runs_are_kept(recipes, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        compared([recipes["plain"]], [4, 5, 6], tmp_path, at_once=1, train=interrupted_after(2))
    assert [row["seed"] for row in rows(tmp_path / "results.csv")] == ["4", "5"]
    done, trained, _ = compared([recipes["plain"]], [4, 5, 6], tmp_path, at_once=1)
    assert trained == [[6]]
    assert [r.seed for r in done.results] == [4, 5, 6]


def test_an_interrupted_recipe_does_not_take_the_next_ones_results_with_it(recipes, folder):
    both = [recipes["plain"], recipes["hinge"]]
    with pytest.raises(KeyboardInterrupt):
        compared(both, [0, 1, 2, 3, 4], folder, at_once=1, train=interrupted_after(1))
    kept = [(row["recipe"], row["seed"]) for row in rows(folder / "results.csv")]
    assert kept == [*((r, s) for r in ("plain", "hinge") for s in "012"), ("plain", "3")]


GAN = [sys.executable, "-m", "gan_cli"]


def test_a_killed_process_goes_on_where_it_was(recipes, tmp_path):
    environment = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu"}
    command = [*GAN, "compare", recipes["plain"], "--seeds", "0-99", "--at-once", "1", "--out", tmp_path / "out"]
    table = tmp_path / "out" / "results.csv"
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(1200):
            if table.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        assert process.poll() is None, process.stderr.read()
        process.kill()
    before = rows(table)
    assert 1 <= len(before) < 100
    done, trained, _ = compared([recipes["plain"]], range(len(before) + 1), tmp_path / "out")
    assert trained == [[len(before)]]
    assert rows(table)[: len(before)] == before
    assert all(run.values for run in done.results)


HUGE = "optimisers.generator.learning_rate=1e30"


def test_diverged_runs_are_reported_as_such(recipes, gan, tmp_path):
    code, out, err = gan("compare", recipes["plain"], "--seeds", "0,1", "--set", HUGE, "--out", tmp_path, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert [(r["diverged"], r["values"], r["protocol"]) for r in report["results"]] == [(3, {}, "")] * 2
    assert [row["diverged"] for row in rows(tmp_path / "results.csv")] == ["3", "3"]
    assert "| `plain` | 2, 2 diverged |" in (tmp_path / "table.md").read_text()
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.format == "PNG"


def test_a_run_whose_last_update_breaks_it_has_diverged(recipes, tmp_path):
    """Its loss and its update are finite numbers still, its samples no longer."""
    last = ("train.steps=1", "ema.decay=0.0", 'optimisers.generator={ name = "sgd", learning_rate = 1e18 }')
    wide = "networks.generator.hidden=[8, 8, 8]"
    done, _, _ = compared([recipes["plain"]], [0, 1], tmp_path, *last, wide, train=train_seeds)
    assert [(r.diverged, r.values) for r in done.results] == [(1, {}), (1, {})]


@pytest.mark.parametrize("where", ["true", "false"])
def test_each_seed_has_its_own_batches(recipes, where):
    tables = recipe.read_tables(recipes["plain"], [f"train.resident={where}"])
    feeds = runs._feeds(build.prepare(tables, "plain", Store(download=False)), [3, 4])
    for feed, seed in zip(feeds, (3, 4), strict=True):
        constants, read = jax.tree.map(jnp.asarray, (dict(feed.constants), feed.feed(2, 1)))
        own = feed.take(constants, {name: x[0] for name, x in read.items()})["x"]
        np.testing.assert_array_equal(own, RING_DATA.load(indices(seed, 2, 16, 300))["x"])
        feed.close()
    if where == "true":  # on the device: read once for all seeds
        assert feeds[0].constants["x"] is feeds[1].constants["x"]


REFUSED = [
    (["{plain}", "--seeds", "3,x"], "'x' is neither a seed nor a range"),
    (["{plain}", "--seeds", "4294967296"], "below 2^32"),
    (["{plain}", "no_such_recipe"], "no_such_recipe: no such recipe file"),
    (["{plain}", "rign"], "did you mean 'ring'"),
    (["{plain}", "{fid}"], "different metrics in [eval]; name one for all of them with --metric"),
    (["{plain}", "{plain}"], "two of the recipes have the same name: plain, plain"),
    (["{plain}", "--out", "file"], "file: cannot be written"),
    (["{plain}", "--out", "file/below"], "file/below: cannot be written"),
    (["{plain}", "--out", "/proc/out"], "/proc/out: cannot be written"),
    (["{plain}", "--metric", "mods"], "did you mean 'modes'"),
    (["{plain}", "--metric", "fid", "--n", "2"], "2 fake images are too few"),
    (["{plain}", "{broken}", "--n", "99"], "eval is a value, not a table"),
    (["{digits}"], "modes needs data whose mixture of Gaussians is known"),
    (["{plain}", "--metric", "stacked-modes"], "stacked_digits"),
    (["{plain}", "--set", "game.latent=x"], "[game] latent = 'x'"),
    (["{plain}", "--at-once", "0"], "--at-once"),
    (["{plain}", "--n", "0"], "--n"),
    (["{plain}", "--data-dir", "nowhere"], "nowhere: no such folder"),
    ([], "Missing argument"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_bad_input_exits_with_2_and_one_clear_message(gan, recipes, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(runs, "train_seeds", None)  # it is refused before anything is trained
    code, out, err = gan("compare", *(argument.format(**recipes) for argument in arguments))
    assert code == 2, err
    assert message in err
    assert not out
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_another_metric_can_be_named_for_all(gan, recipes, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "train_seeds", untrained)
    out = tmp_path / "out"
    options = ["--metric", "modes", "--n", 32, "--seeds", "0", "--set", "train.steps=1", "--out", out]
    code, text, err = gan("compare", recipes["plain"], recipes["fid"], *options)
    assert code == 0, err
    assert "| `fid` | 1 |" in text
    assert "32 fake" in text
    assert str(out / "results.csv") in text


HEAD = ",".join(comparison.FIELDS)
FOREIGN = {
    "another table": b"a,b\n1,2\n",
    "another table without rows": b"name,score\n",
    "empty": b"",
    "text": b"my notes",
    "bytes": bytes(range(256)),
    "other columns first": f"note,{HEAD},fid\nx,ring,0,abc,9,1.0,,p,2.0\n".encode(),
    "a column is missing": f"{HEAD.replace('digest,', '')}\nring,0,9,1.0,,p\n".encode(),
    "a seed that is none": f"{HEAD},fid\nring,zero,abc,9,1.0,,p,2.0\n".encode(),
    "a value that is no number": f"{HEAD},fid\nring,0,abc,9,1.0,,p,good\n".encode(),
    "a row cut short": f"{HEAD},fid,is\nring,0,abc,9,1.0,,p,2.0\n".encode(),
    "a row too long": f"{HEAD},fid\nring,0,abc,9,1.0,,p,2.0,3.0\n".encode(),
    "cut in a number": f"{HEAD},fid\nring,0,abc,9,1.0,,p,2.04".encode(),
    "cut in a quotation": f'{HEAD},fid\nring,0,abc,9,1.0,,"features, so\n'.encode(),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_table_of_somebody_else_is_named_and_left_alone(name, recipes, tmp_path):
    path = tmp_path / "results.csv"
    path.write_bytes(FOREIGN[name])
    with pytest.raises(InputError, match=r"results\.csv: not a table of results .*--out"):
        comparison.read_csv(path)


def test_gan_compare_leaves_a_foreign_table_alone(gan, recipes, tmp_path):
    path = tmp_path / "results.csv"
    path.write_bytes(FOREIGN["another table"])
    code, out, err = gan("compare", recipes["plain"], "--out", tmp_path)
    assert (code, out) == (2, "")
    assert f"{path}: not a table of results" in err
    assert path.read_bytes() == FOREIGN["another table"]
    assert [p.name for p in tmp_path.iterdir()] == ["results.csv"]
    path.unlink()
    path.mkdir()
    assert gan("compare", recipes["plain"], "--out", tmp_path)[0] == 2


def result(recipe="ring", seed=0, diverged=None, **values):
    names = {name.replace("_", "-"): value for name, value in values.items()}
    return Result(recipe, seed, "abc", 9, 2.0, diverged, "" if diverged else "seed 0, vectors", names)


RESULTS = [
    result("a", 0, fid=4.0, modes=8.0),
    result("a", 1, fid=6.0, modes=7.0),
    result("a", 2, fid=5.0, modes=8.0),
    result("b", 1, fid=5.0, modes=7.0),
    result("b", 2, fid=8.0, modes=8.0),
    result("b", 3, fid=100.0, modes=1.0),
    result("b", 0, diverged=5),
]


def test_a_table_of_results_is_read_as_it_was_written(tmp_path):
    tricky = [
        *RESULTS,
        result("c", 2**32 - 1, is_=0.1 + 0.2, fid=1e-300),
        Result('with "quotes", commas', 0, "abc", 1, 0.1234, None, 'a "b", c', {"modes": -0.0}),
    ]
    comparison.write_csv(tmp_path / "x.csv", tricky)
    read = comparison.read_csv(tmp_path / "x.csv")
    assert read == [r._replace(seconds=round(r.seconds, 3)) for r in tricky]
    assert comparison.read_csv(tmp_path / "none.csv") == []
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    comparison.write_csv(tmp_path / "x.csv", read)
    assert comparison.read_csv(tmp_path / "x.csv") == read


def test_summary_by_hand():
    """1, 2, 6: variance ((-2)² + (-1)² + 3²) / 2 = 7."""
    assert comparison.summarise([6.0, 1.0, 2.0]) == pytest.approx((3, 3, math.sqrt(7 / 3), 2, 1, 6))
    assert comparison.summarise([4.0, 4.0])[:3] == (2, 4, 0)
    assert comparison.summarise([5.0])[:2] == (1, 5)
    assert math.isnan(comparison.summarise([5.0]).error)
    nothing = comparison.summarise([])
    assert nothing.n == 0
    assert all(map(math.isnan, nothing[1:]))
    assert math.isnan(comparison.summarise([1.0, math.inf]).error)
    assert math.isnan(comparison.summarise([1.0, math.nan]).mean)


def table_of(text, title):
    """The cells of the table under a heading: row -> cells, the header's under "recipe"."""
    lines = text.split(title)[1].strip().splitlines()
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[first] = cells
    return found


def test_tables_by_hand():
    text = comparison.markdown(RESULTS)
    assert table_of(text, "Mean ± standard error over seeds.") == {
        "recipe": ["runs", "fid", "modes", "seconds a run"],
        "---": ["---"] * 4,
        "`a`": ["3", "5 ± 0.577", "7.67 ± 0.333", "2"],
        "`b`": ["4, 1 diverged", "37.7 ± 31.2", "5.33 ± 2.19", "2"],
    }
    assert table_of(text, "Median [lowest, highest].") == {
        "recipe": ["fid", "modes"],
        "---": ["---"] * 2,
        "`a`": ["5 [4, 6]", "8 [7, 8]"],
        "`b`": ["8 [5, 100]", "7 [1, 8]"],
    }
    # seeds 1 and 2 are in both: b - a is -1 and 3 for fid, 0 and 0 for modes
    assert table_of(text, "(seeds higher / equal / lower).") == {
        "recipe": ["fid", "modes"],
        "---": ["---"] * 2,
        "`b`": ["1 ± 2 (1 / 0 / 1)", "0 ± 0 (0 / 2 / 0)"],
    }
    assert text.endswith("\n\nProtocol: seed 0, vectors.\n")


def test_tables_of_one_recipe_and_of_no_values():
    alone = comparison.markdown(RESULTS[:1])
    assert "Difference" not in alone
    assert table_of(alone, "over seeds.")["`a`"] == ["1", "4", "8", "2"]
    lost = comparison.markdown([result("a", 0, fid=1.0), result("b", 0, diverged=3), result("c", 1, fid=2.0)])
    assert table_of(lost, "over seeds.")["`b`"] == ["1, 1 diverged", "", "2"]
    assert table_of(lost, "highest].")["`b`"] == [""]
    differences = table_of(lost, "lower).")
    assert (differences["`b`"], differences["`c`"]) == ([""], [""])  # no seed in common


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.012345, "0.0123"), (4.5678, "4.57"), (99.94, "99.9"), (100, "100"), (1234.5678, "1,235"), (-250.4, "-250")],
)
def test_numbers_have_three_digits_or_all_whole_ones(x, text):
    assert figure(x) == text


@pytest.mark.parametrize(
    "results",
    [RESULTS, RESULTS[:1], [result("a", 0, diverged=1)], [result("a", 0, fid=1.0), result("b", 0, diverged=1)]],
)
def test_every_kind_of_results_becomes_a_picture(results, tmp_path):
    plots.save_comparison(tmp_path / "plot.png", results)
    with Image.open(tmp_path / "plot.png") as picture:
        assert len(set(np.asarray(picture.convert("L")).ravel().tolist())) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["plot.png"]


def test_one_reporter_shows_training_after_training():
    reporter = Reporter()
    reporter._console = Console(file=io.StringIO(), force_terminal=True)
    bars = []
    for _ in range(2):  # two recipes: a terminal has one live bar at a time
        reporter.start(0, 10, 4)
        bars.append(reporter._bar)
        assert reporter._began == (0, 0.0)  # speed is of this training, not since the first one
        reporter.progress(5, {"generator/loss": 1.0})
    reporter.close()
    reporter.close()
    assert not any(bar.live.is_started for bar in bars)
