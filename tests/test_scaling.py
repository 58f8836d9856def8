"""scripts/scaling: what is read from compiled programs, and the model of a slice."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "scaling"))
import hlo
import model
from model import Chip, Line, Work


def compiled(function, *shapes):
    return jax.jit(function).lower(*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)).compile()


def convolution(strides, dilation, padding):
    def apply(x, w):
        return lax.conv_general_dilated(x, w, strides, padding, dilation, None, ("NHWC", "HWIO", "NHWC"))

    return apply


@pytest.mark.parametrize(
    ("function", "shapes", "features"),
    [
        (jnp.matmul, ((5, 7), (7, 11)), (7, 11)),
        (convolution((2, 2), (1, 1), ((1, 1), (1, 1))), ((3, 8, 8, 5), (4, 4, 5, 6)), (5, 6)),
        (convolution((1, 1), (2, 2), ((2, 2), (2, 2))), ((3, 8, 8, 5), (4, 4, 5, 6)), (5, 6)),  # of a generator
    ],
)
def test_products_are_counted_as_xla_counts_them(function, shapes, features):
    program = compiled(function, *shapes)
    (product,) = hlo.read(program.as_text()).products
    assert product.flops == program.cost_analysis()["flops"]
    assert (product.inner, product.columns) == features
    assert product.padded == pytest.approx(product.flops * 128 / features[0] * 128 / features[1])


def test_a_gradient_of_weights_keeps_its_features():
    apply = convolution((2, 2), (1, 1), ((1, 1), (1, 1)))
    program = compiled(jax.grad(lambda w, x: apply(x, w).sum()), (4, 4, 5, 6), (3, 8, 8, 5))
    products = hlo.read(program.as_text()).products
    assert {(p.inner, p.columns) for p in products} <= {(5, 6), (6, 5)}


def test_collectives_are_found_with_their_bytes():
    together = jax.pmap(lambda tree: lax.pmean(tree, "devices"), axis_name="devices", devices=jax.devices()[:2])
    shapes = {"w": jax.ShapeDtypeStruct((2, 3, 4), jnp.float32), "s": jax.ShapeDtypeStruct((2,), jnp.float32)}
    found = hlo.read(together.lower(shapes).compile().as_text()).collectives
    assert {c.op for c in found} == {"all-reduce"}
    assert sum(c.bytes for c in found) == 4 * (3 * 4 + 1)


LINK = Chip("x", 1.0, 1.0, 1e9, 1.0, 4, 1, {1: (1,), 4: (4,), 6: (2, 3)})


def test_an_all_reduce_along_a_ring_and_along_lines():
    ring = 2 * (2 * model.HOP + 1e9 * 3 / 4 / 2e9)
    assert model.all_reduce(LINK, 4, 10**9, axes_at_once=True) == pytest.approx(ring)
    lines = 2 * (3 * model.HOP + 1e9 / 2 / 1e9 + 0.5e9 * 2 / 3 / 1e9)
    assert model.all_reduce(LINK, 6, 10**9, axes_at_once=False) == pytest.approx(lines)
    halved = 2 * (3 * model.HOP + (1e9 / 2 / 1e9 + 0.5e9 * 2 / 3 / 1e9) / 2)
    assert model.all_reduce(LINK, 6, 10**9, axes_at_once=True) == pytest.approx(halved)


def test_lines_go_through_their_points():
    line = Line(1e9, 2e6, 30.0)
    points = [(each, devices, line.at(each, devices)) for each, devices in ((16, 2), (16, 8), (64, 8))]
    assert model.fit(points) == pytest.approx(line)
    assert model.deviation(line, [(16, 1, 2 * line.at(16, 1))]) == pytest.approx(0.5)


@pytest.mark.parametrize("chip", model.TPUS, ids=lambda chip: chip.name)
def test_the_best_is_not_slower_than_the_worst_on_any_slice(chip):
    lines = {"products": Line(0, 1e8, 0), "padded": Line(0, 2e8, 0), "product_bytes": Line(1e6, 1e6, 0)}
    work = Work(
        **lines, bytes=Line(1e8, 4e6, 1e4), vector=Line(1e7, 1e6, 1e4), state_bytes=1e7, collectives=(10**6, 512)
    )
    for chips in model.CHIPS:
        best, worst = model.best(chip, work, 64, chips), model.worst(chip, work, 64, chips)
        assert 0 < best.work <= worst.work
        assert (chips > 1) == (best.together > 0)
        assert best.together <= worst.together
        assert chips == 1 or model.best(chip, model.merged(work), 64, chips).together < best.together
