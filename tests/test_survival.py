"""Runs that are killed, rot and are fought for, in real processes: a handful of what `make faults` does at length."""

import random
import shutil
import signal
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parent.parent / "scripts" / "faults"
NAMES = ("fork", "life", "games", "compare", "damage", "kill", "long_run")
SETTINGS = {"train.steps": 250, "run.sample_every": 0, "eval.every": 125, "monitor.every": 125}
QUICK = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def faults():
    """The harness's modules, which are scripts and no package."""
    sys.path.insert(0, str(FAULTS))
    yield {name: __import__(name) for name in NAMES}
    sys.path.remove(str(FAULTS))
    for name in [n for n, module in sys.modules.items() if str(FAULTS) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def whole(faults, tmp_path_factory):
    """An uninterrupted run of 250 steps, a checkpoint every 50; its processes need not import anything."""
    folder = tmp_path_factory.mktemp("survival")
    sets = tuple(part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}"))
    context = faults["fork"].server(QUICK)
    run = faults["life"].Run(faults["games"].write("toy", folder), folder / "whole", sets, context)
    assert faults["life"].whole(run, QUICK).code == 0, run.said.read_text()
    return run


def test_refused_killed_and_stopped_a_run_ends_as_if_nothing_had_been(faults, whole):
    life, compare = faults["life"], faults["compare"]
    run = whole._replace(folder=whole.folder.with_name("hurt"))
    first = life.begin(run, QUICK)
    assert life.until(first, lambda: (run.folder / ".lock.json").exists())
    first.send_signal(signal.SIGSTOP)
    second = life.whole(run, QUICK)
    assert (second.code, "Traceback" in second.said) == (2, False)
    assert "another process is training here" in second.said
    first.kill()  # the folder is free at once
    assert first.wait() == -signal.SIGKILL
    end = life.strike(run, life.Blow("write", 0.01), signal.SIGKILL, QUICK)
    assert end.code == -signal.SIGKILL, end.said
    assert compare.unreadable(run.folder) == []
    end = life.strike(run, life.Blow("write", 0.0), signal.SIGTERM, QUICK)
    assert end.code == faults["kill"].STOPPED, end.said
    stop = max(map(int, life.named(run)))
    end = life.whole(run, QUICK)
    assert end.code == 0, end.said
    assert f"resumed {run.folder} at step {stop}" in end.said
    assert compare.differences(run.folder, whole.folder, [stop]) == []


def test_what_has_rotted_is_named_and_the_checkpoint_before_it_used(faults, whole):
    life, damage = faults["life"], faults["damage"]
    run = whole._replace(folder=whole.folder.with_name("rotten"))
    shutil.copytree(whole.folder, run.folder)
    broken = run.folder / "checkpoints" / "250"
    file = max(broken.rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    damage.flip(file, random.Random(0))
    picture = run.folder.with_name("never.png")
    command = ("sample", "--ckpt", broken, "--n", 4, "--out", picture)
    said = faults["fork"].gan(run.context, *command, said=run.said, env=QUICK)
    assert (said.code, said.clean, str(file) in said.text) == (2, True, True), said.text
    assert not picture.exists()
    damage.junk(run.folder / "log.jsonl", random.Random(0))
    damage.half_line(run.folder / "metrics.jsonl", random.Random(0))
    end = life.whole(run, QUICK)
    assert end.code == 0, end.said
    assert str(file) in end.said
    assert f"resumed {run.folder} at step 200" in end.said
    assert faults["compare"].differences(run.folder, whole.folder, litter=False) == []


def test_the_comparison_sees_a_bit_a_line_a_picture_and_a_file_too_many(faults, whole):
    compare, damage = faults["compare"], faults["damage"]
    other = whole.folder.with_name("other")
    shutil.copytree(whole.folder, other)
    assert compare.differences(other, whole.folder) == []
    log = other / "log.jsonl"
    text = log.read_text()
    log.write_text(text.replace('"step": 25,', '"step": 26,', 1))
    assert len(compare.differences(other, whole.folder)) == 1
    log.write_text(text + text.splitlines()[-1] + "\n")
    assert "lines instead of" in compare.differences(other, whole.folder)[0]
    log.write_text(text)
    (other / "samples" / "0000125.png").touch()
    (other / "litter").touch()
    assert len(compare.differences(other, whole.folder)) == 3  # the picture counts as litter, too
    damage.flip(other / "checkpoints" / "250" / "meta.json", random.Random(0))
    assert len(compare.unreadable(other)) == 1


def test_growth_is_seen_where_there_is_some(faults):
    look, judge = faults["long_run"].Look, faults["long_run"].judge
    steady = [look(step, 300.0 + step % 3, 310.0, 20 + step % 2, 30) for step in range(0, 1000, 10)]
    assert judge(steady, 1000, most=8)[0] == []
    leaking = [one._replace(resident=300 + one.step / 50, files=30 + one.step // 300) for one in steady]
    problems, words = judge(leaking, 1000, most=8)
    assert len(problems) == 2
    assert "open files 30 to 33" in words
