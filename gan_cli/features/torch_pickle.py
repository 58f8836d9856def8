"""The few words of pickle that a PyTorch file of weights is written in, read as data: nothing in the file is called.

`pickletools` cuts the stream into opcodes without acting on them. Those that build plain values are followed here. A
name in the file is looked up in two tables, of types and of makers; whatever else is asked for is refused by its name.
"""

from collections.abc import Callable, Iterator
from pickletools import genops
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from gan_cli.errors import DamagedError

LIMIT = 200_000  # opcodes of one stream; an array takes some 40 of them, and Inception-v3 has 472 to 566
ARGUMENTS = 8  # most arguments of a function, and dimensions of a tensor: so each opcode costs only a little time
KEY = 100  # most letters of a storage's key


class Storage(NamedTuple):
    """A run of numbers that tensors are cut from."""

    key: str
    dtype: np.dtype
    size: int  # numbers


class Tensor(NamedTuple):
    """A view of a storage; all counts in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Name(NamedTuple):
    """Something the file refers to by module and name."""

    path: str


MARK = object()  # where a run of values begins on the stack
KINDS = {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8"}
DTYPES: dict[str, np.dtype] = {
    f"{module} {kind}Storage": np.dtype(code) for module in ("torch", "torch.cuda") for kind, code in KINDS.items()
}


def load_pickle(stream: BinaryIO) -> Any:
    """The value of one pickle: dictionaries, tuples, lists, strings, integers, `Tensor`s. Nothing in it is called.

    Raises DamagedError for any other value, and for a stream that is cut off, endless or makes no sense.
    """
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for name, argument in opcodes(stream):
        if name == "STOP":
            if len(stack) != 1:
                raise DamagedError("its pickle makes no sense at the opcode STOP")
            return stack[0]
        try:
            _follow(name, argument, stack, memo)
        except (IndexError, KeyError, TypeError, ValueError):
            raise DamagedError(f"its pickle makes no sense at the opcode {name}") from None
    raise DamagedError("its pickle does not end")


def opcodes(stream: BinaryIO) -> Iterator[tuple[str, Any]]:
    """(name, argument) of each opcode up to the end of one pickle; DamagedError when it is cut off or endless."""
    try:
        for count, (opcode, argument, _) in enumerate(genops(stream)):
            if count == LIMIT:
                raise DamagedError(f"its pickle has more than {LIMIT:,} opcodes: these are no weights")
            yield opcode.name, argument
    except (ValueError, OverflowError, MemoryError, Warning) as error:  # warnings of escape sequences may be errors
        raise DamagedError(f"damaged or truncated: its pickle cannot be read ({str(error)[:200]})") from None


def _follow(name: str, argument: Any, stack: list[Any], memo: dict[Any, Any]) -> None:
    """Follow one opcode. IndexError, KeyError, TypeError or ValueError when the stack does not fit it."""
    if name in LITERALS:
        stack.append(argument)
    elif name in CONSTANTS:
        stack.append(CONSTANTS[name])
    elif name in EMPTY:
        stack.append(EMPTY[name]())
    elif name == "GLOBAL":
        if argument not in MAKERS and argument not in DTYPES:
            raise DamagedError(f"it asks for {argument[:200].replace(' ', '.')}, which no file of weights needs")
        stack.append(_Name(argument))
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name == "REDUCE":  # a function of the file and its arguments, by our own table of what those functions make
        arguments, function = stack.pop(), stack.pop()
        if not isinstance(function, _Name) or function.path not in MAKERS or type(arguments) is not tuple:
            raise TypeError
        if len(arguments) > ARGUMENTS:
            raise ValueError
        stack.append(MAKERS[function.path](*arguments))
    elif name == "BINPERSID":
        stack.append(_storage(stack.pop()))
    elif name != "PROTO" and not _collect(name, stack):
        raise DamagedError(f"its pickle holds the opcode {name}, which no file of weights needs")


def _collect(name: str, stack: list[Any]) -> bool:
    """Follow an opcode that puts values into a tuple, a list or a dictionary; False for any other opcode."""
    match name:
        case "TUPLE":
            stack.append(tuple(_pop_to_mark(stack)))
        case "TUPLE1" | "TUPLE2" | "TUPLE3":
            n = int(name[-1])
            if len(stack) < n:
                raise IndexError
            stack[-n:] = [tuple(stack[-n:])]
        case "SETITEM":
            value, key = stack.pop(), stack.pop()
            _set_items(stack[-1], [key, value])
        case "SETITEMS":
            values = _pop_to_mark(stack)
            _set_items(stack[-1], values)
        case "APPEND" | "APPENDS":
            values = _pop_to_mark(stack) if name == "APPENDS" else [stack.pop()]
            if type(stack[-1]) is not list:
                raise TypeError
            stack[-1].extend(values)
        case "BUILD":  # an OrderedDict's own attributes (PyTorch keeps `_metadata` there) are dropped
            stack.pop()
            if type(stack[-1]) is not dict:
                raise TypeError
        case _:
            return False
    return True


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    """The values above the topmost mark, which are taken off the stack with it."""
    at = len(stack) - 1
    while stack[at] is not MARK:
        at -= 1
        if at < 0:
            raise IndexError
    values = stack[at + 1 :]
    del stack[at:]
    return values


def _set_items(target: Any, values: list[Any]) -> None:
    """Put key, value, key, value, ... into a dictionary."""
    if type(target) is not dict or not all(type(key) in (str, int) for key in values[::2]):
        raise TypeError
    target.update(zip(values[::2], values[1::2], strict=True))


def _storage(reference: Any) -> Storage:
    """("storage", type, key, device, size[, view]): PyTorch's reference to numbers that lie outside of the pickle."""
    if type(reference) is not tuple or len(reference) > ARGUMENTS:
        raise TypeError
    word, kind, key, _, size, *view = reference
    if word != "storage" or not isinstance(kind, _Name) or kind.path not in DTYPES or view not in ([], [None]):
        raise TypeError
    if type(key) is not str or len(key) > KEY or type(size) is not int or size < 0:
        raise TypeError
    return Storage(key, DTYPES[kind.path], size)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    """`_rebuild_tensor_v2`; the arguments after the strides are whether it is trained, and hooks."""
    if type(shape) is not tuple or type(strides) is not tuple or max(len(shape), len(strides)) > ARGUMENTS:
        raise TypeError
    counts = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or not all(type(count) is int and count >= 0 for count in counts):
        raise TypeError
    return Tensor(storage, offset, shape, strides)


def _parameter(data: Any, *_: Any) -> Tensor:
    """`_rebuild_parameter`: a tensor that is trained is a tensor."""
    if not isinstance(data, Tensor):
        raise TypeError
    return data


def _dictionary(items: Any = None) -> dict[str | int, Any]:
    """`OrderedDict`, empty or, as Python 2 writes it, of a list of pairs.

    The list is emptied: otherwise a stream could make a hundred thousand dictionaries of a long one.
    """
    pairs = [] if items is None else items
    if type(pairs) is not list:
        raise TypeError
    made: dict[str | int, Any] = {}
    _set_items(made, [part for key, value in pairs for part in (key, value)])
    pairs.clear()
    return made


MAKERS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": _dictionary,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
LITERALS = {  # opcodes whose argument is a value; the last two are Python 2's
    *("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"),
    *("BINSTRING", "SHORT_BINSTRING"),
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": MARK}
EMPTY: dict[str, type] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
