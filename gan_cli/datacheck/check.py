"""`gan data check`: one pass over a recipe's data, and what in them would spoil a training."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_cli import build, recipe
from gan_cli.binding import Table
from gan_cli.data.images import check_fitted
from gan_cli.data.store import Store
from gan_cli.datacheck import file_kinds
from gan_cli.datacheck.examples import Chunk, Examples, Header
from gan_cli.datacheck.measures import Moments, Sums, copies, digests
from gan_cli.errors import InputError

LISTED = 100  # groups of copies and blank images by name, at most
UNEVEN = 10  # times as many examples of one class as of another are worth a word
LONG = 2.0  # sides of an image in this proportion are


class Bad(NamedTuple):
    """A file that cannot be read."""

    number: int  # among the examples
    name: str
    reason: str


class Checked(NamedTuple):
    """What was found."""

    examples: Examples
    moments: dict[int, Moments]  # by number of channels, or of coordinates; several where images are not made alike
    bad: list[Bad]
    blank: list[int]  # images of one colour all over
    copies: list[list[int]]  # groups of examples that are the same, value by value
    headers: Counter[Header]
    firsts: dict[Header, int]  # the first file with such a header
    long: list[int]  # files whose sides are in a proportion of more than LONG
    refusals: list[str]  # what a training would say to these data
    remarks: list[str]  # what a person should know of how they are read
    transparent: int  # images

    @property
    def readable(self) -> int:
        """Examples that can be read."""
        return self.examples.size - len(self.bad)


Keep = Callable[[Chunk], None]


def check_data(data: Table, found: Examples, store: Store, keep: Keep = lambda _: None) -> Checked:
    """Look at every example once; `keep` is shown all that can be read."""
    sums: dict[int, Sums] = {}
    bad: list[Bad] = []
    blank: list[int] = []
    long: list[int] = []
    headers: Counter[Header] = Counter()
    firsts: dict[Header, int] = {}
    transparent = 0
    marks, places = [], []
    for seen in found.look():
        if seen.header is not None:
            headers[seen.header] += 1
            firsts.setdefault(seen.header, int(seen.indices[0]))
            sides = sorted((seen.header.width, seen.header.height))
            long += seen.indices.tolist() if sides[1] > LONG * sides[0] else []
        if seen.x is None:
            index = int(seen.indices[0])
            bad.append(Bad(index, found.call(index), seen.why))
            continue
        sums.setdefault(seen.x.shape[-1], Sums()).add(seen.x)
        transparent += seen.transparent
        marks.append(digests(seen.x))
        places.append(seen.indices)
        if seen.blank is not None:
            blank += seen.indices[seen.blank].tolist()
        keep(seen)
    same = copies(np.concatenate(marks), np.concatenate(places)) if marks else []
    moments = {channels: made for channels, own in sorted(sums.items()) if (made := own.moments())}
    refusal, remarks = _verdict(data, store, found)
    refusals = [found.refusal] if found.refusal else []
    if refusal and refusal not in refusals and not (bad and data.get("on_corrupt") != "skip"):
        refusals.append(refusal)
    return Checked(found, moments, bad, blank, same, headers, firsts, long, refusals, list(remarks), transparent)


def _verdict(data: Table, store: Store, found: Examples) -> tuple[str, tuple[str, ...]]:
    """What stops a training with these data before its first step, and what it would be told of them."""
    quiet = Store(store.data_dir, store.cache_dir, store.download, note=lambda _: None)
    try:
        source = build.read_source(data, quiet)
        check_fitted(source)
    except InputError as error:
        return str(error), found.remarks
    return "", source.remarks


def report(checked: Checked, data: Table, batch: int) -> dict[str, Any]:
    """All of it as plain JSON; lists of names are cut at LISTED, but that of unreadable files."""
    found = checked.examples
    return {
        "data": data,
        "name": found.name,
        "examples": found.size,
        "readable": checked.readable,
        "shape": list(found.shape),
        "batch": batch,
        "layout": found.layout,
        "values": [{"channels": channels, **made._asdict()} for channels, made in checked.moments.items()],
        "classes": _classes(checked),
        "unreadable": [{"name": bad.name, "reason": bad.reason} for bad in checked.bad],
        "copies": {
            "groups": len(checked.copies),
            "extra": sum(len(group) - 1 for group in checked.copies),
            "across_classes": sum(_mixed(found, group) for group in checked.copies),
            "examples": [_names(found, group) for group in checked.copies[:LISTED]],
        },
        "blank": {"count": len(checked.blank), "examples": _names(found, checked.blank)},
        "files": _files(checked),
        "remarks": checked.remarks,
        "problems": problems(checked, data, batch),
    }


def _names(found: Examples, indices: Sequence[int]) -> list[str]:
    return [found.call(i) for i in indices[:LISTED]]


def _counts(checked: Checked) -> np.ndarray | None:
    """Examples of each class that can be read; None where there are no labels."""
    found = checked.examples
    if found.labels is None:
        return None
    labels = np.delete(found.labels, [bad.number for bad in checked.bad])
    return np.bincount(labels, minlength=len(found.classes))


def _classes(checked: Checked) -> list[dict[str, Any]]:
    counts = _counts(checked)
    if counts is None:
        return []
    return [
        {"name": name, "count": count, "share": count / max(1, checked.readable)}
        for name, count in zip(checked.examples.classes, counts.tolist(), strict=True)
    ]


def _mixed(found: Examples, group: Sequence[int]) -> bool:
    """Whether equal examples have unequal labels."""
    return found.labels is not None and len(set(found.labels[group].tolist())) > 1


def _files(checked: Checked) -> dict[str, Any] | None:
    """What the headers of files say; None where the examples are no files."""
    if not checked.headers:
        return None
    long = {"count": len(checked.long), "examples": _names(checked.examples, checked.long)}
    kinds = file_kinds.summary(checked.headers, checked.firsts, checked.examples.call)
    return {**kinds, "transparent": checked.transparent, "long": long}


def problems(checked: Checked, data: Table, batch: int) -> list[str]:
    """What is wrong with the data, a sentence each; the first ones stop a training."""
    found, lines = checked.examples, []
    if checked.bad:
        skip = data.get("on_corrupt") == "skip"
        does = "training leaves them out" if skip else "training refuses them"
        mend = "" if skip else ': mend or remove them, or set [data] on_corrupt = "skip"'
        lines.append(f"{len(checked.bad)} of {found.size} files cannot be read; {does}{mend}")
    lines += [f"training refuses these data: {refusal}" for refusal in checked.refusals]
    if checked.readable < batch:
        lines.append(
            f"{_are(checked.readable, 'example')} fewer than a batch of {batch}: each comes up several times in a step"
        )
    lines += _uneven(checked)
    extra = sum(len(group) - 1 for group in checked.copies)
    if extra:
        lines.append(f"{_are(extra, 'example')} exact copies of others: what is copied weighs more")
    if mixed := sum(_mixed(found, group) for group in checked.copies):
        lines.append(f"{_are(mixed, 'example')} in several classes at once")
    if checked.blank:
        lines.append(f"{_are(len(checked.blank), 'image')} of one colour all over")
    return [*lines, *_unlike(checked, data)]


def _are(count: int, what: str) -> str:
    """ "1 image is", "2 images are"."""
    return f"{count:,} {what} is" if count == 1 else f"{count:,} {what}s are"


def _uneven(checked: Checked) -> list[str]:
    counts, found = _counts(checked), checked.examples
    if counts is None:
        return []
    few, many = int(counts.argmin()), int(counts.argmax())
    if counts[few] * UNEVEN > counts[many]:
        return []
    few_name, many_name = found.classes[few], found.classes[many]
    return [
        f"classes are uneven: {counts[many]} examples of {many_name!r}, {counts[few]} of {few_name!r}; "
        "samples come in these shares"
    ]


def _unlike(checked: Checked, data: Table) -> list[str]:
    """Files that are far from what they are brought to."""
    lines = []
    size, resize = data.get("size"), data.get("resize")
    small = sum(count for header, count in checked.headers.items() if size and max(header.width, header.height) < size)
    if small:
        does = "framed in black" if resize == "pad" else "enlarged without detail"
        lines.append(f"{_are(small, 'image')} smaller than size = {size}, and {does}")
    if checked.long and size:
        does = {"pad": "framed in broad black bars", "crop": "cut to less than half", "squash": "distorted"}[
            resize or "pad"
        ]
        lines.append(f"{_are(len(checked.long), 'image')} more than {LONG:g} times as long as wide, and {does}")
    return lines


def batch_of(tables: Table, where: str) -> int:
    """The examples a step of a recipe, or of a file with [data] alone."""
    batch: int = recipe.check_fixed({"train": tables.get("train", {})}, where)["train"]["batch"]
    return batch
