"""Hostile bytes: every parser returns what is valid or refuses with one message, in bounded time and memory."""

import ast
import importlib
import json
import os
import random
import re
import subprocess
import sys
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import gan_cli
from gan_cli import binding
from gan_cli.data import images, picture, store
from gan_cli.data.folder import folder
from gan_cli.data.store import Asset, Store
from gan_cli.errors import DamagedError, InputError
from gan_cli.features import FEATURES, artefact, find_network, probe

ROOT = Path(gan_cli.__file__).parent
FAULTS = ROOT.parent / "scripts" / "faults"
sys.path.insert(0, str(FAULTS))
seeds, targets = (importlib.import_module(f"fuzz_{name}") for name in ("seeds", "targets"))
sys.path.remove(str(FAULTS))

# nothing runs what it reads

RUNS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "torch", "code", "runpy"}
CALLS = {"eval", "exec", "compile", "__import__"}
ALLOWED = {
    "features/custom.py": {"exec", "compile"},  # a person's own network, whose file that person has typed
    "export/card.py": {"yaml"},  # which only writes
}


def test_yaml_is_only_written():
    text = (ROOT / "export/card.py").read_text()
    assert set(re.findall(r"yaml\.(\w+)", text)) == {"safe_dump"}


def test_nothing_in_the_package_loads_pickle_or_runs_text():
    for path in ROOT.rglob("*.py"):
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names if alias.name.split(".")[0] in RUNS}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module} if (node.module or "").split(".")[0] in RUNS else set()
            elif isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                found |= {name} & CALLS
                found |= _pickles(node)
        assert found <= ALLOWED.get(str(path.relative_to(ROOT)), set()), path


def _pickles(call: ast.Call) -> set[str]:
    """A call of NumPy's that could unpickle: allow_pickle is not False, or left to a default."""
    given = {word.arg: word.value for word in call.keywords}
    plain = isinstance(given.get("allow_pickle"), ast.Constant) and given["allow_pickle"].value is False
    loads = isinstance(call.func, ast.Attribute) and ast.unparse(call.func) in (
        "np.load",
        "numpy.load",
        "npy.read_array",
    )
    return {ast.unparse(call.func)} if ("allow_pickle" in given or loads) and not plain else set()


# names

HOSTILE = [
    *(
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "..",
        ".",
        "",
        "...dcgan.generator",
        "/etc/passwd",
        "../nets/dcgan",
    ),
    *("__init__", "__main__.main", "dcgan.__builtins__", "dcgan.__dict__", "mlp.__class__.__init__", "dcgan._block"),
    *(
        "gan_cli.x",
        "gan_cli.__main__.main",
        "gan_cli.nets.dcgan.generator",
        "dcgan.nnx",
        "dcgan.InputError",
        "antigravity",
    ),
    *(
        "this",
        "dcgan\0.generator",
        "dcgan.generator ",
        "DCGAN.generator",
        "x" * 10_000,
        "\ud800",
        "store.Store",
        "idx.parse_idx",
    ),
    *("own.find", "torch_file.read", "artefact.exported", "binding.call", "adversarial.importlib", "folder.os.system"),
]


@pytest.mark.parametrize("kind", targets.KINDS, ids=lambda kind: kind.word)
def test_a_recipe_cannot_name_what_is_no_part_of_its_kind(kind):
    kind.names()  # imports the modules of the package, and no others
    before = set(sys.modules)
    for name in HOSTILE:
        with pytest.raises(InputError) as error:
            binding.validate_part(kind, {kind.key: name})
        assert "did you mean" in str(error.value) or "valid: " in str(error.value)
        assert len(str(error.value)) < 5000
    assert set(sys.modules) == before


@pytest.mark.parametrize("name", [None, 1, 1.5, True, [], {}, ["dcgan.generator"], {"net": "x"}])
def test_a_name_is_text(name):
    with pytest.raises(InputError, match="expected the name of a feature network"):
        binding.validate_part(FEATURES, {"features": name})


def test_a_recipe_cannot_name_a_network_of_ones_own():
    for name in ("os:system", "evil.py:net", "net.jaxexport", "/tmp/x.py:f"):
        with pytest.raises(InputError):
            find_network(name)


# changed bytes

EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0), st.integers(0, 7)),
        st.tuples(st.just("set"), st.integers(0), st.sampled_from([0, 1, 127, 128, 255])),
        st.tuples(st.just("word"), st.integers(0), st.integers(0, 2**32 - 1)),
        st.tuples(st.just("cut"), st.integers(0), st.integers(1, 20)),
        st.tuples(st.just("end"), st.integers(0), st.just(0)),
        st.tuples(st.just("twice"), st.integers(0), st.integers(1, 20)),
    ),
    min_size=1,
    max_size=6,
)
EXAMPLES = {"recipe": 5, "name": 5}  # which take a hundred times as long as the others
MOST = 128 << 20  # bytes that Python and NumPy may have at once while they read a file of a few hundred


