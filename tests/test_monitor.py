"""The collapse monitor: its rules on synthetic numbers, and what it does in real trainings."""

import json
import os
import signal

import jax.numpy as jnp
import numpy as np
import pytest

from gan_cli import build, recipe
from gan_cli.data.store import Store
from gan_cli.engine.loop import DivergedError
from gan_cli.runs import times
from gan_cli.runs.folder import RunFolder
from gan_cli.training.monitor import Monitor, UnwellError, judge, mean_distance
from gan_cli.training.record import opened
from gan_cli.training.train import train

OPTIONS = recipe.Monitor()
WELL = {"diversity": 0.9, "accuracy/discriminator": 0.8, "dead/generator": 0.0, "times_median/generator/loss": 2.0}


class Silent:
    def __init__(self):
        self.notes, self.alarms = [], []

    def note(self, message):
        self.notes.append(message)

    def alarm(self, step, messages):
        self.alarms.append((step, list(messages)))

    def start(self, *_):
        pass

    progress = verdict = start


def ring(tmp_path, *overrides):
    small = ("networks.generator.hidden=[8]", "networks.discriminator.hidden=[8]", "train.batch=32", "data.n=1000")
    common = ("train.steps_per_call=10", "monitor.every=20", "monitor.grace=20", "run.checkpoint_every=20")
    path = recipe.find_recipe("ring")
    tables = recipe.read_tables(path, [*small, *common, *overrides])
    prepared = build.prepare(tables, str(path), Store.from_environment(None))
    watcher = Silent()

    def run(out="run"):
        return train(prepared, tmp_path / out, Store.from_environment(None), watcher)

    return run, watcher


def test_a_healthy_training_raises_no_alarm():
    assert judge(OPTIONS, WELL) == []


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("diversity", 0.05, "collapse"),
        ("accuracy/discriminator", 0.9999, "has won"),
        ("dead/generator", 0.97, "dead gradients"),
        ("times_median/generator/loss", 1e4, "explosion"),
    ],
)
def test_each_rule(name, value, word):
    (found,) = judge(OPTIONS, {**WELL, name: value})
    assert word in found


def test_mean_distance_of_a_square():
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    assert mean_distance(corners) == pytest.approx((4 + 2 * np.sqrt(2)) / 6)
    assert mean_distance(np.ones((5, 3))) == 0.0


def test_alarms_wait_for_the_grace_and_explosions_are_of_the_median():
    monitor = Monitor(OPTIONS, np.eye(4), lambda _: np.zeros((4, 4)))
    for _ in range(20):
        monitor.observe({"generator/loss": 1.0})
    monitor.observe({"generator/loss": -5000.0})
    early = monitor.look(OPTIONS.grace - 1, None)
    assert early.alarms == ()
    assert early.values["diversity"] == 0.0
    assert early.values["times_median/generator/loss"] == pytest.approx(5000)
    assert any("collapse" in alarm for alarm in monitor.look(OPTIONS.grace, None).alarms)


def test_a_loss_that_is_nearly_always_zero_explodes_only_when_it_is_large():
    """D's hinge or margin once it is met: 0, and now and then a little more."""
    monitor = Monitor(OPTIONS, np.eye(4), lambda _: np.eye(4))
    for value in [0.0] * 20 + [0.05]:
        monitor.observe({"discriminator/loss": value})
    assert monitor.look(OPTIONS.grace, None).alarms == ()
    for value in [0.0] * 20 + [50.0]:
        monitor.observe({"discriminator/loss": value})
    assert "explosion" in monitor.look(OPTIONS.grace, None).alarms[0]


def test_data_without_spread_have_no_diversity_and_nan_is_a_collapse():
    assert "diversity" not in Monitor(OPTIONS, np.ones((4, 2)), lambda _: np.eye(4)).look(0, None).values
    (alarm,) = judge(OPTIONS, {"diversity": float("nan")})
    assert "collapse" in alarm


def test_a_collapsed_generator_is_noticed_and_the_training_goes_on(tmp_path):
    run, watcher = ring(tmp_path, "train.steps=40", "networks.generator.init_scale=1e-6", "ema.decay=0.0")
    run()
    assert [step for step, alarms in watcher.alarms if any("collapse" in a for a in alarms)] == [20, 40]
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert sum("collapse" in " ".join(line.get("alarms", [])) for line in lines) == 2


