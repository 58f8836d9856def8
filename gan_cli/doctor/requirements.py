"""What this package wants installed, by its own metadata, and what is there. Imports nothing of it."""

from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from gan_cli.version import NAME

NOT_SHOWN = {"dev", "test", "docs"}  # extras of those who work on it


class Wanted(NamedTuple):
    """A package that is wanted."""

    name: str
    wanted: str  # ">=0.10"; empty: any version
    found: str | None  # its version; None: it is not installed
    fits: bool
    extras: tuple[str, ...] = ()  # its own extras that are wanted, too

    @property
    def spelt(self) -> str:
        """What pip would be asked for: "jax[cuda13]>=0.4"."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.wanted}"


def python() -> str:
    """The versions of Python that the package is for; empty where its metadata are not there."""
    own = _distribution(NAME)
    return (own.metadata["Requires-Python"] or "") if own else ""


def base() -> list[Wanted]:
    """The packages that this one cannot do without; empty where its metadata are not there."""
    return list(_wanted(NAME, ""))


def extras() -> dict[str, list[Wanted]]:
    """Optional extra -> what it wants, with what that wants for the extras that are asked of it."""
    own = _distribution(NAME)
    names = (own.metadata.get_all("Provides-Extra") or []) if own else []
    found: dict[str, list[Wanted]] = {}
    for name in sorted({*names} - NOT_SHOWN):
        found[name], waiting = [], [(NAME, name)]
        while waiting:
            for wanted in _wanted(*waiting.pop()):
                found[name].append(wanted)
                waiting += [(wanted.name, inner) for inner in wanted.extras]
    return found


def _wanted(package: str, extra: str) -> Iterator[Wanted]:
    """What a package wants: always, or for one of its extras alone."""
    own = _distribution(package)
    for line in (own.requires or []) if own else []:
        try:
            asked = Requirement(line)
        except InvalidRequirement:
            continue
        always = asked.marker is None or asked.marker.evaluate({"extra": ""})
        if always != (not extra) or not (asked.marker is None or asked.marker.evaluate({"extra": extra})):
            continue
        there = _distribution(asked.name)
        found = there.version if there else None
        try:
            fits = found is not None and asked.specifier.contains(found, prereleases=True)
        except InvalidVersion:
            fits = False
        yield Wanted(asked.name, str(asked.specifier), found, fits, tuple(sorted(asked.extras)))


@cache
def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
