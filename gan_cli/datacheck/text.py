"""What `gan data check` says, for a person."""

from textwrap import fill
from typing import Any

from gan_cli.errors import printable
from gan_cli.text import WIDTH, number, pairs, shape, table

SHOWN = (
    20  # names of copies, blank images, classes and sizes; all of them are in --json, and in no case unreadable files
)
COORDINATES = 8  # of vectors


def of_data(report: dict[str, Any]) -> str:
    """What `data_check.report` says."""
    parts = [pairs(_head(report)), _values(report), _classes(report), _files(report), _copies(report), _blank(report)]
    return "\n\n".join(filter(None, [*parts, _unreadable(report), _remarks(report), _problems(report)]))


def _head(report: dict[str, Any]) -> dict[str, Any]:
    sides = report["shape"]
    known = shape([side or "any" for side in sides])  # type: ignore[misc]
    readable = report["readable"]
    left = "" if readable == report["examples"] else f", {readable:,} of them readable"
    return {
        "data": f"{report['name']} ({report['data']['source']})",
        "examples": f"{report['examples']:,}{left}",
        "shape": known,
        "layout": report["layout"] or None,
        "batch": report["batch"],
    }


def _values(report: dict[str, Any]) -> str:
    rows = []
    for own in report["values"]:
        several = len(report["values"]) > 1
        names = _channels(own["channels"], len(report["shape"]))
        for place, name in enumerate(names[: COORDINATES if len(report["shape"]) == 1 else None]):
            where = f"{name} of {own['channels']}" if several else name
            rows.append((where, *(own[what][place] for what in ("low", "high", "mean", "std"))))
        if len(names) > len(rows) and len(report["shape"]) == 1:
            rows.append((f"and {len(names) - COORDINATES} more", "", "", "", ""))
    return table(("values", ">least", ">most", ">mean", ">sd"), rows) if rows else ""


def _channels(count: int, rank: int) -> list[str]:
    if rank == 3 and count in (1, 3, 4):
        return {1: ["grey"], 3: ["red", "green", "blue"], 4: ["red", "green", "blue", "alpha"]}[count]
    return [f"channel {i}" if rank == 3 else f"x{i}" for i in range(count)]


def _classes(report: dict[str, Any]) -> str:
    classes = report["classes"]
    rows = [(one["name"], one["count"], f"{one['share']:.1%}") for one in classes[:SHOWN]]
    if len(classes) > SHOWN:
        rows.append((f"and {len(classes) - SHOWN} more", "", ""))
    return table(("class", ">examples", ">share"), rows) if rows else ""


def _files(report: dict[str, Any]) -> str:
    files = report["files"]
    if files is None:
        return ""
    sizes = {f"{one['width']} x {one['height']}": one["count"] for one in files["sizes"][:5]}
    first = {f"{one['width']} x {one['height']}": one["first"] for one in files["sizes"][:5]}
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
    """Some of `count` names."""
    more = f" and {number(count - SHOWN)} more" if count > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _copies(report: dict[str, Any]) -> str:
    copies = report["copies"]
    rows = [(" = ".join(group[:4]) + (" = ..." if len(group) > 4 else ""),) for group in copies["examples"][:SHOWN]]
    more = [(f"and {copies['groups'] - SHOWN} more groups",)] if copies["groups"] > SHOWN else []
    head = f"exact copies ({copies['extra']:,})"
    return table((head,), [*rows, *more]) if rows else ""


def _blank(report: dict[str, Any]) -> str:
    blank = report["blank"]
    return pairs({"of one colour": _listed(blank["examples"], blank["count"])}) if blank["count"] else ""


def _unreadable(report: dict[str, Any]) -> str:
    rows = [(bad["name"], bad["reason"]) for bad in report["unreadable"]]
    return table(("cannot be read", "because"), rows) if rows else ""


def _problems(report: dict[str, Any]) -> str:
    problems = report["problems"]
    if not problems:
        return "" if report["remarks"] else "nothing is wrong with these data"
    return _sentences("-", problems)


def _remarks(report: dict[str, Any]) -> str:
    return _sentences("*", report["remarks"])


def _sentences(mark: str, lines: list[str]) -> str:
    return "\n".join(fill(f"{mark} {printable(line)}", WIDTH, subsequent_indent="  ") for line in lines)
