"""`make faults`, second part: files that rot, disks that fill, and processes that want the same folder.

Each file of the newest checkpoint is truncated, emptied, removed and has bits flipped; so are recipe, logs and caches.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import disk
import games
from compare import checkpoints, differences
from damage import ANY, END, FILE, Damage
from fork import Said
from ground import MIDDLE, Ground, Tally, prepare, wrong
from table import Row, report

MNIST = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
LOGS = ("log.jsonl", "metrics.jsonl")
DIGITS = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"


def newest(ground: Ground, flips: int) -> list[Row]:
    """Each file of the newest checkpoint damaged in each way: refused by name; train goes back to the last."""
    files = [path.relative_to(ground.middle) for path in _files(ground.middle / "checkpoints" / str(MIDDLE))]
    rows = []
    for name, damage in FILE.items():
        tally = Tally(f"a file of the newest checkpoint {name}", ground.note)
        for file in files * (flips if name == "a bit flipped" else 1):
            tally.add(str(file), _newest(ground, file, damage))
        rows.append(tally.row(f"{len(files)} files"))
    return rows


def _newest(ground: Ground, file: Path, damage: Damage) -> list[str]:
    folder = ground.copy()
    damage(folder / file, ground.rng)
    broken, picture = folder / "checkpoints" / str(MIDDLE), ground.scratch / "never.png"
    named = str(folder / file)
    found = wrong(ground.gan("sample", "--ckpt", broken, "--n", 4, "--out", picture), 2, named)
    found += ["a picture was drawn"] if picture.exists() else []
    found += wrong(ground.gan("eval", "--ckpt", broken, "--metric", "fid", "--n", 64), 2, named)
    found += wrong(ground.train(folder), 0, named, f"at step {MIDDLE - 50}", f"damaged-{MIDDLE}")
    return found + differences(folder, ground.whole, litter=False)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def every(ground: Ground) -> Row:
    """All checkpoints damaged: refused, and nothing is touched."""
    tally = Tally("all checkpoints damaged", ground.note)
    folder = ground.copy()
    for path in (folder / "checkpoints").glob("*/meta.json"):
        FILE["a bit flipped"](path, ground.rng)
    before = {path: path.read_bytes() for path in _files(folder) if path.name != ".lock"}
    problems = wrong(ground.train(folder), 2, str(folder))
    after = {path: path.read_bytes() for path in _files(folder) if path.name != ".lock"}
    tally.add("meta.json", problems + ([] if after == before else ["something was touched"]))
    return tally.row("refused with exit code 2, nothing touched")


def lines(ground: Ground) -> list[Row]:
    """Logs and recipe damaged: the run goes on to the same state; what was added at the end of a log is dropped."""
    rows = []
    for file in ("log.jsonl", "metrics.jsonl"):
        tally = Tally(f"{file} with half a line, random bytes or zeros at its end", ground.note)
        for name, damage in END.items():
            folder, problems = _trained(ground, file, damage)
            tally.add(name, problems + differences(folder, ground.whole))
        rows.append(tally.row("log as if nothing had been"))
    for file in ("log.jsonl", "metrics.jsonl", "recipe.toml"):
        tally = Tally(f"{file} truncated, emptied, removed, a bit flipped, bytes replaced", ground.note)
        for name in ANY.keys() - END.keys():
            folder, problems = _trained(ground, file, ANY[name])
            problems += checkpoints(folder, ground.whole)
            problems += [
                f"{log} differs after the damage" for log in LOGS if _later(folder, log) != _later(ground.whole, log)
            ]
            tally.add(name, problems)
        rows.append(tally.row("checkpoints, and lines from there on, as if nothing had been"))
    return rows


def _trained(ground: Ground, file: str, damage: Damage) -> tuple[Path, list[str]]:
    folder = ground.copy()
    damage(folder / file, ground.rng)
    return folder, wrong(ground.train(folder), 0, f"resumed {folder} at step {MIDDLE}")


def _later(folder: Path, log: str) -> list[str]:
    """The lines written after the middle; the monitor's depend on when the process began."""
    texts = (folder / log).read_text(errors="replace").splitlines()
    return [text for text in texts if '"monitor"' not in text and _step(text) > MIDDLE]


def _step(text: str) -> int:
    try:
        return int(json.loads(text)["step"])
    except (ValueError, TypeError, KeyError):
        return 0


