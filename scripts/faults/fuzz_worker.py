"""One target under atheris: `fuzz_worker.py TARGET FOLDER libfuzzer-options`. Unexpected errors are kept in FOLDER.

An error does not end the fuzzing; each kind (type and place) is kept once. What kills the process, or takes too long,
libFuzzer keeps.
"""

import os
import sys
import traceback
import warnings
from pathlib import Path

import atheris

PARSERS = ("tomllib", "zipfile", "tarfile", "pickletools", "gzip", "numpy.lib._format_impl", "PIL")

with atheris.instrument_imports(include=["gan_cli", *PARSERS], enable_loader_override=False):
    import fuzz_seeds
    import fuzz_targets


class Kept:
    """Errors that no parser may raise, each kind once, with an input that raises it."""

    def __init__(self, target: str, folder: Path):
        self._run = fuzz_targets.TARGETS[target]
        self._folder = folder
        self._kinds: set[str] = set()

    def __call__(self, data: bytes) -> None:
        """Try one input."""
        try:
            self._run(data)
        except fuzz_targets.REFUSALS:
            pass
        except Exception as error:
            self._keep(error, data)

    def _keep(self, error: Exception, data: bytes) -> None:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__}-{Path(frame.filename).stem}-{frame.lineno}"
        if kind not in self._kinds:
            self._kinds.add(kind)
            (self._folder / f"error-{kind}").write_bytes(data)
            print(f"ERROR {kind}: {str(error)[:200]}", file=sys.stderr, flush=True)


def main() -> None:
    target, folder = sys.argv[1], Path(sys.argv[2])
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(fuzz_seeds.SEEDS[target]()):
        (corpus / f"seed{number}").write_bytes(seed)
    warnings.simplefilter("error")  # as in the tests: a warning would be a second message
    atheris.Setup([sys.argv[0], *sys.argv[3:], str(corpus)], Kept(target, folder))
    atheris.Fuzz()


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main()