def test_a_collapsed_generator_stops_the_training_when_asked(tmp_path):
    run, _ = ring(tmp_path, "train.steps=40", "networks.generator.init_scale=1e-6", "monitor.action=stop")
    with pytest.raises(UnwellError, match=r"collapse: .* at step 20") as raised:
        run()
    (life,) = times.read_times(tmp_path / "run/times.jsonl")
    assert (life.ended, life.last, life.stopped_by) == (True, 20, str(raised.value))


@pytest.mark.parametrize("action", ["warn", "stop"])
def test_nan_stops_whatever_the_action(tmp_path, action):
    run, _ = ring(tmp_path, "train.steps=40", "optimisers.generator.learning_rate=1e30", f"monitor.action={action}")
    with pytest.raises(DivergedError, match=r"no longer finite, at step [1-9]$"):
        run()


def test_nan_rolls_back_so_often_and_then_stops(tmp_path):
    run, watcher = ring(
        tmp_path,
        "train.steps=40",
        "optimisers.generator.learning_rate=1e30",
        "monitor.action=rollback",
        "monitor.rollbacks=2",
        *("eval.metric=modes", "eval.n=64", "eval.every=20"),
    )
    with pytest.raises(DivergedError):
        run()
    judged = [json.loads(line)["step"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert judged == [0]  # of the last beginning
    assert [note.partition("; ")[2][:15] for note in watcher.notes] == ["rollback 1 of 2", "rollback 2 of 2"]


BREAKS = (  # at step 50 the rate becomes one that no training survives, and a rollback one that it does
    "train.steps=100",
    'optimisers.generator={ name = "sgd", learning_rate = { schedule = "linear_schedule", init_value = 1e-3, '
    "end_value = 1e38, transition_steps = 1, transition_begin = 50 } }",
    "monitor.action=rollback",
    "monitor.learning_rate_factor=1e-38",
    *("monitor.explosion=1e38", "monitor.most_dead=1.0", "monitor.most_accuracy=1.0", "monitor.least_diversity=0.0"),
)


def test_a_rollback_restores_slows_down_and_goes_on(tmp_path):
    run, watcher = ring(tmp_path, *BREAKS)
    outcome = run()
    assert outcome.step == 100
    assert any("rollback 1 of 3 to step 40" in note for note in watcher.notes)
    steps = [json.loads(line)["step"] for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


def test_a_run_resumed_after_a_rollback_equals_an_uninterrupted_one(tmp_path):
    whole, _ = ring(tmp_path, *BREAKS)
    whole("whole")
    part, _ = ring(tmp_path, *BREAKS, "train.steps=80")
    part("parts")
    rest, watcher = ring(tmp_path, *BREAKS)
    rest("parts")
    assert any("resumed" in note for note in watcher.notes)
    assert not any("rollback" in note for note in watcher.notes)
    last = [json.loads((tmp_path / name / "log.jsonl").read_text().splitlines()[-1]) for name in ("whole", "parts")]
    assert last[0] == last[1]


def test_a_rollback_passes_over_a_damaged_checkpoint(tmp_path):
    tables = recipe.read_tables(recipe.find_recipe("ring"), ["monitor.action=rollback"])
    prepared, notes = build.prepare(tables, "ring", Store()), []
    with opened(RunFolder(tmp_path / "run"), prepared, notes.append) as record:
        state = record.begin(override=False, header="").state
        for step, score in ((10, 1.0), (20, 3.0), (30, 2.0)):
            record.save(step, state._replace(step=jnp.int32(step)), [{"step": step, "score": score}], 0, {})
        record.checkpoints.wait()
        (tmp_path / "run/checkpoints/20/meta.json").write_bytes(b"rot")  # the best one
        start = record.roll_back("NaN", 1, 0)
        assert int(start.state.step) == 30
        assert record.checkpoints.steps() == [20, 30]
    assert "meta.json: is damaged" in notes[0]
    assert "rollback 1 of 3 to step 30" in notes[1]


def test_a_signal_that_meets_a_rollback_is_not_forgotten(tmp_path):
    options = ("train.steps=400", "networks.generator.init_scale=1e-6", "monitor.action=rollback")
    run, watcher = ring(tmp_path, *options, "eval.every=0")
    watcher.alarm = lambda step, messages: os.kill(os.getpid(), signal.SIGTERM) if messages else None
    outcome = run()
    assert outcome.stopped_by == "SIGTERM"
    assert outcome.step < 400
    assert sum("rollback 1 of 3" in note for note in watcher.notes) == 1