def edited(data: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    for what, place, value in edits:
        at = place % max(1, len(data))
        match what:
            case "flip" if data:
                data = data[:at] + bytes((data[at] ^ (1 << value),)) + data[at + 1 :]
            case "set":
                data = data[:at] + bytes((value,)) + data[at + 1 :]
            case "word":
                data = data[:at] + value.to_bytes(4, "little") + data[at + 4 :]
            case "cut":
                data = data[:at] + data[at + value :]
            case "end":
                data = data[:at]
            case "twice":
                data = data[:at] + data[at : at + value] + data[at:]
    return data


def answered(target: str, data: bytes) -> str | None:
    """What a refusal says; None where the bytes are valid."""
    try:
        targets.TARGETS[target](data)
    except targets.REFUSALS as error:
        return str(error)
    return None


@pytest.mark.parametrize("target", targets.TARGETS)
def test_changed_bytes_are_read_or_refused(target):
    valid = seeds.SEEDS[target]()
    examples = EXAMPLES.get(target, 30)

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, len(valid) - 1), EDITS)
    @example(0, [("end", 0, 0)])
    def try_one(which, edits):
        tracemalloc.reset_peak()
        assert answered(target, edited(valid[which], edits)) != ""
        assert tracemalloc.get_traced_memory()[1] < MOST

    tracemalloc.start()
    try:
        try_one()
    finally:
        tracemalloc.stop()


# what fuzzing found, or reading the code before it: each was another error than InputError or DamagedError

FOUND = [
    ("idx", b"\0\0\x08\x48" + b"\0\0\0\1" * 72 + b"x"),  # more dimensions than NumPy has
    ("idx", b"\0\0\x08\x04" + b"\0\0\0\0" + b"\xff" * 12),  # no values, and sides whose product overflows
    ("recipe", b"x = " + b"[" * 5000),
    ("recipe", b"run = {seed = " + b"9" * 5000 + b"}"),
    ("recipe", b"run = {seed = 0x" + b"f" * 5000 + b"}"),
    ("recipe", b'[data]\nsource = "folder"\npath = "a\\u0000b"'),
    ("override", b"a.b=" + b"9" * 5000),
    ("override", b"a.b=" + b"[" * 5000),
    ("npz", seeds.saved(x=np.zeros((2, 2)), y=np.array([0, 2**40]))),  # a class for each number up to the label
    ("npz", seeds.saved(x=np.zeros((2, 2)), y=np.array([0, 1], np.uint64))),  # which bincount does not take
    ("npz", seeds.saved(x=np.full((2, 2), 1e300))),  # infinite in float32
    ("statistics", seeds.saved(mu=np.zeros(0), sigma=np.zeros((0, 0)))),
    ("statistics", seeds.saved(mu=np.zeros(2), sigma=np.eye(2), n=np.array(np.inf))),
    ("pickle", b"\x80\x02ctorch\nFloatStora\\ge\n."),  # a warning of pickletools: an escape sequence it does not know
    ("labels", b"[" * 100_000),
    ("labels", b'{"labels": [["a/1.png", ' + b"9" * 5000 + b"]]}"),
    ("labels", b'{"labels": [' + b"[" * 900 + b"]" * 900 + b"]}"),
    ("labels", b'{"labels": [["\\ud800", 1e999]]}'),
    ("labels", b'{"labels": [' + b"[]," * 340_000 + b"[]]}"),
    ("labels", b" " * (1 << 21)),
    ("npy", b"\x93NUMPY\1\0\x76\0" + b"(" * 117 + b"\n"),
]


@pytest.mark.parametrize(("target", "data"), FOUND, ids=lambda value: value if isinstance(value, str) else "")
def test_what_was_found(target, data):
    assert len(answered(target, data) or "") < 2000


# bombs


def test_bombs_are_refused_before_they_take_time_or_memory(tmp_path):
    """Twenty files of up to ten gigabytes unpacked, in a process that may take 256 MiB more than its imports."""
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("hostile_bombs.py"), tmp_path], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) >= 20
    for name, seconds, memory, message in lines:
        assert message, name
        assert seconds < 1, name
        assert memory < 64, name


def test_only_known_formats_are_decoded():
    """Pillow tells formats by content: it would start Ghostscript for this one."""
    with pytest.raises(ValueError, match="it is no image, and PNG, JPEG"):
        picture.decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")


def test_pillow_says_nothing_of_its_own(capfd):
    """Of a TIFF with too many samples a pixel it logs an error, which reaches stderr unless somebody takes it."""
    command = "import logging, gan_cli.data.picture; logging.getLogger('PIL.TiffImagePlugin').error('said')"
    subprocess.run([sys.executable, "-c", command], check=True)
    assert capfd.readouterr() == ("", "")


