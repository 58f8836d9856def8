"""Programs kept from process to process: the same bits without tracing, and nothing from a place that others write."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny_tables

from gan_cli import build, datasets
from gan_cli.data.store import Store
from gan_cli.engine import kept, sampler
from gan_cli.engine.loop import Trainer
from gan_cli.engine.state import flat, initial_state
from gan_cli.runs.load import load_run


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder; the one that programs lie in."""
    monkeypatch.setenv("GAN_CACHE_DIR", str(tmp_path))
    return tmp_path / "programs"


def steep(weights, x):
    """A function whose tracing can be forbidden."""
    traced.append(x.shape)
    return {"y": jnp.tanh(weights["net.w"] * x), "n": x.sum()}


traced: list[tuple[int, ...]] = []
WEIGHTS = {"net.w": np.float32([1, 2, 3])}
X = np.float32([[0.1, 0.2, 0.3]])


def run(*about: str):
    traced.clear()
    return kept.program(steep, about or ("steep",))(WEIGHTS, X)


def test_a_kept_program_is_not_traced_and_computes_the_same_bits(cache):
    first = run()
    assert traced == [(1, 3)]
    again = run()
    assert traced == []
    plain = jax.jit(steep)(WEIGHTS, X)
    for made in (first, again):
        assert {name: np.asarray(x).tobytes() for name, x in made.items()} == {
            name: np.asarray(x).tobytes() for name, x in plain.items()
        }
    assert cache.stat().st_mode & 0o777 == 0o700


def test_leaves_by_name_are_the_same_as_a_tree(cache):
    one = kept.program(lambda w: w["a.b"] if "a.b" in w else w["a"]["b"], ("same",))
    assert one({"a": {"b": X}}).tolist() == one({"a.b": X}).tolist() == X.tolist()
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"junk", "half", "flipped"])
def test_what_is_damaged_is_made_anew(cache, damage):
    run()
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes({"half": whole[:-9], "flipped": whole[:-1] + bytes([whole[-1] ^ 1])}.get(damage, damage))
    run()
    assert traced
    assert file.read_bytes() == whole


def test_nothing_is_taken_from_where_others_write(cache, tmp_path):
    run()
    cache.chmod(0o777)
    run()
    assert traced
    cache.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    run()
    assert traced


def test_a_cache_that_cannot_be_written_costs_time_only(cache):
    cache.write_text("a file where the folder should be")
    assert run()["y"].shape == (1, 3)
    assert run()["y"].shape == (1, 3)
    assert traced


def test_what_shapes_a_program_is_in_its_name(cache, monkeypatch):
    run()
    run("another")
    assert traced
    with jax.default_matmul_precision("highest"):
        run()
    assert traced
    monkeypatch.setattr(kept, "_surroundings", lambda: "edited since")
    run()
    assert traced
    run("")  # of which nothing is known
    assert len(list(cache.iterdir())) == 4


def test_settings_that_change_in_a_process_are_seen(cache):
    program = kept.program(lambda x: x @ x, ("product",))
    program(jnp.eye(2))
    with jax.default_matmul_precision("highest"):
        program(jnp.eye(2))
    assert len(list(cache.iterdir())) == 2


def test_what_calls_beside_xla_is_compiled_and_not_kept(cache):
    root = kept.program(jnp.linalg.cholesky, ("root",))(4 * jnp.eye(2))
    assert root.tolist() == [[2, 0], [0, 2]]
    assert not list(cache.iterdir())


def test_buffers_are_given_up(cache):
    state = jnp.zeros(3)
    program = kept.program(lambda state, x: state + x, ("step",), donate=(0,))
    state = program(state, jnp.ones(3))
    assert program(state, jnp.ones(3)).tolist() == [2, 2, 2]
    assert state.is_deleted()


def test_training_steps_of_a_kept_program_are_not_traced_and_are_the_same(cache):
    resolved = build.resolve(tiny_tables(), "tiny")
    source = datasets.load_data(resolved, Store.from_environment())

    class Counted:
        feeding = datasets.feed(resolved, source)
        constants, feed = feeding.constants, feeding.feed

        def take(self, constants, feed):
            traced.append(feed)
            return self.feeding.take(constants, feed)

    def trained(identity: str):
        made = build.experiment(resolved, source.spec)
        made = made if identity else made._replace(identity="")
        trainer = Trainer(made, Counted(), jax.devices()[:1])
        state, sums = trainer.advance(trainer.place(initial_state(made, 0)), 0, 3)
        state, more = trainer.advance(state, 3, 2)
        return [x.tobytes() for x in jax.tree.leaves(jax.device_get((flat(state), sums, more)))]

    traced.clear()
    first = trained("kept")
    assert len(traced) == 1
    assert trained("kept") == first
    assert len(traced) == 1
    assert trained("") == first
    assert len(traced) == 2


def test_the_oldest_programs_go(cache, monkeypatch):
    monkeypatch.setattr(kept, "MOST", 2)
    for i in range(4):
        kept.data((f"thing {i}",), lambda i=i: [i])
    assert len(list(cache.iterdir())) == 2
    assert kept.data(("thing 3",), lambda: "lost") == [3]


@pytest.mark.parametrize("raw", [False, True])
def test_samples_of_a_kept_program_need_no_networks(cache, untrained, raw):
    def draw():
        loaded = load_run(untrained["classes"], raw=raw)
        made = sampler.Sampler(loaded.experiment, 4, jax.devices()[:1])
        return loaded, made(loaded.leaves(raw), sampler.draw_many(loaded.experiment, 0, 4))

    _, first = draw()
    loaded, again = draw()
    assert "_made" not in vars(loaded.experiment.definitions)
    assert "_made" not in vars(loaded.experiment.optimisers)
    whole = load_run(untrained["classes"])
    plain = sampler.Sampler(whole.experiment._replace(identity=""), 4, jax.devices()[:1])
    wanted = plain(whole.weights(raw), sampler.draw_many(whole.experiment, 0, 4))
    assert np.array_equal(first, wanted)
    assert np.array_equal(again, wanted)


def test_only_the_weights_that_are_asked_for_are_read(untrained):
    whole = load_run(untrained["codes"])
    part = load_run(untrained["codes"], raw=False)
    assert {name.partition(".")[0] for name in part.arrays} == {"average"}
    one, other = (jax.tree.leaves_with_path(loaded.weights(raw=False)) for loaded in (whole, part))
    assert [(path, x.tolist()) for path, x in one] == [(path, x.tolist()) for path, x in other]


def test_sampling_imports_neither_flax_nor_optax():
    slow = "import sys, gan_cli.sampling.take, gan_cli.judging.evaluate; print({'flax', 'optax'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", slow], capture_output=True, text=True, check=True).stdout == "set()\n"
