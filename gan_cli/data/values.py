"""What the numbers in a file mean: which of them is black, which is white, and how many levels lie between.

A file does not say so. What can be told from its numbers is told: values that cannot be meant are refused, with what
would be right, and those that leave little of an image are remarked on.
"""

import math
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, WithJsonSchema

from gan_cli.data.source import OptionError
from gan_cli.errors import InputError

WELL_KNOWN = ((0, 1), (-0.5, 0.5), (-1, 1), (0, 255), (-128, 127), (0, 4095), (0, 65535))
NARROW = 4  # times the values' own range: a stated range that is wider is worth a remark
ROWS = 1024  # examples that are converted at once
FORM = r"-?\d+(\.\d+)?\.\.-?\d+(\.\d+)?"


def limits(values: str) -> tuple[float, float]:
    """ "0..4095" -> black and white, as numbers; raises ValueError for what is no such range."""
    low, dots, high = values.partition("..")
    try:
        black, white = float(low), float(high)
    except ValueError:
        black = white = math.nan
    if not dots or not math.isfinite(black) or not math.isfinite(white) or black == white:
        raise ValueError('black and white are wanted, two numbers with two dots between: "0..1", "-1..1", "0..4095"')
    return black, white


def _checked_range(values: str) -> str:
    limits(values)
    return values


Range = Annotated[str, AfterValidator(_checked_range), WithJsonSchema({"type": "string", "pattern": f"^{FORM}$"})]
"""Black and white as a recipe has them, "BLACK..WHITE"; "255..0" is a negative."""


def as_uint8(x: np.ndarray, values: str, where: str, of: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of any shape [N, ...] whose black .. white is `values` -> uint8, and remarks on what they seem to be.

    bool is black and white, whatever `values` says. Raises OptionError, of the data source `of`, when values lie
    beyond, or cannot be meant so.
    """
    if x.dtype == bool:
        return x * np.uint8(255), ()
    least, most = x.min(), x.max()
    low, high = sorted(limits(values))
    found = f"{where} has values from {least:.6g} to {most:.6g}"
    if least < low or most > high:
        likely = f'values = "{guess(float(least), float(most))}"'
        meant = f"set what is black and white in it, {likely} it seems"
        raise OptionError(f'{found}, beyond [data] values = "{values}"; {meant}', likely, of)
    if values == "0..255" and most <= 1 and (most == 1 or x.dtype.kind == "f"):
        likely = 'values = "0..1"'
        raise OptionError(f"{found}, all but black in 0..255: set [data] {likely}", likely, of)
    remarks = remarks_on(float(least), float(most), limits(values), where)
    if x.dtype == np.uint8 and values == "0..255":
        return x, remarks
    made = np.empty(x.shape, np.uint8)
    for start in range(0, len(x), ROWS):  # in float64 all of them would take eight times their memory
        some = slice(start, start + ROWS)
        made[some] = scaled(x[some], values)
    return made, remarks


def scaled(x: np.ndarray, values: str) -> np.ndarray:
    """Numbers within `values`, of any shape -> uint8 of that shape: black is 0, white 255."""
    black, white = limits(values)
    made: np.ndarray = np.round((x.astype(np.float64) - black) * (255 / (white - black))).astype(np.uint8)
    return made


def guess(least: float, most: float) -> str:
    """The narrowest range in use that holds both numbers, else the numbers themselves rounded outwards: "0..4095"."""
    whole = least == round(least) and most == round(most)
    usual = [(high - low, low, high) for low, high in WELL_KNOWN if whole or low >= 0 or high <= 1]
    fitting = [one for one in usual if one[1] <= least and most <= one[2]]
    step = 10.0 ** (math.floor(math.log10(max(abs(least), abs(most), 1e-99))) - 2)
    least, most = min(least, 0.0), max(most, 0.0)  # black is rarely above 0
    own = least if whole else math.floor(least / step) * step, most if whole else math.ceil(most / step) * step
    _, low, high = min(fitting, default=(0, *own))
    return f"{low:.10g}..{high:.10g}"


def remarks_on(least: float, most: float, range_: tuple[float, float], where: str) -> tuple[str, ...]:
    """Remarks on values from `least` to `most` whose black and white are `range_`, a sentence each.

    That is: an unused half below 0, one grey for all, or few levels left of 256. Empty where nothing is odd.
    """
    low, high = sorted(range_)
    if low < 0 <= least < most:
        return (f'{where} has no value below 0, and black is {low:g}: is [data] values = "0..{high:g}" meant?',)
    if NARROW * (most - least) > high - low:
        return ()
    left = math.floor((most - least) * 255 / (high - low) + 1.5)
    seen = f"{where} has values from {least:g} to {most:g}, where {low:g} is black and {high:g} white"
    if least == most:
        return (f"{seen}: all images are of one grey",)
    white = 2 ** math.ceil(math.log2(most + 1)) - 1 if most > 255 else most
    mend = f'; if {white:g} is white, set [data] values = "{low:g}..{white:g}"' if NARROW * most <= high else ""
    return (f"{seen}: {left} of 256 levels are left of them{mend}",)


def remarks_on_layout(x: np.ndarray, where: str) -> tuple[str, ...]:
    """Remarks on an array's axes: [N, H, W] that may be one image, [N, D] that may be images.

    Raises InputError for axes that cannot be [N, H, W] or [N, H, W, C].
    """
    shape = list(x.shape)
    if x.ndim == 4 and shape[3] not in (1, 3, 4) and shape[1] in (1, 3, 4):
        raise InputError(
            f"{where} is {shape}, which looks like channels first, [N, C, H, W], as PyTorch has them; images are "
            "[N, H, W, C]: x.transpose(0, 2, 3, 1) turns it"
        )
    if x.ndim == 3 and shape[2] in (3, 4) and min(shape[:2]) >= 8:
        raise InputError(f"{where} is {shape}, which looks like one image, [H, W, C]; x[None] is a set of one")
    if x.ndim == 3 and shape[0] in (3, 4) and min(shape[1:]) >= 8:
        return (f"{where} is {shape}: {shape[0]} grey images, unless it is one image, [C, H, W]",)
    side = next((math.isqrt(shape[-1] // c) for c in (1, 3) if math.isqrt(shape[-1] // c) ** 2 * c == shape[-1]), 0)
    if x.ndim == 2 and side >= 8 and (x.dtype.kind in "bui" or (x.min() >= 0 and x.max() <= 1)):
        sides = [side, side] if side * side == shape[1] else [side, side, 3]
        text = ", ".join(map(str, sides))
        return (f"{where} is {shape}, vectors; if they are flattened images, x.reshape(-1, {text}) makes them so",)
    return ()
