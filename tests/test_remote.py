"""Runs and data at URLs, against a stand-in for Google's store: a process of its own, spoken to over HTTP."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gan_cli.errors import InputError, StorageError
from gan_cli.files import atomic, check_whole, remove_folder, whole_folder
from gan_cli.remote import layout, mirror, store
from gan_cli.remote.fetch import fetched, fetched_run, output
from gan_cli.remote.mirror import working_copy
from gan_cli.remote.place import is_url, local, open_place

KILLS = 2  # of a process that trains, in the default run


def quiet(message: str) -> None:
    """A notice that nobody reads."""


class StandIn:
    """gcp-storage-emulator on a free port; its files outlive it."""

    def __init__(self, folder: Path):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.folder = folder
        self.start()

    def start(self) -> None:
        options = ["start", "-H", "127.0.0.1", "--port", str(self.port), "--default-bucket", "bucket", "-q"]
        command = [sys.executable, "-m", "gcp_storage_emulator", "-d", str(self.folder), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError("the stand-in does not answer")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    pytest.importorskip("gcp_storage_emulator", reason="the stand-in for Google's store is not installed")
    os.environ["FSSPEC_GS_TOKEN"] = "anon"  # for processes; this one may have read it
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = (
        "false"  # as `open_place` does, which is not the first to import it
    )
    pytest.importorskip("gcsfs", reason="the driver of gs:// is not installed")
    import fsspec

    fsspec.config.conf["gs"] = {"token": "anon"}
    found = StandIn(tmp_path_factory.mktemp("store"))
    os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{found.port}"
    yield found
    found.kill()
    del os.environ["STORAGE_EMULATOR_HOST"]


@pytest.fixture
def url(standin, request, tmp_path, monkeypatch) -> str:
    """A folder of its own in the store, and a cache of its own here."""
    monkeypatch.setenv("GAN_CACHE_DIR", str(tmp_path / "cache"))
    return f"gs://bucket/{request.node.name}"


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a run by name, without what is hidden."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not path.name.startswith(".")}


def put(url: str, **files: str) -> None:
    for name, text in files.items():
        store.write_file(open_place(url), name.replace("__", "/").replace("_", "."), text.encode())


def names(url: str) -> set[str]:
    return {*store.listing(open_place(url))}


def train(folder: Path, step: int, keep: int = 2) -> None:
    """What a training leaves: logs up to a step, a picture, a checkpoint; old ones go."""
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text("[train]\n")
    lines = [json.dumps({"step": s, "loss": 1 / s}) for s in range(1, step + 1)]
    with atomic(folder / "log.jsonl") as part:  # a kill must not empty it: `gan train` appends
        part.write_text("\n".join(lines) + "\n")
    (folder / "samples" / f"{step:07d}.png").write_bytes(b"png" * step)
    with whole_folder(folder / "checkpoints" / str(step)) as part:
        (part / "state").mkdir()
        for shard in range(3):
            (part / "state" / str(shard)).write_bytes(f"{step}/{shard}".encode() * 5000)
        (part / "meta.json").write_text(json.dumps({"step": step}))
    for old in sorted(int(p.name) for p in (folder / "checkpoints").iterdir() if p.name.isdecimal())[:-keep]:
        remove_folder(folder / "checkpoints" / str(old))


def begun(url: str, note=quiet) -> mirror.Mirror:
    """A run that is pulled and taken over."""
    run = working_copy(url, note)
    run.pull()
    run.take_over()
    return run


def steps_at(url: str) -> list[int]:
    return sorted(layout.whole(names(url)))


def log_of(folder: Path) -> int:
    return len((folder / "log.jsonl").read_text().splitlines())


def test_paths_of_this_machine_are_themselves_and_load_nothing():
    code = "import sys; from gan_cli.remote.fetch import fetched; print(fetched('a/b', print), 'fsspec' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["a/b", "False"]
    assert local("file:///a/b%20c") == Path("/a/b c")
    assert local(Path("file:///a/b")) == Path("/a/b")
    assert not is_url("mnist:test")
    assert not is_url("C:/photos")
    assert is_url("gs://bucket/x")
    assert is_url("simplecache::s3://bucket/x")  # and refused
    assert is_url(Path("gs://bucket/x"))  # pathlib makes one slash of two


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("gss://bucket/x", "did you mean 'gs'"),
        ("zip://a.txt::gs://bucket/x.zip", "chains"),
        ("simplecache::s3://me:se@cret@host/x?signature=cret", "^simplecache::s3://host/x: chains"),
        (Path("simplecache::s3://me:cret@host/x"), "^simplecache::s3:/host/x: chains"),
        ("reference://x", "no scheme that can be read"),
        ("memory://", "names no bucket"),
    ],
)
def test_a_url_that_cannot_be_read_says_why(bad, says):
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match=says):
        open_place(bad)


def test_a_missing_driver_is_named_with_its_extra(monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError, match=r"pip install 'gan-cli\[s3\]'"):
        open_place("s3://bucket/run")


def test_a_file_is_fetched_once_and_again_when_it_changes(url):
    put(url, x_npz="one")
    notes: list[str] = []
    first = fetched(f"{url}/x.npz", notes.append)
    assert (first.name, first.read_text()) == ("x.npz", "one")
    assert fetched(f"{url}/x.npz", notes.append) == first
    assert len(notes) == 1
    put(url, x_npz="two")
    second = fetched(f"{url}/x.npz", notes.append)
    assert second.read_text() == "two"
    assert first.read_text() == "one"  # this process may still read it


def test_of_a_folder_only_what_changed_is_fetched(url):
    put(url, a__1_png="1", a__2_png="2")
    notes: list[str] = []
    first = fetched(Path(f"{url}/a"), notes.append)
    put(url, a__2_png="two", a__3_png="3")
    second = fetched(f"{url}/a/", notes.append)
    assert {p.name: p.read_text() for p in second.iterdir()} == {"1.png": "1", "2.png": "two", "3.png": "3"}
    assert [n.split(" (")[0] for n in notes] == ["fetching 2 files", "fetching 2 files"]
    assert (first / "1.png").samefile(second / "1.png")


def test_processes_that_fetch_at_once_all_get_it_whole_and_copies_go_with_their_last_reader(url):
    put(url, **{f"d__{i}": str(i) * 1000 for i in range(8)})
    code = "import sys; from gan_cli.remote.fetch import fetched; print(fetched(sys.argv[1], lambda message: None))"
    command = [sys.executable, "-c", code, f"{url}/d"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = {process.communicate()[0].strip() for process in running}
    assert len(found) == 1
    old = Path(found.pop())
    assert contents(old) == {str(i): str(i).encode() * 1000 for i in range(8)}
    put(url, d__0="new")
    new = fetched(f"{url}/d", quiet)
    assert (new / "0").read_text() == "new"
    assert not old.exists()


def test_what_is_not_there_and_what_may_not_be_named_is_an_input_error(url):
    with pytest.raises(InputError, match="nothing there"):
        fetched(f"{url}/nothing", quiet)
    with pytest.raises(InputError, match="nothing there"):
        fetched("gs://no-such-bucket/x", quiet)


def test_a_name_that_would_lead_out_of_the_cache_is_refused(monkeypatch, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    from fsspec.implementations.memory import MemoryFile

    monkeypatch.setenv("GAN_CACHE_DIR", str(tmp_path))
    fs = fsspec.filesystem("memory")
    for name in ("/hostile/../x", "/hostile/a/../../x"):
        monkeypatch.setitem(fs.store, name, MemoryFile(fs, name, b"1"))
        with pytest.raises(InputError, match="cannot be a file here"):
            fetched("memory://hostile", quiet)
        monkeypatch.delitem(fs.store, name)


@pytest.mark.parametrize("content", [b"", b"ends with \r", b"\r\n\n", b"1\n--==0==\n2\n--==0==--\n"])
def test_every_byte_arrives(url, content, tmp_path):
    """Also where a driver puts a file between delimiters: b"\\r" before one was lost."""
    (tmp_path / "file").write_bytes(content)
    for name, source in (("bytes", content), ("path", tmp_path / "file")):
        store.write_file(open_place(url), name, source)
        assert store.read_file(open_place(url), name) == fetched(f"{url}/{name}", quiet).read_bytes() == content


def test_outputs_go_to_their_url_when_they_are_done(url, tmp_path):
    with output(f"{url}/x.png") as path:
        path.write_bytes(b"png")
    with output(f"{url}/many") as path:
        path.mkdir()
        (path / "1.png").write_bytes(b"1")
    with output(tmp_path / "y.png") as path:
        assert path == tmp_path / "y.png"
    assert names(url) == {"x.png", "many/1.png"}
    with pytest.raises(InputError, match="no such bucket"), output("gs://no-such-bucket/x.png") as path:
        path.write_bytes(b"png")


def test_a_new_machine_goes_on_where_the_lost_one_had_brought_it(url, monkeypatch, tmp_path):
    first = begun(url)
    train(first.folder, 10)
    first.push()
    train(first.folder, 20)
    first.push()
    train(first.folder, 30)
    first.push()
    assert steps_at(url) == [20, 30]
    monkeypatch.setenv("GAN_CACHE_DIR", str(tmp_path / "another machine"))
    second = begun(url)
    assert second.folder != first.folder
    assert contents(second.folder) == contents(first.folder)
    check_whole(second.folder / "checkpoints" / "30")
    with pytest.raises(InputError, match="taken over by a process on"):
        first.push()


def test_who_looks_before_it_trains_stops_nobody(url, monkeypatch, tmp_path):
    first = begun(url)
    train(first.folder, 10)
    first.push()
    with monkeypatch.context() as other:
        other.setenv("GAN_CACHE_DIR", str(tmp_path / "another machine"))
        working_copy(url, quiet).pull()  # and finds that the recipe is another one
    train(first.folder, 20)
    first.push()
    assert steps_at(url) == [10, 20]


def test_the_same_machine_goes_on_with_what_it_could_not_bring(url):
    first = begun(url)
    train(first.folder, 10)
    first.push()
    train(first.folder, 20)
    first.close()  # dies before it brings 20
    second = begun(url)
    assert log_of(second.folder) == 20
    second.push()
    assert steps_at(url) == [10, 20]


def test_a_leftover_gives_way_to_what_another_machine_did_since(url, monkeypatch, tmp_path):
    first = begun(url)
    train(first.folder, 10)
    first.push()
    train(first.folder, 40)
    first.close()  # preempted, with 40 never brought
    with monkeypatch.context() as other:
        other.setenv("GAN_CACHE_DIR", str(tmp_path / "another machine"))
        second = begun(url)
        assert log_of(second.folder) == 10
        train(second.folder, 20)
        second.push()
    notes: list[str] = []
    third = begun(url, notes.append)
    assert third.folder == first.folder
    assert contents(third.folder) == contents(second.folder)
    assert any("checkpoint 40 is not at" in note for note in notes)


def test_a_url_that_was_emptied_begins_anew(url):
    first = begun(url)
    train(first.folder, 10)
    first.push()
    first.close()
    store.delete(open_place(url), names(url))
    second = begun(url)
    assert contents(second.folder) == {}
    train(second.folder, 5)
    store.delete(open_place(url), names(url))  # while it trains: all is brought again
    second.push()
    assert steps_at(url) == [5]


def test_a_rollback_is_followed_and_nothing_is_sent_twice(url, monkeypatch):
    run = begun(url)
    train(run.folder, 10)
    train(run.folder, 20)
    run.push()
    sent: list[str] = []
    monkeypatch.setattr(
        mirror, "write_file", lambda at, name, content: sent.append(name) or store.write_file(at, name, content)
    )
    run.push()
    assert sent == []
    remove_folder(run.folder / "checkpoints" / "20")
    train(run.folder, 15)
    run.push()
    assert steps_at(url) == [10, 15]
    assert sent[0] == "log.jsonl" or sent[0].startswith("samples/")
    assert sent[-1] == "checkpoints/15/checksums.json"
    assert not any(name.startswith("checkpoints/10/") for name in sent)


def test_a_second_process_of_the_machine_is_refused_and_other_files_are_left_alone(url):
    first = begun(url)
    with pytest.raises(InputError, match="another process of this machine"):
        working_copy(url, quiet).pull()
    first.close()
    put(f"{url}-photos", a_png="1")
    with pytest.raises(InputError, match="holds files but no run"):
        working_copy(f"{url}-photos", quiet).pull()
    with pytest.raises(InputError, match="no such bucket"):
        begun("gs://no-such-bucket/run")


def test_a_run_at_a_url_is_read_without_checkpoints_that_are_not_whole(url):
    run = begun(url)
    for step in (10, 20):
        train(run.folder, step)
    run.push()
    store.delete(open_place(url), [layout.checksums(20)])
    found = fetched_run(url, quiet)
    assert {p.name for p in (found / "checkpoints").iterdir()} == {"10"}
    one = fetched_run(f"{url}/checkpoints/10", quiet)
    assert one.parts[-2:] == ("checkpoints", "10")
    check_whole(one)
    with pytest.raises(InputError, match="no whole checkpoint"):
        fetched_run(f"{url}/checkpoints/20", quiet)


TRAINER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_remote import begun, log_of, train
run = begun(sys.argv[1])
steps = sorted(int(p.name) for p in (run.folder / "checkpoints").glob("[0-9]*"))
start = steps[-1] if steps else 0
assert not steps or log_of(run.folder) >= start, (log_of(run.folder), start)
for step in range(start + 1, 10000):
    train(run.folder, step)
    run.push()
    print(step, flush=True)
"""


