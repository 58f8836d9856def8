"""How far a training scales: counts of its compiled step, checked against this machine's CPU, put into a model of TPUs.

.venv/bin/python scripts/scaling/scaling.py count   # compiles for 1 to 8 virtual CPU devices: counts.json
.venv/bin/python scripts/scaling/scaling.py check   # times steps on this CPU beside the model: check.json
.venv/bin/python scripts/scaling/scaling.py table   # the tables of docs/scaling.md, from both files
"""

import argparse
import json
import math
import os
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import model
from model import CHIPS, TPUS, Work

WIDE = ("networks.generator.width=128", "networks.discriminator.width=128")
MIDDLE = ("networks.generator.width=64", "networks.discriminator.width=64")
SCALED = {  # what is scaled: recipe, shape of random images, settings
    "dcgan_mnist": ("dcgan_mnist", "32x32x1", ()),
    "dcgan-64": ("dcgan_mnist", "64x64x3", WIDE),  # 128 to 512 features
}
POINTS = ((16, 2), (16, 8), (64, 8))  # examples a device, devices: the lines go through these
CONTROL = ((16, 4), (64, 1), (256, 1))  # and are checked with these; alone, a device has another program
CHECKED = (  # name, recipe, shape, settings, batch
    ("dcgan_mnist", "dcgan_mnist", "32x32x1", (), 64),
    ("gan2014", "first/gan2014", "28x28x1", (), 100),
    ("gan2014", "first/gan2014", "28x28x1", (), 1000),
    ("ring", "ring", "", (), 512),
    ("ring", "ring", "", (), 8192),
    ("dcgan 64x64x3, width 64", "dcgan_mnist", "64x64x3", MIDDLE, 16),
    ("patchgan_mnist", "norms/patchgan_mnist", "32x32x1", (), 64),
    ("dcgan_mnist", "dcgan_mnist", "32x32x1", (), 256),
    ("dcgan 64x64x3, width 64", "dcgan_mnist", "64x64x3", MIDDLE, 64),
)
EACH, GLOBAL = 64, 4096  # examples a chip in weak scaling, of a step in strong scaling
ROUNDS = 5  # of the check: in each, the machine's rates and the program are measured


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("count", "check", "table"))
    parser.add_argument("--case", action="append", help="of count and check: only this case; repeatable")
    parser.add_argument("--out", type=Path, default=Path("build/scaling"), help="the folder of both files")
    return parser.parse_args()


def count(out: Path, only: Sequence[str] | None) -> None:
    """Compile every case at every point and write down what XLA and we count."""
    # level 0 of the CPU's code generator: quicker, and the passes that make the counted program are the same
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    import jax
    from programs import Case, compile_
    from programs import count as one

    found: dict[str, Any] = _load(out / "counts.json")
    for name, made in SCALED.items():
        for each, devices in (*POINTS, *CONTROL):
            if only and name not in only:
                continue
            counted = one(compile_(Case(name, *made), each, jax.devices()[:devices]))
            together = [{"op": c.op, "arrays": c.arrays, "scope": c.turn} for c in counted.collectives]
            found.setdefault(name, {})[f"{each}x{devices}"] = {**counted._asdict(), "collectives": together}
            _say(
                f"{name}: {each} examples on each of {devices}: {counted.flops:.4g} FLOPs, {len(together)} collectives"
            )
            _save(out / "counts.json", found)


def check(out: Path, only: Sequence[str] | None) -> None:
    """Time steps on this machine, in turn with its rates, beside the model's two predictions."""
    import jax
    from programs import Case, Steps, compile_
    from programs import count as one

    found: dict[str, Any] = _load(out / "check.json")
    for name, recipe, shape, settings, batch in CHECKED:
        if only and name not in only:
            continue
        program = compile_(Case(name, recipe, shape, settings), batch, jax.devices()[:1], "auto")
        counted, steps = one(program), Steps(program)
        rounds = [_round(counted, steps) for _ in range(ROUNDS)]
        found[f"{name}, batch {batch}"] = {"counts": counted._replace(collectives=())._asdict(), "rounds": rounds}
        _save(out / "check.json", found)
        _say(f"{name}, batch {batch}: compiled in {counted.seconds:.0f} s; {rounds[-1]}")
    found["call"] = call_overhead(Steps(compile_(Case("ring", "ring"), 64, jax.devices()[:1], "auto")))
    _save(out / "check.json", found)


