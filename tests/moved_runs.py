"""Runs whose weights were moved by a random step instead of trained: raw and averaged ones differ, samples vary."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tiny import dcgan, tiny_tables
from untrained import RECIPES

from gan_cli import build
from gan_cli.data.store import Store
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.state import initial_state
from gan_cli.recipe_tables import laid_over
from gan_cli.runs.folder import RunFolder

STEP = 7
HINGE = {"loss": "adversarial.hinge", "latent": 5}
BRANCHED = {"generator": {"net": "dcgan.branched", "width": 4}}
CONDITION = {"generator": {"condition": "norm"}, "discriminator": {"condition": "projection"}}
NETWORKS = dcgan(norm="spectral")
KINDS = {
    "images": tiny_tables(networks=NETWORKS, game=HINGE),
    "classes": tiny_tables(networks=laid_over(NETWORKS, CONDITION), game={**HINGE, "conditional": True}),
    "bfloat16": tiny_tables(networks=NETWORKS, game=HINGE, train={"precision": "bfloat16"}),
    "codes": RECIPES["codes"],
    "branches": tiny_tables(networks={**NETWORKS, **BRANCHED}, game={"play": "mad", "latent": 5}),
    "points": RECIPES["points"],
}
PAIRS = tiny_tables(
    data={"channels": 1, "input_views": ["views.edges"]},
    networks={"generator": {"net": "translator.unet", "width": 2}},
    game={"play": "pix2pix", "loss": "adversarial.hinge"},
)
DIGITS, TRANSLATOR, JUDGE = PAIRS["data"] | {"input_views": []}, {"net": "mlp", "hidden": [8]}, {"net": "mlp"}
ADAM = {"name": "adam", "learning_rate": 1e-3}
GIVEN = {  # they start from examples
    "pairs": PAIRS,
    "domains": {
        "data": {"a": DIGITS | {"views": ["views.edges"]}, "b": DIGITS},
        "networks": {"g_ab": TRANSLATOR, "g_ba": TRANSLATOR, "d_a": JUDGE, "d_b": JUDGE},
        "game": {"play": "cyclegan", "loss": "adversarial.least_squares", "pool": 4},
        "optimisers": {"generators": ADAM, "discriminators": ADAM},
        "train": PAIRS["train"],
    },
    "classifier": tiny_tables(
        data={"labelled": 50}, game={"play": "semi_supervised", "loss": "adversarial.non_saturating", "latent": 5}
    ),
}
FILES = tiny_tables(data={"source": "npz", "path": "images.npz", "size": 8}, networks=NETWORKS, game=HINGE)
PROTOCOL = {
    "features": "digits",
    "features_hash": "cf7af2dfefa6",
    "n_real": 1797,
    "n_fake": 100,
    "split": "digits all",
    "resize": "none",
    "seed": 0,
    "options": {},
    "training": "",
}


def moved_run(
    path: Path,
    kind: str,
    *,
    log: tuple[Mapping[str, Any], ...] = (),
    metrics: tuple[Mapping[str, Any], ...] = (),
    classes: tuple[str, ...] = (),
    score: float | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Path:
    """A run folder of a recipe in KINDS or GIVEN with one checkpoint, at STEP. `classes`: names in place of the data's.

    kind: also "files", of images.npz in the working folder, or what a `recipe` of one's own is called.
    """
    recipe = recipe or (FILES if kind == "files" else {**KINDS, **GIVEN}[kind])
    prepared = build.prepare(recipe, kind, Store())
    spec = prepared.source.spec._replace(classes=classes) if classes else prepared.source.spec
    run = RunFolder(path)
    run.create()
    run.write_recipe(prepared.resolved, f"A model of {kind}.")
    for file, lines in ((run.log, log), (run.metrics, metrics)):
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    state = initial_state(prepared.experiment, 0)
    state = state._replace(variables=_moved(state.variables, 1), average=_moved(state.average, 2))
    history = [dict(line) for line in metrics if score is not None]
    checkpoints = Checkpoints(run.checkpoints)
    streams = {} if "" in prepared.sources else dict(prepared.experiment.specs)
    meta = Meta(prepared.resolved, spec, prepared.fingerprint, history, score=score, streams=streams)
    checkpoints.save(STEP, state, meta)
    checkpoints.close()
    return path


def _moved(tree: Any, seed: int) -> Any:
    """Floats grow by U(0, 0.3): variances stay positive."""
    draw = np.random.default_rng(seed)

    def moved(x: Any) -> Any:
        if not jnp.issubdtype(x.dtype, jnp.floating):
            return x
        return jnp.asarray(np.asarray(x) + 0.3 * draw.random(x.shape, np.float32))

    return jax.tree.map(moved, tree)
