"""The steps of a tiny DCGAN as GPUs are given them: lowered for CUDA and read, which takes no GPU."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import jax
import numpy as np
import pytest
from tiny import both, dcgan, tiny_tables

from gan_cli import build, datasets, devices
from gan_cli.data.store import Store
from gan_cli.engine import parallel
from gan_cli.engine.state import flat, initial_state, state_shapes
from gan_cli.engine.step import make_steps

N = 3  # steps in a call
PENALTY = {"penalties": [{"name": "penalties.r1"}]}  # derivatives of the second order


class Convolution(NamedTuple):
    """What is read in one line of a lowered program."""

    kernel: str  # the name of the value that is its kernel
    of_kernel: bool  # whether its result is the gradient of a kernel
    lhs_dilate: str
    rhs_dilate: str
    dtypes: tuple[str, ...]


def prepared(networks, **train):
    train = {"steps_per_call": N, "convolutions": "lax", **train}
    return build.prepare(tiny_tables(networks=networks, game=PENALTY, train=train), "tiny", Store())


def arguments(made):
    feed = datasets.feed(made.resolved, made.source)
    return (
        initial_state(made.experiment, 0),
        dict(feed.constants),
        parallel.split(dict(feed.feed(0, N)), 1),
        np.int32(N),
    )


@cache
def after(whole: int = 0, remat: bool = False) -> list[np.ndarray]:
    """State and sums after N steps of dense networks, run here."""
    made = prepared(both(net="mlp", hidden=[16]), remat=remat)
    take = datasets.feed(made.resolved, made.source).take
    steps = parallel.over_devices(make_steps(made.experiment, take), jax.devices()[:1], whole)
    return list(jax.device_get(flat(steps(*arguments(made)))).values())


@cache
def lowered(precision: str = "float32", constant_length: bool = False, remat: bool = False) -> str:
    """The program in StableHLO; the twin of pmap can be lowered for a platform that is not here."""
    made = prepared(dcgan(norm="none"), precision=precision, remat=remat)
    one = make_steps(made.experiment, datasets.feed(made.resolved, made.source).take)
    function = (lambda state, constants, feed, _n: one(state, constants, feed, N)) if constant_length else one
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "TWIN", True)
        run = parallel.over_devices(function, jax.devices()[:1])
        return run.trace(*arguments(made)).lower(lowering_platforms=("cuda",)).as_text()


def convolutions(program: str) -> Iterator[Convolution]:
    for line in program.splitlines():
        if "stablehlo.convolution" in line:
            kernel, axes = re.search(r"convolution\(.*?, (%.*?)\) dim_numbers = \S.*?->(\[.*?\])", line).groups()
            dilations = [re.search(rf"{side}_dilate = \[(.*?)\]", line).group(1) for side in ("lhs", "rhs")]
            dtypes = re.findall(r"x([a-z]\w+)>", line.rpartition(" : ")[2])
            yield Convolution(kernel, axes == "[0, 1, b, f]", *dilations, tuple(dtypes))


def test_nothing_is_computed_in_float64_or_on_the_host():
    assert "f64" not in lowered()
    assert "callback" not in lowered()


def test_the_state_is_donated():
    head = next(line for line in lowered().splitlines() if "func.func public @main" in line)
    given = re.findall(r"%arg\d+: [^%]*", head)
    donated = [i for i, x in enumerate(given) if "tf.aliasing_output" in x or "jax.buffer_donor" in x]
    assert donated == list(range(len(jax.tree.leaves(state_shapes(prepared(dcgan(norm="none")).experiment)))))


def test_gradients_of_kernels_dilate_the_small_map():
    """cuDNN has a program for these, and none with the large map as the kernel and `lhs_dilate` for the small one."""
    found = [(c.lhs_dilate, c.rhs_dilate) for c in convolutions(lowered()) if c.of_kernel]
    assert set(found) == {("1, 1", "2, 2"), ("1, 1", "1, 1")}  # of layers of stride 2, and of those without


def test_transposed_convolutions_have_reversed_kernels_at_first_hand():
    """Where the reversal is a convolution's operand, XLA calls cuDNN's gradient of the input, and reverses nothing."""
    reversed_ = re.findall(r"(%\w+) = stablehlo.reverse", lowered())
    maps = [c for c in convolutions(lowered()) if not c.of_kernel]
    assert {c.rhs_dilate for c in maps} == {"1, 1"}
    dilated = [c.kernel for c in maps if c.lhs_dilate == "2, 2"]
    assert dilated
    assert set(dilated) <= set(reversed_)
    assert len(reversed_) == sum(c.kernel in reversed_ for c in maps)  # nothing else is reversed


def test_operands_are_bfloat16_where_the_recipe_says_so():
    found = list(convolutions(lowered("bfloat16")))
    assert len(found) > 10
    assert {dtype for c in found for dtype in c.dtypes} == {"bf16"}
    assert {dtype for c in convolutions(lowered()) for dtype in c.dtypes} == {"f32"}


def test_whole_calls_are_loops_of_constant_length():
    for program, constant_length in ((lowered(), False), (lowered(constant_length=True), True)):
        condition = re.search(r"stablehlo.while.*?cond \{(.*?)\} do", program, re.DOTALL).group(1)
        assert (f"dense<{N}> : tensor<i32>" in condition) == constant_length
    assert parallel.whole_calls(N, jax.devices()) == 0  # on a CPU one program does


def test_both_loops_make_the_same_steps():
    for a, b in zip(after(whole=N), after(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_calls_of_other_lengths_have_the_loop_of_any_length(monkeypatch):
    monkeypatch.setattr(parallel, "mapped", lambda function, *_, **__: function)
    length = parallel.over_devices(lambda _state, _constants, _feed, n: n, jax.devices()[:1], N)
    assert [type(length(0, 0, 0, np.int32(n))) for n in (N, N - 1)] == [int, np.int32]  # a constant, or traced


def test_remat_computes_networks_again_and_the_same():
    plain, again = (len(list(convolutions(lowered(remat=remat)))) for remat in (False, True))
    assert again > plain
    for a, b in zip(after(remat=True), after(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
