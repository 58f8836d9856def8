"""Runs before their first step, a recipe of each kind: for what does not depend on what was learnt."""

from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_tables

MLPS = {"generator": {"hidden": [32], "output": "tanh"}}
LABELLED = {"condition": "concatenate"}
RECIPES = {
    "plain": tiny_tables(networks=MLPS, game={"latent": 6}),
    "classes": tiny_tables(
        networks={"generator": {**MLPS["generator"], **LABELLED}, "discriminator": LABELLED},
        game={"conditional": True, "latent": 6},
    ),
    "codes": tiny_tables(
        networks={**MLPS, "recognition": {"net": "mlp", "hidden": [8]}},
        game={
            "play": "infogan",
            "loss": "adversarial.non_saturating",
            "latent": 6,
            "prior": "uniform",
            "categorical": [4],
            "continuous": 2,
        },
    ),
    "points": tiny_tables(
        data={"source": "toy.ring"},
        networks={"generator": {"net": "mlp.branched", "hidden": [8]}, "discriminator": {"hidden": [8]}},
        game={"play": "mad", "latent": 2},
    ),
}


def begin(folder: Path, recipe: dict[str, Any], louder: float = 1.0) -> Path:
    """The folder of a run of a recipe's tables before its first step, its averaged weights so many times as large."""
    import jax

    from gan_cli import build
    from gan_cli.data.store import Store
    from gan_cli.engine.checkpoint import Checkpoints, Meta
    from gan_cli.engine.state import initial_state
    from gan_cli.runs.folder import RunFolder

    run = RunFolder(folder)
    prepared = build.prepare(recipe, folder.name, Store())
    run.create()
    run.write_recipe(prepared.resolved, folder.name)
    checkpoints = Checkpoints(run.checkpoints)
    meta = Meta(prepared.resolved, prepared.source.spec, prepared.source.fingerprint, [])
    state = initial_state(prepared.experiment, 0)
    checkpoints.save(0, state._replace(average=jax.tree.map(lambda x: x * louder, state.average)), meta)
    checkpoints.close()
    return folder


@pytest.fixture(scope="session")
def untrained(tmp_path_factory) -> dict[str, Path]:
    """The run folders by the name of their recipe; nothing may be written into them."""
    folder = tmp_path_factory.mktemp("untrained")
    return {name: begin(folder / name, recipe) for name, recipe in RECIPES.items()}
