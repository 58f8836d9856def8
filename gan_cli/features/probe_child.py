"""What `probe.py` runs in a process of its own: an exported program read from stdin, within limits."""

import resource
import sys
from pathlib import Path

from gan_cli.features import artefact
from gan_cli.features.probe import EACH, MEMORY, TOO_LARGE


def main() -> None:
    """Read stdin as `artefact` would; end with code 0, TOO_LARGE, or by a signal."""
    data = sys.stdin.buffer.read()
    _limit(resource.RLIMIT_CPU, int(sys.argv[1]))
    _limit(resource.RLIMIT_DATA, _taken() + MEMORY + EACH * len(data))  # not RLIMIT_AS: XLA reserves more than it takes
    _limit(resource.RLIMIT_CORE, 0)
    try:
        artefact.look(data)
    except MemoryError:
        sys.exit(TOO_LARGE)
    except Exception:  # any at all: its caller meets it again, and says what it means
        pass


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, hard))


def _taken() -> int:
    """Bytes of private memory that this process has by now; 0 where /proc does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except OSError:
        return 0
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
