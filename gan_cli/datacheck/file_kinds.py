"""What the headers of image files say of them all, and which file is the first of each kind."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gan_cli.datacheck.examples import Header

T = TypeVar("T")
LISTED = 100  # sizes, at most


def summary(headers: Mapping[Header, int], firsts: Mapping[Header, int], call: Callable[[int], str]) -> dict[str, Any]:
    """Sizes, modes and formats as plain JSON, the most common first.

    headers: how many files have each; firsts: the first file with it; call: what a file is called.
    """

    def by(what: Callable[[Header], T]) -> dict[T, tuple[int, str]]:
        counts: Counter[T] = Counter()
        first: dict[T, int] = {}
        for header, count in headers.items():
            own = what(header)
            counts[own] += count
            first[own] = min(firsts[header], first.get(own, firsts[header]))
        return {own: (count, call(first[own])) for own, count in counts.most_common()}

    sizes = by(lambda header: (header.width, header.height))
    modes, formats = by(lambda header: header.mode), by(lambda header: header.format)
    areas = sorted(sizes, key=lambda size: size[0] * size[1])
    listed = list(sizes.items())[:LISTED]
    return {
        "sizes": [{"width": w, "height": h, "count": count, "first": first} for (w, h), (count, first) in listed],
        "different_sizes": len(sizes),
        "smallest": list(areas[0]),
        "largest": list(areas[-1]),
        "modes": {mode: count for mode, (count, _) in modes.items()},
        "formats": {form: count for form, (count, _) in formats.items()},
        "first": {name: first for name, (_, first) in (*modes.items(), *formats.items())},
        "animations": sum(count for header, count in headers.items() if header.frames > 1),
    }