def check_remote(url: str, cache: Path, monkeypatch, expect: int) -> int:
    """What a new machine would find: whole checkpoints, logs that reach them; the newest step."""
    with monkeypatch.context() as other:
        other.setenv("GAN_CACHE_DIR", str(cache))
        if not steps_at(url):
            return 0
        at = fetched_run(url, quiet)
        newest = steps_at(url)[-1]
        for folder in (at / "checkpoints").iterdir():
            check_whole(folder)
        assert len(store.read_file(open_place(url), "log.jsonl").splitlines()) >= newest >= expect
        return newest


def killed_trainings(url: str, tmp_path: Path, monkeypatch, kills: int) -> None:
    """Kill a process that trains and brings at random moments; each life is on this machine or on a new one."""
    chance = random.Random(kills)
    newest = 0
    for life in range(kills):
        env = {**os.environ, "GAN_CACHE_DIR": str(tmp_path / f"machine {chance.randrange(2)}")}
        command = [sys.executable, "-c", TRAINER, url, str(Path(__file__).parent)]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(chance.randrange(3) if life else 1):  # 0: killed while it starts, or pulls, or at the first
            said = process.stdout.readline()
            assert said, process.stderr and process.stderr.read().decode()
            newest = int(said)
        time.sleep(chance.expovariate(3))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert not errors, errors.decode()
        newest = check_remote(url, tmp_path / f"reader {life}", monkeypatch, newest)
    assert newest > 0


