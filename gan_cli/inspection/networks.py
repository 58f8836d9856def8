"""A recipe's networks, layer by layer: shapes, parameters and multiply-adds. Traced, never computed.

Multiply-adds are those of matrix products and convolutions, whatever computes them. A convolution and its adjoint, the
transposed convolution, are one sum over taps, channels and places of the smaller map, so both count as k k I O H W with
the smaller map's H and W: padding is counted, zeros between pixels are not. Elementwise operations (activations, norms,
biases) are not counted, as is usual.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend.core import ClosedJaxpr, Jaxpr

from gan_cli import build
from gan_cli.binding import Table, call
from gan_cli.layers.layers import formulation
from gan_cli.types import DEVICES, Ports, Shape, Spec, Specs

Scope = str  # the named scopes that an operation was traced in, joined by slashes
MARK = "layer:"  # begins the scope of a layer's operations; a path has no slash
REST = "(beside the layers)"  # parameters and products that are no layer's own


class Layer(NamedTuple):
    """A part of a network that makes something of a batch, and has no such parts itself."""

    path: str  # where it is in the network: "ups.0"
    kind: str  # the name of its class: "ConvTranspose"
    output: Shape  # of one example, images (H, W, C); () of a part that is not called
    parameters: int
    multiply_adds: int  # for one example, forward


class Network(NamedTuple):
    """The network of a role, as it was traced."""

    role: str
    net: str  # its name in the recipe
    ports: Ports
    layers: tuple[Layer, ...]  # in the order in which they are called; last, what belongs to none of them
    parameters: int  # numbers that its optimiser moves: those of all layers
    multiply_adds: int  # for one example, forward, in evaluation mode: those of all layers


class _Call(NamedTuple):
    """A call of a part of a network with a batch."""

    path: str
    kind: str
    output: Shape
    leaf: bool  # it called no other part with a batch


def networks(resolved: Table, specs: Spec | Specs) -> dict[str, Network]:
    """The networks of a resolved recipe for data that look like `specs`, by role; nothing is computed.

    Raises InputError where a network cannot do what the game wants of it.
    """
    last: tuple[str, Ports] = ("", Ports((), ()))  # the table of the network that was made last, and its ports

    def make(name: str, table: Table, own: Ports, rngs: nnx.Rngs) -> nnx.Module:
        nonlocal last
        last = name, own
        made: nnx.Module = call(build.NETWORK, table, own, rngs)
        return made

    factories = {role: partial(make, role, table) for role, table in resolved["networks"].items()}
    game = build.game_of(resolved, specs, factories)
    described = {}
    for role, builder in game.networks.items():
        params = nnx.state(nnx.eval_shape(partial(_built, builder)), nnx.Param)
        table, ports = last  # a copy of another role's network has that one's table
        sizes = {".".join(map(str, path)): math.prod(leaf.shape) for path, leaf in nnx.to_flat_state(params)}
        (calls, one), (_, two) = (_traced(builder, ports, n) for n in (1, 2))
        each = Counter({path: two[path] - one[path] for path in two})  # without what a call costs at any batch size
        parameters, adds = sum(sizes.values()), each.total()
        firsts = {made.path: made for made in reversed(calls) if made.leaf}  # the first call of each layer
        layers = []
        for made in reversed(firsts.values()):
            own = sum(size for name, size in sizes.items() if name.startswith(f"{made.path}."))
            layers.append(Layer(made.path, made.kind, made.output, own, each.pop(made.path, 0)))
        rest = parameters - sum(layer.parameters for layer in layers)
        if rest or each.total():
            layers.append(Layer(REST, "", (), rest, each.total()))
        net = resolved["networks"][table]["net"]
        described[role] = Network(role, net, ports, tuple(layers), parameters, adds)
    return described


def _built(builder: Any) -> nnx.Module:
    module: nnx.Module = builder(nnx.Rngs(0))
    module.eval()
    return module


def _traced(builder: Any, ports: Ports, n: int) -> tuple[list[_Call], Counter[str]]:
    """The calls of a network's parts for n examples, in order, and multiply-adds by the path of the innermost leaf.

    Convolutions are traced as such: what they are made of on a CPU is not what they are.
    """
    calls: list[_Call] = []

    def forward(x: jax.Array, y: jax.Array) -> Any:
        module: Any = _built(builder)
        with _watched(module, calls):
            return module(x, y) if ports.classes else module(x)

    x = jax.ShapeDtypeStruct((n, *ports.inputs), jnp.int32 if ports.words else jnp.float32)
    y = jax.ShapeDtypeStruct((n,), jnp.int32)
    with formulation("lax"):
        jaxpr = jax.make_jaxpr(forward, axis_env=[(DEVICES, 1)])(x, y)
    leaves = {made.path for made in calls if made.leaf}
    counted: Counter[str] = Counter()
    for scope, count in multiply_adds(jaxpr).items():
        within = [part.removeprefix(MARK) for part in scope.split("/") if part.startswith(MARK)]
        counted[next((path for path in reversed(within) if path in leaves), REST)] += count
    return calls, counted


@contextmanager
def _watched(module: nnx.Module, calls: list[_Call]) -> Iterator[None]:
    """A context in which every call of a part of `module` with a batch is noted in `calls` and traced in its own scope.

    What is called without one, as a kernel is, and what that calls, belongs to the layer around it.
    """
    parts = [(path, part) for path, part in nnx.iter_graph(module) if isinstance(part, nnx.Module)]
    paths = {id(part): ".".join(map(str, path)) for path, part in parts if path}
    kinds: set[Any] = {type(part) for _, part in parts} - {type(module)}
    open_calls: list[int] = []  # calls of layers that are under way: how many layers each has called so far
    hidden = [0]  # calls under way that are no layer's

    def watched(original: Any) -> Any:
        @wraps(original)
        def run(self: Any, *inputs: Any, **options: Any) -> Any:
            path = paths.get(id(self))
            if path is None or hidden[0] or not inputs:
                hidden[0] += 1
                try:
                    return original(self, *inputs, **options)
                finally:
                    hidden[0] -= 1
            place = len(calls)
            calls.append(_Call(path, type(self).__name__, (), leaf=True))
            if open_calls:
                above = open_calls[-1]
                calls[above] = calls[above]._replace(leaf=False)
            open_calls.append(place)
            try:
                with jax.named_scope(MARK + path):
                    output = original(self, *inputs, **options)
            finally:
                open_calls.pop()
            first = jax.tree.leaves(output)[0]
            calls[place] = calls[place]._replace(output=tuple(first.shape[1:]))
            return output

        return run

    originals = {kind: kind.__call__ for kind in kinds if hasattr(kind, "__call__")}  # noqa: B004 - it may be inherited
    own = {kind for kind in originals if "__call__" in vars(kind)}
    try:
        for kind, original in originals.items():
            kind.__call__ = watched(original)
        yield
    finally:
        for kind, original in originals.items():
            if kind in own:
                kind.__call__ = original
            else:
                del kind.__call__


def multiply_adds(program: ClosedJaxpr | Jaxpr, outer: Scope = "") -> Counter[Scope]:
    """Multiply-adds of one call of a program, by scope; `outer` is the scope that it is called in.

    A loop whose length is not known counts as one turn, and a choice as all its branches.
    """
    total: Counter[Scope] = Counter()
    for equation in (program.jaxpr if isinstance(program, ClosedJaxpr) else program).eqns:
        name, parameters = equation.primitive.name, equation.params
        scope = "/".join(filter(None, (outer, str(equation.source_info.name_stack))))
        if name in COUNTS:
            total[scope] += COUNTS[name](equation)
        times = parameters.get("length", 1) if name == "scan" else 1
        # The programs in an operation's parameters, but for the rules of derivatives, which are functions.
        items = [
            item for value in parameters.values() for item in (value if isinstance(value, tuple | list) else [value])
        ]
        for inner in items:
            if isinstance(inner, ClosedJaxpr | Jaxpr):
                total.update({within: times * n for within, n in multiply_adds(inner, scope).items()})
    return total


def _count_product(equation: Any) -> int:
    """A matrix product costs the size of the result times the length of what is summed over."""
    (summed, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in summed)


def _count_convolution(equation: Any) -> int:
    """A convolution costs examples x output channels x input channels of a group x taps x places of the smaller map."""
    numbers = equation.params["dimension_numbers"]
    left, kernel = (variable.aval.shape for variable in equation.invars)
    out = equation.outvars[0].aval.shape
    places = min(math.prod(left[i] for i in numbers.lhs_spec[2:]), math.prod(out[i] for i in numbers.out_spec[2:]))
    taps = math.prod(kernel[i] for i in numbers.rhs_spec[1:])  # with the input channels of a group
    batch = out[numbers.out_spec[0]]
    return batch * out[numbers.out_spec[1]] * taps * places


COUNTS = {"dot_general": _count_product, "conv_general_dilated": _count_convolution}
