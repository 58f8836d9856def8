"""The Tab key: what is offered, by the shells' own protocol and in the shells that are installed."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gan_cli import build, metrics, recipe
from gan_cli.cli import completion
from gan_cli.cli.completion import keys
from gan_cli.data.store import origins
from gan_cli.inspection import names
from gan_cli.names import KINDS, entries

BIN = Path(sys.executable).parent
SHELLS = ("bash", "zsh", "fish")


def in_shell(name: str):
    return pytest.mark.skipif(
        not shutil.which(name) or not (BIN / "gan").exists(), reason=f"needs {name}, and gan installed"
    )


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "dumb", **more}


@pytest.fixture
def offered(monkeypatch, capsys, tmp_path):
    """What is offered after these words, the last of which is being typed, as bash asks for it."""
    from typer.main import get_command

    from gan_cli.cli.app import app

    monkeypatch.chdir(tmp_path)

    def ask(*words: str) -> list[str]:
        monkeypatch.setenv("_GAN_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["gan", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setattr(completion, "_cut", "")
        completion.prepare()
        with pytest.raises(SystemExit):
            get_command(app).main(prog_name="gan")
        return capsys.readouterr().out.split()

    return ask


def test_names_json_is_current():
    assert names.FILE.read_text() == names.names_json(), "make names writes it anew"


def test_what_is_read_without_jax_is_what_the_package_has():
    assert list(entries("metric")) == sorted(metrics.names())
    assert {kind.word for kind in names.KINDS} == set(KINDS)
    options = {option.name: option for option in entries("network")["dcgan.generator"].options}
    assert list(options) == list(build.NETWORK.model(build.NETWORK.find("dcgan.generator")).model_fields)
    assert options["norm"].choices == ("batch", "layer", "instance", "none")
    (loss,) = [option for option in entries("game")["standard"].options if option.name == "loss"]
    assert list(loss.choices) == build.LOSS.names()
    assert {name for name, one in entries("data source").items() if one.published} == set(origins())


def test_every_key_that_is_offered_can_be_set():
    tables = recipe.read_tables(recipe.find_recipe("dcgan_digits"))
    found = keys(tables)
    assert found["train.batch"][0] == str(tables["train"]["batch"])
    for key, values in found.items():
        if key.startswith(("train.", "run.", "networks.", "game.loss")) and values:
            own = recipe.read_tables(recipe.find_recipe("dcgan_digits"), [f"{key}={values[0]}"])
            build.resolve(own, key)


def test_recipes_and_files(offered, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "cats.toml").touch()
    (tmp_path / "conditional.toml").touch()
    (tmp_path / "con;rm -rf.toml").touch()
    assert offered("train", "conditional/infogan_") == ["conditional/infogan_digits", "conditional/infogan_mnist"]
    found = offered("train", "con")
    assert "conditional.toml" in found
    assert "conditional/cgan_ring" in found
    assert not [name for name in found if ";" in name]
    assert offered("train", "mi") == ["mine/cats.toml"]
    assert offered("compare", "ring", "dcgan_m") == ["dcgan_mnist"]
    assert offered("recipe", "show", "dcgan_d") == offered("data", "check", "dcgan_d") == ["dcgan_digits"]


def test_metrics_checkpoints_and_runs(offered, tmp_path):
    for step in (500, 20, "damaged-3"):
        (tmp_path / "runs" / "a" / "checkpoints" / str(step)).mkdir(parents=True)
    assert offered("eval", "--metric", "fid,ki") == ["fid,kid"]
    assert "fid,fid" not in offered("eval", "--metric", "fid,")
    assert offered("eval", "--metric", "=", "fid,ki") == ["fid,kid"]  # bash takes --metric=fid,ki for three words
    assert offered("sample", "--ckpt", "r") == ["runs/a"]
    assert offered("sample", "--ckpt", "runs/a/checkpoints/") == ["runs/a/checkpoints/20", "runs/a/checkpoints/500"]
    assert offered("sample", "--ckpt", "runs/a", "--at", "") == ["best", "latest", "20", "500"]
    assert offered("inspect", "runs/a", "--at", "5") == ["500"]
    assert offered("runs", "--sort", "fid") == ["fid", "fid-infinity"]
    assert offered("lab", "dis") == ["disjoint-lines"]
    assert "inception.clean" in offered("eval", "--features", "inc")


def test_keys_and_their_values(offered):
    assert offered("train", "ring", "--set", "train.bat") == ["train.batch=256", "train.batch=64"]
    assert "networks.generator.norm=" in offered("train", "dcgan_digits", "--set", "networks.generator.")
    assert offered("train", "ring", "--set", "game.loss", "=", "adversarial.h") == ["adversarial.hinge"]
    assert offered("train", "--set", "train.precision", "=") == ["float32", "bfloat16"]
    assert offered("train", "ring", "--set", "nonsense") == []
    cycle = ("train", "translation/cyclegan_digits", "--set")
    assert {"data.a.split=", "data.a.resize=", "data.a.labelled="} <= {*offered(*cycle, "data.a.")}
    assert offered(*cycle, "data.b.resize", "=", "c") == ["crop"]  # bash has cut off the rest
    assert not {"data.split=", "data.source="} & {*offered(*cycle, "data.")}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_ask_otherwise(monkeypatch, capsys, shell):
    from typer.main import get_command

    from gan_cli.cli.app import app

    monkeypatch.setenv("_GAN_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "gan train ring --set train.bat")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    with pytest.raises(SystemExit):
        get_command(app).main(prog_name="gan")
    assert "train.batch=256" in capsys.readouterr().out


def test_what_is_said_fits_on_a_line_and_has_no_sign_that_a_shell_obeys():
    for found in (completion.recipe(""), completion.metrics("")):
        assert found
        for name, about in found:
            assert completion.PLAIN.fullmatch(name)
            assert len(about) <= completion.ABOUT
            assert not re.search(r"[`$\"'\[\]\n\\]", about)


def test_completion_imports_neither_jax_nor_numpy(tmp_path):
    words = "\n".join(["gan", "train", "ring", "--set", "train.bat"])
    code = "import sys, gan_cli.cli.app as a; a.completion.set_key('train.b'); a.completion.metrics('f'); "
    code += "a.completion.recipe(''); assert not {'jax', 'numpy', 'flax', 'optax'} & set(sys.modules), sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(COMP_WORDS=words), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def script(shell: str, folder: Path) -> Path:
    """What `gan --show-completion` prints for a shell."""
    shown = subprocess.run(
        ["gan", "--show-completion", shell],
        env=environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"),
        capture_output=True,
        text=True,
        check=True,
    )
    path = folder / f"gan.{shell}"
    path.write_text(shown.stdout)
    return path


@in_shell("fish")
def test_fish_itself(tmp_path):
    path = script("fish", tmp_path)
    asked = f"source {path}; complete -C 'gan train conditional/infogan_'"
    done = subprocess.run(["fish", "--no-config", "-c", asked], env=environment(), capture_output=True, text=True)
    names = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert names == ["conditional/infogan_digits", "conditional/infogan_mnist"]


@pytest.mark.parametrize(
    ("shell", "options", "start"),
    [
        pytest.param("bash", ["--norc", "--noprofile", "-i"], "", marks=in_shell("bash")),
        pytest.param("zsh", ["-f", "-i"], "autoload -Uz compinit; compinit -u -D; ", marks=in_shell("zsh")),
    ],
)
def test_a_person_at_a_terminal(tmp_path, shell, options, start):
    """Typed at a prompt, with the Tab key."""
    path = script(shell, tmp_path)
    terminal, inner = pty.openpty()
    child = subprocess.Popen(
        [shell, *options],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment(HISTFILE="/dev/null"),
        start_new_session=True,
    )
    os.close(inner)
    try:
        _type(terminal, f"{start}source {path}; echo rea''dy\n", "ready")
        _type(terminal, "gan train conditional/infogan_di\t", "conditional/infogan_digits")
        _type(terminal, "--set game.loss=adversarial.hin\t", "game.loss=adversarial.hinge")
    finally:
        child.kill()
        child.wait()
        os.close(terminal)


def _type(terminal: int, keys_: str, expected: str) -> None:
    """Type, and read until `expected` is on the screen."""
    os.write(terminal, keys_.encode())
    screen, end = "", time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            screen += re.sub(
                r"\x1b\[[\d;?]*[A-Za-z]|[\x07\x08\r]", "", os.read(terminal, 4096).decode(errors="replace")
            )
        if expected in screen:
            return
    pytest.fail(f"{expected!r} was not completed: {screen!r}")


@pytest.mark.parametrize("shell", SHELLS)
def test_it_is_installed_for_each_shell(tmp_path, shell):
    if not (BIN / "gan").exists():
        pytest.skip("needs gan installed")
    assert "_GAN_COMPLETE" in script(shell, tmp_path).read_text()
    home = tmp_path / "home"
    home.mkdir()
    own = environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1", HOME=str(home))
    subprocess.run(["gan", "--install-completion", shell], env=own, check=True, capture_output=True)
    assert any("_GAN_COMPLETE" in path.read_text() for path in home.rglob("*") if path.is_file())