def test_kills_while_bringing_leave_whole_checkpoints_with_their_logs(url, tmp_path, monkeypatch):
    killed_trainings(url, tmp_path, monkeypatch, KILLS)


def test_a_store_that_goes_away_and_comes_back_is_waited_for(url, standin):
    run = begun(url)
    train(run.folder, 10)
    run.push()
    train(run.folder, 20)
    with ThreadPoolExecutor(1) as thread:
        pushing = thread.submit(run.push)
        while not list(standin.folder.rglob("20/state/*")):
            time.sleep(0.001)
        standin.kill()
        was = {
            path.parent.name for path in standin.folder.rglob(f"{url.rpartition('/')[2]}/checkpoints/*/checksums.json")
        }
        time.sleep(0.5)
        standin.start()
        pushing.result()
    assert was == {"10"}  # it was in the middle of it
    assert steps_at(url) == [10, 20]
    assert contents(fetched_run(url, quiet) / "checkpoints") == contents(run.folder / "checkpoints")


@pytest.mark.slow
def test_a_store_that_stays_away_is_named_and_nothing_is_lost(url, standin, monkeypatch):
    run = begun(url)
    train(run.folder, 10)
    monkeypatch.setattr(store, "PATIENCE", 1)  # gcsfs has half a minute of its own
    standin.kill()
    with pytest.raises(StorageError, match=f"{url}: cannot be reached"):
        run.push()
    standin.start()
    run.push()
    assert steps_at(url) == [10]