def _round(counted: Any, steps: Any) -> dict[str, float]:
    """The machine's rates, a step, and what the model says of it with these rates."""
    from programs import matmul_rate, memory_rate

    flops, memory = matmul_rate(), memory_rate()
    n = max(1, min(10, int(1.0 / steps.seconds(1))))
    took = steps.seconds(n) / n
    least = max(counted.products / flops, (counted.product_bytes + counted.state_bytes) / memory)
    most = counted.flops / flops + counted.bytes / memory
    return {"flops": flops, "memory": memory, "took": took, "best": least, "worst": most}


def call_overhead(running: Any) -> dict[str, float]:
    """Seconds of a call and of a step of the smallest recipe: calls of 1 and of 10 steps, medians."""
    one, ten = ([running.seconds(n) for _ in range(50)] for n in (1, 10))
    step = (statistics.median(ten) - statistics.median(one)) / 9
    return {"call": statistics.median(one) - step, "step": step}


def work(points: dict[str, Any]) -> tuple[Work, float]:
    """The lines through a case's counts, and how far its control points are from them."""
    at = {tuple(map(int, key.split("x"))): counted for key, counted in points.items()}
    far, lines = 0.0, {}
    for name in ("products", "padded", "product_bytes", "bytes", "vector"):
        values = {
            key: c["flops"] - c["products"] + c["transcendentals"] if name == "vector" else c[name]
            for key, c in at.items()
        }
        lines[name] = model.fit([(*key, values[key]) for key in POINTS])
        far = max(far, model.deviation(lines[name], [(*key, values[key]) for key in CONTROL]))
    return Work(**lines, state_bytes=at[16, 8]["state_bytes"], collectives=tuple(_sizes(at[16, 8]))), far


def tables(out: Path) -> Iterator[str]:
    """The tables of docs/scaling.md, of what there is."""
    counts, checked = _load(out / "counts.json"), _load(out / "check.json")
    for name, points in counts.items():
        made, far = work(points)
        yield f"### {name}\n"
        yield from counted(points, made, far)
        for chip in TPUS:
            yield from scaled(chip, made)
    yield from fed(counts)
    if "call" in checked:
        yield from amortised(counts, checked["call"]["call"])
    if checked:
        yield from agreement(checked)


def counted(points: dict[str, Any], made: Work, far: float) -> Iterator[str]:
    """What a step at 64 examples a device does, and what its devices exchange."""
    one, eight = points["64x1"], points["16x8"]
    numbers = ", ".join(f"{role} {n:,}" for role, n in one["parameters"].items())
    yield (
        f"Parameters: {numbers}. At 64 images a device: {one['flops'] / 1e9:.3g} GFLOPs, {one['products'] / 1e9:.3g} "
        f"of them products ({one['padded'] / 1e9:.3g} when filled up to 128 features); {one['bytes'] / 1e6:.3g} MB by "
        f"XLA's count, {one['product_bytes'] / 1e6:.3g} MB of products' operands and results; state, read and written, "
        f"{one['state_bytes'] / 1e6:.3g} MB. Control points are within {100 * far:.2g}% of the lines.\n"
    )
    gradients, all_ = 4 * sum(one["parameters"].values()), sum(made.collectives)
    same = all(_sizes(c) == list(made.collectives) for c in points.values() if c["collectives"])
    yield (
        f"{len(made.collectives)} collectives of a step, {all_:,} bytes: 4 bytes a parameter are {gradients:,}, the "
        f"rest {all_ - gradients:,}. The same on 2, 4 and 8 devices, at 16 and at 64 images on each: {same}.\n"
    )
    yield "| kind | arrays merged in one | bytes | how many |\n|---|---|---|---|"
    found = Counter((c["op"], len(c["arrays"]), sum(b for _, b in c["arrays"])) for c in eight["collectives"])
    yield from (f"| {op} | {n} | {size:,} | {times} |" for (op, n, size), times in sorted(found.items(), key=_by_size))
    yield ""


def _by_size(item: tuple[tuple[str, int, int], int]) -> int:
    return -item[0][2]


def _sizes(counted: dict[str, Any]) -> list[int]:
    return [sum(size for _, size in c["arrays"]) for c in counted["collectives"]]


