"""Multilayer perceptrons: toys, and the networks of the 2014 paper on MNIST."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gan_cli.errors import InputError
from gan_cli.layers import layers
from gan_cli.layers.ports import Projection, beside, require_condition
from gan_cli.types import Array, Ports

Init = nnx.initializers.Initializer
Activation = Literal["relu", "leaky_relu", "tanh", "sigmoid", "elu", "silu", "gelu", "softplus"]
Keep = Annotated[float, Field(gt=0, le=1)]  # probability with which dropout keeps a unit

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "elu": jax.nn.elu,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
    "softplus": jax.nn.softplus,
}
OUTPUTS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "tanh": jnp.tanh,
    "sigmoid": lambda x: 2 * jax.nn.sigmoid(x) - 1,  # from (0, 1) to the range of images
}


def uniform(reach: float) -> Init:
    """U(-reach, reach)."""
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -reach, reach)


INITS: dict[str, Init] = {
    "glorot": nnx.initializers.glorot_uniform(),
    "he": nnx.initializers.he_normal(),
    "orthogonal": nnx.initializers.orthogonal(),
    "normal": nnx.initializers.normal(0.02),
    "uniform": uniform(0.05),
}


def _scaled(init: Init, scale: float) -> Init:
    return lambda key, shape, dtype=jnp.float32: scale * init(key, shape, dtype)


class MLP(nnx.Module):
    """Linear layers with an activation between them, and optionally a norm before it; `mlp` explains the options."""

    def __init__(
        self,
        ports: Ports,
        rngs: nnx.Rngs,
        hidden: tuple[int, ...],
        activation: str,
        output: str,
        norm: str,
        init: Init,
        kernels: int,
        dims: int,
        condition: str,
        embedding: int,
    ):
        spectral = norm == "spectral"
        self.label = beside(condition, ports.classes, rngs, embedding=embedding)
        sizes = (math.prod(ports.inputs) + (self.label.size if self.label else 0), *hidden)
        self.linears = nnx.List([layers.Linear(i, o, rngs, init=init, spectral=spectral) for i, o in pairwise(sizes)])
        own = ports.classes if condition == "norm" else 0
        self.norms = nnx.List([layers.norm(norm, size, rngs, classes=own) for size in hidden])
        self.minibatch = layers.MinibatchDiscrimination(sizes[-1], kernels, dims, rngs) if kernels else None
        ends = math.prod(ports.outputs)
        self.last = layers.Linear(sizes[-1] + kernels, ends, rngs, init=init, spectral=spectral)
        self.projection = (
            Projection(ports.classes, sizes[-1], rngs, init, spectral=spectral) if condition == "projection" else None
        )
        self.outputs = ports.outputs
        self.activation = activation
        self.output = output

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:
        """x [B, *inputs], y int32 [B] if there is a label -> ([B, *outputs], {"features": the last hidden layer})."""
        x = x.reshape(len(x), -1)  # [B, I]
        x = x if self.label is None else self.label(x, y)
        for linear, norm in zip(self.linears, self.norms, strict=True):
            x = linear(x)  # [B, F]
            x = ACTIVATIONS[self.activation](x if norm is None else norm(x, y))
        output = self.last(x if self.minibatch is None else self.minibatch(x))
        output = output if self.projection is None else output + self.projection(x, y)
        return OUTPUTS[self.output](output).reshape(len(x), *self.outputs), {"features": x}


def mlp(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    hidden: tuple[PositiveInt, ...] = (128, 128),  # units of each hidden layer, from input to output
    activation: Activation = "relu",  # of the hidden layers; leaky_relu has slope 0.2
    output: Literal["linear", "tanh", "sigmoid"] = "linear",  # the two others give (-1, 1): sigmoid is 2σ(x) - 1
    norm: Literal["none", "batch", "layer", "spectral"] = "none",  # of hidden layers; spectral: of every weight
    init: Literal["glorot", "he", "orthogonal", "normal", "uniform"] = "glorot",  # normal: N(0, .02²); uniform: U(±.05)
    init_scale: PositiveFloat = 1.0,  # multiplies the initial weights; biases start at 0
    minibatch_kernels: NonNegativeInt = 0,  # views of minibatch discrimination before the last layer; 0: none
    minibatch_dims: PositiveInt = 5,  # numbers in each view
    condition: Literal["none", "concatenate", "embedding", "norm", "projection"] = "none",  # how a label enters
    embedding: PositiveInt = 50,  # numbers that stand for a label with condition = "embedding"
) -> nnx.Module:
    """Multilayer perceptron on vectors or flattened images.

    With `activation = "relu"` and `output = "sigmoid"` it is the MNIST generator of https://arxiv.org/abs/1406.2661.
    Departure: our images are in [-1, 1], the paper's in [0, 1], so the sigmoid is stretched to 2σ(x) - 1.
    A label enters as in `dcgan.generator` and `dcgan.discriminator`; "projection" is for a single score.
    """
    require_condition(ports, "mlp", condition, ("concatenate", "embedding", "norm", "projection"))
    if condition == "norm" and norm in ("none", "spectral"):
        raise InputError(
            f'net = "mlp": condition = "norm" gives each label a norm layer\'s scales, and norm = "{norm}" has no such '
            'layer; norm = "batch" or "layer" would do'
        )
    if condition == "norm" and not hidden:
        raise InputError('net = "mlp": condition = "norm" is for the norms of hidden layers, and hidden = [] has none')
    if condition == "projection" and ports.outputs:
        raise InputError('net = "mlp": condition = "projection" is added to a score, and this network gives none')
    return MLP(
        ports,
        rngs,
        hidden,
        activation,
        output,
        norm,
        _scaled(INITS[init], init_scale),
        minibatch_kernels,
        minibatch_dims,
        condition,
        embedding,
    )


class Branched(nnx.Module):
    """A trunk, and after it as many networks of one hidden layer as there are labels."""

    def __init__(self, ports: Ports, rngs: nnx.Rngs, hidden: tuple[int, ...], activation: str, output: str, init: Init):
        sizes = (math.prod(ports.inputs), *hidden[:-1])
        self.trunk = nnx.List([layers.Linear(i, o, rngs, init=init) for i, o in pairwise(sizes)])
        ends, branches = math.prod(ports.outputs), range(ports.classes)
        self.hiddens = nnx.List([layers.Linear(sizes[-1], hidden[-1], rngs, init=init) for _ in branches])
        self.lasts = nnx.List([layers.Linear(hidden[-1], ends, rngs, init=init) for _ in branches])
        self.outputs = ports.outputs
        self.activation = activation
        self.output = output

    def __call__(self, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """x [B, *inputs], y int32 [B], the branch of each -> ([B, *outputs], {"features": of the trunk [B, F]})."""
        act = ACTIVATIONS[self.activation]
        x = x.reshape(len(x), -1)
        for linear in self.trunk:
            x = act(linear(x))
        each = [last(act(hidden(x))) for hidden, last in zip(self.hiddens, self.lasts, strict=True)]
        own = jax.nn.one_hot(y, len(each), dtype=x.dtype)  # [B, K]
        output = OUTPUTS[self.output](jnp.einsum("bk,kbo->bo", own, jnp.stack(each)))
        return output.reshape(len(x), *self.outputs), {"features": x}


def branched(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (128, 128),  # the last layer is each branch's own
    activation: Activation = "relu",  # of the hidden layers; leaky_relu has slope 0.2
    output: Literal["linear", "tanh", "sigmoid"] = "linear",  # as for mlp
    init: Literal["glorot", "he", "orthogonal", "normal", "uniform"] = "glorot",  # as for mlp
    init_scale: PositiveFloat = 1.0,  # multiplies the initial weights; biases start at 0
) -> nnx.Module:
    """Several generators with a common trunk, chosen by the label: those of MAD-GAN, https://arxiv.org/abs/1704.02906.

    All branches are computed and one of them is kept. Raises InputError when the game gives no label.
    """
    if not ports.classes:
        raise InputError('net = "mlp.branched" has a branch for each label, and this game gives none; net = "mlp"')
    return Branched(ports, rngs, hidden, activation, output, _scaled(INITS[init], init_scale))


class Maxout(nnx.Module):
    """Layers whose units are the largest of several linear pieces, with dropout before each."""

    def __init__(
        self,
        ports: Ports,
        rngs: nnx.Rngs,
        hidden: tuple[int, ...],
        pieces: int,
        keep_input: float,
        keep_hidden: float,
        init_range: float,
        condition: str,
        embedding: int,
    ):
        self.label = beside(condition, ports.classes, rngs, embedding=embedding)
        sizes = (math.prod(ports.inputs) + (self.label.size if self.label else 0), *hidden)
        init = uniform(init_range)
        self.linears = nnx.List(
            [layers.Linear(i, o * pieces, rngs, init=init) for i, o in zip(sizes, hidden, strict=False)]
        )
        self.last = layers.Linear(sizes[-1], math.prod(ports.outputs), rngs, init=init)
        self.dropouts = nnx.List([nnx.Dropout(1 - keep_input)] + [nnx.Dropout(1 - keep_hidden) for _ in hidden])
        self.noise = rngs.dropout.fork()  # one stream for all layers: their masks are independent for any key
        self.outputs = ports.outputs
        self.pieces = pieces
        self.is_image = len(ports.inputs) == 3

    def __call__(self, x: Array, y: Array | None = None) -> tuple[Array, dict[str, Array]]:
        """x [B, *inputs], y int32 [B] if there is a label -> ([B, *outputs], {"features": the last hidden layer})."""
        x = x.reshape(len(x), -1)  # [B, I]
        x = (x + 1) / 2 if self.is_image else x
        for layer, (linear, dropout) in enumerate(zip(self.linears, self.dropouts, strict=False)):
            x = dropout(x, rngs=self.noise)
            if layer == 0 and self.label is not None:
                x = self.label(x, y)  # never dropped
            x = linear(x)  # [B, F pieces]
            x = x.reshape(len(x), -1, self.pieces).max(axis=-1)  # [B, F]
        score = self.last(self.dropouts[-1](x, rngs=self.noise))
        return score.reshape(len(x), *self.outputs), {"features": x}


def maxout(
    ports: Ports,
    rngs: nnx.Rngs,
    *,
    hidden: tuple[PositiveInt, ...] = (240, 240),  # units of each hidden layer, from input to output
    pieces: PositiveInt = 5,  # linear pieces of each unit
    keep_input: Keep = 0.8,  # dropout: probability to keep an input
    keep_hidden: Keep = 0.5,  # dropout: probability to keep a hidden unit
    init_range: PositiveFloat = 0.005,  # initial weights are U(-r, r); biases start at 0
    condition: Literal["none", "concatenate", "embedding"] = "none",  # how a label enters: beside the input
    embedding: PositiveInt = 50,  # numbers that stand for a label with condition = "embedding"
) -> nnx.Module:
    """The MNIST discriminator of the first GAN: maxout units with dropout.

    https://arxiv.org/abs/1406.2661; maxout is https://arxiv.org/abs/1302.4389. Images are brought from [-1, 1] to
    [0, 1] first, as the authors have them: the mean of MNIST is then near 0. They also bound the norm of each unit's
    weights, which is `bound_units` of its optimiser. The score is the logit of their sigmoid.
    """
    require_condition(ports, "mlp.maxout", condition, ("concatenate", "embedding"))
    return Maxout(ports, rngs, hidden, pieces, keep_input, keep_hidden, init_range, condition, embedding)
