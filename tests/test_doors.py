"""Run folders from strangers, and readers beside a training: one door, nothing hangs, nothing is believed."""

import ast
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import tomllib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gan_cli
from gan_cli import build, datasets, door, load
from gan_cli.data.store import Store
from gan_cli.engine import arrays
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.state import initial_state
from gan_cli.errors import DamagedError, InputError, printable
from gan_cli.files import CHECKSUMS, _digest, checksums
from gan_cli.remote import layout
from gan_cli.report.digest import Asked, collect
from gan_cli.runs import jsonl
from gan_cli.runs import load as loading
from gan_cli.runs.folder import RunFolder

ROOT = Path(gan_cli.__file__).parent

# one door

PACKAGES = ("runs", "report", "explore", "export", "inspection", "engine", "remote", "recipe.py", "files.py", "cli")
READS = {"open", "read_text", "read_bytes", "load", "loads", "file_digest", "safe_open"}
ALLOWED = {  # what is read there is this program's own: pictures just made, its resources, the state of the machine
    "cli/recipe.py": {"read_bytes"},
    "engine/arrays.py": {"open"},  # of what is in memory
    "engine/processes.py": {"loads"},  # what the processes of a job tell each other
    "explore/service.py": {"read_bytes"},
    "explore/server.py": {"read_bytes"},
    "export/hub.py": {"read_bytes"},
    "doctor/doctor.py": {"loads"},
    "machine.py": {"read_text"},
    "report/page.py": {"read_text"},
    "remote/mirror.py": {"read_bytes"},  # of its own working copy
    "remote/store.py": {"open", "read_bytes", "file_digest"},
    "report/pictures.py": {"read_bytes", "open"},
    "report/sample_grids.py": {"open"},  # of bytes that have come through the door
    "training/callbacks.py": {"open"},
    "runs/weights.py": {"safe_open"},  # after its head has come through the door
    "sampling/writing.py": {"open"},
    "datacheck/examples.py": {"open"},  # data, which data/ has opened
    "cli/report.py": {"open"},  # a browser
}


@pytest.mark.parametrize("package", PACKAGES)
def test_run_folders_are_read_through_the_door(package):
    where = ROOT / package
    for path in where.rglob("*.py") if where.is_dir() else [where]:
        found = {name for node in ast.walk(ast.parse(path.read_text())) if (name := _read(node))}
        assert found <= ALLOWED.get(str(path.relative_to(ROOT)), set()), path


def _read(node: ast.AST) -> str:
    """What a call reads a file by; empty: it does not."""
    if not isinstance(node, ast.Call):
        return ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    if name in ("load", "loads"):
        return name if owner in ("json", "np", "numpy") else ""
    return name if name in READS and owner not in ("os", "door") else ""


# what may lie there

SPARSE = 8 << 30  # bytes
BOUND = 30  # seconds until something is taken for endless


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE)


KINDS = {
    "pipe": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "noise": lambda path: path.symlink_to("/dev/urandom"),
    "socket": _socket,
    "folder": Path.mkdir,
    "nowhere": lambda path: path.symlink_to("nowhere"),
    "circle": lambda path: path.symlink_to(path.name),
    "huge": _sparse,
    "empty": Path.touch,
    "junk": lambda path: path.write_bytes(np.random.default_rng(0).bytes(3000)),
    "deep": lambda path: path.write_text("[" * 100_000 + "]" * 100_000),
    "elsewhere": lambda path: path.symlink_to("/etc/passwd"),
}
NO_FILES = ("pipe", "endless", "noise", "socket", "folder", "nowhere", "circle", "huge")
FILES = (
    *("recipe.toml", "log.jsonl", "metrics.jsonl", "times.jsonl", ".lock", ".lock.json", "samples"),
    *("samples/0000000.png", "README.md", "checkpoints", "checkpoints/0"),
)
OF_A_CHECKPOINT = (
    CHECKSUMS,
    "meta.json",
    "state",
    "state/_METADATA",
    "state/step",
    "state/step/.zarray",
    "state/step/0",
)


