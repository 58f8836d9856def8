"""Runs before their first step, a recipe of each kind: for what does not depend on what was learnt."""

import tomllib
from pathlib import Path

import pytest

TRAINING = """
[optimisers.generator]
name = "adam"
learning_rate = 1e-3
[optimisers.discriminator]
name = "adam"
learning_rate = 1e-3
[train]
steps = 1
batch = 16
"""
DIGITS = """
[data]
source = "digits"
split = "all"
"""
NETWORKS = """
[networks.generator]
net = "mlp"
hidden = [32]
output = "tanh"
{condition}
[networks.discriminator]
net = "mlp"
hidden = [16]
{condition}
"""
RECIPES = {
    "plain": DIGITS
    + NETWORKS.format(condition="")
    + """
[game]
play = "standard"
loss = "adversarial.non_saturating"
latent = 6
""",
    "classes": DIGITS
    + NETWORKS.format(condition='condition = "concatenate"')
    + """
[game]
play = "standard"
loss = "adversarial.non_saturating"
conditional = true
latent = 6
""",
    "codes": DIGITS
    + NETWORKS.format(condition="")
    + """
[networks.recognition]
net = "mlp"
hidden = [8]
[game]
play = "infogan"
loss = "adversarial.non_saturating"
latent = 6
prior = "uniform"
categorical = [4]
continuous = 2
""",
    "points": """
[data]
source = "toy.ring"
[networks.generator]
net = "mlp.branched"
hidden = [8]
[networks.discriminator]
net = "mlp"
hidden = [8]
[game]
play = "mad"
latent = 2
""",
}


@pytest.fixture(scope="session")
def untrained(tmp_path_factory) -> dict[str, Path]:
    """The run folders by the name of their recipe; nothing may be written into them."""
    from gan_cli import build
    from gan_cli.data.store import Store
    from gan_cli.engine.checkpoint import Checkpoints, Meta
    from gan_cli.engine.state import initial_state
    from gan_cli.runs.folder import RunFolder

    folder = tmp_path_factory.mktemp("untrained")
    for name, recipe in RECIPES.items():
        run = RunFolder(folder / name)
        prepared = build.prepare(tomllib.loads(recipe + TRAINING), name, Store())
        run.create()
        run.write_recipe(prepared.resolved, name)
        checkpoints = Checkpoints(run.checkpoints)
        meta = Meta(prepared.resolved, prepared.source.spec, prepared.source.fingerprint, [])
        checkpoints.save(0, initial_state(prepared.experiment, 0), meta)
        checkpoints.close()
    return {name: folder / name for name in RECIPES}
