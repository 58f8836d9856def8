"""`gan eval`."""

from typing import Annotated

import typer

from gan_cli.cli.options import At, Ckpt, DataDir, Json, Raw, notice, result, start_jax, store


def evaluate(
    ckpt: Ckpt,
    metric: Annotated[str, typer.Option(help="Metrics, separated by commas.")] = "fid",
    n: Annotated[int, typer.Option("--n", min=1, help="Samples drawn.")] = 10_000,
    n_real: Annotated[int, typer.Option(min=1, help="Real images, or all there are.")] = 10_000,
    split: Annotated[
        str | None, typer.Option(help="Split of the data to compare with; the recipe's [eval] otherwise.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the latents: as in gan sample.")] = 0,
    features: Annotated[
        str | None, typer.Option(help="Feature network of images; the recipe's [eval] otherwise.", show_default=False)
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images drawn and judged at once.")] = 250,
    data_dir: DataDir = None,
    at: At = "best",
    raw: Raw = False,
    as_json: Json = False,
) -> None:
    """Judge a checkpoint: take metrics of its samples, and print them with the protocol they were taken by."""
    from gan_cli.errors import InputError
    from gan_cli.recipe import Eval
    from gan_cli.runs import folder as files
    from gan_cli.runs.judge import Judge
    from gan_cli.runs.load import load
    from gan_cli.runs.train import evaluation_data

    sources = store(data_dir)
    start_jax()
    loaded = load(ckpt, at)
    asked = loaded.meta.recipe["eval"]
    if features and len(loaded.experiment.spec.shape) != 3:
        raise InputError(f"--features {features}: vectors are their own features; it is for images")
    chosen = {"features": features} if features else {}
    options = Eval(**{**asked, **chosen, "metric": metric, "n": n, "n_real": n_real, "batch": batch})
    source, called = evaluation_data(loaded.meta.recipe, None, split, sources)
    judge = Judge(loaded.experiment, options, source, called, sources, seed)
    for message in judge.notices:
        notice(message)
    notice(f"step {loaded.step} of {loaded.folder.path}: compiling, then judging {n} samples")
    verdict = judge(loaded.weights(raw))
    line = {**verdict.line(loaded.step), "weights": "raw" if raw else "average"}
    files.append(loaded.folder.metrics, line)
    values = "\n".join(f"{name}: {value:.5g}" for name, value in verdict.values.items())
    where = f"step {loaded.step} of {loaded.folder.path}, {line['weights']} weights"
    result(line, f"{values}\n{where}\n{verdict.protocol}", as_json)
