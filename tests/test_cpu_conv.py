"""The CPU's convolutions equal lax's: values, gradients, gradients of a gradient penalty; over random shapes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jax import lax

from gan_cli.layers import cpu_conv, winograd
from gan_cli.layers import lax_conv as plain
from gan_cli.layers.adjoints import Pads

CHWN = ("CHWN", "HWIO", "CHWN")
QUICK = {"xla_backend_optimization_level": 0}  # these programs run once: compiling them is what takes the time


class Case(NamedTuple):
    k: int
    stride: int
    pads: Pads
    size: tuple[int, int]  # of the input
    inputs: int
    outputs: int
    batch: int = 2


def lax_conv(x, kernel, stride, pads):
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=CHWN)


def lax_conv_transpose(x, kernel, stride, pads):
    k = kernel.shape[0]
    return lax.conv_general_dilated(
        x,
        kernel[::-1, ::-1].swapaxes(2, 3),
        (1, 1),
        [(k - 1 - before, k - 1 - after) for before, after in pads],
        lhs_dilation=(stride, stride),
        dimension_numbers=CHWN,
    )


def lax_up_conv(x, kernel):
    return lax_conv(x.repeat(2, axis=1).repeat(2, axis=2), kernel, 1, ((1, 1), (1, 1)))


def everything(f, x, kernel):
    """f's value, its gradients, and the gradients of a penalty on its gradient's norm."""

    def penalty(x, kernel):
        slopes = jax.grad(lambda x: jnp.sum(jnp.tanh(f(x, kernel))))(x)
        return jnp.mean((jnp.sqrt(jnp.sum(slopes**2, axis=(0, 1, 2)) + 1e-6) - 1) ** 2)

    value, gradients = jax.vjp(f, x, kernel)
    return value, *gradients(jnp.cos(3 * value)), *jax.grad(penalty, (0, 1))(x, kernel)


def assert_same(f, reference, x, kernel):
    both = jax.jit(lambda x, kernel: [everything(g, x, kernel) for g in (f, reference)], compiler_options=QUICK)
    for ours, theirs in zip(*both(x, kernel), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * float(jnp.abs(theirs).max()) + 1e-7)


def operands(case, transposed):
    rng = np.random.default_rng(0)
    pair = (case.outputs, case.inputs) if transposed else (case.inputs, case.outputs)
    x = rng.normal(size=(case.inputs, *case.size, case.batch)).astype(np.float32)
    kernel = rng.normal(size=(case.k, case.k, *pair)).astype(np.float32)
    return x, kernel / np.sqrt(case.k**2 * case.inputs)


SAME5 = ((1, 2), (1, 2))
ONE = ((1, 1), (1, 1))
NONE = ((0, 0), (0, 0))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(4, 2, ONE, (8, 12), 16, 3), id="4x4 stride 2, Winograd"),
        pytest.param(Case(4, 2, ONE, (18, 16), 16, 2), id="4x4 stride 2, a tile beyond the edge"),
        pytest.param(Case(4, 2, ONE, (8, 8), 1, 4), id="4x4 stride 2, grey image"),
        pytest.param(Case(3, 1, ONE, (5, 6), 17, 3), id="3x3, Winograd, odd side"),
        pytest.param(Case(5, 2, SAME5, (8, 8), 16, 2), id="5x5 stride 2, Winograd"),
        pytest.param(Case(1, 1, NONE, (3, 4), 3, 5), id="1x1"),
        pytest.param(Case(4, 1, NONE, (4, 4), 16, 2), id="whole map"),
    ],
)
def test_conv_is_that_of_lax(case):
    x, kernel = operands(case, transposed=False)
    assert_same(
        lambda x, kernel: cpu_conv.conv(x, kernel, case.stride, case.pads),
        lambda x, kernel: lax_conv(x, kernel, case.stride, case.pads),
        x,
        kernel,
    )


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(4, 2, ONE, (4, 6), 3, 16), id="4x4 stride 2, Winograd"),
        pytest.param(Case(4, 2, ONE, (9, 8), 3, 16), id="4x4 stride 2, a tile beyond the edge"),
        pytest.param(Case(4, 2, ONE, (4, 4), 5, 1), id="4x4 stride 2, grey image"),
        pytest.param(Case(5, 2, SAME5, (4, 4), 3, 16), id="5x5 stride 2, Winograd"),
        pytest.param(Case(4, 1, NONE, (1, 1), 5, 16), id="from one pixel"),
    ],
)
def test_conv_transpose_is_that_of_lax(case):
    x, kernel = operands(case, transposed=True)
    assert_same(
        lambda x, kernel: cpu_conv.conv_transpose(x, kernel, case.stride, case.pads),
        lambda x, kernel: lax_conv_transpose(x, kernel, case.stride, case.pads),
        x,
        kernel,
    )


@pytest.mark.parametrize("transposed", [False, True])
def test_plain_convolutions_have_the_derivatives_that_lax_gives_them(transposed):
    case = Case(4, 2, ((1, 1), (1, 2)), (9, 8), 3, 2)  # the last stride leaves pixels over
    ours, theirs = (plain.conv_transpose, lax_conv_transpose) if transposed else (plain.conv, lax_conv)

    def batch_last(x, kernel):
        return ours(x.transpose(3, 1, 2, 0), kernel, case.stride, case.pads).transpose(3, 1, 2, 0)

    x, kernel = operands(case, transposed)
    assert_same(batch_last, lambda x, kernel: theirs(x, kernel, case.stride, case.pads), x, kernel)


def test_up_conv_is_enlargement_and_convolution():
    x, kernel = operands(Case(3, 1, ONE, (3, 4), 2, 16), transposed=False)
    assert_same(cpu_conv.up_conv, lax_up_conv, x, kernel)


@st.composite
def cases(draw, transposed):
    k, stride = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    pads = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for _ in range(2))
    smallest = [max(1, k - sum(pad)) for pad in pads]
    if transposed:  # the result must not be empty
        smallest = [1 if k > sum(pad) else 1 + -(-(1 + sum(pad) - k) // stride) for pad in pads]
    size = tuple(draw(st.integers(low, low + 6)) for low in smallest)
    few, many = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 16]))  # 16 channels or more are Winograd's
    inputs, outputs = (few, many) if transposed else (many, few)
    return Case(k, stride, pads, size, inputs, outputs)


few_examples = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,  # a failure is seen by everyone, and stays until it is mended
    database=None,
    phases=[Phase.generate],  # shrinking would compile a hundred programs
    suppress_health_check=list(HealthCheck),
)


@few_examples
@given(case=cases(transposed=False))
@pytest.mark.slow  # many small programs; the shapes that networks have are tested in `make test`
def test_conv_of_any_shape(case):
    test_conv_is_that_of_lax(case)


@few_examples
@given(case=cases(transposed=True))
@pytest.mark.slow  # many small programs
def test_conv_transpose_of_any_shape(case):
    test_conv_transpose_is_that_of_lax(case)


def test_bfloat16_is_nearly_as_exact_as_lax():
    x, kernel = operands(Case(4, 2, ONE, (8, 8), 32, 16), transposed=False)
    exact = lax_conv(x, kernel, 2, ONE)
    half = [a.astype(jnp.bfloat16) for a in (x, kernel)]

    def error(f):
        y = jax.jit(lambda x, kernel: f(x, kernel, 2, ONE), compiler_options=QUICK)(*half)
        assert y.dtype == jnp.bfloat16
        return float(jnp.sqrt(jnp.mean((y.astype(jnp.float32) - exact) ** 2) / jnp.mean(exact**2)))

    assert error(lax_conv) < error(cpu_conv.conv) < 2.5 * error(lax_conv) < 0.01


def test_vmap_is_a_loop():
    x, kernel = operands(Case(4, 2, ONE, (4, 4), 16, 2), transposed=False)
    many = jnp.stack([x, 2 * x, -x])

    def f(x):
        return jax.grad(lambda x: jnp.sum(jnp.tanh(cpu_conv.conv(x, kernel, 2, ONE))))(x)

    both = jax.jit(lambda many: (jax.vmap(f)(many), lax.map(f, many)), compiler_options=QUICK)
    np.testing.assert_allclose(*both(many), atol=1e-5)


@pytest.mark.parametrize(("k", "stride"), [(2, 1), (3, 1), (3, 2), (4, 2), (5, 2), (6, 2), (6, 3), (7, 3)])
def test_a_winograd_form_is_the_sum_over_taps(k, stride):
    """On integers, where floating point is exact."""
    form, rng = winograd.winograd(k, stride), np.random.default_rng(0)
    r, p = len(form.taps[0]), form.phases
    data, taps = rng.integers(-9, 10, form.window * p), rng.integers(-9, 10, k)
    filled = np.pad(taps, (0, r * p - k))
    products = (np.array(form.data) @ data.reshape(-1, p)) * (np.array(form.taps) @ filled.reshape(-1, p))
    result = np.array(form.result) @ products.sum(axis=1)
    assert result.tolist() == [data[t * stride : t * stride + k] @ taps for t in range(2)]


@pytest.mark.parametrize(
    ("k", "stride", "channels", "small", "outputs"),
    [
        pytest.param(4, 2, 64, (8, 8), 2, id="DCGAN's"),
        pytest.param(4, 2, 64, (15, 15), 2, id="15 pixels: 8 tiles of 2 still pay"),
        pytest.param(4, 2, 64, (7, 7), 1, id="7 pixels: 4 tiles of 2 do not"),
        pytest.param(4, 2, 1, (16, 16), 1, id="a grey image"),
        pytest.param(3, 1, 64, (8, 8), 2, id="3x3"),
        pytest.param(3, 2, 64, (8, 8), 1, id="3x3 stride 2: no multiplication saved"),
        pytest.param(1, 1, 64, (8, 8), 1, id="1x1"),
        pytest.param(7, 1, 64, (8, 8), 1, id="7x7: no such form"),
    ],
)
def test_the_form_is_chosen_by_what_it_saves(k, stride, channels, small, outputs):
    assert winograd.choose(k, stride, channels, small).outputs == outputs
