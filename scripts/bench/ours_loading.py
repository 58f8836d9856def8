"""Ours: an epoch of a folder of images as batches on the device, float32 in [-1, 1]; or opening the folder."""

import argparse
from collections.abc import Callable
from pathlib import Path

import jax
from worker import serve, serve_prepared

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

    def prepare(_: int) -> Callable[[], None]:
        """An epoch from an empty pipeline: nothing has been read ahead."""
        steps = source.size // a.batch

        def epoch() -> None:
            feed = pipeline(source, batch=a.batch, seed=0, resident=a.what == "resident")
            constants = jax.device_put(dict(feed.constants))
            for start in range(0, steps, a.per_call):
                given = jax.device_put(feed.feed(start, min(a.per_call, steps - start)))
                for i in range(len(next(iter(given.values())))):
                    batch = take(constants, {name: x[i] for name, x in given.items()}, feed.take)
            jax.block_until_ready(batch)
            feed.close()

        return epoch

    take = jax.jit(lambda constants, given, how: how(constants, given), static_argnums=2)
    serve_prepared(prepare, images=source.size)


if __name__ == "__main__":
    main()
