"""What the recipes claim, trained for real: minutes each, run by `make science`, recorded in docs/results.md."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def train(recipe: str, out, *options: str) -> dict:
    """The last evaluation of a training, as `gan train --json` reports it."""
    command = [sys.executable, "-m", "gan_cli", "train", recipe, "--out", str(out), "--json", *options]
    environment = {**os.environ, "XLA_FLAGS": ""}  # one device, as a user has
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(ended.stdout)["last"]


@pytest.mark.parametrize("seed", range(3))
def test_demo_reaches_its_score_with_any_seed(tmp_path, seed):
    assert train("dcgan_digits", tmp_path / "run", "--set", f"run.seed={seed}")["fid"] < 5


def test_dcgan_on_mnist_reaches_its_score(tmp_path, mnist_dir):
    assert train("dcgan_mnist", tmp_path / "run", "--data-dir", str(mnist_dir))["fid"] < 3
