"""Slips of the pen in recipes: error messages end with what an unreadable value or line was probably meant to be."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from gan_cli.errors import InputError

QUOTES = "\"'`\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"  # straight and typographic ones
TYPOGRAPHIC = re.compile("[\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb]")
NOTHING = ("none", "null", "nil", "~", "")  # "no value" in other languages
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
DIGITS = re.compile(r"\A[\w.+-]*\d[\w.+-]*\Z")
PYTHON = re.compile(r"[+-]?(?:\d{1,300}\.?|\.\d+|\d{1,300}\.\d+)(?:[eE][+-]?\d{1,2})?")  # .5 and 5. too
MARKS = {  # byte order marks of files not saved as plain UTF-8: Windows PowerShell's > writes UTF-16
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
SHOWN = 80  # characters of a line that a message repeats
NO_VALUE = "there is no such value: leave the key out, and its default holds"


def decoded(text: bytes, where: str) -> str:
    """Decode a recipe file as UTF-8, or as its byte order mark says.

    Raises InputError, which begins with `where`, for other bytes and for null bytes.
    """
    coding = next((coding for mark, coding in MARKS.items() if text.startswith(mark)), "utf-8")
    try:
        found = text.decode(coding)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{where}: line {line}: byte 0x{text[error.start]:02x} is not {coding.removesuffix('-sig').upper()}; "
            "save the file as UTF-8"
        ) from None
    if "\0" in found:
        raise InputError(f"{where}: holds null bytes: it is no text, or UTF-16 without its mark; save it as UTF-8")
    return found


def of_text(text: str, error: Exception) -> str:
    """Return the end of a message about TOML that `error` says cannot be read: the line, and what would be right."""
    if text.lstrip().startswith("{"):
        return "; it looks like JSON, and a recipe is TOML: [table] on a line, then key = value"
    found = re.search(r"\(at line (\d+),", str(error))
    lines = text.splitlines()
    line = lines[int(found[1]) - 1].strip() if found and int(found[1]) <= len(lines) else ""
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line[:SHOWN])
    mend = of_line(line)
    return (f": {shown}" if shown else "") + (f"; {mend}" if mend else "")


def of_line(line: str) -> str:
    """Return what would be right in place of a line, or a value, that is not TOML; empty where that is not known."""
    name, equals, value = line.partition("=")
    value = value.split(" #")[0].strip() if equals else line
    if value.startswith('"') and "\\" in value:
        literal = f"'{value[1:].partition(chr(34))[0][:SHOWN]}'"
        return f"in double quotes a backslash begins a special sign: single quotes, {literal}, or / would do"
    if TYPOGRAPHIC.search(line):
        return "its quotation marks are typographic: straight ones, \" or ', would do"
    if re.match(r"[-\s]*[\"\w.-]+:(\s|$)", line) and not equals:
        return "it looks like YAML, and a recipe is TOML: [table] on a line, then key = value"
    if re.match(r"<{7}|={7}|>{7}", line):
        return "a merge left it there: keep one of the two versions"
    if not equals or not value:
        return ""
    if value.lower() in NOTHING:
        return NO_VALUE
    if value.lower() in (*YES, *NO):
        return f"{name.strip()} = {str(value.lower() in YES).lower()} would do"
    number = number_in(value)
    if number is not None:
        return f"{name.strip()} = {number} would do"
    quoted = f"'{value}'" if "\\" in value else f'"{value}"'
    return f"text wants quotes: {name.strip()} = {quoted}" if re.fullmatch(r"[\w./~:\\ -]+", value) else ""


def number_in(text: str) -> str | None:
    """Return the number that a text means, in TOML's form; None if it means none.

    "2e-4 " -> "2e-4", "1,000" -> "1000", "0.5f" -> "0.5", ".5" -> "0.5".
    """
    bare = text.strip(QUOTES + " \t;,")
    bare = bare.replace(",", "") if THOUSANDS.fullmatch(bare) else bare
    for candidate in (bare, bare[:-1] if bare[-1:] in "fFdD" else bare):
        value = _toml(candidate) if DIGITS.search(candidate) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return candidate
        if PYTHON.fullmatch(candidate):
            return repr(float(candidate))
    return None


def _toml(text: str) -> Any:
    """Return the value of a TOML expression; None if it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return None


def of_value(problem: Mapping[str, Any]) -> str:
    """Return the end of a message about a value that pydantic refuses: what would be right.

    `problem` is one of `ValidationError.errors()`.
    """
    value, kind = problem["input"], problem["type"].partition("_")[0]  # "int_type": not a whole number
    if kind in ("int", "float"):
        return number_meant(value, whole=kind == "int")
    if kind == "bool":
        word = str(value).strip(QUOTES + " ").lower()
        if isinstance(value, str) and word in NOTHING:
            return f"; {NO_VALUE}"
        if word in (*YES, *NO):
            return f"; {str(word in YES).lower()} is wanted, without quotes and in small letters"
        return "; true or false is wanted, without quotes"
    if kind in ("string", "path") and isinstance(value, (int, float)):
        return f'; text is wanted, in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
    if kind == "literal" and isinstance(value, str):
        choices = re.findall(r"'([^']*)'", str(problem["ctx"].get("expected", "")))
        close = difflib.get_close_matches(value.strip().lower(), choices, n=1)
        return f"; did you mean {close[0]!r}?" if close else ""
    return ""


def number_meant(value: Any, *, whole: bool) -> str:
    """Return the end of a message about a value that is no number, or no whole one: what would be right."""
    if isinstance(value, float) and value.is_integer():
        return f"; it wants no point and no exponent: {int(value)}"
    if not isinstance(value, str):
        return ""
    if value.strip(QUOTES + " ").lower() in NOTHING:
        return f"; {NO_VALUE}"
    number = number_in(value)
    if number is None:
        return "; it is text, and a number is wanted"
    exact = _toml(number)
    number = str(int(exact)) if whole and isinstance(exact, float) and exact.is_integer() else number
    return f"; it is text, and a number is wanted, without quotes: {number}"
