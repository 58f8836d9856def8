"""The smallest recipe: of digits, and with networks of one hidden layer. A test says what its own has otherwise."""

from typing import Any

import tomli_w

from gan_cli.recipe_tables import laid_over


def both(**table: Any) -> dict[str, Any]:
    """Tables of a generator and a discriminator that are the same."""
    return {"generator": table, "discriminator": table}


def dcgan(width: int = 4, **discriminator: Any) -> dict[str, Any]:
    """Networks of convolutions."""
    return {
        "generator": {"net": "dcgan.generator", "width": width},
        "discriminator": {"net": "dcgan.discriminator", "width": width, **discriminator},
    }


TABLES = {
    "data": {"source": "digits", "split": "all", "size": 8},
    "networks": both(net="mlp", hidden=[16]),
    "game": {"play": "standard", "loss": "adversarial.non_saturating", "latent": 4},
    "optimisers": both(name="adam", learning_rate=1e-3),
    "train": {"steps": 1, "batch": 16},
}


def tiny_tables(**changes: Any) -> dict[str, Any]:
    """The tables with `changes` laid over them as by `like`: another network or source has nothing of the old one's."""
    return laid_over(TABLES, changes)


def tiny_recipe(**changes: Any) -> str:
    """The recipe's text."""
    return tomli_w.dumps(tiny_tables(**changes))


# 60 steps with judgements and checkpoints on the way
RUN = tiny_recipe(
    data={"channels": 1},
    networks={"generator": {"output": "tanh"}},
    train={"steps": 60, "steps_per_call": 7},
    run={"log_every": 20, "sample_every": 30, "checkpoint_every": 20, "grid": 9},
    eval={"every": 30, "n": 300, "n_real": 300, "batch": 100, "split": "all"},
)