def scaled(chip: model.Chip, made: Work) -> Iterator[str]:
    """Weak and strong scaling on a kind of chip."""
    yield (
        f"TPU {chip.name}:\n\n| chips | step, ms | of it collectives, ms | images/s, {EACH} a chip | efficiency | "
        f"step, ms | images/s, {GLOBAL:,} a step | efficiency |\n|---|---|---|---|---|---|---|---|"
    )
    first: dict[str, list[float]] = {}
    for chips in CHIPS:
        cells = [str(chips)]
        for key, each in (("weak", EACH), ("strong", GLOBAL / chips)):
            both = [how(chip, made, each, chips) for how in (model.worst, model.best)]
            rates = [model.images(seconds, each, chips) for seconds in both]
            base = first.setdefault(key, rates)
            cells.append(_range(*(1e3 * s.step for s in reversed(both))))
            cells += [_range(*(1e3 * s.together for s in reversed(both)))] if key == "weak" else []
            cells += [
                _range(*rates),
                _range(*sorted(100 * r / b / chips for r, b in zip(rates, base, strict=True))) + "%",
            ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def fed(counts: dict[str, Any]) -> Iterator[str]:
    """What a host must bring, when examples are streamed, for one chip and for all of its chips."""
    yield "| streamed to v5e, 64 a chip | bytes an image | MB/s a chip | images/s a host | MB/s a host |"
    yield "|---|---|---|---|---|"
    chip = TPUS[1]
    for name, points in counts.items():
        size = math.prod(int(n) for n in SCALED[name][1].split("x"))
        made = work(points)[0]
        rates = [model.images(how(chip, made, EACH, 1), EACH, 1) for how in (model.worst, model.best)]
        one, host, all_ = (
            [rate * factor for rate in rates] for factor in (size / 1e6, chip.host, chip.host * size / 1e6)
        )
        yield f"| {name} | {size:,} | {_range(*one)} | {_range(*host)} | {_range(*all_)} |"
    yield f"\nPCIe brings some {model.PCIE / 1e6:,.0f} MB/s to each chip [book].\n"


def amortised(counts: dict[str, Any], call: float) -> Iterator[str]:
    """Steps in a call against the host's time for one."""
    yield f"A call costs the host {1e3 * call:.2g} ms here. Images/s of one v5e chip, {EACH} a step:\n"
    yield "| steps_per_call | " + " | ".join(counts) + " |\n|---" * 1 + "|---" * len(counts) + "|"
    for steps in (1, 10, 100):
        cells = []
        for points in counts.values():
            both = [how(TPUS[1], work(points)[0], EACH, 1) for how in (model.worst, model.best)]
            cells.append(_range(*(model.images(s, EACH, 1, call / steps) for s in both)))
        yield f"| {steps} | {' | '.join(cells)} |"
    yield ""


def agreement(checked: dict[str, Any]) -> Iterator[str]:
    """Measured steps on this CPU beside the model."""
    rows = {key: value["rounds"] for key, value in checked.items() if key != "call"}
    rates = [r for rounds in rows.values() for r in rounds]
    flops, memory = (statistics.median(r[key] for r in rates) for key in ("flops", "memory"))
    yield f"This CPU: {flops / 1e9:.3g} GFLOP/s, {memory / 1e9:.3g} GB/s (medians).\n"
    yield "| program | measured, ms | best, ms | worst, ms | measured / best | measured / worst |"
    yield "|---|---|---|---|---|---|"
    for key, rounds in rows.items():
        took, least, most = (1e3 * statistics.median(r[k] for r in rounds) for k in ("took", "best", "worst"))
        ratios = [statistics.median(r["took"] / r[k] for r in rounds) for k in ("best", "worst")]
        yield f"| {key} | {took:.3g} | {least:.3g} | {most:.3g} | {ratios[0]:.2f} | {ratios[1]:.2f} |"


def _range(least: float, most: float) -> str:
    a, b = model.two_figures(least), model.two_figures(most)
    return a if a == b else f"{a} to {b}"


def _load(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else {}


def _save(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1))


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> None:
    a = options()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if a.what == "table":
        print("\n".join(tables(a.out)))
    else:
        {"count": count, "check": check}[a.what](a.out, a.case)


if __name__ == "__main__":
    main()
