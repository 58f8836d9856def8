"""What `gan data check` says, for a person."""

from textwrap import fill
from typing import Any

from gan_cli import media
from gan_cli.errors import printable
from gan_cli.text import WIDTH, number, pairs, shape, table

SHOWN = 20  # names of copies, blank images and classes at most; unreadable files are all shown, and --json has more
COORDINATES = 8  # coordinates of vectors at most


def of_data(report: dict[str, Any]) -> str:
    """What `check.report` says, for a person."""
    sides, readable = report["shape"], report["readable"]
    left = "" if readable == report["examples"] else f", {readable:,} of them readable"
    head = {
        "data": f"{report['name']} ({report['data']['source']})",
        "examples": f"{report['examples']:,}{left}",
        "shape": shape([side or "any" for side in sides]),  # type: ignore[misc]
        "made from": shape([side or "any" for side in report["input"]]) if "input" in report else None,  # type: ignore[misc]
        "layout": report["layout"] or None,
        "batch": report["batch"],
    }
    classes = [(one["name"], one["count"], f"{one['share']:.1%}") for one in report["classes"][:SHOWN]]
    if len(report["classes"]) > SHOWN:
        classes.append((f"and {len(report['classes']) - SHOWN} more", "", ""))
    copies, blank = report["copies"], report["blank"]
    groups = [(" = ".join(group[:4]) + (" = ..." if len(group) > 4 else ""),) for group in copies["examples"][:SHOWN]]
    if copies["groups"] > SHOWN:
        groups.append((f"and {copies['groups'] - SHOWN} more groups",))
    unreadable = [(bad["name"], bad["reason"]) for bad in report["unreadable"]]
    remarks, problems = (
        "\n".join(fill(f"{mark} {printable(line)}", WIDTH, subsequent_indent="  ") for line in report[what])
        for mark, what in (("*", "remarks"), ("-", "problems"))
    )
    parts = (
        pairs(head),
        _values(report),
        table(("class", ">examples", ">share"), classes) if classes else "",
        _files(report["files"]) if report["files"] is not None else "",
        table((f"exact copies ({copies['extra']:,})",), groups) if groups else "",
        pairs({"of one colour": _listed(blank["examples"], blank["count"])}) if blank["count"] else "",
        table(("cannot be read", "because"), unreadable) if unreadable else "",
        remarks,
        problems or ("" if report["remarks"] else "nothing is wrong with these data"),
    )
    return "\n\n".join(filter(None, parts))


def _values(report: dict[str, Any]) -> str:
    """The range, mean and deviation of each channel, or of the first coordinates of vectors."""
    rows: list[tuple[Any, ...]] = []
    has_colours = media.find(report["medium"]).dtype == "uint8"
    for own in report["values"]:
        count = own["channels"]
        names = [f"channel {i}" if has_colours else f"x{i}" for i in range(count)]
        if has_colours and count in (1, 3, 4):
            names = ["grey"] if count == 1 else ["red", "green", "blue", "alpha"][:count]
        several = len(report["values"]) > 1
        for place, name in enumerate(names[: None if has_colours else COORDINATES]):
            where = f"{name} of {count}" if several else name
            rows.append((where, *(own[what][place] for what in ("low", "high", "mean", "std"))))
        if len(names) > len(rows) and not has_colours:
            rows.append((f"and {len(names) - COORDINATES} more", "", "", "", ""))
    return table(("values", ">least", ">most", ">mean", ">sd"), rows) if rows else ""


def _files(files: dict[str, Any]) -> str:
    """What the headers of image files say."""
    listed = files["sizes"][:5]
    sizes = {f"{one['width']} x {one['height']}": one["count"] for one in listed}
    first = {f"{one['width']} x {one['height']}": one["first"] for one in listed}
    more = f", and {files['different_sizes'] - 5} more" if files["different_sizes"] > 5 else ""
    lines = {
        "files' sizes": _counted(sizes, first) + more,
        "smallest": shape(files["smallest"]),
        "largest": shape(files["largest"]),
        "modes": _counted(files["modes"], files["first"]),
        "formats": _counted(files["formats"], files["first"]),
        "animations": files["animations"] or None,
        "transparent": files["transparent"] or None,
        "long": _listed(files["long"]["examples"], files["long"]["count"]) or None,
    }
    return pairs(lines)


def _counted(counts: dict[str, int], first: dict[str, str]) -> str:
    """ "16 x 16 (299), 18 x 18 (1: a.png)": what most files are, and of the others one by name."""
    usual = max(counts, key=lambda name: counts[name])
    return ", ".join(
        f"{name} ({count:,}{'' if name == usual else f': {first[name]}'})" for name, count in counts.items()
    )


def _listed(names: list[str], count: int) -> str:
    """The first of `count` names, and how many more there are."""
    more = f" and {number(count - SHOWN)} more" if count > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
