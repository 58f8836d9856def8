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
ARGUMENTS = 8  # of a function at most; also dimensions of a tensor. Each opcode then costs no more than a little time

KEY = 100  # letters of a storage's key


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
    """The value of one pickle: dictionaries, tuples, lists, strings, integers, `Tensor`s. DamagedError for others."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for name, argument in opcodes(stream):
        if name == "STOP":
            return _last(stack)
        try:
            _step(name, argument, stack, memo)
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
    except (ValueError, OverflowError, MemoryError, Warning) as error:  # of an escape sequence, where they are errors
        raise DamagedError(f"damaged or truncated: its pickle cannot be read ({str(error)[:200]})") from None


def _last(stack: list[Any]) -> Any:
    if len(stack) != 1:
        raise DamagedError("its pickle makes no sense at the opcode STOP")
    return stack[0]


def _step(name: str, argument: Any, stack: list[Any], memo: dict[Any, Any]) -> None:
    """Follow one opcode. IndexError, KeyError, TypeError or ValueError when the stack does not fit it."""
    if name in CONSTANTS:
        stack.append(CONSTANTS[name](argument))
    elif name in ACTIONS:
        ACTIONS[name](stack)
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name != "PROTO":
        raise DamagedError(f"its pickle holds the opcode {name}, which no file of weights needs")


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1
    while stack[at] is not MARK:
        at -= 1
        if at < 0:
            raise IndexError
    values = stack[at + 1 :]
    del stack[at:]
    return values


def _pair(stack: list[Any]) -> list[Any]:
    value, key = stack.pop(), stack.pop()
    return [key, value]


def _tuple(n: int) -> Callable[[list[Any]], None]:
    def action(stack: list[Any]) -> None:
        if len(stack) < n:
            raise IndexError
        stack[-n:] = [tuple(stack[-n:])]

    return action


def _set_items(stack: list[Any], values: list[Any]) -> None:
    """Into the dictionary on top of the stack: key, value, key, value, ..."""
    target = stack[-1]
    if type(target) is not dict or not all(type(key) in (str, int) for key in values[::2]):
        raise TypeError
    target.update(zip(values[::2], values[1::2], strict=True))


def _append(stack: list[Any], values: list[Any]) -> None:
    if type(stack[-1]) is not list:
        raise TypeError
    stack[-1].extend(values)


def _build(stack: list[Any]) -> None:
    """An OrderedDict's own attributes (PyTorch keeps `_metadata` there) are let go."""
    stack.pop()
    if type(stack[-1]) is not dict:
        raise TypeError


def _reduce(stack: list[Any]) -> None:
    """A function of the file and its arguments, by our own table of what those functions make."""
    arguments, function = stack.pop(), stack.pop()
    if not isinstance(function, _Name) or function.path not in MAKERS or type(arguments) is not tuple:
        raise TypeError
    if len(arguments) > ARGUMENTS:
        raise ValueError
    stack.append(MAKERS[function.path](*arguments))


def _persistent(stack: list[Any]) -> None:
    """("storage", type, key, device, size[, view]): PyTorch's reference to numbers that lie outside of the pickle."""
    reference = stack.pop()
    if type(reference) is not tuple or len(reference) > ARGUMENTS:
        raise TypeError
    word, kind, key, _, size, *view = reference
    if word != "storage" or not isinstance(kind, _Name) or kind.path not in DTYPES or view not in ([], [None]):
        raise TypeError
    if type(key) is not str or len(key) > KEY or type(size) is not int or size < 0:
        raise TypeError
    stack.append(Storage(key, DTYPES[kind.path], size))


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    """`_rebuild_tensor_v2`; what follows the strides says whether it is trained, and hooks."""
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
    """`OrderedDict`, empty or, by Python 2, of a list of pairs.

    The list is used up: a stream could make a hundred thousand dictionaries of a long one.
    """
    pairs = [] if items is None else items
    if type(pairs) is not list:
        raise TypeError
    made: list[Any] = [{}]
    _set_items(made, [part for key, value in pairs for part in (key, value)])
    pairs.clear()
    return made[0]


def _name(argument: str) -> _Name:
    if argument not in MAKERS and argument not in DTYPES:
        raise DamagedError(f"it asks for {argument[:200].replace(' ', '.')}, which no file of weights needs")
    return _Name(argument)


MAKERS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": _dictionary,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
CONSTANTS: dict[str, Callable[[Any], Any]] = {
    **{name: lambda value: value for name in ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE")},
    **{name: lambda value: value for name in ("BINSTRING", "SHORT_BINSTRING")},  # Python 2
    "GLOBAL": _name,
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "MARK": lambda _: MARK,
}
ACTIONS: dict[str, Callable[[list[Any]], None]] = {
    "TUPLE": lambda stack: stack.append(tuple(_pop_to_mark(stack))),
    **{f"TUPLE{n}": _tuple(n) for n in (1, 2, 3)},
    "SETITEM": lambda stack: _set_items(stack, _pair(stack)),
    "SETITEMS": lambda stack: _set_items(stack, _pop_to_mark(stack)),
    "APPEND": lambda stack: _append(stack, [stack.pop()]),
    "APPENDS": lambda stack: _append(stack, _pop_to_mark(stack)),
    "REDUCE": _reduce,
    "BINPERSID": _persistent,
    "BUILD": _build,
}
