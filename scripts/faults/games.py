"""The recipes that are broken here: a toy and a small image game, with frequent checkpoints and evaluations.

Checkpoints, evaluations and looks of the monitor fall on log lines, so that a run killed and started again has to write
the very same log. Evaluations come a little after a checkpoint, while it is still being written. Steps a call divide no
cadence.
"""

from collections.abc import Mapping
from pathlib import Path

PLAYERS = """
[game]
play = "standard"
loss = "adversarial.non_saturating"
latent = 4
[optimisers.generator]
name = "adam"
learning_rate = 1e-3
b1 = 0.5
[optimisers.discriminator]
name = "adam"
learning_rate = 1e-3
b1 = 0.5
"""

TOY = f"""# A ring of Gaussians and two small MLPs
[data]
source = "toy.ring"
[networks.generator]
net = "mlp"
hidden = [16]
[networks.discriminator]
net = "mlp"
hidden = [16]
{PLAYERS}
[train]
steps = 2500
batch = 16
steps_per_call = 7
[run]
log_every = 25
sample_every = 250
checkpoint_every = 50
[eval]
every = 275
n = 256
n_real = 256
[monitor]
every = 250
"""

IMAGES = f"""# Scikit-learn's digits at 16x16 and a small DCGAN, judged by FID
[data]
source = "digits"
split = "all"
size = 16
channels = 1
resize = "squash"
[networks.generator]
net = "dcgan.generator"
width = 8
[networks.discriminator]
net = "dcgan.discriminator"
width = 8
norm = "spectral"
{PLAYERS}
[train]
steps = 600
batch = 16
steps_per_call = 7
[run]
log_every = 10
sample_every = 100
checkpoint_every = 20
grid = 9
[eval]
every = 110
n = 128
n_real = 256
batch = 64
split = "all"
[monitor]
every = 100
n = 16
"""

GAMES: Mapping[str, str] = {"toy": TOY, "images": IMAGES}


def write(name: str, folder: Path) -> Path:
    """Put the recipe `name` of GAMES into `folder`."""
    path = folder / f"{name}.toml"
    path.write_text(GAMES[name], encoding="utf-8")
    return path