@pytest.mark.slow
def test_many_kills_while_bringing_leave_whole_checkpoints_with_their_logs(url, tmp_path, monkeypatch):
    killed_trainings(url, tmp_path, monkeypatch, 30)


@pytest.mark.slow
def test_many_kills_on_s3_leave_whole_checkpoints_with_their_logs(tmp_path, monkeypatch):
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("AWS_ENDPOINT_URL names no stand-in for S3, see docs/remote.md")
    s3 = pytest.importorskip("s3fs", reason="the driver of s3:// is not installed").S3FileSystem()
    bucket = f"gan-{os.getpid()}"
    s3.mkdir(bucket)
    killed_trainings(f"s3://{bucket}/run", tmp_path, monkeypatch, 20)


SET = ("train.steps=1600", "run.checkpoint_every=200", "run.log_every=100", "run.sample_every=400")


def gan_train(out: str | Path, cache: Path, **more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gan_cli", "train", "ring", "--out", str(out)]
    env = {**os.environ, "GAN_CACHE_DIR": str(cache), **more}
    options = [part for key in SET for part in ("--set", key)]
    return subprocess.Popen([*command, *options], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_a_training_at_a_url_that_is_killed_often_ends_as_one_that_never_was(url, standin, tmp_path):
    """`gan train` itself: preempted, on this machine or a new one, while its store goes away now and then."""
    xla = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "xla")}
    whole = gan_train(tmp_path / "whole", tmp_path / "cache", **xla)
    said = whole.communicate()[0]
    assert whole.returncode == 0, said
    chance = random.Random(0)
    kills = outages = 0
    for life in range(100):
        machine = tmp_path / f"machine {life if chance.random() < 0.5 else 0}"
        process = gan_train(url, machine, **xla)
        before = steps_at(url)
        while process.poll() is None and steps_at(url) == before:
            time.sleep(0.05)
        time.sleep(chance.expovariate(1))
        if chance.random() < 0.5 and process.poll() is None:
            standin.kill()
            time.sleep(chance.random())
            standin.start()
            outages += 1
        kills += process.poll() is None
        process.kill()
        said = process.communicate()[0]
        assert "Traceback" not in said, said
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, said
    print(f"{kills} kills, {outages} outages")
    assert kills >= 5
    final = fetched_run(url, quiet)
    loose = layout.loose(names(url)) - {"writer.json"}
    assert loose == layout.loose(contents(tmp_path / "whole"))
    for name in sorted(loose):  # recipe, pictures and log
        assert store.read_file(open_place(url), name) == (tmp_path / "whole" / name).read_bytes(), name
    ours, theirs = (arrays(path) for path in (final, tmp_path / "whole"))
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if ours[name] != theirs[name]]


def arrays(run: Path) -> dict[str, bytes]:
    """What the newest checkpoint of a run holds, and its step."""
    import jax  # not above: the processes that are killed import this file

    from gan_cli.runs.load import load_run

    loaded = load_run(run, "latest")
    leaves = jax.tree_util.tree_leaves_with_path((loaded.step, loaded.state))
    raw = {jax.tree_util.keystr(path): jax.random.key_data(x) if is_key(x) else x for path, x in leaves}
    return {name: bytes(jax.numpy.asarray(x).tobytes()) for name, x in raw.items()}


def is_key(x) -> bool:
    import jax

    return hasattr(x, "dtype") and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
