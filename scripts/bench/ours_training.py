"""Ours: training steps of a recipe by the engine, as `gan train` runs them. Speaks the protocol of worker.py."""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from worker import serve

from gan_cli import build, datasets, recipe
from gan_cli.data.source import Source, in_memory
from gan_cli.data.store import Store
from gan_cli.engine import loop, platform
from gan_cli.engine.state import initial_state, state_shapes


def noise(shape: str, examples: int = 10_000) -> Source:
    """Random images of a shape given as 32x32x1."""
    size = [examples, *map(int, shape.split("x"))]
    return in_memory("noise", np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8))


def prepare(name: str, overrides: list[str], shape: str, examples: int = 10_000) -> build.Prepared:
    """The recipe with its own data, or with random images of `shape`."""
    tables = recipe.read_tables(recipe.find_recipe(name), overrides)
    if not shape:
        return build.prepare(tables, name, Store.from_environment())
    resolved, source = build.resolve(tables, name), noise(shape, examples)
    experiment = build.experiment(resolved, source.spec)
    return build.Prepared(resolved, {"": source}, experiment, state_shapes(experiment))


class Training:
    """A run without its folder: the state and the step it has come to."""

    def __init__(self, prepared: build.Prepared):
        feed = datasets.feed(prepared.resolved, prepared.sources)
        self._trainer = loop.Trainer(prepared.experiment, feed, jax.local_devices())
        self._state = self._trainer.place(initial_state(prepared.experiment, 0))
        self._step = 0
        self.per_call = prepared.experiment.train.steps_per_call

    def __call__(self, steps: int) -> None:
        """Do `steps` steps, a multiple of those of a call, and wait for them."""
        if steps % self.per_call:
            raise ValueError(f"{steps} steps are not whole calls of {self.per_call}: their ends would be timed, too")
        for _ in range(steps // self.per_call):
            self._state, _ = self._trainer.advance(self._state, self._step, self.per_call)
            self._step += self.per_call
        jax.block_until_ready(self._state)


def unobserved(make_steps: Callable[..., Any]) -> Callable[..., Any]:
    """The engine's steps without the numbers that they report: XLA drops what nothing else needs."""

    def make(*experiment: Any) -> Callable[..., Any]:
        steps = make_steps(*experiment)
        return lambda *given: (steps(*given)[0], {})

    return make


def gpu_facts() -> dict[str, Any]:
    """MiB of GPU memory at its peak, where there is a GPU."""
    statistics = jax.local_devices()[0].memory_stats() if jax.default_backend() == "gpu" else None
    return {"gpu_memory": statistics["peak_bytes_in_use"] / 2**20} if statistics else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--noise", default="", help="random images of this shape, 32x32x1, instead of its data")
    parser.add_argument("--examples", type=int, default=10_000, help="how many random images")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--unobserved", action="store_true", help="steps that report no numbers")
    parser.add_argument("--warm-up", type=int, default=1, help="calls after the first, before it is ready")
    a = parser.parse_args()

    platform.start()
    if a.unobserved:
        loop.make_steps = unobserved(loop.make_steps)
    training = Training(prepare(a.recipe, a.set, a.noise, a.examples))
    began = time.perf_counter()
    training(training.per_call)
    first_call = time.perf_counter() - began
    training(a.warm_up * training.per_call)
    serve(training, first_call=first_call, backend=jax.default_backend(), **gpu_facts())


if __name__ == "__main__":
    main()
