"""stdout and stderr of the command: set up once, able to say anything, and never what ends the work.

Characters that the encoding lacks are said in others. A stream that fails (a full disk, a reader or a terminal that has
gone) counts as gone: what is written to it is dropped, and `lost` tells the end of the command.
"""

import codecs
import errno
import io
import os
import select
import sys
import unicodedata
from contextlib import suppress
from typing import Any, TextIO

PLAIN = "gan.plain"  # the codecs' name of `plain`
READER_GONE = 141  # exit code, as shells have it of a program that SIGPIPE has ended
UNWRITTEN = 1
SIGNS = {
    "−": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "±": "+-",
    "→": "->",
    "←": "<-",
    "×": "x",
    "·": ".",
    "•": "*",
    "²": "^2",
    "\N{REPLACEMENT CHARACTER}": "?",
}
ACROSS, ALONG = ("HORIZONTAL", "LEFT", "RIGHT"), ("VERTICAL", "UP", "DOWN")  # in the names of box drawings


class Lasting(io.RawIOBase):
    """What is below a stream; once it fails, it keeps why and drops what is written."""

    def __init__(self, below: io.RawIOBase):
        self.below = below
        self.failure: OSError | None = None

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor below."""
        return self.below.fileno()

    def isatty(self) -> bool:
        """Whether a terminal is below."""
        return self.below.isatty()

    def write(self, data: Any) -> int:
        """Write some bytes; how many."""
        try:
            while self.failure is None:
                written = self.below.write(data)
                if written is not None:
                    return written
                select.select([], [self.below], [])  # somebody has made the terminal or the pipe non-blocking
        except OSError as error:
            self.failure = error
        return len(data)


def set_up() -> None:
    """Make both streams last; those that are not the process's own, as in a notebook or a test, stay as they are."""
    codecs.register_error(PLAIN, plain)
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed: a file opened from now on must not get its number
            _occupy(descriptor)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _lasting(stream, descriptor))


def _occupy(descriptor: int) -> None:
    """Open a closed descriptor on what cannot be written to."""
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDONLY)
        if nowhere != descriptor:
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def _lasting(stream: Any, descriptor: int) -> TextIO:
    if stream is None:
        return _text(io.FileIO(descriptor, "w", closefd=False), "utf-8", line_buffering=True)
    below = getattr(stream.buffer, "raw", stream.buffer)
    return _text(below, stream.encoding, line_buffering=stream.line_buffering or stream.write_through)


def _text(below: io.RawIOBase, encoding: str, line_buffering: bool) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(Lasting(below)), encoding, PLAIN, line_buffering=line_buffering)


def keep_stdout() -> None:
    """Send what libraries print to stderr: Gloo greets on stdout, where --json promises one object and nothing else."""
    sys.stdout.flush()
    own = io.FileIO(os.dup(1), "w")
    sys.stdout = _text(own, sys.stdout.encoding, line_buffering=own.isatty())
    os.dup2(2, 1)


def lost() -> int:
    """Write out what is waiting; the exit code when not all of stdout could be written, otherwise 0. Says why."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # of a stream that is not ours, and one that was closed
            stream.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    failure = raw.failure if isinstance(raw, Lasting) else None
    if failure is None:
        return 0
    if failure.errno == errno.EPIPE:
        return READER_GONE
    print(f"error: stdout cannot be written: {failure.strerror}", file=sys.stderr)
    return UNWRITTEN


def plain(error: UnicodeError) -> tuple[str, int]:
    """For what an encoding lacks: ASCII that looks or reads like it, or its code in an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_sign, error.object[error.start : error.end])), error.end


def _sign(sign: str) -> str:
    code, name = ord(sign), unicodedata.name(sign, "")
    if sign in SIGNS:
        return SIGNS[sign]
    if name.startswith("BOX DRAWINGS"):
        words = name.split()
        across, along = (any(word in words for word in way) for way in (ACROSS, ALONG))
        return "+" if across and along else "-" if across else "|"
    if name.startswith("GREEK SMALL LETTER ") and name.count(" ") == 3:
        return name.rpartition(" ")[2].lower()
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no text
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # as in TOML
