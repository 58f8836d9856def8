"""`gan train --track`, and the times in a run folder."""

import json

import numpy as np
import pytest
from PIL import Image

from gan_cli import errors
from gan_cli.runs import jsonl as lines_of_run
from gan_cli.runs import times
from gan_cli.runs.folder import RunFolder
from gan_cli.training import callbacks
from gan_cli.training.callbacks import Clock

RING = ("--set", "run.log_every=10", "--set", "run.sample_every=20", "--set", "run.checkpoint_every=20")
RING = (*RING, "--set", "monitor.every=20", "--set", "eval.every=20", "--set", "eval.n=100", "--set", "eval.n_real=100")


@pytest.fixture
def train(gan, tmp_path):
    def call(steps: int, *options) -> str:
        code, _, err = gan("train", "ring", "--out", tmp_path / "run", "--set", f"train.steps={steps}", *RING, *options)
        assert code == 0, err
        return err

    return call


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(path):
    """Tag -> [(step, value)], in the order of writing; a value is a number, or the event's own."""
    from tensorboardX.proto.event_pb2 import Event
    # A file is of TensorFlow's records: length in 8 bytes, 4 of checksum, the event, 4 of checksum.

    found: dict[str, list] = {}
    for file in sorted(path.iterdir()):
        data = file.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            for value in event.summary.value:
                content = value.simple_value if value.HasField("simple_value") else value
                found.setdefault(value.tag, []).append((event.step, content))
            if event.HasField("session_log"):
                found.setdefault("purged from", []).append((event.step, None))
    return found


def test_tensorboard_has_every_number_and_picture(train, tmp_path):
    train(40, "--track", "tensorboard")
    seen = events(tmp_path / "run/tensorboard")
    log = [line for line in lines(tmp_path / "run/log.jsonl") if "generator/loss" in line]
    expected = [(line["step"], np.float32(line["generator/loss"])) for line in log]
    assert seen["generator/loss"] == expected
    assert [step for step, _ in expected] == [10, 20, 30, 40]
    judged = [(line["step"], np.float32(line["fid"])) for line in lines(tmp_path / "run/metrics.jsonl")]
    assert seen["metrics/fid"] == judged
    assert [step for step, _ in seen["monitor/diversity"]] == [20, 40]
    pictures = seen["samples"]
    assert [step for step, _ in pictures] == [0, 20, 40]
    with Image.open(tmp_path / "run/samples/0000040.png") as picture:
        assert (pictures[-1][1].image.width, pictures[-1][1].image.height) == picture.size
    assert "[networks.generator]" in seen["recipe/text_summary"][0][1].tensor.string_val[0].decode()


def test_a_resumed_run_hides_what_it_does_again(train, tmp_path):
    train(20, "--track", "tensorboard")
    train(40, "--track", "tensorboard")
    seen = events(tmp_path / "run/tensorboard")
    assert seen["purged from"][-1][0] == 21
    assert [step for step, _ in seen["generator/loss"]] == [10, 20, 30, 40]


def test_a_new_beginning_hides_that_of_before(tmp_path):
    for _ in range(2):  # the first one was killed before its first checkpoint, or rolled back to step 0
        board = callbacks.TensorBoard(RunFolder(tmp_path), {})
        board.start(0)
        board.judged({"step": 0, "fid": 9.0})
        board.close()
    assert events(tmp_path / "tensorboard")["purged from"] == [(0, None)]


def leveldb_records(data):
    """The records of a W&B file: 7 bytes of header, then LevelDB's log, blocks of 32 KiB that split records."""
    place, parts = 7, b""
    while place + 7 <= len(data):
        if (left := 2**15 - place % 2**15) < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


