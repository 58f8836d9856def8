"""Classes and codes: what samples are set to, read from text or from values, for a model that has them."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gan_cli.binding import nearest
from gan_cli.errors import InputError
from gan_cli.types import CLASS, Control

MOST_VALUES = 1000  # of one sweep
LARGEST = float(np.finfo(np.float32).max)  # of a number
LONGEST_LIST = 300  # letters of a list of names in a message


class ControlOption(NamedTuple):
    """A class or a code to be set, as it was asked for."""

    name: str
    spec: str  # "3", "zebra,0-4", "all", "0.5", "-2:2:9"
    option: str  # how messages quote it: "--code c1=-2:2:9", "label = 3"
    is_single: bool = False  # the spec is one value: neither a list nor a sweep, whatever signs are in it


class Setting(NamedTuple):
    """A control and its values; several are a sweep."""

    name: str
    values: np.ndarray  # int32 or float32 [K]
    labels: tuple[str, ...]  # of the values: K

    @property
    def is_number(self) -> bool:
        """Whether it is a number, not a category."""
        return self.values.dtype == np.float32

    @property
    def is_sweep(self) -> bool:
        """Whether it takes several values."""
        return len(self.values) > 1


def resolve(options: Sequence[ControlOption], controls: Mapping[str, Control]) -> list[Setting]:
    """The settings of a model with these controls; raises InputError for what it does not have, or more than 2 sweeps.

    A name of a category wins over its number.
    """
    settings = []
    for option in options:
        name = option.name
        if not controls:
            raise InputError(
                f"{option.option}: this model has neither classes nor codes; its recipe is not conditional"
            )
        if name == CLASS and name not in controls:
            raise InputError(f"{option.option}: this model has no classes; it has --code {', '.join(controls)}")
        if name not in controls:
            raise InputError(f"{option.option}: this model has no {name!r}{nearest(name, controls)}")
        control = controls[name]
        if control.categories:
            chosen = _categories(option, control)
            labels = tuple(control.names[i] if control.names else str(i) for i in chosen)
            settings.append(Setting(name, np.array(chosen, np.int32), labels))
        else:
            numbers = _numbers(option)
            settings.append(Setting(name, np.array(numbers, np.float32), tuple(f"{x:.4g}" for x in numbers)))
    sweeps = [setting.name for setting in settings if setting.is_sweep]
    if len(sweeps) > 2:
        raise InputError(f"{', '.join(sweeps)} take several values each; a picture has rows and columns, for two")
    return settings


def _numbers(option: ControlOption) -> list[float]:
    """The numbers that "0.5" or a sweep "-1:1:3" stand for: [0.5], [-1, 0, 1]."""
    malformed = InputError(
        f"{option.option}: {option.name} is a number, and {option.spec!r} is none; "
        "right: a number, 0.5, or a sweep from:to:count, -2:2:9"
    )
    parts = [option.spec] if option.is_single else option.spec.split(":")
    try:
        ends = [float(part) for part in parts[:2]]
        count = int(parts[2]) if len(parts) == 3 else 1
    except ValueError:
        raise malformed from None
    if len(parts) not in (1, 3) or not all(abs(end) <= LARGEST for end in ends):  # nor what is not a number
        raise malformed
    if len(parts) == 1:
        return ends
    if not 2 <= count <= MOST_VALUES:
        raise InputError(f"{option.option}: a sweep takes 2 to {MOST_VALUES:,} values, not {count:,}")
    return np.linspace(ends[0], ends[1], count).tolist()


def _categories(option: ControlOption, control: Control) -> list[int]:
    """The numbers of the categories "zebra,3,5-7"."""
    if option.is_single or option.spec in control.names:  # also names with a comma in them
        return [_category(option.spec, option, control)]
    chosen: list[int] = []
    for part in map(str.strip, option.spec.split(",")):
        ends = re.fullmatch("([0-9]+)-([0-9]+)", part)
        if part in control.names:
            chosen.append(control.names.index(part))
        elif part == "all":
            chosen.extend(range(control.categories))
        elif ends:  # 3-5 is short for 3,4,5
            first, last = int(ends[1]), int(ends[2])
            if last < first or last - first > MOST_VALUES:
                raise InputError(
                    f"{option.option}: {part!r} is not an ascending range of at most {MOST_VALUES:,} values"
                )
            chosen.extend(_category(str(i), option, control) for i in range(first, last + 1))
        else:
            chosen.append(_category(part, option, control))
    if len(chosen) > MOST_VALUES:
        raise InputError(f"{option.option}: a sweep takes at most {MOST_VALUES:,} values, not {len(chosen):,}")
    return chosen


def _category(text: str, option: ControlOption, control: Control) -> int:
    """The number of the category with this name or number."""
    if text in control.names:
        return control.names.index(text)
    what = "class" if option.name == CLASS else "category"
    if re.fullmatch("[0-9]+", text):
        if int(text) < control.categories:
            return int(text)
        raise InputError(f"{option.option}: there is no {what} {text}: {option.name} has 0 to {control.categories - 1}")
    if control.names:
        mend = nearest(text, control.names)
        if len(mend) >= LONGEST_LIST:  # all names, because none is near: they would fill the screen
            mend = f"; there are {len(control.names):,}, {control.names[0]!r} to {control.names[-1]!r}"
        raise InputError(f"{option.option}: there is no {what} {text!r}{mend}")
    several = "a number or a name, several with commas, a range 0-4, or all"
    right = f"{option.name} has 0 to {control.categories - 1}" if option.is_single else f"right: {several}"
    raise InputError(f"{option.option}: {text!r} is no {what}; {right}")
