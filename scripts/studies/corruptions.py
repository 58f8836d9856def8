"""What each metric notices: real images of MNIST, harmed in known ways, in the place of fakes.

GAN_DATA_DIR=DIR python scripts/studies/corruptions.py --set draws=5 --out corruptions.png
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from harm import HARMS
from pydantic import Field, PositiveInt
from response import CAP, CERTAIN, MIDDLE, Found, Row, least, load, measure
from response_figures import PICTURES

from gan_cli import lab
from gan_cli.binding import Kind, call, options_model, validate_part
from gan_cli.data.mnist import mnist
from gan_cli.data.store import Store
from gan_cli.engine import platform
from gan_cli.errors import InputError
from gan_cli.lab import Demonstration, Note, save_figure, table

Name = Literal[
    "blur",
    "noise",
    "salt_and_pepper",
    "block",
    "noise_images",
    "generated",
    "fewer_classes",
    "duplicates",
    "copies",
    "shift",
    "rotation",
]


def corruptions(
    note: Note,
    *,
    n: PositiveInt = 600,  # fakes, and reference images for each metric
    draws: PositiveInt = 3,  # of harmed fakes; nearly all must be told from unharmed ones: 9 of 10, 3 of 3
    unharmed: Annotated[int, Field(ge=2)] = 20,  # draws of unharmed fakes, by whose spread and worst value is judged
    sizes: tuple[Annotated[int, Field(ge=10)], ...] = (25, 50, 100, 200, 400),  # images that metrics must do with
    held_out: PositiveInt = 10_000,  # test images that reference and fakes are drawn from: the first so many
    training: PositiveInt = 5000,  # images that the copying generator has memorised, at most 60,000
    only: tuple[Name, ...] = (),  # harms; none: all
    picture: Literal["middle", "degrees"] = "middle",  # what is drawn: all metrics at one degree, or some at all
) -> Demonstration:
    """Which metric notices which harm: real digits blurred, copied, repeated and so on, against unharmed ones.

    After https://arxiv.org/abs/1806.07755. Fakes and reference are disjoint random parts of MNIST's test images, so
    that unharmed fakes are perfect; copies are of training images. z is by how many standard deviations over draws of
    unharmed fakes a value gets worse. A harm is told where nearly all draws are worse than every unharmed one, which
    one unharmed draw would be by chance in 1 / (unharmed + 1) of cases. Wasserstein and Parzen, which divide the
    reference, are given 2n of it. Departures: no trained GAN but Gaussians fitted to each class make the generated
    images, and our digit classifier's features stand for Inception's.
    Raises InputError where MNIST is not at hand, or has too few images for n.
    """
    if draws > unharmed:
        raise InputError(f"draws = {draws}: are the first of the unharmed ones, of which there are {unharmed}")
    store = Store.from_environment()
    data = load(mnist(store, split="test"), mnist(store), (held_out, training))
    harms = {name: harm for name, harm in HARMS.items() if not only or name in only}
    found = measure(data, harms, n, unharmed, draws, sizes, note)
    return Demonstration(
        text=_text(found),
        values=_values(found),
        draw=lambda figure: PICTURES[picture].draw(figure, found),
        size=PICTURES[picture].size,
    )


class Standing(NamedTuple):
    """How a metric did, over the harms that should be noticed."""

    row: Row
    first: float  # mean number, from 1, of the least degree from which on a harm is told; 4: at none
    told: int  # harms told at the middle degree
    better: int  # harms that look like an improvement at the middle degree
    alarms: int  # harms to be ignored that are told at their least degree
    least: float  # the least number of images with which generated ones are told; inf: none of those tried


def standings(found: Found) -> list[Standing]:
    """Of all values, those first that notice harm at the mildest degrees."""
    made = []
    seen = [name for name, harm in found.harms.items() if harm.duty == "notice"]
    ignored = [name for name, harm in found.harms.items() if harm.duty == "ignore"]
    responses = found.responses
    for i, row in enumerate(responses.rows):
        told = [responses.told(name)[MIDDLE, i] for name in seen]
        better = [responses.told(name, better=True)[MIDDLE, i] for name in seen]
        first = float(np.mean([responses.first(name)[i] for name in seen])) if seen else np.nan
        alarms = sum(int(responses.told(name)[0, i]) for name in ignored)
        made.append(Standing(row, first, sum(map(int, told)), sum(map(int, better)), alarms, _least_n(found, row)))
    return sorted(made, key=lambda one: one.first)


def _least_n(found: Found, row: Row) -> float:
    shares = found.power.get(row.name, np.full(len(found.sizes), np.nan))
    return float((*found.sizes, np.inf)[least(shares >= CERTAIN)])


def _values(found: Found) -> dict[str, float]:
    """z and the first degree told of each value and harm, and the summary of each value, where it is known."""
    values: dict[str, float] = {}
    for name in found.harms:
        z, first = found.responses.z(name)[MIDDLE], found.responses.first(name)
        for row, z_of_row, first_of_row in zip(found.responses.rows, z, first, strict=True):
            values[f"{_key(row)}_{name}_z"] = float(z_of_row)
            values[f"{_key(row)}_{name}_first"] = float(first_of_row)
    for one in standings(found):
        summary = {"mean_first": one.first, "told": one.told, "better": one.better, "least_n": one.least}
        values |= {f"{_key(one.row)}_{key}": float(value) for key, value in summary.items() if np.isfinite(value)}
    return values


def _key(row: Row) -> str:
    return row.name.replace(" ", "_").replace("-", "_")


def _text(found: Found) -> str:
    responses = found.responses
    draws, unharmed = next(iter(responses.harmed.values())).shape[1], len(responses.unharmed)
    degrees = ", ".join(f"{name} {harm.degrees[MIDDLE]:g} ({harm.unit})" for name, harm in found.harms.items())
    summary = (
        "\nFirst degree from which on a harm is told (1 to 3; 4: never), mean over the harms to be noticed; told and\n"
        "better at the middle degree; false alarms at the mildest shift and rotation; least n that tells generated\n"
    )
    standing = [
        [one.row.name, f"{one.first:.2f}", str(one.told), str(one.better), str(one.alarms), _size(one.least)]
        for one in standings(found)
    ]
    return "\n".join(
        [
            f"z at the middle degree, {draws} draws against {unharmed} unharmed ones; * told, - better than unharmed",
            f"{degrees}\n",
            table(["", *map(_short, found.harms)], [_line(found, i) for i in range(len(responses.rows))]),
            summary,
            table(["", "first", "told", "better", "alarms", "least n"], standing),
            "\nShare of draws in which half generated is told from real, by the number of images\n",
            table(["", *map(str, found.sizes)], [[name, *map(_share, power)] for name, power in found.power.items()]),
            *(f"\nnot taken through {name}: {why}" for name, why in found.refused.items()),
        ]
    )


def _size(n: float) -> str:
    return f"{n:g}" if np.isfinite(n) else "more"


def _share(share: float) -> str:
    return "" if np.isnan(share) else f"{share:.0%}"


def _short(name: str) -> str:
    return {"salt_and_pepper": "salt", "noise_images": "noise im", "fewer_classes": "classes"}.get(name, name)


def _line(found: Found, i: int) -> list[str]:
    """One row of the table."""
    responses = found.responses
    cells = []
    for name in found.harms:
        told, better = (responses.told(name, better=way)[MIDDLE, i] for way in (False, True))
        cells.append(_number(responses.z(name)[MIDDLE, i]) + ("*" if told else "-" if better else " "))
    return [responses.rows[i].name, *cells]


def _number(z: float) -> str:
    return f">{CAP:g}" if z >= CAP else f"<-{CAP:g}" if z <= -CAP else f"{z:.0f}" if abs(z) >= 10 else f"{z:.1f}"


STUDY = Kind(
    "study", "study", lambda: ["corruptions"], lambda name: name == "corruptions", lambda _: corruptions, options_model
)


def main() -> int:
    """Run the study, print its tables and save its figure and numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE", help="of `corruptions`; repeatable"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/studies/corruptions.png"), help="a .png; .json beside it"
    )
    asked = parser.parse_args()
    try:
        options = validate_part(STUDY, {"study": "corruptions", **dict(map(lab.parse_option, asked.set))})
        for message in platform.start():
            print(message, file=sys.stderr)
        shown: Demonstration = call(STUDY, options, lambda message: print(message, file=sys.stderr))
    except InputError as error:
        parser.error(str(error))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    save_figure(asked.out, shown)
    asked.out.with_suffix(".json").write_text(
        json.dumps({**options, "values": shown.values}, indent=1), encoding="utf-8"
    )
    print(f"{shown.text}\n{asked.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
