"""The options of `gan sample` as parts of a request, and a request as options."""

import re
from collections.abc import Sequence

from gan_cli.errors import InputError
from gan_cli.recipe import SEEDS
from gan_cli.sampling.controls import ControlOption
from gan_cli.sampling.request import Request, Term
from gan_cli.types import CLASS

MOST_SEEDS = 1_000_000  # of one range
TERMS_FORM = '"0,1,2 - 3,4,5 + 6-8", with spaces around + and -'


def parse_seeds(text: str, option: str = "--seeds") -> list[int]:
    """ "0,3,7-9" -> [0, 3, 7, 8, 9]; raises InputError."""
    seeds: list[int] = []
    for part in map(str.strip, text.split(",")):
        found = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part)
        if not found:
            raise InputError(f"{option} {text}: {part!r} is neither a seed nor a range; right: 0,3,7-9")
        low, high = int(found[1]), int(found[2] or found[1])
        if high < low or high >= SEEDS or high - low > MOST_SEEDS:
            raise InputError(f"{option} {text}: {part!r} is not an ascending range of seeds below 2^32")
        seeds.extend(range(low, high + 1))
    return seeds


def parse_controls(classes: str | None, codes: Sequence[str]) -> tuple[ControlOption, ...]:
    """What `--class CLASSES` and each `--code NAME=SPEC` ask for, in this order; raises InputError."""
    options = [ControlOption(CLASS, classes, f"--class {classes}")] if classes is not None else []
    for code in codes:
        name, equals, spec = (part.strip() for part in code.partition("="))
        if not (name and equals and spec):
            raise InputError(f"--code {code}: expected NAME=VALUES, for example c1=-2:2:9 or c0=all")
        if name in [other.name for other in options]:
            raise InputError(f"--code {code}: {name} is set twice")
        options.append(ControlOption(name, spec, f"--code {code}"))
    return tuple(options)


def parse_terms(text: str) -> tuple[Term, ...]:
    """ "0,1 - class:7" -> the terms of this sum; raises InputError."""
    option = f"--arithmetic {text!r}:"
    parts = re.split(r"\s+([+-])\s+", text.strip())
    terms = []
    for part, sign in zip(parts[::2], ["+", *parts[1::2]], strict=True):
        number = 1 if sign == "+" else -1
        kind, _, wanted = map(str.strip, part.partition(":"))
        if kind == "class" and wanted:
            terms.append(Term(number, part, wanted=wanted))
        elif re.fullmatch(r"[\d\s,-]+", part):
            terms.append(Term(number, part, tuple(parse_seeds(part, option))))
        else:
            raise InputError(f"{option} {part!r} is no term; right: seeds 0,1,2 or class:7, joined as in {TERMS_FORM}")
    return tuple(terms)


def sample_options(request: Request) -> list[str] | None:
    """The options of `gan sample` that ask for these samples; None where there are none.

    There are none for samples with conditions of their own, and for a single sample of a walk.
    """
    if len(request.conditions) > 1 or request.at is not None:
        return None
    conditions = request.conditions[0]
    words = [*(["--raw"] if request.raw else []), *(["--ask", request.ask] if request.ask else [])]
    if isinstance(request.seeds, range) and len(request.seeds) > 1:
        words += ["--seeds", f"{request.seeds[0]}-{request.seeds[-1]}"]
    elif request.seeds is not None:
        words += ["--seeds", ",".join(map(str, request.seeds))]
    if request.terms:
        first, *others = request.terms
        words += ["--arithmetic", " ".join([first.text, *(f"{'+' if t.sign > 0 else '-'} {t.text}" for t in others)])]
    single = {
        "--n": request.n,
        "--seed": request.seed,
        "--interpolate": request.steps,
        "--path": request.path,
        "--neighbours": request.neighbours,
        "--truncation": conditions.truncation and number_text(conditions.truncation),
    }
    words += [word for option, value in single.items() if value is not None for word in (option, str(value))]
    for own in conditions.controls:
        words += [f"--class={own.spec}"] if own.name == CLASS else ["--code", f"{own.name}={own.spec}"]
    return words


def number_text(value: float) -> str:
    """A number as short as it can be without becoming another one."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
