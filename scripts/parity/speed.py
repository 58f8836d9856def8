"""`make parity-speed`: our metrics beside other people's code, in turns. Medians, ratios and peak memory, as in bench.

    python scripts/parity/speed.py [--case NAME] [--list] [--rounds N]

The cases run with the harness of scripts/bench; tables go to stdout and, with everything as JSON, to --out.
Inception-v3 has the random weights of inception_torch.py; `whole` takes an hour on two cores.
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BENCH = HERE.parent / "bench"
sys.path.insert(0, str(BENCH))

from bench import Results, chosen, machine, run  # noqa: E402 - scripts of another folder
from harness import Case  # noqa: E402
from processes import Contender  # noqa: E402

KEPT = ROOT / "build" / "parity"  # random weights, and a cache with these imported
ENV = {"GAN_CACHE_DIR": str(KEPT / "cache")}
N = 10_000  # images or features a side


def cases(theirs: str, whole: int) -> list[Case]:
    """All of them; `theirs` is the interpreter that has their code, `whole` the images a side of that case."""
    return [inception(theirs), digits(theirs), *features(theirs), end_to_end(theirs, whole)]


def ours(name: str, *task: str) -> Contender:
    return Contender(name, (sys.executable, str(HERE / "speed_ours.py"), *task), role="ours", env=ENV)


def peer(theirs: str, name: str, *task: str) -> Contender:
    return Contender(name, (theirs, str(HERE / "speed_theirs.py"), *task))


def fill(what: str, n: int, quick: int) -> tuple[tuple[str, ...], int, int]:
    return (sys.executable, str(HERE / "speed_fill.py"), what, "{scratch}", "{n}"), n, quick


def inception(theirs: str) -> Case:
    weights = str(KEPT / "legacy.pth")
    contenders = (
        ours("gan", "inception"),
        peer(theirs, "pytorch-fid", "pytorch-fid", weights),
        peer(theirs, "torch-fidelity", "torch-fidelity", weights),
    )
    what = "Inception-v3 features of images 32x32 RGB, their mean and covariance; ms an image"
    return Case("inception", "scoring", what, "image, ms", contenders, 64, 32, "float32", 1e3)


def digits(theirs: str) -> Case:
    images = ("--images", "{scratch}/digits.npy")
    weights = ("--weights", str(ROOT / "gan_cli/features/digits.npz"))
    variants = {"eager": "eager", "channels_last": "channels_last", "compile, channels_last": "compile,channels_last"}
    peers = (
        Contender(f"PyTorch {name}", (theirs, str(BENCH / "torch_scoring.py"), *weights, *images, "--variant", variant))
        for name, variant in variants.items()
    )
    mine = Contender("gan", (sys.executable, str(BENCH / "ours_scoring.py"), *images), role="ours", env=ENV)
    what = "FID of MNIST, 10,000 test against 10,000 training images, through digits"
    how = {"fill": fill("digits", N, 1000), "divide": False}
    return Case("digits", "scoring", what, "images a side", (mine, *peers), N, 1000, "float32", **how)


def features(theirs: str) -> list[Case]:
    """Metrics of features at hand, n x 2,048 a side."""
    taken = {
        "fid": ({"gan": "fid"}, {"pytorch-fid": "fid-pytorch-fid", "torch-fidelity": "fid-torch-fidelity"}),
        "kid": (
            {"gan, 100 subsets of 1,000": "kid-subsets", "gan, all at once (the default)": "kid"},
            {"torch-fidelity, 100 subsets of 1,000": "kid"},
        ),
        "precision-recall": (
            {"gan": "precision-recall"},
            {"torch-fidelity": "prc", "torch-fidelity, save_cpu_ram": "prc-part"},
        ),
        "density-coverage": (
            {"gan": "density-coverage", "gan, with precision-recall": "precision-recall+density-coverage"},
            {"prdc (with precision and recall)": "prdc"},
        ),
    }
    return [
        Case(
            f"features-{name}",
            "scoring",
            f"{name} of features at hand, 2,048 numbers each",
            "features a side",
            (
                *(ours(called, task, "{scratch}") for called, task in mine.items()),
                *(peer(theirs, called, task, "{scratch}") for called, task in others.items()),
            ),
            N,
            1000,
            fill=fill("features", N, 1000),
            divide=False,
        )
        for name, (mine, others) in taken.items()
    ]


def end_to_end(theirs: str, n: int) -> Case:
    """From files of images to FID, each by its own program, started anew; values go to KEPT/whole.txt."""
    values = shlex.quote(str(KEPT / "whole.txt"))
    sides = "--real {scratch}/real --fake {scratch}/fake --metric fid --features inception --json"
    mine = f"rm -rf $GAN_CACHE_DIR/statistics && {shlex.quote(sys.executable)} -m gan_cli eval {sides} >> {values}"
    contenders = (
        Contender("gan eval", ("sh", "-c", mine), role="ours", clock="exit", env=ENV),
        *(
            peer(theirs, name, f"{name}-whole", "{scratch}", str(KEPT / "whole.txt"))._replace(clock="exit")
            for name in ("pytorch-fid", "torch-fidelity")
        ),
    )
    what = f"from PNG files 32x32 RGB to FID through Inception-v3, {n:,} against {n:,}"
    how = {"fill": fill("images", n, min(n, 2100)), "divide": False}
    return Case("whole", "scoring", what, f"run of {n:,} a side", contenders, 1, 1, "float32", **how)


def prepare(theirs: str) -> None:
    """Random weights, for them as they are and for us imported."""
    if (KEPT / "cache" / "features" / "inception.npz").exists():
        return
    KEPT.mkdir(parents=True, exist_ok=True)
    subprocess.run([theirs, str(HERE / "inception_torch.py"), "weights", str(KEPT)], check=True)
    command = [sys.executable, "-m", "gan_cli", "features", "import", str(KEPT / "legacy.pth")]
    subprocess.run(command, check=True, env={**os.environ, **ENV})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--case", action="append", metavar="NAME", help="only this case, or 'features*'; repeatable")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument("--quick", action="store_true", help="two short rounds: does everything run?")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, in each of which every contender has its turn")
    parser.add_argument("--whole", type=int, default=N, help="images a side of the case 'whole'")
    parser.add_argument("--out", type=Path, default=ROOT / "build/parity-speed.json", help="the JSON file")
    python = os.environ.get("PARITY_PYTHON", str(ROOT / ".venv-parity/bin/python"))
    parser.add_argument("--python", default=python, help="the interpreter that has their code ($PARITY_PYTHON)")
    a = parser.parse_args()
    found = cases(a.python, a.whole)
    wanted = chosen(found, a.case)
    if a.list:
        print("\n".join(f"{case.name:28}{case.what}" for case in wanted))
        return
    if not wanted:
        sys.exit(f"--case {a.case}: no such case; valid: {', '.join(case.name for case in found)}")
    prepare(a.python)
    rounds = 2 if a.quick else a.rounds
    results = Results(a.out, {**machine(a.python), "rounds": rounds, "quick": a.quick}, [], [], [])
    run(wanted, rounds, a.quick, results)
    print(results.markdown())
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
