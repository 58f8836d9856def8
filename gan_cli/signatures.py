"""Names and options of a package's factories, read from its source: what `binding.kind` finds, without JAX."""

import ast
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import NamedTuple


class Option(NamedTuple):
    """A keyword-only parameter."""

    name: str
    default: str | None  # as written in Python; None: it has none
    choices: tuple[str, ...]  # of a Literal; empty: it is of another type


class Factory(NamedTuple):
    """A function that a recipe can name."""

    name: str  # "dcgan.generator", "mlp"
    line: str  # the first one of what it says of itself
    options: tuple[Option, ...]


def factories(package: str, returns: str, given: Sequence[str] = ()) -> list[Factory]:
    """The public functions of gan_cli/`package` that are annotated to return `returns`, by name.

    given: the annotations of their positional parameters; a final "..." allows more.
    """
    found = []
    for file in (resources.files("gan_cli") / package).iterdir():
        if not file.name.endswith(".py") or file.name.startswith("__"):
            continue
        text, stem = file.read_text(encoding="utf-8"), file.name.removesuffix(".py")
        if f"-> {returns}:" in text:
            found += [_factory(stem, node) for node in _functions(ast.parse(text)) if _is_one(node, returns, given)]
    return sorted(found)


def _functions(module: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in module.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"))


def _is_one(node: ast.FunctionDef, returns: str, given: Sequence[str]) -> bool:
    wanted = [ast.unparse(a.annotation) if a.annotation else "" for a in node.args.args]
    right = wanted[: len(given) - 1] == list(given[:-1]) if given[-1:] == ("...",) else wanted == list(given)
    return right and node.returns is not None and ast.unparse(node.returns) == returns


def _factory(stem: str, node: ast.FunctionDef) -> Factory:
    name = stem if node.name == stem else f"{stem}.{node.name}"
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    options = tuple(
        Option(argument.arg, None if default is None else ast.unparse(default), _choices(argument.annotation))
        for argument, default in pairs
    )
    return Factory(name, (ast.get_docstring(node) or "").partition("\n")[0], options)


def _choices(annotation: ast.expr | None) -> tuple[str, ...]:
    """Of Literal["a", "b"], or of such a type among others; of a boolean true and false."""
    for node in ast.walk(annotation) if annotation else ():
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
            return tuple(str(value.value) for value in ast.walk(node.slice) if isinstance(value, ast.Constant))
    return ("true", "false") if isinstance(annotation, ast.Name) and annotation.id == "bool" else ()
