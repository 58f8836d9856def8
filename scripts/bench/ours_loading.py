"""Ours: an epoch of a folder of images as batches on the device, float32 in [-1, 1]; or opening the folder."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
from worker import serve

from gan_cli.data import images
from gan_cli.data.folder import folder
from gan_cli.data.pipeline import pipeline
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.engine import platform


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--what", choices=["open", "streamed", "resident"], default="streamed")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--per-call", type=int, default=10, help="steps that a call of the engine is given data for")
    a = parser.parse_args()

    platform.start()

    def opened() -> Source:
        return images.fit(folder(Store(), path=a.folder, labels=True))

    if a.what == "open":
        serve(lambda _: opened())
        return
    source = opened()
    serve(epochs(source, a.batch, a.per_call, a.what == "resident"), images=source.size)


def epochs(source: Source, batch: int, per_call: int, resident: bool) -> Callable[[int], None]:
    """What reads n epochs, each from an empty pipeline: nothing has been read ahead. The engine takes batches alike."""
    make = partial(pipeline, source, batch=batch, seed=0, resident=resident)
    take = jax.jit(partial(taken, make().take))
    steps = source.size // batch

    def work(n: int) -> None:
        for _ in range(n):
            feed = make()
            constants = jax.device_put(dict(feed.constants))
            for start in range(0, steps, per_call):
                count = min(per_call, steps - start)
                given = jax.device_put(feed.feed(start, count))
                jax.block_until_ready([take(constants, given, i) for i in range(count)])
            feed.close()

    work(1)  # compiles
    return work


def taken(take: Callable[[Any, Any], Any], constants: Any, given: Any, i: int) -> Any:
    """The i-th batch of a call."""
    return take(constants, jax.tree.map(lambda x: x[i], given))


if __name__ == "__main__":
    main()
