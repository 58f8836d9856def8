"""What `gan report` gathers from a run folder: whatever state it is in, with and without the model. No browser."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from tiny import tiny_recipe
from untrained import RECIPES

from gan_cli import files
from gan_cli.data.store import Store
from gan_cli.engine.checkpoint import Checkpoints
from gan_cli.errors import InputError
from gan_cli.pictures import grids as pictures
from gan_cli.recipe_tables import laid_over
from gan_cli.report import commands, curves, figures, page, page_parts, sample_grids
from gan_cli.report.digest import Asked, asked, collect, differences
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.listing import survey
from gan_cli.runs.reader import Reader
from gan_cli.text import duration

RECIPE = "# A recipe with </script> in its header\n" + tiny_recipe(
    run={"seed": 3, "grid": 9},
    train={"steps": 500, "batch": 32},
    eval={
        "metric": "fid,precision-recall,kid",
        "every": 100,
        "n": 300,
        "n_real": 200,
        "options": {"kid": {"subsets": 50}},
    },
)
PROTOCOL = {"features": "digits", "n_real": 200, "n_fake": 300, "seed": 3, "options": {}, "training": ""}


def write_lines(path: Path, lines) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def write_checkpoint(folder: Path, step: int, score: float | None, **more) -> None:
    """A checkpoint without arrays: what a report without the model reads of one."""
    (folder / "checkpoints").mkdir(exist_ok=True)
    with files.whole_folder(folder / "checkpoints" / str(step)) as part:
        meta = {"score": score, "versions": {"gan-cli": "0.0.9", "jax": "0.10.0"}, **more}
        (part / "meta.json").write_text(json.dumps(meta))


def write_run(folder: Path, *, steps: int = 500, scale: float = 1.0, recipe: str = RECIPE) -> Path:
    """A run as `gan train` leaves it, of made-up numbers: a log line every 10 steps, the rest every 100."""
    (folder / "samples").mkdir(parents=True)
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    log = [
        {
            "step": s,
            "discriminator/loss": scale * (1 + 1 / s),
            "generator/loss": scale / s,
            "discriminator/accuracy": 0.8,
        }
        for s in range(10, steps + 1, 10)
    ]
    log.insert(
        30, {"step": 300, "monitor": {"diversity": 0.05, "accuracy/discriminator": 0.8}, "alarms": ["collapse: few"]}
    )
    log.append({"step": 200, "rollback": 1, "because": "explosion: loss"})
    write_lines(folder / "log.jsonl", log)
    evaluations = [
        {
            "step": s,
            "fid": abs(s - 400) / 10 + scale,
            "precision-recall": 0.5,
            "precision-recall-recall": 0.4,
            "protocol": PROTOCOL,
        }
        for s in range(0, steps + 1, 100)
    ]
    later = {"step": 400, "fid": 0.9, "weights": "average", "protocol": {**PROTOCOL, "n_fake": 10_000}}
    write_lines(folder / "metrics.jsonl", [*evaluations, later])
    for line in evaluations:
        write_checkpoint(folder, line["step"], -line["fid"])
        images = np.full((9, 8, 8, 1), line["step"] // 2, np.uint8)
        pictures.save_png(folder / "samples" / f"{line['step']:07d}.png", pictures.sample_picture(images))
    times = [
        {
            "event": "start",
            "step": 0,
            "time": 1000.0,
            "devices": "2 cpu devices",
            "versions": {"gan-cli": "0.1.0", "jax": "0.10.2"},
        },
        *({"step": s, "time": 1000.0 + 60 + s / 4} for s in range(10, steps + 1, 10)),
        {"event": "end", "step": steps, "time": 1000.0 + 60 + steps / 4, "stopped_by": None},
    ]
    write_lines(folder / "times.jsonl", times)
    return folder


def gather(path: Path, most: int = 60, store: Store | None = None) -> page_parts.RunPart:
    return collect(asked([path], [str(path)])[0], most, store, lambda _: None).run


@pytest.fixture
def run(tmp_path) -> Path:
    return write_run(tmp_path / "run")


def test_every_line_of_a_log_is_a_point(run):
    got = gather(run)
    curves = {curve.name: curve for curve in got.curves if not curve.later}
    assert {name: len(curve.values) for name, curve in curves.items()} == {
        "fid": 6,
        "precision-recall": 6,
        "precision-recall-recall": 6,
        "discriminator/loss": 50,
        "generator/loss": 50,
        "discriminator/accuracy": 50,
        "diversity": 1,  # the monitor's accuracy is in the log already
    }
    assert curves["generator/loss"].steps == list(range(10, 501, 10))
    assert curves["generator/loss"].values[:2] == [0.1, 0.05]
    assert (curves["generator/loss"].chart, curves["generator/loss"].label) == ("loss", "generator")
    assert curves["precision-recall-recall"].part
    assert not curves["precision-recall"].part


def test_what_was_judged_by_another_protocol_is_not_on_the_same_curve(run):
    later = [curve for curve in gather(run).curves if curve.later]
    assert [(curve.name, curve.steps, curve.values) for curve in later] == [("fid", [400], [0.9])]
    assert "n fake 10000" in later[0].label


def test_best_is_that_of_the_checkpoints(run):
    got = gather(run)
    checkpoints = Checkpoints(run / "checkpoints", read_only=True)
    assert got.best == 400
    assert got.facts["Best checkpoint"] == "step 400, fid 1"
    assert [grid.label for grid in got.grids][3:5] == ["step 300 · fid 11", "step 400 · fid 1 · best checkpoint"]
    assert (got.best_grid, got.start) == (4, 4)
    fid = next(curve for curve in got.curves if curve.name == "fid")
    assert fid.lower_is_better  # from the sign of the checkpoints' scores, without any metric's code
    assert fid.best == (400, 1.0)
    assert checkpoints.steps() == list(Reader(RunFolder(run)).metas)
    checkpoints.close()


@pytest.mark.parametrize("scores", [[-3.0, -1.0, -1.0], [2.0, 5.0, 1.0], [None, None], [None, -math.inf], [math.nan]])
def test_best_agrees_with_checkpoints(untrained, tmp_path, scores):
    folder = tmp_path / "run"
    meta = json.loads((untrained["plain"] / "checkpoints" / "0" / "meta.json").read_text())
    folder.mkdir()
    for step, score in enumerate(scores):
        write_checkpoint(folder, step, **{**meta, "score": score})
    checkpoints = Checkpoints(folder / "checkpoints", read_only=True)
    assert Reader(RunFolder(folder)).best == checkpoints.best()
    checkpoints.close()


def test_events_are_those_of_the_log(run):
    assert gather(run).events == (
        page_parts.Event(300, "alarm", "collapse: few"),
        page_parts.Event(200, "rollback", "rollback 1 to step 200: explosion: loss"),
    )


def test_time_device_and_versions(run):
    facts = gather(run).facts
    assert facts["Time"].startswith("3 min 05 s, from 1970-01-01 00:16 UTC")
    assert facts["Throughput"].startswith("4 steps/s, 128 examples/s")
    assert facts["Device"] == "2 cpu devices"
    assert facts["Versions"] == "gan-cli 0.1.0, jax 0.10.2"
    (run / "times.jsonl").unlink()
    old = gather(run).facts
    assert old["Time"] == "not noted: there is no times.jsonl"
    assert old["Versions"] == "gan-cli 0.0.9, jax 0.10.0"  # of a checkpoint
    assert "Device" not in old
    told = {2.34: "2.3 s", 9.96: "10 s", 41.4: "41 s", 59.6: "1 min 00 s", 125: "2 min 05 s", 3720: "1 h 02 min"}
    told |= {86_399: "23 h 59 min", 273_600: "3 d 04 h"}
    assert {seconds: duration(seconds) for seconds in told} == told


def test_state_of_a_run(run):
    assert gather(run).state == "500 of 500 steps: finished"
    whole = (run / "times.jsonl").read_text()
    (run / "times.jsonl").write_text(whole.rpartition('{"event": "end"')[0])
    assert gather(run).state == "500 of 500 steps: going on elsewhere, or cut short"  # in its last evaluation
    (run / "times.jsonl").write_text(whole.replace('"stopped_by": null', '"stopped_by": "collapse"'))
    assert gather(run).state == "500 of 500 steps: stopped by collapse"
    (run / "times.jsonl").write_text(whole)
    recipe = run / "recipe.toml"
    recipe.write_text(RECIPE.replace("steps = 500", "steps = 900"))
    assert gather(run).state == "500 of 900 steps: ended early"
    with (run / "times.jsonl").open("a") as file:
        file.write(json.dumps({"event": "start", "step": 500, "time": 2000.0}) + "\n")
    assert gather(run).state == "500 of 900 steps: going on elsewhere, or cut short"
    with (run / "times.jsonl").open("a") as file:
        file.write(json.dumps({"event": "end", "step": 500, "time": 2001.0, "stopped_by": "SIGTERM"}) + "\n")
    assert gather(run).state == "500 of 900 steps: stopped by SIGTERM"
    assert gather(run).facts["Time"].startswith("3 min 06 s in 2 sessions")


@pytest.mark.parametrize(
    "missing", ["log.jsonl", "metrics.jsonl", "samples", "checkpoints", "times.jsonl", "recipe.toml"]
)
def test_what_is_not_there_is_left_out(run, missing):
    shutil.rmtree(run / missing) if (run / missing).is_dir() else (run / missing).unlink()
    got = gather(run)
    assert page.render([got], "made")
    assert bool(got.grids) == (missing != "samples")
    assert (got.best is None) == (missing == "checkpoints")
    if missing == "recipe.toml":
        assert any("recipe.toml: cannot be read" in note for note in got.notes)
    (run / "recipe.toml").unlink(missing_ok=True)


def test_a_run_that_has_just_begun(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    got = gather(tmp_path)
    assert (got.state, got.curves, got.grids) == ("0 of 500 steps: going on elsewhere, or cut short", [], ())
    assert page.render([got], "made")


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such run"):
        gather(tmp_path / "nothing")
    with pytest.raises(InputError, match="is not a run folder: it has neither"):
        gather(tmp_path)


def test_damaged_lines_are_left_out_and_counted(run):
    deep = b"[" * 100_000
    odd = [
        b"\xff\xfe",
        b"[1]",
        b'{"step": "x"}',
        b'{"step": -1}',
        b'{"step": true}',
        b'{"step": 1e99}',
        deep,
        b'{"step": 510, "gen',
    ]
    with (run / "log.jsonl").open("ab") as file:
        file.write(b"\n".join(odd))
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 600, "fid": ')
    got = gather(run)
    assert {len(curve.values) for curve in got.curves if curve.chart == "loss"} == {50}
    assert f"log.jsonl: {len(odd)} damaged lines are left out" in got.notes
    assert "metrics.jsonl: 1 damaged lines are left out" in got.notes


def test_damaged_checkpoints_and_pictures_are_named(run):
    (run / "checkpoints" / "400" / "meta.json").write_text("{")
    (run / "samples" / "0000100.png").write_bytes(b"<svg onload=alert(1)>")
    (run / "samples" / "0000150.png").symlink_to("nowhere")
    (run / "samples" / "0000200.png").write_bytes((run / "samples" / "0000300.png").read_bytes()[:60])
    got = gather(run)
    assert got.best == 300
    assert [grid.step for grid in got.grids] == [0, 300, 400, 500]
    assert any("checkpoints/400/meta.json: is damaged" in note for note in got.notes)
    assert "samples/0000100.png: is no picture that can be shown" in got.notes


def test_values_that_are_not_finite_are_gaps(tmp_path):
    (tmp_path / "log.jsonl").write_text(
        '{"step": 1, "a/loss": 1.0}\n{"step": 2, "a/loss": NaN}\n{"step": 3, "a/loss": -Infinity}\n'
        f'{{"step": 4, "a/loss": {10**400}}}\n{{"step": 5, "a/loss": true, "b": "text", "c": [1]}}\n'
    )
    (curve,) = curves.read_log(tmp_path / "log.jsonl").curves
    assert (list(curve.steps), list(curve.values)) == ([1, 2, 3, 4], [1.0, None, None, None])
    json.loads(page.script_json(list(curve.values)))


def test_lines_out_of_order_are_put_in_order(tmp_path):
    write_lines(tmp_path / "log.jsonl", [{"step": s, "a/loss": s} for s in (10, 30, 20, 20)])
    (curve,) = curves.read_log(tmp_path / "log.jsonl").curves
    assert list(curve.steps) == [10, 20, 20, 30]


def test_a_huge_log_is_thinned_and_keeps_its_extremes(tmp_path):
    values = np.sin(np.arange(30_000) / 100)
    values[[12_345, 23_456]] = [50, -50]
    write_lines(tmp_path / "log.jsonl", ({"step": i, "a/loss": float(v)} for i, v in enumerate(values)))
    (curve,) = curves.read_log(tmp_path / "log.jsonl").curves
    assert 1000 < len(curve.values) <= curves.MOST_POINTS
    assert curve.lines == 30_000
    assert list(curve.steps) == sorted(set(curve.steps))
    assert (curve.steps[0], curve.steps[-1]) == (0, 29_999)
    assert curve.values[curve.steps.index(12_345)] == 50
    assert curve.values[curve.steps.index(23_456)] == -50
    html = page.render([page_parts.RunPart("x", "", {}, [curve])], "made")
    assert f"{len(curve.values):,} of 30,000 points are drawn, the extremes among them" in html
    assert curves.thinned(np.full(5000, np.nan)).tolist() == [0, 4999]


def test_a_log_of_very_many_names_is_bounded(tmp_path):
    write_lines(tmp_path / "log.jsonl", [{"step": 1, **{f"n{i}/loss": 1.0 for i in range(500)}}])
    log = curves.read_log(tmp_path / "log.jsonl")
    assert len(log.curves) == curves.MOST_CURVES
    assert log.notes == ("log.jsonl: 400 of 500 curves are left out",)


def test_grids_are_spread_and_keep_first_last_and_best(run):
    assert [grid.step for grid in gather(run, most=3).grids] == [0, 400, 500]
    assert "3 of 6 sample grids are shown" in gather(run, most=3).notes
    steps = list(range(0, 10_000, 10))
    for most in (2, 3, 7, 60, 999):
        chosen = sample_grids.spread(steps, 4440, most)
        assert len(chosen) == most
        assert most == 2 or {0, 4440, 9990} <= set(chosen)
        assert chosen == sorted(chosen)
    assert sample_grids.spread(steps, None, 1) == [9990]


def test_grids_are_bounded_in_bytes(run, monkeypatch):
    sizes = [path.stat().st_size for path in (run / "samples").iterdir()]
    monkeypatch.setattr(sample_grids, "MOST_BYTES", 3 * max(sizes))
    assert [grid.step for grid in gather(run).grids] == [0, 400, 500]


def test_a_run_that_is_being_trained_says_so(run):
    folder = RunFolder(run)
    with folder.locked():
        assert ": being trained by process " in gather(run).state
    assert ": being trained" not in gather(run).state


def test_commands_say_how_to_do_it_again(run):
    text = gather(run).commands
    assert "# the versions that it was trained with, in a checkout of gan-cli 0.1.0\npip install jax==0.10.2" in text
    assert f"gan train {run}/recipe.toml --out runs/run-again" in text
    assert f"gan sample --ckpt {run} --at 400 --seed 3 --n 9 --out samples.png" in text
    metric = "--metric fid,precision-recall,kid --n 300 --n-real 200 --seed 3 --set kid.subsets=50"
    assert f"gan eval --ckpt {run} --at 400 {metric}" in text


def test_commands_are_quoted_for_a_shell(run):
    text = commands.commands(Reader(RunFolder(run)), "/tmp/a b; rm -rf ~", "$(evil)")
    assert "gan train '/tmp/a b; rm -rf ~/recipe.toml' --out 'runs/$(evil)-again'" in text


def test_commands_are_understood(gan, run):
    line = next(line for line in gather(run).commands.splitlines() if line.startswith("gan train"))
    assert gan(*line.split()[1:], "--dry-run", "--no-trial", "--set", "eval.every=0")[0] == 0  # too few data for kid


@pytest.mark.parametrize(
    ("name", "grid", "options"),
    [
        pytest.param("plain", 9, "--n 9", marks=pytest.mark.slow),
        ("classes", 64, "--class all --n 6"),
        pytest.param("two", 64, "--code c0=all --n 12", marks=pytest.mark.slow),
        ("points", 64, "--n 2000"),
    ],
)
def test_the_samples_of_a_training_are_drawn_again(gan, tmp_path, name, grid, options):
    like = RECIPES["codes" if name == "two" else name]
    own = {"run": {"seed": 5, "grid": grid}} | ({"game": {"categorical": [2]}} if name == "two" else {})
    (tmp_path / "x.toml").write_text(tomli_w.dumps(laid_over(like, own)), encoding="utf-8")
    assert gan("train", tmp_path / "x.toml", "--out", tmp_path / "run")[0] == 0
    lines = gather(tmp_path / "run", store=Store()).commands.splitlines()
    line = next(line for line in lines if line.startswith("gan sample"))
    assert f" --seed 5 {options} --out" in line
    assert gan(*line.replace("samples.png", f"{tmp_path}/again.png").split()[1:])[0] == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "run" / "samples" / "0000001.png").read_bytes()


def test_a_folder_of_data_is_called_by_its_name(tmp_path):
    data = 'source = "folder"\npath = "/home/me/my_photos/"'
    run = write_run(tmp_path / "run", recipe=RECIPE.replace('source = "digits"', data))
    assert gather(run).facts["Data"] == "folder my_photos"
    assert [one.data for one in survey(tmp_path, print)] == ["folder my_photos"]


def test_runs_of_the_same_name_are_told_apart(tmp_path):
    paths = [tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "c"]
    for path in paths:
        path.mkdir(parents=True)
    assert [one.name for one in asked(paths, list(map(str, paths)))] == ["a/run", "b/run", "c"]
    assert len({one.name for one in asked([paths[0], paths[0]], ["x", "x"])}) == 1


def test_differences_are_those_of_the_recipes(tmp_path):
    a = write_run(tmp_path / "a")
    b = write_run(tmp_path / "b", recipe=RECIPE.replace("seed = 3", "seed = 4").replace("steps = 500", "steps = 600"))
    digests = [collect(one, 60, None, print) for one in asked([a, b], [str(a), str(b)])]
    assert differences(digests) == [("run.seed", ["3", "4"])]


def test_quick_imports_no_jax(run, tmp_path):
    code = (
        "import sys; sys.argv = ['gan', 'report', sys.argv[1], '--quick', '--out', sys.argv[2]]\n"
        "from gan_cli.cli.app import app\n"
        "try: app()\n"
        "except SystemExit: print([m for m in ('jax', 'flax', 'optax', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run, tmp_path / "x.html"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_figures_of_classes(untrained):
    got = gather(untrained["classes"], store=Store())
    assert [figure.title for figure in got.figures] == ["Sweep of the class", "Nearest training images"]
    assert got.real is not None
    assert got.notes == []
    assert got.figures[0].text == "gan sample --class 0-9"


def test_figures_of_codes(untrained):
    got = gather(untrained["codes"], store=Store())
    assert [figure.title for figure in got.figures][:3] == [f"Sweep of the code c{i}" for i in range(3)]
    assert [figure.text for figure in got.figures][:2] == ["gan sample --code c0=0-3", "gan sample --code c1=-1:1:9"]


def test_figures_of_points(untrained):
    got = gather(untrained["points"], store=Store())
    assert [figure.title for figure in got.figures] == ["Sweep of the code branch"]
    assert got.real is not None
    assert "axes of its own" in got.real_text


def test_figures_are_what_gan_sample_draws(untrained, gan, tmp_path):
    got = gather(untrained["classes"], store=Store())
    gan("sample", "--ckpt", untrained["classes"], "--class", "0-9", "--out", tmp_path / "x.png")
    gan("sample", "--ckpt", untrained["classes"], "--neighbours", 4, "--out", tmp_path / "y.png")
    assert [figure.picture.png for figure in got.figures] == [(tmp_path / f"{n}.png").read_bytes() for n in "xy"]


def test_without_data_or_model_the_page_says_why(untrained, run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(untrained["plain"], copy)
    recipe = (copy / "recipe.toml").read_text()
    (copy / "recipe.toml").write_text(
        recipe.replace('source = "digits"\nsplit = "all"', 'source = "npz"\npath = "gone.npz"')
    )
    got = gather(copy, store=Store())
    assert got.real is None
    assert got.figures == ()
    (why,) = got.notes
    assert why.startswith("real samples and nearest neighbours: [data] path = 'gone.npz': no such file")
    damaged = gather(run, store=Store())  # its checkpoints hold no arrays
    assert any(note.startswith("what is drawn with the model") for note in damaged.notes)
    assert damaged.real is not None


def test_nothing_is_downloaded(untrained, tmp_path, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("a download"))
    copy = tmp_path / "copy"
    shutil.copytree(untrained["plain"], copy)
    recipe = (copy / "recipe.toml").read_text()
    (copy / "recipe.toml").write_text(
        recipe.replace('source = "digits"\nsplit = "all"', 'source = "mnist"\nsplit = "test"')
    )
    got = gather(copy, store=Store(cache_dir=tmp_path, download=True))
    assert any("is not here" in note for note in got.notes)


def test_a_checkpoint_deleted_meanwhile_is_not_missed(untrained, tmp_path):
    own = Reader(RunFolder(untrained["plain"]))
    own.metas = {7: {}}  # it was there a moment ago
    notes: list[str] = []
    loaded = figures.load_shown(own, notes)
    assert (loaded.step, notes) == (0, [])


def test_real_samples_are_of_the_class_of_their_row(untrained):
    loaded = figures.load_run(untrained["classes"])
    source = figures.datasets.load_data(loaded.meta.recipe, Store())
    chosen, rows = figures.real_indices(source, loaded, 64)
    assert source.labels[chosen].tolist() == [label for label in range(10) for _ in range(6)]
    assert tuple(rows) == source.spec.classes
    loaded = figures.load_run(untrained["codes"])
    chosen, rows = figures.real_indices(source, loaded, 64)  # rows of a code are not classes
    assert (len(chosen), rows) == (64, ())


def test_the_best_of_a_metric_of_which_more_is_better(run):
    got = collect(Asked(RunFolder(run), str(run), "run"), 60, Store(), lambda _: None).run
    recall = next(curve for curve in got.curves if curve.name == "precision-recall")
    assert recall.best == (0, 0.5)


def test_a_run_at_a_url(run, gan, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.put(str(run), "/bucket/far", recursive=True)
    try:
        code, out, err = gan("report", "memory://bucket/far", "--quick", "--json", "--out", tmp_path / "x.html")
        assert code == 0, err
        (told,) = json.loads(out)["runs"]
        assert (told["run"], told["points"]["fid"], told["grids"]) == ("far", 6, 6)
        assert "gan sample --ckpt memory://bucket/far --at 400" in (tmp_path / "x.html").read_text()
        assert gan("report", "memory://bucket/far", "--quick", "--out", "memory://bucket/far.html")[0] == 0
        assert memory.cat("/bucket/far.html").startswith(b"<!doctype html>")
    finally:
        memory.rm("/bucket", recursive=True)


def test_command_line(run, gan, tmp_path):
    code, out, err = gan("report", run, "--quick")
    assert code == 0, err
    assert (run / "report.html").is_file()
    assert "3 events" in out or "2 events" in out
    code, out, _ = gan("report", run, "--quick", "--json", "--most-grids", 2, "--out", tmp_path / "y.html")
    told = json.loads(out)
    assert told["bytes"] == (tmp_path / "y.html").stat().st_size
    assert told["runs"][0]["points"]["discriminator/loss"] == 50
    assert told["runs"][0]["grids"] == 2
    end = {"event": "end", "step": 500, "time": 2000.0, "stopped_by": "\x1b[2J\udcff"}
    with (run / "times.jsonl").open("a") as file:
        file.write(json.dumps(end) + "\n")
    code, out, err = gan("report", run, "--quick")
    assert (code, "\x1b" in out, "stopped by" in out) == (0, False, True), err
    page = (run / "report.html").read_text(encoding="utf-8")  # of which half a surrogate pair is none
    assert r"stopped by \x1b[2J\xff" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "--out", "x.pdf"], "a page is .html"),
        (["{run}", "--out", "{run}/no/x.html"], "does not exist"),
        (["{run}/samples"], "is not a run folder"),
        (["{run}/gone"], "no such run"),
        (["{run}", "--open", "--out", "memory://bucket/x.html"], "--open: a browser opens a page on this machine"),
        (["{run}"] * 21, "21 runs on one page; 20 are the most"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(run, gan, arguments, message):
    before = sorted(run.rglob("*"))
    code, _, err = gan("report", *(a.format(run=run) for a in arguments), "--quick")
    assert code == 2
    assert message in err
    assert sorted(run.rglob("*")) == before
