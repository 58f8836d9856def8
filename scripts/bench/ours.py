"""Our side of the step benchmark: the engine's compiled step on random images. Speaks as torch_peer.py does."""

import argparse
import sys
import time

import jax
import numpy as np

from gan_cli import build, recipe
from gan_cli.data.source import in_memory
from gan_cli.engine import platform
from gan_cli.engine.loop import Trainer
from gan_cli.engine.state import initial_state


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--latent", type=int, default=100)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--set", action="append", default=[])
    a = parser.parse_args()

    platform.start()
    images = np.random.default_rng(0).integers(0, 256, (10_000, a.size, a.size, a.channels), dtype=np.uint8)
    source = in_memory("noise", images)
    widths = [f"networks.{role}.width={a.width}" for role in ("generator", "discriminator")]
    overrides = [f"train.batch={a.batch}", f"game.latent={a.latent}", *widths, *a.set]
    resolved = build.resolve(recipe.read(recipe.find("dcgan_mnist"), overrides), "dcgan_mnist")
    experiment = build.experiment(resolved, source.spec)
    trainer = Trainer(experiment, build.feed(resolved, source), jax.local_devices())
    state = trainer.place(initial_state(experiment, 0))
    per_call = experiment.train.steps_per_call
    step = 0

    def advance(steps: int) -> None:
        nonlocal state, step
        for start in range(0, steps, per_call):
            n = min(per_call, steps - start)
            state, _ = trainer.advance(state, step, n)
            step += n
        jax.block_until_ready(state)

    advance(per_call)
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        advance(int(line))
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