@contextmanager
def ending():
    """Fail, where something would never end."""

    def fail(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(BOUND)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def put(path: Path, kind: str) -> None:
    """Put something else in the place of a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    KINDS[kind](path)


@pytest.fixture
def run(untrained, tmp_path) -> Path:
    """A run folder of one's own, with a line in each log."""
    folder = Path(shutil.copytree(untrained["plain"], tmp_path / "runs" / "run"))
    for name in ("log.jsonl", "metrics.jsonl", "times.jsonl"):
        (folder / name).write_text('{"step": 0, "a/loss": 1.0}\n')
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_the_door_lets_files_through_and_nothing_else(tmp_path, kind):
    path = tmp_path / "it"
    put(path, kind)
    with ending():
        if kind in NO_FILES:
            with pytest.raises(DamagedError, match="it: cannot be read: "):
                door.read_file(path)
            with pytest.raises(DamagedError, match="it: cannot be read: "):
                door.sha256(path, 1 << 20)
        if kind in ("pipe", "endless", "noise", "socket", "circle"):
            with pytest.raises(DamagedError, match="is no regular file"), door.appending(path):
                pytest.fail("it was opened")
        with pytest.raises(DamagedError):
            door.read_json(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_replaced_in_a_run_folder(run, gan, kind, name):
    put(run / name, kind)
    with ending():
        for command in (("runs", run.parent), ("report", run, "--quick", "--out", run.parent / "page.html")):
            code, _, err = gan(*command)
            assert code in (0, 2), err
            assert len(err) < 3000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OF_A_CHECKPOINT)
def test_a_file_replaced_in_a_checkpoint(run, kind, name):
    put(run / "checkpoints" / "0" / name, kind)
    with ending():
        with pytest.raises(InputError, match="checkpoints/0"):
            loading.load_run(run)
        got = collect(Asked(RunFolder(run), str(run), "run"), 60, None, lambda _: None).run
        seen = name not in (CHECKSUMS, "meta.json")
        assert any("a checkpoint: " in note for note in got.notes) != seen


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_weights_that_is_none(tmp_path, kind):
    path = tmp_path / "w.safetensors"
    put(path, kind)
    with ending(), pytest.raises(InputError, match=r"w\.safetensors: cannot be read"):
        load(path)


@pytest.mark.parametrize("name", ["log.jsonl", "metrics.jsonl", "times.jsonl", ".lock"])
def test_a_training_writes_into_files_of_its_own_only(run, gan, tmp_path, name):
    other = tmp_path / "precious"
    other.write_text("precious\n")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(other)
    code, _, err = gan("train", run / "recipe.toml", "--out", run, "--set", "train.steps=1")
    assert other.read_text() == "precious\n"
    assert code == (2 if name in ("times.jsonl", ".lock") else 0), err  # logs are written anew, in the link's place
    assert "is no regular file" in err or code == 0


@pytest.mark.parametrize("kind", ["pipe", "endless", "socket", "circle", "folder"])
def test_a_training_is_refused_where_its_files_are_none(run, kind):
    for name in ("log.jsonl", ".lock"):
        put(run / name, kind)
    with ending():
        with pytest.raises(InputError, match=r"log\.jsonl"):
            jsonl.append(run / "log.jsonl", {"step": 1})
        with pytest.raises(InputError, match=r"log\.jsonl"):
            jsonl.cut_after(run / "log.jsonl", 0, 0)
        with pytest.raises(InputError, match=r"\.lock: is no regular file"), RunFolder(run).locked():
            pytest.fail("it was locked")
        assert RunFolder(run).trained_by() is None


# checkpoints whose checksums are right, and whose content is not


def forge(checkpoint: Path, **files: bytes) -> None:
    """Put content into files of a checkpoint, and make the checksums fit."""
    sums = checksums(checkpoint)
    for name, content in files.items():
        (checkpoint / name).write_bytes(content)
        sums[name] = hashlib.sha256(content).hexdigest()
    (checkpoint / CHECKSUMS).write_text(json.dumps({"files": sums, "sha256": _digest(sums)}))


def frame(promised: int, blocks: list[tuple[int, int, bytes]]) -> bytes:
    """A zstd frame: the size that it promises, and blocks of a kind (1: one byte, repeated), a size and a content."""
    made = b"\x28\xb5\x2f\xfd\xe0" + promised.to_bytes(8, "little")
    for i, (kind, size, content) in enumerate(blocks):
        made += (size << 3 | kind << 1 | (i == len(blocks) - 1)).to_bytes(3, "little") + content
    return made


SPEC = {"chunks": [], "compressor": {"id": "zstd", "level": 1}, "dimension_separator": ".", "dtype": "<i4"}
SPEC |= {"fill_value": None, "filters": None, "order": "C", "shape": [], "zarr_format": 2}


@pytest.mark.parametrize(
    "change",
    [
        {"chunks": [1 << 30]},
        {"compressor": None},
        {"compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}},
        {"compressor": {"id": "zlib", "level": 1}},
        {"compressor": "zstd"},
        {"filters": [{"id": "delta"}]},
        {"fill_value": 7},
        {"order": "F"},
        {"dimension_separator": "/"},
        {"zarr_format": 3},
        {"shape": [1 << 40]},
        {"shape": 3},
        {"dtype": "<f8"},
        {"dtype": [["a", "<i4"]]},
        {"more": 1},
    ],
)
def test_what_an_array_says_of_itself_is_not_believed(run, change):
    forge(run / "checkpoints" / "0", **{"state/step/.zarray": json.dumps({**SPEC, **change}).encode()})
    with pytest.raises(InputError, match=r"step"):
        loading.load_run(run)


@pytest.mark.parametrize(
    "chunk",
    {
        "nothing": b"",
        "junk": b"\0" * 40,
        "too little": frame(2, [(1, 2, b"\1")]),
        "more than it promises": frame(4, [(1, 1 << 17, b"\1")] * 200),
        "promises a terabyte": frame(1 << 40, [(1, 4, b"\1")]),
        "twice": frame(4, [(1, 4, b"\1")]) * 2,
        "too long": frame(4, [(1, 4, b"\1")]) + bytes(5000),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_chunk_is_unpacked_to_its_array_and_no_further(run, chunk):
    forge(run / "checkpoints" / "0", **{"state/step/0": chunk[1]})
    with ending(), pytest.raises(InputError, match="state/step/0"):
        loading.load_run(run)


def test_a_listing_cannot_lead_out_of_its_folder(run):
    checkpoint = run / "checkpoints" / "0"
    for name in ("../../recipe.toml", "/etc/passwd", "state//step", "a\0b", "."):
        sums = {**checksums(run / "checkpoints" / "0"), name: "0"}
        whole = (checkpoint / CHECKSUMS).read_bytes()
        (checkpoint / CHECKSUMS).write_text(json.dumps({"files": sums, "sha256": _digest(sums)}))
        with pytest.raises(DamagedError, match="is damaged"):
            checksums(checkpoint)
        (checkpoint / CHECKSUMS).write_bytes(whole)


@pytest.mark.parametrize("level", [0, 1, 19])
def test_arrays_are_read_as_orbax_writes_them(tmp_path, level):
    import jax.numpy as jnp

    state = {
        "float": np.arange(12, dtype=np.float32).reshape(3, 4),
        "half": jnp.ones((2, 3, 4), jnp.bfloat16),
        "whole": np.int32(7),
        "flag": np.array([True, False]),
        "byte": np.arange(5, dtype=np.uint8),
    }
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, state, Meta({}, build.Spec((1,)), "", []))
    checkpoints.wait()
    for path in (tmp_path / "checkpoints" / "1").rglob(arrays.SPEC):
        name = str(path.relative_to(tmp_path / "checkpoints" / "1"))
        spec = json.loads(path.read_text())
        spec["compressor"]["level"] = level
        forge(tmp_path / "checkpoints" / "1", **{name: json.dumps(spec).encode()})
    restored = checkpoints.restore(1, state)
    for name, x in state.items():
        np.testing.assert_array_equal(np.asarray(restored[name]), np.asarray(x))
        assert restored[name].dtype == np.asarray(x).dtype
    checkpoints.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rollbacks", -1),
        ("rollbacks", 10**30),
        ("monitor", {"past": 3}),
        ("monitor", {"past": {}, "sums": {"a": [1.0, 0]}, "exploded": {}}),
        ("history", [{"step": "x"}]),
        ("history", [{"step": True}]),
        ("history", [{"score": 1.0}]),
        ("history", [{"step": 1, "score": "high"}]),
        ("score", "high"),
        ("recipe", []),
    ],
)
def test_metadata_are_not_believed(run, key, value):
    checkpoint = run / "checkpoints" / "0"
    meta = json.loads((checkpoint / "meta.json").read_text())
    forge(checkpoint, **{"meta.json": json.dumps({**meta, key: value}).encode()})
    with pytest.raises(InputError, match=r"meta\.json"):
        loading.load_run(run)


# JSON and lines


@pytest.mark.parametrize(
    "text",
    [
        "[" * 40 + "]" * 40,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        "[" + "0," * door.VALUES + "0]",
        "1" * 5000,
        b"\xff",
    ],
    ids=["deep", "very deep", "many", "a long number", "no text"],
)
def test_json_is_bounded(text):
    with ending(), pytest.raises(ValueError, match=r"."):
        door.parse_json(text)


def test_json_of_our_own_is_read():
    value = {"a": [[1, 2.5, None], {"b": "\udc80 {[[[[[["}] * 20, "nan": float("inf")}
    assert door.parse_json(json.dumps(value).encode()) == value


ODD = ['{"step": "x"}', '{"step": true}', '{"step": -1}', '{"step": 1e400}', '{"step": NaN}', f'{{"step": {10**400}}}']
ODD += ['{"step": null}', '{"step": [1]}', '{"step": 1, "rollback": "x"}', '{"rollback": 1}', "[1]", "{", '{"step": 2']


def test_odd_lines_do_not_keep_a_training_from_going_on(run, gan):
    for name in ("log.jsonl", "metrics.jsonl", "times.jsonl"):
        (run / name).write_text("\n".join(['{"step": 0, "fid": 1.0}', *ODD]))
    jsonl.cut_after(run / "log.jsonl", 0, 0)
    assert (run / "log.jsonl").read_text() == '{"step": 0, "fid": 1.0}\n'
    code, _, err = gan("runs", run.parent)
    assert code == 0, err
    code, _, err = gan("train", run / "recipe.toml", "--out", run, "--set", "train.steps=1")
    assert code == 0, err
    assert {json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines()} == {0, 1}
    assert (run / "times.jsonl").read_text().splitlines()[len(ODD)] == ODD[-1]


@pytest.mark.parametrize("name", ["9" * 200, "٣", "0007", "-1", "+1", "1_0", " 1", "1e3", str(2**31), ""])
def test_what_is_no_step(run, gan, name):
    assert layout.step_of(name) is None
    if name:
        shutil.copytree(run / "checkpoints" / "0", run / "checkpoints" / name)
    with opened(run) as checkpoints:
        assert checkpoints.steps() == [0]
    code, out, err = gan("runs", run.parent, "--json")
    assert (code, json.loads(out)["runs"][0]["step"]) == (0, 0), err
    assert layout.checkpoints([f"checkpoints/{name}/meta.json"]) == {}


@contextmanager
def opened(run):
    checkpoints = Checkpoints(run / "checkpoints", read_only=True)
    yield checkpoints
    checkpoints.close()


# what reaches a terminal, and a page

ESCAPES = "\x1b]0;owned\x07\x9b2J\u202egnp.\x7f"


def test_what_a_terminal_obeys_is_shown():
    assert printable("a\tb\nc é 日本 \x1b[31m\r\u202e\udc80") == "a\tb\nc é 日本 \\x1b[31m\\r\\u202e\\x80"


def test_names_from_strangers_do_not_reach_the_terminal(run, gan):
    recipe = (run / "recipe.toml").read_text()
    hidden = "".join(f"\\u{ord(sign):04x}" for sign in ESCAPES)
    (run / "recipe.toml").write_text(recipe.replace("[game]", f'"{hidden}" = 1\n[game]', 1))
    (run / "metrics.jsonl").write_text(json.dumps({"step": 0, f"fid-{ESCAPES}": 1.0}) + "\n")
    (run / "log.jsonl").write_text(json.dumps({"step": 0, "monitor": {}, "alarms": [ESCAPES]}) + "\n")
    named = run.rename(run.with_name(f"run{ESCAPES}"))
    page = named.parent / "page.html"
    for command in (
        ("runs", named.parent),
        ("report", named, "--quick", "--out", page),
        ("inspect", named),
        ("train", named / "recipe.toml", "--dry-run"),
        ("sample", "--ckpt", named, "--at", ESCAPES, "--out", page.with_suffix(".png")),
    ):
        _, out, err = gan(*command)
        assert not {*out, *err} & {*ESCAPES} - {*printable(ESCAPES)}, command
    assert "\x1b" not in page.read_text()


def _with_data(run: Path, path: str, fingerprint: str | None = None) -> Path:
    """The same run, whose recipe names a folder of images as its data."""
    recipe = (run / "recipe.toml").read_text()
    data = f'source = "folder"\npath = "{path}"\nchannels = 1\n'
    (run / "recipe.toml").write_text(re.sub(r'source = "digits"\nsplit = "all"\n', data, recipe))
    if fingerprint:
        checkpoint = run / "checkpoints" / "0"
        meta = json.loads((checkpoint / "meta.json").read_text())
        forge(checkpoint, **{"meta.json": json.dumps({**meta, "fingerprint": fingerprint}).encode()})
    return run


def test_a_page_shows_no_pictures_that_only_a_recipe_names(run, tmp_path):
    private = tmp_path / "private"
    private.mkdir()
    for i in range(20):
        Image.fromarray(np.full((8, 8), 10 * i, np.uint8)).save(private / f"{i}.png")
    _with_data(run, str(private))
    asked = Asked(RunFolder(run), str(run), "run")
    got = collect(asked, 60, Store(), lambda _: None).run
    assert got.real is None
    assert not any(figure.title == "Nearest training images" for figure in got.figures)
    assert any("is not what the run was trained on" in note for note in got.notes)
    source = datasets.load_data(build.resolve(tomllib.loads((run / "recipe.toml").read_text()), "it"), Store())
    _with_data(run, str(private), source.fingerprint)
    assert collect(asked, 60, Store(), lambda _: None).run.real is not None
    shutil.rmtree(run / "checkpoints")
    assert collect(asked, 60, Store(), lambda _: None).run.real is None


def test_a_page_asks_no_url_that_a_recipe_names(run, monkeypatch):
    monkeypatch.setattr("gan_cli.data.store.fetched", lambda *_: pytest.fail("it was asked"))
    _with_data(run, "https://stranger.example/x.zip")
    got = collect(Asked(RunFolder(run), str(run), "run"), 60, Store(), lambda _: None).run
    assert any("is a URL, which is not asked for this" in note for note in got.notes)


def test_a_page_shows_files_of_its_run_only(run, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "private.png")
    (tmp_path / "private.toml").write_text('[data]\nsource = "digits"\nkey = "secret"\n')
    (run / "samples").mkdir(exist_ok=True)
    (run / "samples" / "0000000.png").symlink_to(tmp_path / "private.png")
    (run / "recipe.toml").unlink()
    (run / "recipe.toml").symlink_to(tmp_path / "private.toml")
    got = collect(Asked(RunFolder(run), str(run), "run"), 60, None, lambda _: None).run
    assert (got.grids, got.recipe) == ((), "")
    assert any("is a link out of" in note for note in got.notes)


# readers beside a training


@pytest.fixture
def trained(run, monkeypatch):
    """A run whose checkpoints a training replaces while they are read: `replace(n)` lets it happen n times."""
    prepared = build.prepare(tomllib.loads((run / "recipe.toml").read_text()), "it", Store())
    state = initial_state(prepared.experiment, 0)
    meta = Meta(prepared.resolved, prepared.source.spec, prepared.source.fingerprint, [])
    left = [0]
    real = Checkpoints.leaves

    def leaves(self, step, wanted, only=""):
        if left[0]:
            left[0] -= 1
            writer = Checkpoints(self.folder, keep_last=1)
            writer.save(step + 10, state._replace(step=state.step + step + 10), meta)
            writer.close()
        return real(self, step, wanted, only)

    monkeypatch.setattr(Checkpoints, "leaves", leaves)

    def replace(times: int) -> Path:
        left[0] = times
        return run

    return replace


def test_a_reader_takes_the_next_one_when_its_own_is_gone(trained):
    loaded = loading.load_run(trained(3), "latest")
    assert (loaded.step, int(loaded.state.step)) == (30, 30)


def test_who_names_a_step_is_told_that_it_is_gone(trained):
    with pytest.raises(InputError, match=r"no checkpoint '?0'?; there are best, latest and steps 10"):
        loading.load_run(trained(1), "0")


def test_a_reader_gives_up_on_what_never_stays(trained, monkeypatch):
    monkeypatch.setattr(loading, "TRIES", 3)
    with pytest.raises(InputError, match="changes all the time"):
        loading.load_run(trained(99))


def test_what_is_read_is_of_one_checkpoint(run):
    """A rollback writes a checkpoint of the same step anew, between metadata and arrays."""
    seen = []

    def read(folder, checkpoints, step):
        seen.append(checkpoints.meta(step))
        if len(seen) == 1:
            again = shutil.copytree(folder.checkpoints / "0", folder.path / "again")
            shutil.rmtree(folder.checkpoints / "0")
            again.rename(folder.checkpoints / "0")
        return len(seen)

    assert loading.taken(run, "best", read) == 2
