"""What a view is as a `gan sample`."""

import shlex
from collections.abc import Iterable, Sequence

from gan_cli.explore.requests import Ask, Conditions, Pin, Samples, Sum, Walk
from gan_cli.sampling.controls import Setting as Chosen
from gan_cli.types import CLASS


def command(ask: Ask, n: int, checkpoint: str, step: int, setting: Conditions | None, chosen: Sequence[Chosen]) -> str:
    """The command that makes the same picture of `n` samples; empty where there is none.

    `checkpoint`: as a person named it. `setting`: that of all samples, and `chosen` the same as the model has it;
    None: they are made with different ones, which one command cannot say.
    """
    if setting is None or (isinstance(ask, Walk) and ask.at is not None):
        return ""
    made = ["--truncation", _number(setting.truncation)] if setting.truncation is not None else []
    for one in chosen:
        value = _number(float(setting.values[one.name])) if one.is_number else one.labels[0]
        made += [f"--class={value}"] if one.name == CLASS else ["--code", f"{one.name}={value}"]
    words = ["gan", "sample", "--ckpt", checkpoint, "--at", str(step), *(["--raw"] if ask.raw else []), *_what(ask, n)]
    return shlex.join([*words, *made, "--out", f"{ask.view}.png"])


def _what(ask: Ask, n: int) -> list[str]:
    if isinstance(ask, Samples):
        return ["--seeds", f"{ask.seed}-{ask.seed + n - 1}" if n > 1 else str(ask.seed)]
    if isinstance(ask, Sum):
        (_, first), *rest = parts(ask)
        further = [f"{'+' if sign > 0 else '-'} {seeds(pins)}" for sign, pins in rest]
        return ["--arithmetic", " ".join([seeds(first), *further])]
    if isinstance(ask, Walk):
        path = ["--path", ask.path] if ask.path else []
        return ["--seeds", seeds(ask.pins), "--interpolate", str(ask.steps), *path]
    return ["--seeds", seeds(ask.pins)]


def parts(ask: Sum) -> list[tuple[int, tuple[Pin, ...]]]:
    """Signs and pins of the parts that have some, one that is added first."""
    order = [(1, ask.plus), (-1, ask.minus), (1, ask.also)] if ask.plus else [(1, ask.also), (-1, ask.minus)]
    return [(sign, pins) for sign, pins in order if pins]


def seeds(pins: Iterable[Pin]) -> str:
    """ "0,1", as `--seeds` and `--arithmetic` take them."""
    return ",".join(str(pin.seed) for pin in pins)


def _number(value: float) -> str:
    """As short as it can be without becoming another number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