def test_names_of_files_need_not_be_text(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xff\xfe.png")
    with open(path, "wb") as file:
        file.write(seeds.picture("L", "PNG"))
    assert folder(Store(None), path=tmp_path).size == 1


def test_strips_are_fitted_within_memory():
    strip = np.zeros((1, 65_000, 3), np.uint8)
    for image in (strip, strip.transpose(1, 0, 2)):
        for resize in images.RULES:
            assert images.fit_one(np.ascontiguousarray(image), (64, 64, 3), resize).shape == (64, 64, 3)
    with pytest.raises(InputError, match="too long to become 4096 wide"):
        images.fit_one(np.zeros((70_000, 1, 1), np.uint8), (4096, 4096, 1), "squash")


# downloads


class Endless(BaseHTTPRequestHandler):
    """Lies about its length, or never ends."""

    def do_GET(self):
        self.send_response(200)
        if "lie" in self.path:
            self.send_header("Content-Length", "-1" if "minus" in self.path else "many")
        self.end_headers()
        try:
            for _ in range(4 if "lie" in self.path else 1 << 20):
                self.wfile.write(bytes(1 << 16))
        except OSError:  # the other side has had enough
            pass

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize(
    ("path", "message"), [("endless", "more than"), ("lie", "SHA-256"), ("lie-minus", "SHA-256"), ("slow", "seconds")]
)
def test_downloads_end(tmp_path, monkeypatch, path, message):
    if path == "slow":
        monkeypatch.setattr(store, "LONGEST", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            mirror = f"http://127.0.0.1:{server.server_address[1]}/{path}/"
            asset = Asset("a.bin", (mirror,), sha256="0" * 64, largest=1 << 20)
            with pytest.raises(InputError, match=message):
                Store(None, tmp_path, note=lambda _: None).read("x", asset, len)
        finally:
            server.shutdown()
            thread.join()
    assert not list((tmp_path / "x").iterdir())


# exported programs

BEGINS = (4).to_bytes(4, "little") * 4  # as such a file does: a reference to its root, and from there to its layout


def test_an_exported_program_is_tried_elsewhere(tmp_path):
    path = tmp_path / "net.jaxexport"
    path.write_bytes(BEGINS)
    with pytest.raises(InputError, match=r"net\.jaxexport: damaged"):
        artefact.exported(path)


def test_what_kills_the_reader_is_a_refusal(monkeypatch):
    for code, words in (
        (-11, "ends a process with SIGSEGV"),
        (-24, "takes more than 60 seconds"),
        (3, "MiB of memory"),
    ):
        ended = subprocess.CompletedProcess([], code, b"", b"")
        monkeypatch.setattr(probe.subprocess, "run", lambda *_, ended=ended, **__: ended)
        with pytest.raises(DamagedError, match=words):
            probe.check_readable(BEGINS)


# the command line

ABSURD = [
    ("train.batch", 10**18),
    ("train.batch", -(10**30)),
    ("train.steps", 2**31),
    ("train.steps_per_call", 10**9),
    ("run.grid", 10**12),
    ("eval.n", 10**18),
    ("monitor.n", 10**9),
    ("data.n", 10**12),
    ("data.modes", 10**12),
    ("data.scale", 1e300),
    ("run.seed", 2**64),
]


@pytest.mark.parametrize(("key", "value"), ABSURD)
def test_absurd_sizes_are_refused(gan, tmp_path, monkeypatch, key, value):
    monkeypatch.chdir(tmp_path)
    code, out, err = gan("train", "ring", "--dry-run", "--set", f"{key}={value}")
    assert (code, out) == (2, "")
    assert key.rpartition(".")[2] in err or "whole number" in err
    assert not list(tmp_path.iterdir())


def test_the_command_line_refuses_changed_files_with_one_message(gan, tmp_path, monkeypatch):
    """Files of every kind, changed at random: exit code 2 and one error, or, where the change does no harm, none."""
    monkeypatch.chdir(tmp_path)
    chance = random.Random(7)
    commands = {
        "recipe": ("toml", ["train", "{}", "--dry-run"]),
        **{kind: (kind, ["eval", "--fake", "{}", "--real", "{}.none"]) for kind in ("npz", "zip", "idx")},
        "statistics": ("npz", ["eval", "--fake", "{}", "--real", "{}.none"]),
    }
    for target, (suffix, command) in commands.items():
        for seed in seeds.SEEDS[target]()[:3]:
            edits = [(chance.choice(["flip", "set", "end"]), chance.randrange(1 << 20), 5) for _ in range(8)]
            path = tmp_path / f"changed.{suffix}"
            path.write_bytes(edited(seed, edits))
            code, _, err = gan(*(word.format(path) for word in command))
            assert code == 2 or (code == 0 and target == "recipe"), err
            assert err.count("error:") == (code != 0)
            assert [file.name for file in tmp_path.iterdir()] == [path.name]
            path.unlink()
