"""Runs whose weights were moved by a random step instead of trained: raw and averaged ones differ, samples vary."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from untrained import RECIPES, TRAINING

from gan_cli import build
from gan_cli.data.store import Store
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.state import initial_state
from gan_cli.runs.folder import RunFolder

STEP = 7
SMALL = """
[data]
source = "digits"
split = "all"
size = 8
[networks.generator]
net = "{net}"
width = 4
{condition}
[networks.discriminator]
net = "dcgan.discriminator"
width = 4
norm = "spectral"
{judged}
"""
STANDARD = """
[game]
play = "standard"
loss = "adversarial.hinge"
latent = 5
"""
KINDS = {
    "images": SMALL.format(net="dcgan.generator", condition="", judged="") + STANDARD,
    "classes": SMALL.format(net="dcgan.generator", condition='condition = "norm"', judged='condition = "projection"')
    + STANDARD
    + "conditional = true\n",
    "bfloat16": SMALL.format(net="dcgan.generator", condition="", judged="") + STANDARD,
    "codes": RECIPES["codes"],
    "branches": SMALL.format(net="dcgan.branched", condition="", judged="") + '[game]\nplay = "mad"\nlatent = 5\n',
    "points": RECIPES["points"],
}
FILES = KINDS["images"].replace('source = "digits"\nsplit = "all"', 'source = "npz"\npath = "images.npz"')
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
) -> Path:
    """A run folder of a recipe in KINDS with one checkpoint, at STEP. `classes`: names in place of the data's.

    kind: also "files", of images.npz in the working folder.
    """
    recipe = FILES if kind == "files" else KINDS[kind]
    training = TRAINING + ('precision = "bfloat16"\n' if kind == "bfloat16" else "")
    prepared = build.prepare(tomllib.loads(recipe + training), kind, Store())
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
    checkpoints.save(STEP, state, Meta(prepared.resolved, spec, prepared.source.fingerprint, history, score=score))
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
