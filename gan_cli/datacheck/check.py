"""`gan data check`: one pass over a recipe's data, and what in them would spoil a training."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gan_cli import datasets, media, recipe
from gan_cli.binding import Table
from gan_cli.data.images import check_fitted
from gan_cli.data.store import Store
from gan_cli.datacheck.examples import Chunk, Examples, Header
from gan_cli.datacheck.measures import Moments, Sums, copies, digests
from gan_cli.errors import InputError
from gan_cli.types import INPUT

T = TypeVar("T")
LISTED = 100  # groups of copies, names and sizes, at most
UNEVEN = 10  # how many times as many examples one class has as another, to be worth a remark
LONG = 2.0  # how many times as long as wide an image is, to be worth one


class Checked(NamedTuple):
    """What was found in a pass over the data."""

    examples: Examples
    moments: dict[int, Moments]  # by number of channels, or of coordinates; several where images are not made alike
    bad: dict[int, str]  # files that cannot be read, by their number among the examples, and why
    blank: list[int]  # images of one colour all over
    copies: list[list[int]]  # groups of examples that are the same, value by value
    headers: Counter[Header]
    firsts: dict[Header, int]  # the first file with such a header
    long: list[int]  # files whose sides are in a proportion of more than LONG
    refusals: list[str]  # what a training would say to these data
    remarks: list[str]  # what a person should know of how they are read
    transparent: int  # images
    readable: int  # examples


Keep = Callable[[Chunk], None]


def check_data(data: Table, found: Examples, store: Store, keep: Keep = lambda _: None) -> Checked:
    """Look at every example of a checked table [data] once; `keep` is shown all that can be read.

    What a training would refuse, such as labels that are missing, is among what is found and not raised.
    """
    sums: dict[int, Sums] = {}
    bad: dict[int, str] = {}
    blank: list[int] = []
    long: list[int] = []
    headers: Counter[Header] = Counter()
    firsts: dict[Header, int] = {}
    transparent = 0
    marks, places = [], []
    has_one_channel = media.name_of(found.spec) == "sound"  # its one axis is time
    for seen in found.look():
        if seen.header is not None:
            headers[seen.header] += 1
            firsts.setdefault(seen.header, int(seen.indices[0]))
            sides = sorted((seen.header.width, seen.header.height))
            long += seen.indices.tolist() if sides[1] > LONG * sides[0] else []
        if seen.x is None:
            bad[int(seen.indices[0])] = seen.why
            continue
        if not media.of(found.spec).unlike:
            numbers = seen.x[..., None] if has_one_channel else seen.x
            sums.setdefault(numbers.shape[-1], Sums()).add(numbers)
        transparent += seen.transparent
        marks.append(digests(seen.x))
        places.append(seen.indices)
        if seen.blank is not None:
            blank += seen.indices[seen.blank].tolist()
        keep(seen)
    same = copies(np.concatenate(marks), np.concatenate(places)) if marks else []
    moments = {channels: made for channels, own in sorted(sums.items()) if (made := own.moments())}
    # What stops a training with these data before its first step, and what it would be told of them.
    quiet = replace(store, note=lambda _: None)
    refusals = [found.refusal] if found.refusal else []
    try:
        source = datasets.read_source(data, quiet)
        check_fitted(source)
        remarks = source.remarks
    except InputError as error:
        remarks = found.remarks
        if str(error) not in refusals and not (bad and data.get("on_corrupt") != "skip"):
            refusals.append(str(error))
    return Checked(
        *(found, moments, bad, blank, same, headers, firsts, long, refusals, list(remarks), transparent),
        readable=found.size - len(bad),
    )


def report(checked: Checked, data: Table, batch: int) -> dict[str, Any]:
    """What was checked as plain JSON; lists of names are cut at LISTED, except that of unreadable files."""
    found = checked.examples
    counts = _counts(checked)
    classes = [] if counts is None else list(zip(found.classes, counts.tolist(), strict=True))
    names = {
        what: [found.call(i) for i in indices[:LISTED]]
        for what, indices in (("blank", checked.blank), ("long", checked.long))
    }
    files = None  # what the headers of files say, where the examples are files
    if checked.headers:
        long = {"count": len(checked.long), "examples": names["long"]}
        files = {**_kinds_of_files(checked), "transparent": checked.transparent, "long": long}
    return {
        "data": data,
        "name": found.name,
        "examples": found.size,
        "readable": checked.readable,
        "shape": list(found.spec.shape),
        "medium": media.name_of(found.spec),
        **({"input": list(found.spec.parts[INPUT].shape)} if INPUT in found.spec.parts else {}),
        "batch": batch,
        "layout": found.layout,
        "values": [{"channels": channels, **made._asdict()} for channels, made in checked.moments.items()],
        "classes": [
            {"name": name, "count": count, "share": count / max(1, checked.readable)} for name, count in classes
        ],
        "unreadable": [{"name": found.call(i), "reason": why} for i, why in checked.bad.items()],
        "copies": {
            "groups": len(checked.copies),
            "extra": sum(len(group) - 1 for group in checked.copies),
            "across_classes": _copies_across_classes(checked),
            "examples": [[found.call(i) for i in group[:LISTED]] for group in checked.copies[:LISTED]],
        },
        "blank": {"count": len(checked.blank), "examples": names["blank"]},
        "files": files,
        "remarks": checked.remarks,
        "problems": problems(checked, data, batch),
    }


def _counts(checked: Checked) -> np.ndarray | None:
    """The number of examples of each class that can be read, int [K]; None where there are no labels."""
    found = checked.examples
    if found.labels is None:
        return None
    labels = np.delete(found.labels, list(checked.bad))
    return np.bincount(labels, minlength=len(found.classes))


def _copies_across_classes(checked: Checked) -> int:
    """The number of groups of equal examples that have unequal labels."""
    labels = checked.examples.labels
    return 0 if labels is None else sum(len(set(labels[group].tolist())) > 1 for group in checked.copies)


def _kinds_of_files(checked: Checked) -> dict[str, Any]:
    """Sizes, modes and formats of image files by their headers, the most common first, with the first file of each."""

    def count_by(what: Callable[[Header], T]) -> dict[T, tuple[int, str]]:
        counts: Counter[T] = Counter()
        first: dict[T, int] = {}
        for header, count in checked.headers.items():
            own, index = what(header), checked.firsts[header]
            counts[own] += count
            first[own] = min(index, first.get(own, index))
        return {own: (count, checked.examples.call(first[own])) for own, count in counts.most_common()}

    sizes = count_by(lambda header: (header.width, header.height))
    modes, formats = count_by(lambda header: header.mode), count_by(lambda header: header.format)
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
        "animations": sum(count for header, count in checked.headers.items() if header.frames > 1),
    }


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
    counts = _counts(checked)
    if counts is not None and counts.min() * UNEVEN <= counts.max():
        few, many = int(counts.argmin()), int(counts.argmax())
        seen = f"{counts[many]} examples of {found.classes[many]!r}, {counts[few]} of {found.classes[few]!r}"
        lines.append(f"classes are uneven: {seen}; samples come in these shares")
    if extra := sum(len(group) - 1 for group in checked.copies):
        lines.append(f"{_are(extra, 'example')} exact copies of others: what is copied weighs more")
    if mixed := _copies_across_classes(checked):
        lines.append(f"{_are(mixed, 'example')} in several classes at once")
    if checked.blank:
        lines.append(f"{_are(len(checked.blank), media.of(found.spec).many.removesuffix('s'))} of one colour all over")
    # Files that are far from what they are brought to.
    size, resize = data.get("size"), data.get("resize") or "pad"
    small = sum(count for header, count in checked.headers.items() if size and max(header.width, header.height) < size)
    if small:
        does = "framed in black" if data.get("resize") == "pad" else "enlarged without detail"
        lines.append(f"{_are(small, 'image')} smaller than size = {size}, and {does}")
    if checked.long and size:
        does = {"pad": "framed in broad black bars", "crop": "cut to less than half", "squash": "distorted"}[resize]
        lines.append(f"{_are(len(checked.long), 'image')} more than {LONG:g} times as long as wide, and {does}")
    return lines


def _are(count: int, what: str) -> str:
    """ "1 image is", "2 images are"."""
    return f"{count:,} {what} is" if count == 1 else f"{count:,} {what}s are"


def batch_of(tables: Table, where: str) -> int:
    """The number of examples in a step of a recipe, or of a file with [data] alone; raises InputError."""
    batch: int = recipe.check_fixed({"train": tables.get("train", {})}, where)["train"]["batch"]
    return batch
