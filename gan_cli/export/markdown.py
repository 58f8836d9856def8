"""Markdown from templates into which strangers' words are put: they stay words, whatever signs are in them."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gan_cli.text import duration, number

SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~$!&@])|(?<=\w)(:)(?=//)|(?<=[wW]{3})(\.)")  # markup, HTML, links, mentions
LONGEST = 400  # letters of a word or a sentence from elsewhere


class Markup(str):
    """Text that is Markdown already: it is put into a template as it is."""


def words(value: Any) -> str:
    """A value on one line, without control characters, and not without end."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def escaped(value: Any) -> str:
    """A value as Markdown that shows it; a Markup as it is."""
    return str(value) if isinstance(value, Markup) else SIGNS.sub(lambda found: f"\\{found[0]}", words(value))


def _fence(text: str, least: int) -> str:
    """More backticks in a row than there are in the text, and at least so many."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))


def code(value: Any) -> Markup:
    """A value as code in a cell of a table."""
    text = words(value).replace("|", r"\|")
    fence = _fence(text, least=1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return Markup(f"{fence}{space}{text}{space}{fence}")


def block(text: str, language: str = "") -> Markup:
    """Text as a block of code, which nothing in it can end."""
    fence = _fence(text, least=3)
    lines = ("".join(c if c.isprintable() or c == "\t" else " " for c in line) for line in text.split("\n"))
    body = "\n".join(lines).strip("\n")
    return Markup(f"{fence}{language}\n{body}\n{fence}")


def render(template: str, **facts: Any) -> str:
    """The template of this package with these facts in it, which are escaped."""
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(loader=folder, finalize=escaped, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"code": code, "block": block, "number": number, "duration": duration}
    return made.get_template(template).render(**facts).strip() + "\n"
