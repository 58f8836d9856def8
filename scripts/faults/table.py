"""The table of faults: how many tries, how many survived, what was lost."""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LETTERS = 200  # of each thing lost


class Row(NamedTuple):
    """A kind of fault."""

    fault: str
    tries: int
    survived: int
    lost: tuple[str, ...] = ()  # a sentence for each thing lost
    remark: str = ""  # what was measured beside


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [("fault", "tries", "survived", "lost", "measured"), ("---", "---:", "---:", "---", "---")]
    lines += [(r.fault, str(r.tries), str(r.survived), _cell(r.lost), r.remark) for r in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(lost: Sequence[str]) -> str:
    """What was lost, in one line; the JSON file has all of it."""
    short = (" ".join(one.split())[:LETTERS].replace("|", "/") for one in lost)
    return "; ".join(short) or "nothing"


def report(rows: Sequence[Row], out: Path, **facts: Any) -> int:
    """Print the table and write it to `out`.md and, with the facts, to `out`.json; 1 when anything was lost, else 0."""
    text = markdown(rows)
    print(text, flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    known: Mapping[str, Any] = {**machine(), **facts, "rows": [row._asdict() for row in rows]}
    out.with_suffix(".json").write_text(json.dumps(known, indent=1), encoding="utf-8")
    return int(any(row.lost or row.survived < row.tries for row in rows))


def machine() -> dict[str, Any]:
    """What the faults were tried on."""
    return {"machine": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