@pytest.mark.slow  # starts another program, seven seconds
def test_weights_and_biases_offline(train, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    train(20, "--track", "wandb")
    train(40, "--track", "wandb")
    runs = sorted((tmp_path / "run/wandb").glob("offline-run-*/*.wandb"))
    assert len(runs) == 2
    assert len({path.stem for path in runs}) == 1  # one run, gone on with
    losses = []
    for path in runs:
        for data in leveldb_records(path.read_bytes()):
            record = Record.FromString(data)
            items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            if "generator/loss" in items:
                losses.append((record.history.step.num, float(items["generator/loss"])))
    log = [line for line in lines(tmp_path / "run/log.jsonl") if "generator/loss" in line]
    assert losses == [(line["step"], pytest.approx(line["generator/loss"])) for line in log]
    assert wandb.run is None


def test_tracking_changes_no_number(train, tmp_path, gan):
    train(20, "--track", "tensorboard")
    tracked = (tmp_path / "run/log.jsonl").read_bytes()
    code, _, err = gan("train", "ring", "--out", tmp_path / "plain", "--set", "train.steps=20", *RING)
    assert code == 0, err
    assert (tmp_path / "plain/log.jsonl").read_bytes() == tracked
    assert not (tmp_path / "plain/tensorboard").exists()


def test_unknown_trackers_and_missing_packages(gan, tmp_path, monkeypatch):
    code, _, err = gan("train", "ring", "--out", tmp_path / "run", "--track", "tensorbord")
    assert (code, err) == (2, "error: --track tensorbord: there is no 'tensorbord'; did you mean 'tensorboard'?\n")
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    code, _, err = gan("train", "ring", "--out", tmp_path / "run", "--track", "wandb")
    assert (code, err) == (2, "error: --track wandb needs the package wandb: pip install 'gan-cli[wandb]'\n")
    assert not (tmp_path / "run").exists()


def test_texts_and_numbers_of_lines():
    line = {"step": 3, "monitor": {"diversity": 0.5, "dead/generator": 0.0}, "alarms": ["collapse: ..."]}
    assert callbacks.scalars(line) == {"monitor/diversity": 0.5, "monitor/dead/generator": 0.0}
    assert callbacks.texts(line) == ["collapse: ..."]
    assert callbacks.texts({"step": 3, "rollback": 1, "because": "NaN"}) == ["rollback 1: NaN"]


def test_times_of_two_lives(train, tmp_path):
    train(20)
    train(40)
    first, second = times.read_times(tmp_path / "run/times.jsonl")
    assert (first.step, first.last, first.ended, first.stopped_by) == (0, 20, True, None)
    assert (second.step, second.last) == (20, 40)
    assert second.began >= first.began + first.seconds
    assert first.rate
    assert first.rate > 0
    assert "cpu" in first.devices
    assert first.versions["jax"]
    train(40)  # nothing to do: no life
    assert len(times.read_times(tmp_path / "run/times.jsonl")) == 2


def test_rates_are_medians_and_scribbles_are_passed_over(tmp_path):
    path = tmp_path / "times.jsonl"
    start = {"event": "start", "step": 0, "time": 0.0, "devices": "one", "versions": {}}
    ticks = [{"step": 10 * i, "time": t} for i, t in enumerate([30.0, 31.0, 33.0, 34.0], 1)]  # the first one compiled
    for line in [{"step": 5, "time": 1.0}, start, *ticks, {"step": "x", "time": 1}, {"time": 3}]:
        lines_of_run.append(path, line)
    with path.open("a") as file:
        file.write("}{\n")
    (session,) = times.read_times(path)
    assert session.rate == 10
    assert (session.seconds, session.last, session.ended) == (34.0, 40, False)
    assert times.read_times(tmp_path / "none") == []


@pytest.mark.parametrize(
    "line",
    [
        f'{{"step": {10**400}, "time": 2.0}}',
        f'{{"step": 7, "time": {10**400}}}',
        '{"step": 7, "time": Infinity}',
        '{"step": 7, "time": NaN}',
        '{"step": -7, "time": 2.0}',
        '{"step": 7, "time": -1e300}',
        '{"step": true, "time": true}',
        "[" * 100_000,
    ],
)
def test_times_that_cannot_be_are_passed_over(tmp_path, line):
    path = tmp_path / "times.jsonl"
    path.write_text(f'{{"event": "start", "step": 0, "time": 1.0}}\n{line}\n{{"step": 10, "time": 3.0}}\n')
    (session,) = times.read_times(path)
    assert (session.seconds, session.last, session.rate) == (2.0, 10, None)


def test_a_line_that_was_cut_short_does_not_join_two_sessions(tmp_path):
    path = tmp_path / "times.jsonl"
    path.write_text('{"event": "start", "step": 0, "time": 1.0}\n{"step": 10, "ti')
    Clock(path, "one", {}).start(5)
    assert [life.step for life in times.read_times(path)] == [0, 5]


def test_values_of_an_evaluation_are_its_finite_numbers():
    line = {"step": 5, "fid": 2, "kid": float("nan"), "is": 10**400, "note": "x", "is-it": True, "score": -2.0}
    assert lines_of_run.values({**line, "protocol": {"n": 1}, "weights": "raw"}) == {"fid": 2.0}
