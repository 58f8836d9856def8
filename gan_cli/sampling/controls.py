"""`gan sample --class` and `--code`: what the inputs are set to that a person can set."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_cli.binding import nearest
from gan_cli.errors import InputError
from gan_cli.types import CLASS, Control

MOST_VALUES = 1000  # of one sweep
LARGEST = float(np.finfo(np.float32).max)  # of a number
LONGEST_LIST = 300  # letters of a list of names in a message
CATEGORY_FORMS = "a number or a name, several with commas, a range 0-4, or all"
NUMBER_FORMS = "a number, 0.5, or a sweep from:to:count, -2:2:9"


class ControlOption(NamedTuple):
    """A control to be set, as written."""

    name: str
    spec: str
    option: str  # with which it was asked for, as messages quote it: "--code c1=-2:2:9"


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


def parse(classes: str | None, codes: Sequence[str]) -> tuple[ControlOption, ...]:
    """The wishes of `--class CLASSES` and of each `--code NAME=SPEC`, in this order; raises InputError."""
    wishes = [ControlOption(CLASS, classes, f"--class {classes}")] if classes is not None else []
    for code in codes:
        name, equals, spec = (part.strip() for part in code.partition("="))
        if not (name and equals and spec):
            raise InputError(f"--code {code}: expected NAME=VALUES, for example c1=-2:2:9 or c0=all")
        wishes.append(ControlOption(name, spec, f"--code {code}"))
    for i, wish in enumerate(wishes):
        if wish.name in [other.name for other in wishes[:i]]:
            raise InputError(f"{wish.option}: {wish.name} is set twice")
    return tuple(wishes)


def resolve(wishes: Sequence[ControlOption], controls: Mapping[str, Control]) -> list[Setting]:
    """The settings of a model with these controls; raises InputError for what it does not have, or more than 2 sweeps.

    A name of a category wins over its number.
    """
    settings = [_setting(wish, controls) for wish in wishes]
    sweeps = [setting.name for setting in settings if setting.is_sweep]
    if len(sweeps) > 2:
        raise InputError(f"{', '.join(sweeps)} take several values each; a picture has rows and columns, for two")
    return settings


def of_values(name: str, values: Sequence[Any], controls: Mapping[str, Control], argument: str) -> Setting:
    """A control and its values as Python has them: numbers, or categories by number or name. Raises InputError.

    `argument`: what messages call it.
    """
    wishes = [ControlOption(name, str(value), f"{argument} = {value!r}") for value in values]
    control = _control(wishes[0], controls)
    if control.categories:
        return _of_categories(name, [_category(wish.spec, wish, control) for wish in wishes], control)
    for wish in wishes:
        if ":" in wish.spec:
            raise InputError(_malformed(wish))
    return _of_numbers(name, [number for wish in wishes for number in _numbers(wish)])


def _setting(wish: ControlOption, controls: Mapping[str, Control]) -> Setting:
    control = _control(wish, controls)
    if not control.categories:
        return _of_numbers(wish.name, _numbers(wish))
    return _of_categories(wish.name, _categories(wish, control), control)


def _control(wish: ControlOption, controls: Mapping[str, Control]) -> Control:
    if wish.name not in controls:
        raise InputError(_unknown(wish, controls))
    return controls[wish.name]


def _of_numbers(name: str, numbers: Sequence[float]) -> Setting:
    return Setting(name, np.array(numbers, np.float32), tuple(f"{number:.4g}" for number in numbers))


def _of_categories(name: str, chosen: Sequence[int], control: Control) -> Setting:
    names = control.names or [str(i) for i in range(control.categories)]
    return Setting(name, np.array(chosen, np.int32), tuple(names[i] for i in chosen))


def _unknown(wish: ControlOption, controls: Mapping[str, Control]) -> str:
    if not controls:
        return f"{wish.option}: this model has neither classes nor codes; its recipe is not conditional"
    if wish.name == CLASS:
        return f"{wish.option}: this model has no classes; it has --code {', '.join(controls)}"
    return f"{wish.option}: this model has no {wish.name!r}{nearest(wish.name, controls)}"


def _numbers(wish: ControlOption) -> list[float]:
    """ "0.5" -> [0.5], "-1:1:3" -> [-1, 0, 1]."""
    parts = wish.spec.split(":")
    try:
        ends = [float(part) for part in parts[:2]]
        count = int(parts[2]) if len(parts) == 3 else 1
    except ValueError:
        raise InputError(_malformed(wish)) from None
    if len(parts) not in (1, 3) or not all(abs(end) <= LARGEST for end in ends):  # nor what is not a number
        raise InputError(_malformed(wish))
    if len(parts) == 1:
        return ends
    if not 2 <= count <= MOST_VALUES:
        raise InputError(f"{wish.option}: a sweep takes 2 to {MOST_VALUES:,} values, not {count:,}")
    return np.linspace(ends[0], ends[1], count).tolist()


def _malformed(wish: ControlOption) -> str:
    return f"{wish.option}: {wish.name} is a number, and {wish.spec!r} is none; right: {NUMBER_FORMS}"


def _categories(wish: ControlOption, control: Control) -> list[int]:
    """ "zebra,3,5-7" -> the numbers of these categories."""
    if wish.spec in control.names:  # also names with a comma in them
        return [control.names.index(wish.spec)]
    chosen: list[int] = []
    for part in (part.strip() for part in wish.spec.split(",")):
        if part in control.names:
            chosen.append(control.names.index(part))
        elif part == "all":
            chosen.extend(range(control.categories))
        elif _is_range(part):
            chosen.extend(_category(str(i), wish, control) for i in _range(part, wish))
        else:
            chosen.append(_category(part, wish, control))
    if len(chosen) > MOST_VALUES:
        raise InputError(f"{wish.option}: a sweep takes at most {MOST_VALUES:,} values, not {len(chosen):,}")
    return chosen


def _is_range(text: str) -> bool:
    first, dash, last = text.partition("-")
    return bool(dash) and all(end.isascii() and end.isdecimal() for end in (first, last))


def _range(text: str, wish: ControlOption) -> range:
    """ "3-5" is short for 3,4,5."""
    first, _, last = text.partition("-")
    if int(last) < int(first) or int(last) - int(first) > MOST_VALUES:
        raise InputError(f"{wish.option}: {text!r} is not an ascending range of at most {MOST_VALUES:,} values")
    return range(int(first), int(last) + 1)


def _category(text: str, wish: ControlOption, control: Control) -> int:
    if text in control.names:
        return control.names.index(text)
    what = "class" if wish.name == CLASS else "category"
    if text.isascii() and text.isdecimal():
        if int(text) < control.categories:
            return int(text)
        raise InputError(f"{wish.option}: there is no {what} {text}: {wish.name} has 0 to {control.categories - 1}")
    if control.names:
        raise InputError(f"{wish.option}: there is no {what} {text!r}{_nearest(text, control.names)}")
    raise InputError(f"{wish.option}: {text!r} is no {what}; right: {CATEGORY_FORMS}")


def _nearest(text: str, names: Sequence[str]) -> str:
    """The nearest name; where none is near, all of them, unless they would fill the screen."""
    mend = nearest(text, names)
    return mend if len(mend) < LONGEST_LIST else f"; there are {len(names):,}, {names[0]!r} to {names[-1]!r}"
