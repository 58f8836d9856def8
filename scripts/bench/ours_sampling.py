"""Ours: N samples of fresh weights as uint8 arrays on the host, as `gan sample` draws them."""

import argparse

import jax
from ours_training import prepare
from worker import serve

from gan_cli.engine import platform, sampler
from gan_cli.engine.state import initial_state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--noise", default="")
    parser.add_argument("--batch", type=int, default=500, help="samples drawn at once; the default of gan sample")
    parser.add_argument("--set", action="append", default=[])
    a = parser.parse_args()

    platform.start()
    experiment = prepare(a.recipe, a.set, a.noise).experiment
    variables = initial_state(experiment, 0).average
    draw = sampler.Sampler(experiment, a.batch)

    def work(n: int) -> None:
        draw(variables, sampler.draw_many(experiment, 0, n))

    work(a.batch)
    serve(work, backend=jax.default_backend())


if __name__ == "__main__":
    main()
