"""`gan train --dry-run`: what it says, that it writes nothing, and when it does not try a step."""

import json

import jax
import pytest
from tiny import both, dcgan, tiny_recipe

from gan_cli import build, machine, recipe
from gan_cli.data.store import Store
from gan_cli.engine import loop, processes
from gan_cli.errors import InputError
from gan_cli.inspection import plan

TINY = tiny_recipe(
    data={"split": "train"},
    networks=dcgan(norm="none"),
    game={"loss": "adversarial.hinge", "latent": 6},
    optimisers=both(name="sgd", learning_rate=1e-3),
    train={"steps": 1000, "batch": 8},
    run={"checkpoint_every": 300},
    eval={"every": 250},
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def prepared(tiny):
    return build.prepare(recipe.read_tables(tiny), "tiny", Store.from_environment())


def test_the_plan_of_a_training_with_a_trial_of_its_step(gan, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "SECONDS", 1.0)
    code, out, err = gan("train", tiny, "--out", tmp_path / "run", "--dry-run", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert not list(tmp_path.iterdir())
    assert found["generator parameters"] == 4 * 4 * 6 * 4 + 4 + 4 + 4 * 4 * 4 + 1
    assert found["networks"]["generator"]["multiply_adds"] == 4 * 4 * 6 * 4 + 4 * 4 * 4 * 4 * 4
    weights = sum(found["networks"][role]["parameters"] for role in ("generator", "discriminator"))
    assert found["bytes"]["weights"] >= 4 * weights
    assert found["bytes"]["data"] == 898 * 64
    assert found["resident"]
    assert found["besides"]["evaluations"] == 5
    assert found["besides"]["checkpoints"] == 4
    trial = found["trial"]
    assert trial["steps"] >= 1
    assert trial["step"] > 0
    assert trial["memory"]["activations"] > 0
    assert trial["memory"]["state and data"] > found["bytes"]["weights"]
    assert found["estimate"] == {"seconds": pytest.approx(1000 * trial["step"]), "steps": 1000}


def test_the_text_says_what_is_not_counted(prepared, tmp_path, monkeypatch):
    trial = plan.Trial(3.2, {"state and data": 2_000_000, "activations": 3_000_000, "results": 0}, 71, 0.015)
    monkeypatch.setattr(plan, "_try", lambda _: trial)
    (tmp_path / "checkpoints" / "400").mkdir(parents=True)
    text = plan.text(plan.plan(prepared, "runs/x", tmp_path))
    assert "5 MB a device" in text
    assert "9.0 s for 600 steps (15 ms each, median of a trial of 71 steps), after 3.2 s of compiling" in text
    assert "not counted in it: 3 evaluations, 2 sample grids, 3 checkpoints, 2 looks of the monitor" in text
    assert "of which the run has a checkpoint of 400" in text


def test_what_is_due_is_counted_as_the_loop_does_it(prepared):
    for steps, begun in ((1000, 0), (1000, 400), (999, 250), (7, 0), (1000, 1000)):
        tables = {**prepared.resolved, "train": {**prepared.resolved["train"], "steps": steps}}
        found = plan._besides(tables, begun)
        due = [step for step in range(begun + 1, steps + 1) if loop.is_due(step, steps, 300)]
        assert found["checkpoints"] == len(due)
        due = [step for step in range(begun + 1, steps + 1) if loop.is_due(step, steps, 250)]
        assert found["evaluations"] == len(due) + (begun == 0)


def test_the_quick_plan_compiles_nothing(gan, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_try", None)
    code, out, _ = gan("train", tiny, "--out", tmp_path / "run", "--dry-run", "--no-trial")
    assert code == 0
    assert "generator parameters: " in out
    assert "not tried: --no-trial" in out


def test_many_processes_make_no_trial(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_try", None)
    monkeypatch.setattr(processes, "alone", lambda: False)
    assert "one process alone" in plan.plan(prepared, "x", tmp_path)["no_trial"]


def test_a_step_for_which_there_is_no_room_is_not_run(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(1000, 1000))
    found = plan.plan(prepared, "x", tmp_path)
    assert found["trial"]["steps"] == 0
    assert found["estimate"] is None
    assert "1,000 are free" in plan.text(found)


def test_a_device_that_is_too_small_is_bad_input(prepared, tmp_path, monkeypatch):
    def full(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(plan.loop.Trainer, "advance", full)
    with pytest.raises(InputError, match="a smaller batch, or accumulate"):
        plan.plan(prepared, "x", tmp_path)
