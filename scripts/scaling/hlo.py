"""What a compiled program does, read from its optimised HLO text: matrix products, and what devices exchange.

Every number is for one device and one pass through the text. The body of the loop over steps stands in it once, so that
a program of `make_steps` is read as one step; a loop whose length XLA knows (`known_trip_count`) is not multiplied.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%(?P<name>[\w.-]+) = (?P<type>\(.*?\)|\S+) (?P<op>[\w-]+)\((?P<rest>.*)$")
ARRAY = re.compile(r"(?P<type>pred|[suf]\d+|bf16|c\d+)\[(?P<dims>[\d,]*)\]")
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute", "collective-broadcast")
LANES = 128  # rows and columns of a TPU's systolic array (v2 to v5)


class Product(NamedTuple):
    """A matrix product or a convolution as one: `rows` x `inner` times `inner` x `columns`, `times` over."""

    flops: int  # that count: 2 for a multiplication and its addition; none for padding and the zeros of dilation
    inner: int  # input features
    columns: int  # output features
    bytes: int  # of both operands and the result

    @property
    def padded(self) -> float:
        """FLOPs with `inner` and `columns` filled up to whole tiles of LANES."""
        return self.flops * _filled(self.inner) / self.inner * _filled(self.columns) / self.columns


class Collective(NamedTuple):
    """What devices exchange in one go."""

    op: str  # "all-reduce"
    arrays: tuple[tuple[int, int], ...]  # (elements, bytes) of each operand
    turn: str  # the scope in which it stands

    @property
    def bytes(self) -> int:
        """Of all its arrays, on one device."""
        return sum(size for _, size in self.arrays)


class Read(NamedTuple):
    """All of a program's products and collectives."""

    products: tuple[Product, ...]
    collectives: tuple[Collective, ...]


def read(text: str) -> Read:
    """The products and collectives of `compiled.as_text()`."""
    found = list(_instructions(text))
    shapes = {match["name"]: _arrays(match["type"]) for match in found}
    products = [_product(match, shapes) for match in found if match["op"] in ("convolution", "dot")]
    together = [_collective(match) for match in found if match["op"].removesuffix("-start") in COLLECTIVES]
    return Read(tuple(products), tuple(together))


def _filled(n: int) -> int:
    return math.ceil(n / LANES) * LANES


def _instructions(text: str) -> Iterator[re.Match[str]]:
    for line in text.splitlines():
        if match := INSTRUCTION.match(line):
            yield match


def _arrays(type_: str) -> list[tuple[str, list[int]]]:
    """f32[2,3]{1,0}, or a tuple of such -> [(type, dimensions)]."""
    return [(m["type"], [int(d) for d in m["dims"].split(",") if d]) for m in ARRAY.finditer(type_)]


def _bytes(type_: str) -> int:
    return 1 if type_ == "pred" else math.ceil(int(re.sub(r"\D", "", type_)) / 8)


def _collective(match: re.Match[str]) -> Collective:
    arrays = tuple((math.prod(dims), math.prod(dims) * _bytes(kind)) for kind, dims in _arrays(match["type"]))
    scope = re.search(r'op_name="([^"]*)"', match["rest"])
    return Collective(match["op"].removesuffix("-start"), arrays, scope[1] if scope else "")


def _product(match: re.Match[str], shapes: dict[str, list[tuple[str, list[int]]]]) -> Product:
    operands = re.findall(r"%([\w.-]+)", match["rest"].split(")")[0])
    arrays = [*(shapes[name][0] for name in operands[:2]), _arrays(match["type"])[0]]
    size = sum(math.prod(dims) * _bytes(kind) for kind, dims in arrays)
    count = _convolution if match["op"] == "convolution" else _dot
    return Product(*count(match["rest"], *(dims for _, dims in arrays)), size)


def _dot(rest: str, left: list[int], right: list[int], out: list[int]) -> tuple[int, int, int]:
    """FLOPs, contracted features, output features."""
    contracted = _numbers(rest, "lhs_contracting_dims")
    inner = math.prod(left[i] for i in contracted)
    fixed = {*_numbers(rest, "rhs_contracting_dims"), *_numbers(rest, "rhs_batch_dims")}
    columns = math.prod(size for i, size in enumerate(right) if i not in fixed)
    return 2 * math.prod(out) * inner, inner, columns


def _numbers(rest: str, name: str) -> list[int]:
    found = re.search(rf"{name}={{([\d,]*)}}", rest)
    return [int(i) for i in found[1].split(",") if i] if found else []


def _convolution(rest: str, left: list[int], right: list[int], out: list[int]) -> tuple[int, int, int]:
    """XLA's own count: positions where a kernel tap meets padding or the zeros of a dilated input are free."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", rest)
    assert labels, rest
    window = re.search(r"window={([^}]*)}", rest)
    given = dict(part.split("=") for part in window[1].split()) if window else {}
    spatial = [c for c in labels[3] if c.isdigit()]
    taps = 1
    for axis, name in enumerate(spatial):
        sizes = (left[labels[1].index(name)], right[labels[2].index(name)], out[labels[3].index(name)])
        taps *= _meetings(*sizes, **{key: _axis(given, key, axis) for key in ("stride", "lhs_dilate", "rhs_dilate")},
                          pad=_pad(given, axis))  # fmt: skip
    inner, columns, batch = right[labels[2].index("i")], out[labels[3].index("f")], out[labels[3].index("b")]
    # a gradient of weights sums over examples, and what stands as "b" are input features
    of_weights = labels[1][0] == "f" or "rhs_dilate" in given
    return 2 * batch * inner * columns * taps, batch if of_weights else inner, columns


def _axis(given: dict[str, str], key: str, axis: int) -> int:
    return int(given[key].split("x")[axis]) if key in given else 1


def _pad(given: dict[str, str], axis: int) -> int:
    return int(given["pad"].split("x")[axis].split("_")[0]) if "pad" in given else 0


def _meetings(size: int, kernel: int, out: int, stride: int, lhs_dilate: int, rhs_dilate: int, pad: int) -> int:
    """How often a kernel tap meets an element of the input, along one axis."""
    places = (o * stride + k * rhs_dilate - pad for o in range(out) for k in range(kernel))
    return sum(0 <= at <= (size - 1) * lhs_dilate and at % lhs_dilate == 0 for at in places)