def statistics(ground: Ground) -> Row:
    """Kept statistics of the real side damaged: noticed, and made anew."""
    command = ("eval", "--ckpt", ground.copy(), "--metric", "fid", "--n", 64, "--json")
    env = {"GAN_CACHE_DIR": str(ground.scratch / "statistics")}
    shutil.rmtree(ground.scratch / "statistics", ignore_errors=True)
    right = ground.gan(*command, env=env)
    (file,) = (ground.scratch / "statistics" / "statistics").glob("*.npz")
    whole, harmless = file.read_bytes(), 0
    tally = Tally("kept statistics of real images truncated, emptied, removed, bits flipped", ground.note)
    for name in (*FILE, *["a bit flipped"] * 9):
        FILE[name](file, ground.rng)
        said = ground.gan(*command, env=env)
        anew = file.read_bytes() == whole
        harmless += not anew  # a bit that decides nothing: the file is still read
        problems = wrong(said, 0, *([str(file)] if anew and name != "removed" else []))
        tally.add(name, problems + ([] if _value(said) == _value(right) else ["another value"]))
        file.write_bytes(whole)
    return tally.row(f"the same value each time; made anew but for {harmless} bits that decide nothing")


def _value(said: Said) -> object:
    found = [json.loads(text) for text in said.text.splitlines() if text.startswith("{")]
    return [line.get("fid", line) for line in found]


def programs(ground: Ground, flips: int) -> Row:
    """Every compiled program that is kept damaged: compiled again, with the same result."""
    tally = Tally("all kept compiled programs", ground.note)
    cache, folder = ground.scratch / "programs", ground.scratch / "compiled"
    for name in (*FILE, *["a bit flipped"] * flips):
        for path in (cache, folder):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(ground.scratch / "cache" / "compilation", cache / "compilation")
        for file in (cache / "compilation").glob("*-cache"):
            FILE[name](file, ground.rng)
        problems = wrong(ground.train(folder, MIDDLE, env={"GAN_CACHE_DIR": str(cache)}), 0)
        tally.add(name, problems or differences(folder, ground.middle))
    return tally.row(f"{len(list((ground.scratch / 'cache' / 'compilation').glob('*-cache')))} programs at once")


def images(ground: Ground) -> list[Row]:
    """MNIST's files damaged, in the person's own folder and in the cache: refused, by name."""
    recipe = games.write("images", ground.scratch)
    rows = []
    for place, what in (("own", "MNIST's files in --data-dir"), ("cached", "MNIST's files in the cache, offline")):
        tally = Tally(f"{what} truncated, emptied, bits flipped", ground.note)
        for name in [name for name in FILE if name != "removed"]:
            for file in MNIST:
                folder = ground.scratch / place
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(DIGITS, folder / "mnist")
                FILE[name](folder / "mnist" / file, ground.rng)
                where = ("--data-dir", folder) if place == "own" else ()
                command = (
                    "train",
                    recipe,
                    "--set",
                    "data.source=mnist",
                    "--set",
                    "data.split=train",
                    "--dry-run",
                    *where,
                )
                env = {} if place == "own" else {"GAN_CACHE_DIR": str(folder)}
                tally.add(f"{file} {name}", wrong(ground.gan(*command, env=env), 2, str(folder / "mnist" / file)))
        rows.append(tally.row("refused with exit code 2, by name"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--flips", type=int, default=3, help="bits flipped in each file, one at a time")
    parser.add_argument("--only", nargs="*", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="kept; a temporary folder if absent")
    parser.add_argument("--out", type=Path, default=Path("build/faults/rot"), help="without a suffix")
    a = parser.parse_args()

    began = time.monotonic()

    def note(message: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {message}", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        ground = prepare((a.scratch or Path(temporary)).resolve(), a.seed, note)
        note("two runs made")
        rows = [row for name in a.only for row in PARTS[name](ground, a.flips)]
        code = report(rows, a.out, seed=a.seed, minutes=(time.monotonic() - began) / 60)
    raise SystemExit(code)


PARTS: Mapping[str, Callable[[Ground, int], list[Row]]] = {
    "newest": newest,
    "every": lambda ground, _: [every(ground)],
    "lines": lambda ground, _: lines(ground),
    "statistics": lambda ground, _: [statistics(ground)],
    "programs": lambda ground, flips: [programs(ground, flips)],
    "images": lambda ground, _: images(ground) if DIGITS.is_dir() else [],
    "disk": lambda ground, _: disk.small(ground),
    "lock": lambda ground, _: disk.locked(ground),
}

if __name__ == "__main__":
    main()
