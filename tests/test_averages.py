"""Raw and averaged weights are not exchanged anywhere: a checkpoint in which they are far apart."""

import jax
import numpy as np
import pytest

from gan_cli import load
from gan_cli.engine.checkpoint import Checkpoints
from gan_cli.engine.sampler import Sampler, draw_many, recognised
from gan_cli.engine.state import state_shapes
from gan_cli.runs import load as runs
from gan_cli.runs.folder import RunFolder


@pytest.fixture(scope="module")
def apart(untrained, tmp_path_factory):
    """By kind of recipe: a run whose averaged weights are half its raw ones."""
    folders = {}
    for kind in ("plain", "codes"):
        found = runs.load_run(untrained[kind])
        halved = {
            role: own._replace(params=jax.tree.map(lambda x: x / 2, own.params))
            for role, own in found.state.average.items()
        }
        run = RunFolder(tmp_path_factory.mktemp("apart") / kind)
        run.create()
        run.write_recipe(found.meta.recipe, kind)
        checkpoints = Checkpoints(run.checkpoints)
        checkpoints.save(0, found.state._replace(average=halved), found.meta)
        checkpoints.close()
        folders[kind] = run.path
    return folders


def expected(folder, raw):
    found = runs.load_run(folder)
    weights = found.state.variables if raw else found.state.average
    return Sampler(found.experiment, 4)(weights, draw_many(found.experiment, 3, 4))


@pytest.mark.parametrize("raw", [True, False])
def test_samples_are_of_the_weights_asked_for(apart, gan, tmp_path, raw):
    wanted, other = expected(apart["plain"], raw), expected(apart["plain"], not raw)
    assert not np.array_equal(wanted, other)
    np.testing.assert_array_equal(load(apart["plain"], raw=raw).sample(4, seed=3).arrays, wanted)
    out = tmp_path / "samples.npz"
    flag = ["--raw"] if raw else []
    assert gan("sample", "--ckpt", apart["plain"], "--n", 4, "--seed", 3, *flag, "--out", out)[0] == 0
    np.testing.assert_array_equal(np.load(out)["arr_0"], wanted)


def test_what_infers_is_averaged_with_what_draws(apart):
    found = runs.load_run(apart["codes"])
    assert sorted(state_shapes(found.experiment).average) == ["discriminator", "generator", "recognition"]
    assert sorted(found.state.average) == ["discriminator", "generator", "recognition"]
    assert recognised(found.experiment)
