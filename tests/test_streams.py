"""stdout and stderr that cannot say everything, or have gone: a message, a conventional exit code, no traceback."""

import codecs
import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli import streams

LIST = ["recipe", "list"]  # quick
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")


def shell(line: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """`line` of a shell, in which "$@" is `gan` with arguments: (exit code, stdout, stderr)."""
    gan = [sys.executable, "-m", "gan_cli", *arguments]
    done = subprocess.run(
        ["sh", "-c", line, "sh", *gan], capture_output=True, env={**os.environ, **variables}, check=False
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        pytest.param(
            '"$@" > /dev/full', 1, "error: stdout cannot be written: No space left on device\n", marks=needs_full
        ),
        ('"$@" >&-', 1, "error: stdout cannot be written: Bad file descriptor\n"),
        ('"$@" >&- 2>&- <&-', 1, ""),
        pytest.param('"$@" > /dev/full 2>&1', 1, "", marks=needs_full),
        pytest.param('"$@" 2> /dev/full', 0, "", marks=needs_full),
        ('"$@" 2>&-', 0, ""),
        ('{ sleep 1; "$@"; echo $? >&2; } | true', 0, "141\n"),
        ('{ sleep 1; PYTHONUNBUFFERED=1 "$@"; echo $? >&2; } | true', 0, "141\n"),
    ],
)
def test_what_is_for_stdout_and_cannot_be_written(line, code, said):
    ended, out, err = shell(line, *LIST)
    assert (ended, err) == (code, said)
    assert bool(out) == (code == 0 and "|" not in line)


def test_an_error_keeps_its_code_where_nobody_can_read_it():
    assert shell('"$@" 2>&-', "recipe", "show", "nope") == (2, "", "")


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("ascii", "sigma z"), ("latin-1", "sigma z"), ("gbk", "σ"), ("utf-8", "σ")],
)
def test_what_an_encoding_lacks_is_said_in_other_signs(encoding, said):
    code, _, err = shell('"$@"', "recipe", "check", "σ z: ±1, é, 日", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert code == 2
    text = err.encode("latin-1").decode(encoding)
    assert said in text
    if encoding == "ascii":
        assert text.startswith("error: sigma z: +-1, \\u00e9, \\u65e5: no such recipe file")


@pytest.mark.parametrize("variables", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_a_file_whose_name_is_no_text_is_named(variables):
    code, _, err = shell('"$@" "$(printf \'caf\\351.toml\')"', "recipe", "show", **variables)
    assert code == 2
    assert err.startswith("error: caf\\xe9.toml: no such recipe file")


def test_lines_of_tables_and_bars():
    codecs.register_error(streams.PLAIN, streams.plain)
    text = "─━ ╸│┼╺ … → ± × \N{REPLACEMENT CHARACTER}"
    assert text.encode("ascii", streams.PLAIN).decode() == "-- -|+- ... -> +- x ?"


class Broken(io.RawIOBase):
    """Takes `room` bytes, and then is full or gone; None: not now."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.taken = b""

    def fileno(self) -> int:
        return 1

    def write(self, data):
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        self.taken += bytes(data[:answer] if answer else b"")
        return answer


def test_a_stream_that_has_failed_once_takes_everything_and_keeps_why():
    below = Broken([2, OSError(errno.EIO, "gone")])
    stream = streams.Lasting(below)
    assert [stream.write(b"abc") for _ in range(3)] == [2, 3, 3]
    assert below.taken == b"ab"
    assert stream.failure.errno == errno.EIO


def test_a_stream_that_others_made_non_blocking_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(streams.select, "select", lambda *_: waited.append(1))
    assert streams.Lasting(Broken([None, 3])).write(b"abc") == 3
    assert waited == [1]


SWALLOWED = """
import time
from gan_cli.cli import app as commands

class Callback:
    def __del__(self):
        raise KeyboardInterrupt

def app():
    Callback()
    time.sleep(60)

commands.app = app
from gan_cli.__main__ import main
main()
"""


def test_ctrl_c_in_a_callback_that_lets_nothing_through():
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_a_recipe_in_a_file_is_utf_8_whatever_the_locale(tmp_path):
    """As written, and with what the command line sets, it is read again."""
    recipe = tmp_path / "r.toml"
    recipe.write_text('# λ, é and → stay\n[data]\nsource = "folder"\npath = "größe λ"\n', encoding="utf-8")
    for more in ([], ["--set", "train.steps=7"]):
        code, out, err = shell('"$@"', "recipe", "show", str(recipe), *more, PYTHONIOENCODING="latin-1")
        assert code == 0, err
        text = out.encode("latin-1").decode("utf-8")
        assert "größe λ" in text
        assert more or "# λ, é and → stay" in text
