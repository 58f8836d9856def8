"""Names and tables of a recipe -> checked calls of factories.

A factory is a function: its positional parameters come from the program, its keyword-only parameters are its options.
The options' pydantic model is derived from that signature, so an option is written down in exactly one place.

Two phases keep a recipe plain data until the moment it is used: `validate_part` checks a table and fills in every
default (the result is what a run saves); `call` calls the factory that a checked table names.
"""

import difflib
import importlib
import inspect
import json
import pkgutil
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model

from gan_cli import slips
from gan_cli.errors import InputError

WIDE = 200  # letters of a value in a message
UNION = re.compile(r"bool|literal\[.*\]")  # pydantic adds this to the key of a value that may be of several types
Table = dict[str, Any]
Factory = Callable[..., Any]


class Kind(NamedTuple):
    """A kind of thing that a recipe selects by name."""

    word: str  # its name in messages: "network"
    key: str  # the key that holds its name: `net` in `net = "dcgan.generator"`
    names: Callable[[], list[str]]  # every valid name: imports all that could be named
    has: Callable[[Any], bool]  # whether a value is a valid name: imports that module only
    find: Callable[[str], Factory]  # the factory of a valid name
    model: Callable[[Factory], type[BaseModel]]  # the schema of a factory's options


STRICT = ConfigDict(extra="forbid", frozen=True, validate_default=True, protected_namespaces=(), allow_inf_nan=False)
_NESTED: dict[Any, Kind] = {}  # the result type of a factory -> its kind: an option of this type is itself a table


def kind(word: str, key: str, package: str, returns: Any, *given: Any, option: bool = False) -> Kind:
    """The kind whose factories are the public functions of `package`'s modules annotated to return `returns`.

    `given` are the types of their positional parameters, which come from the program; a final `...` allows more. A type
    may be a name, "flax.nnx:Module", where importing it takes long and few want the kind's names.

    The name `"dcgan.generator"` is the function `generator` of the module `dcgan`, which may lie in a sub-package;
    `"digits"` is short for `"digits.digits"`. With `option=True`, options annotated with `returns` accept a name or a
    table of this kind.
    """
    made = Kind(
        word,
        key,
        lambda: sorted(name for file in _modules(package) for name in _factories(package, file, returns, given)),
        lambda name: isinstance(name, str) and name in _factories(package, _file(name), returns, given),
        lambda name: _factory(package, name),
        options_model,
    )
    if option:
        _NESTED[returns] = made
    return made


@cache
def _modules(package: str) -> dict[str, list[str]]:
    """Name of a file -> the modules of that name in a package and its sub-packages, none of which is imported."""
    found: dict[str, list[str]] = {}
    path = importlib.import_module(package).__path__
    # A sub-package that cannot be imported raises: without `onerror` it would be passed over.
    for info in pkgutil.walk_packages(path, f"{package}.", onerror=importlib.import_module):
        if not info.ispkg:
            found.setdefault(info.name.rpartition(".")[2], []).append(info.name)
    return found


def _file(name: str) -> str:
    """The file that a name speaks of: "dcgan" for "dcgan.generator", "digits" for "digits"."""
    return name.rpartition(".")[0] or name


def _factory(package: str, name: str) -> Factory:
    """The function that a valid name stands for; only modules of that name are imported."""
    attribute = name.rpartition(".")[2]
    modules = [importlib.import_module(module) for module in _modules(package)[_file(name)]]
    functions = [getattr(module, attribute) for module in modules if _is_own(module, attribute)]
    return functions[0]


@cache
def _factories(package: str, file: str, returns: Any, given: tuple[Any, ...]) -> dict[str, str]:
    """Name of a factory -> the module that has it, of a package's files of one name.

    Raises ImportError where two factories have the same name.
    """
    returns, *given_types = (pkgutil.resolve_name(x) if isinstance(x, str) else x for x in (returns, *given))
    places: dict[str, str] = {}
    for module in map(importlib.import_module, _modules(package).get(file, ())):
        for attribute, function in inspect.getmembers(module, callable):  # also functions behind functools.cache
            if not (_is_own(module, attribute) and _is_factory(function, returns, tuple(given_types))):
                continue
            name = file if attribute == file else f"{file}.{attribute}"
            if name in places:
                raise ImportError(
                    f"{name!r} is in two places, {places[name]} and {module.__name__}: a name in a recipe has to "
                    "mean one of them; rename a file"
                )
            places[name] = module.__name__
    return places


