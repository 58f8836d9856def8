"""Random changes of examples inside the step."""

import jax
import numpy as np
import pytest

from gan_cli.data import augment
from gan_cli.data.labelled import hide
from gan_cli.data.pipeline import pipeline
from gan_cli.data.source import in_memory
from gan_cli.errors import InputError

X = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.int32) % 3


def source(*augments, labelled=None):
    made = in_memory("noise", X, LABELS, ("a", "b", "c"))
    made = made._replace(
        spec=made.spec._replace(parts={"input": made.spec._replace(shape=(4, 4, 1), classes=())}),
        load=lambda indices: {"x": X[indices], "input": X[indices, ::2, ::2], "y": LABELS[indices]},
    )
    return augment.change(hide(made, labelled=labelled), augment=augments)


def batch(feed, step):
    own = {name: x[0] for name, x in feed.feed(step, 1).items()}
    return {name: np.asarray(x) for name, x in jax.jit(feed.take)(feed.constants, own).items()}


@pytest.mark.parametrize("labelled", [None, 6])
def test_both_feeds_and_every_process_change_the_same_examples_alike(labelled):
    data = source(augment.flip(), augment.shift(pixels=1), augment.zoom(least=0.7), labelled=labelled)
    whole = batch(pipeline(data, batch=8, seed=1, resident=True), 3)
    streamed = pipeline(data, batch=8, seed=1, resident=False)
    again = batch(streamed, 3)
    streamed.close()
    half = batch(pipeline(data, batch=8, seed=1, resident=True, rows=slice(4, 8)), 3)
    assert whole.keys() == again.keys() == half.keys()
    for name, x in whole.items():
        np.testing.assert_allclose(again[name], x, atol=1e-6)
        np.testing.assert_allclose(half[name], x[4:], atol=1e-6)
    plain = batch(pipeline(source(labelled=labelled), batch=8, seed=1, resident=True), 3)
    assert all((plain[name] != x).any() for name, x in whole.items() if name.endswith(("x", "input")))


def test_all_parts_of_an_example_are_changed_alike_and_anew_each_time():
    feed = pipeline(source(augment.flip()), batch=12, seed=0, resident=True)
    plain = pipeline(source(), batch=12, seed=0, resident=True)
    mirrored = []
    for step in range(3):  # an epoch each
        seen, real = batch(feed, step), batch(plain, step)
        of_x, of_input = ((seen[name] != real[name]).any((1, 2, 3)) for name in ("x", "input"))
        np.testing.assert_array_equal(of_x, of_input)
        for name in ("x", "input"):
            np.testing.assert_array_equal(seen[name][of_x], real[name][of_x][:, :, ::-1])
        mirrored.append(of_x[np.argsort(real["x"].sum((1, 2, 3)))])
    assert 0 < np.mean(mirrored) < 1
    assert (mirrored[0] != mirrored[1]).any()


def test_shifts_and_zooms_are_of_the_size_that_was_asked_for():
    image = {"x": np.float32(np.arange(64).reshape(8, 8, 1))}
    key = jax.random.key(0)
    np.testing.assert_allclose(augment.zoom(least=1.0).apply(key, image)["x"], image["x"], atol=1e-4)
    moves = set()
    for seed in range(40):
        moved = np.asarray(augment.shift(pixels=2).apply(jax.random.key(seed), image)["x"])[3, 3, 0] - 27
        moves.add((round(moved / 8), int(moved - 8 * round(moved / 8))))
    assert {abs(a) for move in moves for a in move} == {0, 1, 2}
    zoomed = np.asarray(augment.zoom(least=0.5).apply(key, image)["x"])
    assert 0 <= zoomed.min() < zoomed.max() <= 63
    assert np.diff(zoomed[:, 0, 0]).mean() < 8  # a smaller part of the gradient


def test_vectors_are_not_augmented():
    with pytest.raises(InputError, match=r"points: \[data\] augment is for images, and these are points"):
        augment.change(in_memory("points", np.zeros((3, 2), np.float32)), augment=(augment.flip(),))
