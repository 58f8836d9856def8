"""`make parity`: our metrics beside other people's code, on the same images. Writes the tables into docs/parity.md.

Ours runs in this interpreter, theirs in the one of --python, which needs none of this project; arrays go through files.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
from record import Record
from table import compared, joined, placed, sections

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def main() -> None:
    a = options()
    with tempfile.TemporaryDirectory() as scratch:
        folder, cache = Path(scratch, "arrays"), Path(scratch, "cache")
        folder.mkdir()
        run(a.python, "inception_torch.py", "weights", str(folder))
        env = {"GAN_CACHE_DIR": str(cache)}
        subprocess.run(
            [sys.executable, "-m", "gan_cli", "features", "import", str(folder / "legacy.pth")],
            check=True,
            env={**os.environ, **env},
        )
        data = ("--data-dir", a.data_dir) if a.data_dir else ()
        run(sys.executable, "ours.py", str(folder), *data, env=env)
        run(a.python, "theirs.py", str(folder))
        text = tables(folder)
    print(text)
    a.out.write_text(placed(a.out.read_text(), "parity", text))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    theirs = os.environ.get("PARITY_PYTHON", str(ROOT / ".venv-parity/bin/python"))
    parser.add_argument("--python", default=theirs, help="the interpreter that has their code ($PARITY_PYTHON)")
    parser.add_argument("--data-dir", help="holds MNIST ($GAN_DATA_DIR); else it is downloaded")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/parity.md", help="the page")
    return parser.parse_args()


def run(python: str, script: str, *given: str, env: dict[str, str] | None = None) -> None:
    print(f"{script} {given[0]}", file=sys.stderr, flush=True)
    subprocess.run([python, str(HERE / script), *given], check=True, env={**os.environ, **(env or {})})


def tables(folder: Path) -> str:
    """What both sides have left in the folder, as Markdown."""
    ours, theirs = (json.loads((folder / f"{side}.json").read_text()) for side in ("ours", "theirs"))
    rows = joined(ours, [Record(**record) for record in theirs["records"]])
    with np.load(folder / "ours.npz") as mine, np.load(folder / "theirs.npz") as other:
        arrays = compared(dict(mine), dict(other))
    return f"{about(theirs['versions'])}\n\n{sections(rows, arrays)}"


def about(versions: dict[str, str]) -> str:
    """When, and by what."""
    names = ("jax", "numpy", "scipy", "scikit-learn")
    ours = [f"Python {platform.python_version()}", *(f"{name} {metadata.version(name)}" for name in names)]
    theirs = [f"{name} {version}" for name, version in versions.items()]
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"{day}. Ours: {', '.join(ours)}. Theirs: {', '.join(theirs)}."


if __name__ == "__main__":
    main()