def _is_own(module: types.ModuleType, attribute: str) -> bool:
    """Whether a public function or class of this name was defined in the module, not imported into it."""
    own = getattr(getattr(module, attribute, None), "__module__", "") == module.__name__
    return own and not attribute.startswith("_")


def _is_factory(function: Factory, returns: Any, given: tuple[Any, ...]) -> bool:
    """Whether a function's annotations are those of a kind: of its result, and of its positional parameters."""
    if not inspect.isfunction(inspect.unwrap(function)):
        return False
    hints = typing.get_type_hints(function)
    positional = [p for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    found = tuple(hints.get(p.name) for p in positional)
    if given[-1:] == (...,):
        given, found = given[:-1], found[: len(given) - 1]
    return hints.get("return") == returns and found == given


@cache
def options_model(*factories: Factory) -> type[BaseModel]:
    """The pydantic model of the factories' keyword-only parameters, joined; unknown keys are forbidden."""
    fields = {}
    for factory in factories:
        hints = typing.get_type_hints(factory, include_extras=True)
        for p in inspect.signature(factory).parameters.values():
            if p.kind is p.KEYWORD_ONLY:
                fields[p.name] = (_field_type(p.name, hints[p.name]), ... if p.default is p.empty else p.default)
    return strict_model(factories[0].__name__, fields)


def strict_model(name: str, fields: Mapping[str, Any]) -> type[BaseModel]:
    """A frozen pydantic model that forbids unknown keys; `fields` maps names to (type, default)."""
    return create_model(name, __config__=STRICT, **fields)


class Form:
    """JSON Schema of an option, made when it is asked for: where the option names things, it has all their options."""

    def __init__(self, make: Callable[[], Table]):
        self._make = make

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> Table:
        return self._make()


def _field_type(name: str, hint: Any) -> Any:
    """The pydantic type of an option, by its annotation.

    An option that names a thing (`Adversarial`, `Adversarial | None`) or a list of things (`tuple[Penalty, ...]`)
    carries their kind as metadata, by which `call` knows that its tables are to be called.
    """
    listed = typing.get_origin(hint) is tuple
    item = typing.get_args(hint)[0] if listed else hint
    is_union = isinstance(item, types.UnionType) or typing.get_origin(item) is typing.Union
    members = typing.get_args(item) if is_union else (item,)
    nested = next((_NESTED[m] for m in members if isinstance(m, typing.Hashable) and m in _NESTED), None)
    if nested is None:
        return hint

    def check_value(value: Any) -> Any:
        if not listed:
            return value if value is None else validate_part(nested, value, f"{name}.")
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"expected a list of tables, [{{ {nested.key} = ... }}]")
        return [validate_part(nested, item, f"{name}.{i}.") for i, item in enumerate(value)]

    form = Form(lambda: {"type": "array", "items": schema(nested)} if listed else schema(nested))
    return Annotated[Any, BeforeValidator(check_value), form, nested]


def validate_part(kind: Kind, table: Any, where: str = "") -> Table:
    """Validate `table` (or a bare name) as a thing of `kind`; return plain data with every default filled in.

    Raises InputError that begins with `where`, names the key and, for a misspelt name, the nearest valid one.
    """
    table = {kind.key: table} if isinstance(table, str) else table
    if not isinstance(table, Mapping):
        key = f"{where[:-1]}: " if where.endswith(".") else where  # "[game] loss." -> "[game] loss: "
        raise InputError(f"{key}expected the name of a {kind.word} or a table, found {shown(table)}")
    if kind.key not in table:
        raise InputError(f"{where}{kind.key} is missing: the name of a {kind.word}{nearest('', kind.names())}")
    name = table[kind.key]
    if not kind.has(name):
        wrong = f"expected the name of a {kind.word}" if not isinstance(name, str) else f"no such {kind.word}"
        raise InputError(f"{where}{kind.key} = {shown(name)}: {wrong}{nearest(name, kind.names())}")
    options = {key: value for key, value in table.items() if key != kind.key}
    return {kind.key: name, **validate(kind.model(kind.find(name)), options, where)}


