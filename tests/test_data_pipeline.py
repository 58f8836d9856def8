"""Batches as a pure function of (seed, step), from either kind of feed, and the toys' moments."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_cli import media
from gan_cli.data import images, toy
from gan_cli.data.labelled import hide
from gan_cli.data.order import indices, order
from gan_cli.data.pipeline import Resident, Streamed, ahead, everything, pipeline, stored_bytes
from gan_cli.data.source import Source, digest, in_memory
from gan_cli.data.store import Store
from gan_cli.data.tasks import divide
from gan_cli.errors import InputError
from gan_cli.media.medium import from_levels, to_levels
from gan_cli.types import Spec

rng = np.random.default_rng(0)
SIZE, BATCH = 23, 7


@pytest.fixture
def source():
    x = rng.integers(0, 256, (SIZE, 4, 4, 1), np.uint8)
    x[0, 0, 0], x[0, 0, 1] = 0, 255
    return in_memory("tiny", x, np.arange(SIZE) % 3, ("a", "b", "c"))


@pytest.fixture
def feeds(source):
    made = [pipeline(source, batch=BATCH, seed=3, resident=resident) for resident in (True, False)]
    yield made
    for feed in made:
        feed.close()


def batches(feed, start, n):
    """The batches of steps start .. start + n - 1, as the engine makes them."""
    constants, given = jax.device_put(dict(feed.constants)), feed.feed(start, n)
    take = jax.jit(feed.take)
    steps = [{name: leaf[i] for name, leaf in given.items()} for i in range(n)]
    return [jax.device_get(take(constants, step)) for step in steps]


# order


def test_each_epoch_is_another_permutation():
    epochs = [order(5, SIZE, epoch) for epoch in range(4)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(SIZE))
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert tuple(order(6, SIZE, 0)) != tuple(epochs[0])


def test_order_never_changes():
    """Written down once: a run that was saved by an older release goes on with the same batches."""
    assert order(0, 10, 0).tolist() == [0, 8, 9, 3, 7, 5, 1, 2, 6, 4]
    assert order(7, 6, 3).tolist() == [1, 0, 4, 2, 3, 5]


def test_batches_straddle_epochs_without_replacement():
    drawn = np.concatenate([indices(3, step, BATCH, SIZE) for step in range(2 * SIZE)])
    assert drawn.dtype == np.int32
    for epoch in drawn.reshape(-1, SIZE):
        assert sorted(epoch) == list(range(SIZE))


def test_batch_larger_than_the_data():
    chosen = indices(0, 1, 10, 4)
    np.testing.assert_array_equal(chosen, np.concatenate([order(0, 4, e) for e in (2, 3, 4)])[2:12])


def test_far_steps():
    assert indices(0, 10**12, 64, 60_000).max() < 60_000


# feeds


def test_either_feed_gives_the_same_batches(feeds):
    resident, streamed = feeds
    assert isinstance(resident, Resident)
    assert isinstance(streamed, Streamed)
    for start, n in ((0, 5), (5, 3), (100, 2), (101, 1), (0, 1)):  # on, on, ahead, on, back
        for one, other in zip(batches(resident, start, n), batches(streamed, start, n), strict=True):
            assert sorted(one) == sorted(other) == ["x", "y"]
            for name in one:
                assert one[name].dtype == other[name].dtype
                np.testing.assert_array_equal(one[name], other[name])


def test_batches_are_the_examples_in_order(source, feeds):
    (batch,) = batches(feeds[0], 4, 1)
    examples = source.load(indices(3, 4, BATCH, SIZE))
    np.testing.assert_allclose(batch["x"], examples["x"] / 127.5 - 1, atol=1e-7)
    np.testing.assert_array_equal(batch["y"], examples["y"])


def test_shapes_and_types_of_the_feeds(feeds):
    resident, streamed = feeds
    assert resident.feed(0, 3)["index"].shape == (3, BATCH)
    assert resident.feed(0, 3)["index"].dtype == np.int32
    given = streamed.feed(0, 3)
    assert (given["x"].shape, given["x"].dtype) == ((3, BATCH, 4, 4, 1), np.uint8)
    assert (given["y"].shape, given["y"].dtype) == ((3, BATCH), np.int32)
    assert streamed.constants == {}


def test_decode_reaches_both_ends():
    levels = np.asarray(jax.jit(from_levels)(np.arange(256, dtype=np.uint8)))
    assert levels.dtype == np.float32
    assert (levels[0], levels[255]) == (-1, 1)
    np.testing.assert_allclose(levels, np.arange(256) / 127.5 - 1, atol=1e-7)
    vectors = np.float32([[1.5, -300]])
    np.testing.assert_array_equal(media.find("vector").decode(vectors), vectors)


def test_small_sets_are_resident_and_large_ones_stream(source):
    assert stored_bytes(source) == SIZE * 16
    assert isinstance(pipeline(source, batch=2, seed=0), Resident)
    assert isinstance(pipeline(source, batch=2, seed=0, limit=SIZE * 16 - 1), Streamed)
    assert stored_bytes(in_memory("points", np.zeros((5, 2), np.float32))) == 40


def counting(loaded):
    """A source of 1000 points that writes down which examples are read."""

    def load(wanted):
        loaded.append(wanted)
        return {"x": np.repeat(wanted[:, None], 2, axis=1).astype(np.float32)}

    return Source("counted", Spec((2,)), 1000, load, digest("counted"))


def test_streaming_reads_ahead_and_stops_when_closed():
    loaded = []
    threads = threading.active_count()
    feed = pipeline(counting(loaded), batch=10, seed=0, resident=False)
    feed.feed(0, 1)
    read_ahead = threading.Event()
    read_ahead.wait(0.2)
    assert 1 < len(loaded) < 40
    feed.close()
    feed.close()
    read_ahead.wait(0.2)
    assert threading.active_count() == threads
    feed.feed(7, 1)  # may be used again
    feed.close()


def test_an_error_of_the_source_reaches_the_engine():
    def load(wanted):
        raise InputError("7.png cannot be read as an image")

    feed = pipeline(Source("bad", Spec((2,)), 10, load, "0"), batch=2, seed=0, resident=False)
    with pytest.raises(InputError, match=r"7\.png"):
        feed.feed(0, 1)
    feed.close()


def test_everything_is_read_in_pieces():
    loaded = []
    x = everything(counting(loaded))["x"]
    np.testing.assert_array_equal(x[:, 0], np.arange(1000))
    assert max(len(chunk) for chunk in loaded) < 1000


def test_ragged_images_are_refused():
    ragged = Source("photos", Spec((0, 0, 3)), 5, lambda wanted: {}, "0")
    with pytest.raises(InputError, match="photos: its images differ in size"):
        pipeline(ragged, batch=2, seed=0)


def test_fitted_mnist_from_either_feed(mnist_dir):
    from gan_cli.data.mnist import mnist

    source = images.fit(mnist(Store(mnist_dir, download=False), split="test"), size=32)
    resident, streamed = (pipeline(source, batch=64, seed=1, resident=kind) for kind in (True, False))
    for one, other in zip(batches(resident, 155, 3), batches(streamed, 155, 3), strict=True):  # over the epoch's end
        np.testing.assert_array_equal(one["x"], other["x"])
        np.testing.assert_array_equal(one["y"], other["y"])
        assert one["x"].shape == (64, 32, 32, 1)
    streamed.close()


# sources


def test_in_memory_checks_its_labels():
    x = np.zeros((3, 2), np.float32)
    with pytest.raises(InputError, match="holds no examples"):
        in_memory("none", x[:0])
    with pytest.raises(InputError, match=r"one each is wanted, \(3,\)"):
        in_memory("two", x, np.zeros(2, int), ("a",))
    with pytest.raises(InputError, match=r"0 to 1; 1 classes want 0 \.\. 0"):
        in_memory("many", x, np.array([0, 1, 0]), ("a",))


def test_fingerprint_is_of_content_shape_and_type():
    x = np.arange(12, dtype=np.uint8)
    parts = [x, x.reshape(3, 4), x.astype(np.float32), x[::-1]]
    assert len({digest(part) for part in parts}) == 4
    assert digest(x.reshape(3, 4).T) == digest(np.ascontiguousarray(x.reshape(3, 4).T))
    assert digest("ab", "c") != digest("a", "bc")


# toys


TOYS = [
    (toy.ring, {}, 8, 2),
    (toy.ring, {"radius": 2.0, "sd": 0.02, "scale": 0.5}, 8, 2),
    (toy.grid, {}, 25, 2),
    (toy.mixture, {}, 5, 1),
    (toy.mixture, {"scale": 0.01}, 5, 1),
]


@pytest.mark.parametrize(("make", "options", "modes", "dimension"), TOYS)
def test_moments_of_every_mode(make, options, modes, dimension):
    source = make(Store(), n=50_000, **options)
    examples = source.load(np.arange(50_000))
    x, y = examples["x"], examples["y"]
    assert (x.shape, x.dtype) == ((50_000, dimension), np.float32)
    assert source.spec[:2] == Spec((dimension,), tuple(f"mode {i}" for i in range(modes)))[:2]
    assert source.mixture.means.shape == (modes, dimension)
    counts = np.bincount(y, minlength=modes)
    assert abs(counts - 50_000 / modes).max() < 5 * np.sqrt(50_000 / modes)
    for mode, (mean, sd) in enumerate(zip(source.mixture.means, source.mixture.sds, strict=True)):
        mine = x[y == mode]
        assert abs(mine.mean(0) - mean).max() < 5 * sd / np.sqrt(len(mine))
        np.testing.assert_allclose(mine.std(0), sd, rtol=5 / np.sqrt(2 * len(mine)))


def test_toys_are_those_of_the_papers():
    ring, grid, mixture = (make(Store(), n=10).mixture for make in (toy.ring, toy.grid, toy.mixture))
    np.testing.assert_allclose(np.linalg.norm(ring.means, axis=1), 1)
    assert set(ring.sds) == {0.01}
    assert {tuple(mean) for mean in grid.means} == {(a, b) for a in (-4, -2, 0, 2, 4) for b in (-4, -2, 0, 2, 4)}
    assert set(grid.sds) == {0.05}
    assert mixture.means.ravel().tolist() == [10, 20, 60, 80, 110]
    assert mixture.sds.tolist() == [3, 3, 2, 2, 1]


def test_toys_follow_their_seed():
    first, again, other = (toy.ring(Store(), n=100, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_mixture_wants_an_sd_for_each_mean():
    with pytest.raises(InputError, match="sds has 5 numbers for 2 means"):
        toy.mixture(Store(), means=(0, 1))


def test_items_are_asked_for_ahead_and_handed_on_in_order():
    asked = []
    items = ahead((asked.append(i) or i for i in range(5)), 2)
    assert next(items) == 0
    assert asked == [0, 1, 2]
    assert list(items) == [1, 2, 3, 4]


def test_encoding_is_the_inverse_of_decoding():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(to_levels(from_levels(jnp.asarray(levels))), levels)


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("labelled", [None, 9])
def test_a_process_feeds_its_rows_of_the_same_batches(source, resident, labelled):
    data = source if labelled is None else hide(source, labelled=labelled)
    whole, *parts = (
        pipeline(data, batch=BATCH, seed=3, resident=resident, rows=rows)
        for rows in (slice(None), slice(0, BATCH // 2), slice(BATCH // 2, BATCH))
    )
    for start, n in ((0, 3), (3, 1), (9, 2)):
        fed, *halves = (feed.feed(start, n) for feed in (whole, *parts))
        for name, values in fed.items():
            np.testing.assert_array_equal(values, np.concatenate([half[name] for half in halves], axis=1))
    for feed in (whole, *parts):
        feed.close()


@pytest.mark.parametrize("resident", [True, False])
def test_tasks_come_one_after_the_other_and_the_last_goes_on(source, resident):
    feed = pipeline(divide(source, tasks=2, task_steps=3), batch=BATCH, seed=1, resident=resident)
    seen = [set(batch["y"].tolist()) for batch in batches(feed, 0, 8)]
    feed.close()
    assert set().union(*seen[:3]) == {0, 1}
    assert set().union(*seen[3:]) == {2}
    with pytest.raises(InputError, match=r"\[data\] tasks = 99: there are 3 classes"):
        divide(source, tasks=99)
    with pytest.raises(InputError, match=r"\[data\] tasks = 2 divides classes"):
        divide(hide(source, labelled=9), tasks=2)
