"""stdout and stderr of the command: set up once, able to write any character, and never the reason to stop.

Characters that the encoding lacks are replaced by others. A stream that fails (a full disk, a reader or a terminal that
has gone) counts as gone: what is written to it is dropped, and `lost` says so at the end of the command.
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

PLAIN = "gan.plain"  # the name under which codecs knows `plain`
READER_GONE = 141  # a shell's exit code for a program that SIGPIPE has ended
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
ACROSS, ALONG = {"HORIZONTAL", "LEFT", "RIGHT"}, {"VERTICAL", "UP", "DOWN"}  # words in names of box drawings


class Lasting(io.RawIOBase):
    """The raw file below a stream; once it fails, it keeps the error and drops what is written."""

    def __init__(self, below: io.RawIOBase):
        self.below = below
        self.failure: OSError | None = None

    def writable(self) -> bool:
        """Return True: a failed one still takes what it drops."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the file below."""
        return self.below.fileno()

    def isatty(self) -> bool:
        """Whether the file below is a terminal."""
        return self.below.isatty()

    def write(self, data: Any) -> int:
        """Write some bytes and return how many; all of them once the file below has failed."""
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
    """Replace stdout and stderr by lasting ones; those that a notebook or a test has replaced stay as they are."""
    codecs.register_error(PLAIN, plain)
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        try:  # the stream is closed: a file opened from now on must not get its number
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDONLY)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream: Any = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):
            continue
        if stream is None:
            lasting = _text(io.FileIO(descriptor, "w", closefd=False), "utf-8", line_buffering=True)
        else:
            below = getattr(stream.buffer, "raw", stream.buffer)
            lasting = _text(below, stream.encoding, line_buffering=stream.line_buffering or stream.write_through)
        setattr(sys, name, lasting)


def _text(below: io.RawIOBase, encoding: str, line_buffering: bool) -> TextIO:
    """Return a lasting text stream over a raw file."""
    return io.TextIOWrapper(io.BufferedWriter(Lasting(below)), encoding, PLAIN, line_buffering=line_buffering)


def as_file() -> None:
    """Write UTF-8 from now on where stdout is no terminal: what is printed is the content of a file, and TOML is UTF-8.

    A terminal shows what its locale can.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8", errors="strict")


def keep_stdout() -> None:
    """Send what libraries print on stdout to stderr: Gloo does so, and --json promises one object and nothing else."""
    sys.stdout.flush()
    own = io.FileIO(os.dup(1), "w")
    sys.stdout = _text(own, sys.stdout.encoding, line_buffering=own.isatty())
    os.dup2(2, 1)


def lost() -> int:
    """Flush both streams; return the exit code, and say why, when stdout could not be written; otherwise 0."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream that is not ours, or that was closed
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
    """Replace what an encoding lacks by ASCII that looks or reads like it, or by an escape: a handler for codecs.

    Returns the replacement, and where in the text encoding goes on. Raises errors that are not of encoding.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = ""
    for sign in error.object[error.start : error.end]:
        code, name = ord(sign), unicodedata.name(sign, "")
        words = set(name.split())
        if sign in SIGNS:
            written += SIGNS[sign]
        elif name.startswith("BOX DRAWINGS"):
            written += "+" if words & ACROSS and words & ALONG else "-" if words & ACROSS else "|"
        elif name.startswith("GREEK SMALL LETTER ") and name.count(" ") == 3:
            written += name.rpartition(" ")[2].lower()
        elif 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not valid UTF-8
            written += f"\\x{code & 0xFF:02x}"
        else:
            written += f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # as in TOML
    return written, error.end