def call(kind: Kind, table: Table, *given: Any, **keywords: Any) -> Any:
    """Call the factory that the checked `table` names, with the program's `given` arguments and the table's options."""
    factory = kind.find(table[kind.key])
    options = typed(kind.model(factory), {key: value for key, value in table.items() if key != kind.key})
    try:
        return factory(*given, **options, **keywords)
    except ValueError as error:  # a combination of options that a library refuses
        raise InputError(f"{kind.key} = {table[kind.key]!r}: {error}") from None


def typed(model: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """Checked options as their factory takes them: of the types that it says, and what they name called."""
    found = dict(_parse(model, options))
    for name, field in model.model_fields.items():
        for nested in (item for item in field.metadata if isinstance(item, Kind)):
            found[name] = _made(nested, found[name])
    return found


def _made(kind: Kind, value: Any) -> Any:
    """The checked value of an option; its table, or each table of its list, is called."""
    if isinstance(value, dict):
        return call(kind, value)
    return tuple(_made(kind, item) for item in value) if isinstance(value, list) else value


def validate(model: type[BaseModel], options: Mapping[str, Any], where: str = "") -> Table:
    """`options` as plain TOML-able data with every default of `model` filled in; raises InputError."""
    try:
        return _parse(model, options).model_dump(mode="json", exclude_none=True)
    except InputError as error:  # raised by a nested table
        raise InputError("\n".join(f"{where}{line}" for line in str(error).splitlines())) from None
    except ValidationError as error:
        lines = dict.fromkeys(_explain(model, problem, where) for problem in error.errors())
        raise InputError("\n".join(lines)) from None


def _parse(model: type[BaseModel], options: Mapping[str, Any]) -> BaseModel:
    """Parse options strictly: no number from a string, no 1 from true; lists become tuples and strings paths."""
    return model.model_validate_json(json.dumps(dict(options), default=str), strict=True)


def _explain(model: type[BaseModel], problem: Any, where: str) -> str:
    """One of pydantic's problems as a line of a message: where it is, what was found, what would be right."""
    key = ".".join(str(part) for part in problem["loc"] if not UNION.fullmatch(str(part)))[:WIDE]
    if problem["type"] == "extra_forbidden":
        return f"{where}{key}: unknown option{nearest(key, model.model_fields)}"
    if problem["type"] == "missing":
        return f"{where}{key} is missing: it has no default"
    message = str(problem["ctx"]["error"]) if "error" in problem.get("ctx", {}) else problem["msg"]
    message = message[:1].lower() + message[1:] + slips.of_value(problem)
    return f"{where}{key} = {shown(problem['input'])}: {message}" if key else f"{where}{message}"


def shown(value: Any) -> str:
    """A value as a message shows it: only its beginning where it is long."""
    text = repr(value[: WIDE + 1] if isinstance(value, str) else value)
    return text if len(text) <= WIDE else f"{text[:WIDE]}..."


def nearest(name: Any, valid: Iterable[str]) -> str:
    """The end of an error message: the nearest valid name when there is a near one, otherwise all of them."""
    valid = sorted(valid)
    text = str(name)[:WIDE]
    lower = {v.lower(): v for v in valid}  # Adam is adam
    close = [v for v in valid if text and text in v.split(".")]  # dcgan: the networks in that file
    close = close or [lower[name] for name in difflib.get_close_matches(text.lower(), lower, n=1)]
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    return f"; valid: {', '.join(valid)}" if valid else ""


def schema(kind: Kind) -> Table:
    """JSON Schema of a table of `kind`: one alternative for each name, with that factory's options."""
    alternatives = []
    for name in kind.names():
        factory = kind.find(name)
        options = kind.model(factory).model_json_schema()
        options.setdefault("properties", {})[kind.key] = {"const": name}
        options["required"] = [kind.key, *options.get("required", [])]
        options["description"] = (inspect.getdoc(factory) or "").partition("\n")[0]
        alternatives.append(options)
    return {"anyOf": [{"enum": kind.names()}, *alternatives]}
