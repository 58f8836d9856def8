"""`gan sample`."""

from pathlib import Path
from typing import Annotated

import typer

from gan_cli.cli.options import At, Ckpt, Json, Raw, notice, result, start_jax


def sample(
    ckpt: Ckpt,
    n: Annotated[int | None, typer.Option("--n", min=1, help="Number of samples (64 if no seeds are given).")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="Sample i depends on this seed and i alone.", show_default="0"),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="One sample a seed: 0,3,7-9. Instead of --n and --seed.")] = None,
    out: Annotated[
        Path, typer.Option(help="A grid (.png), all samples (.npz: arr_0 uint8 [N, H, W, C]), or a folder of PNGs.")
    ] = Path("samples.png"),
    truncation: Annotated[
        float | None, typer.Option(min=0.01, help="Truncate the normal latents to [-T, T]: less variety, fewer freaks.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Samples drawn at once.")] = 500,
    at: At = "best",
    raw: Raw = False,
    as_json: Json = False,
) -> None:
    """Draw samples from a checkpoint; no data set is needed."""
    from gan_cli.runs import drawing

    chosen = drawing.parse_seeds(seeds) if seeds is not None else None
    drawing.check_request(chosen, seed, n, out)
    start_jax()
    from gan_cli.runs.load import load

    loaded = load(ckpt, at)
    inputs = drawing.inputs(loaded, seeds=chosen, seed=seed or 0, n=n or drawing.DEFAULT_N, truncation=truncation)
    notice(f"step {loaded.step} of {loaded.folder.path}: compiling, then drawing")
    samples = drawing.draw(loaded, inputs, raw=raw, batch=batch)
    drawing.write(out, samples)
    report = {
        "out": str(out),
        "n": len(samples),
        "checkpoint": str(loaded.folder.checkpoints / str(loaded.step)),
        "weights": "raw" if raw else "average",
    }
    result(report, f"{len(samples)} samples of step {loaded.step} ({report['weights']} weights) in {out}", as_json)
