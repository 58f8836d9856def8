"""The documents as tests see them: their blocks, commands, links and headings."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"sh", "python", "toml", "text"}  # of blocks; "no-run" after it: read, not run
DIRECTIVES = {"{toctree}", "{include}", "{eval-rst}"}  # Sphinx's, on pages that are for the site alone
ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=")
PROMPT = re.compile(r"^\w+\$ ")  # "one$ ", where a command belongs to one machine of several
HEREDOC = re.compile(r"<<'?(\w+)'?")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int  # of the opening fence, from 1
    language: str
    runs: bool  # False: marked no-run
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


class Page(NamedTuple):
    """What a page holds."""

    path: Path
    blocks: list[Block]
    spans: list[str]  # code in running text and tables
    links: list[str]
    unfenced: list[int]  # lines with code that is indented, not fenced


def read(path: Path) -> Page:
    """Parse a page as CommonMark with tables."""
    page = Page(path, [], [], [], [])
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        if token.type == "fence":
            language, *flags = token.info.split() or [""]
            assert flags in ([], ["no-run"]) or language in DIRECTIVES, f"{path}:{token.map[0] + 1}: {token.info}"
            page.blocks.append(Block(path, token.map[0] + 1, language, not flags, token.content))
        elif token.type == "code_block":
            page.unfenced.append(token.map[0] + 1)
        for child in token.children or ():
            if child.type == "code_inline":
                page.spans.append(child.content)
            elif child.type in ("link_open", "image"):
                page.links.append(str(child.attrs.get("href") or child.attrs["src"]))
    return page


def commands(block: Block) -> Iterator[list[str]]:
    """The commands of a shell block as words, without prompts, comments and text that is fed to a command."""
    ends = ""
    for line in block.text.replace("\\\n", " ").splitlines():
        if ends:
            ends = "" if line == ends else ends
        elif words := shlex.split(PROMPT.sub("", line), comments=True):
            yield words
        if (found := HEREDOC.search(line)) and not ends:
            ends = found[1]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as Git hosts and MyST name them."""
    found: set[str] = set()
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            title = "".join(child.content for child in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            found.add(slug)
    return found


def make_targets() -> set[str]:
    """What `make` can be asked for."""
    return set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def extras() -> set[str]:
    """The optional dependencies of the package."""
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
