"""`gan inspect`."""

from typing import Annotated

import typer

from gan_cli.cli import completion
from gan_cli.cli.options import At, Json, notice, result, start_jax


def inspect(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run, or one of its checkpoints, RUN/checkpoints/STEP; also a URL.",
            autocompletion=completion.run,
        ),
    ],
    at: At = "best",
    as_json: Json = False,
) -> None:
    """Say what a run holds: its networks layer by layer, optimisers, steps, metrics. Needs no data set.

    Multiply-adds are those of one example on its way forward, of matrix products and convolutions (docs/looking.md).
    """
    from gan_cli.remote.fetch import fetched_run

    path = fetched_run(run, notice)
    start_jax()
    from gan_cli.inspection import checkpoint, text

    found = checkpoint.find_checkpoint(path, at)
    report = checkpoint.report(found)
    result(report, text.of_checkpoint(report), as_json)
