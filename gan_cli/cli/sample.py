"""`gan sample`."""

from typing import Annotated, Literal

import typer

from gan_cli.cli.options import At, Ckpt, Json, Raw, loaded_run, notice, result, start_jax, store

LATENTS, CONTROLS, WALK = "Latents", "Classes and codes", "Walks"
SUMS, NEIGHBOURS = "Latent arithmetic", "Nearest training images"


def sample(
    ckpt: Ckpt,
    out: Annotated[
        str,
        typer.Option(
            help="A grid (.png), all samples (.npz: arr_0 uint8 [N, H, W, C], arr_1 labels), a folder of a file each, "
            "of a walk or of videos an animation (.gif, .webp, .apng), or .txt, .csv, .wav, .mid; also a URL."
        ),
    ] = "samples.png",
    ask: Annotated[
        str, typer.Option(help="What to draw, where a game can draw several things.", show_default="the first")
    ] = "",
    batch: Annotated[int, typer.Option(min=1, help="Samples drawn at once.")] = 500,
    at: At = "best",
    raw: Raw = False,
    as_json: Json = False,
    n: Annotated[
        int | None,
        typer.Option(
            "--n",
            min=1,
            help="Number of latents: 64 (16 of videos, text, ...); 8 with --class, --code or --neighbours, 1 with two "
            "sweeps; 4 for a walk.",
            rich_help_panel=LATENTS,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**32 - 1,
            help="Sample i depends on this seed and i alone.",
            show_default="0",
            rich_help_panel=LATENTS,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="One latent a seed: 0,3,7-9. Instead of --n and --seed.", rich_help_panel=LATENTS),
    ] = None,
    latents: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Latents of gan project (.npz), instead of any that are drawn; repeatable.",
            rich_help_panel=LATENTS,
        ),
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Truncate the normal latents to [-T, T]: less variety, fewer freaks.",
            rich_help_panel=LATENTS,
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="CLASSES",
            help="Classes by number or name: 3, 0-9, zebra,horse or all. A row each, with the same latents.",
            rich_help_panel=CONTROLS,
        ),
    ] = None,
    codes: Annotated[
        list[str] | None,
        typer.Option(
            "--code",
            metavar="NAME=VALUES",
            help="A code: c1=0.5, a sweep c1=-2:2:9 (from:to:count), categories c0=3, c0=0-4 or c0=all. Repeatable.",
            rich_help_panel=CONTROLS,
        ),
    ] = None,
    interpolate: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=2, max=1000, help="Walk from each latent to the next in K samples.", rich_help_panel=WALK
        ),
    ] = None,
    path: Annotated[
        Literal["spherical", "linear"] | None,
        typer.Option(help="How a walk goes; by default spherical where the prior is normal.", rich_help_panel=WALK),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=50,
            help="Frames a second of an animation.",
            show_default="12, a video's own",
            rich_help_panel=WALK,
        ),
    ] = None,
    arithmetic: Annotated[
        str | None,
        typer.Option(
            metavar="TERMS",
            help='Sum of mean latents: "0,1,2 - 3,4,5 + 6-8", seeds; or of class:7, found by the feature network.',
            rich_help_panel=SUMS,
        ),
    ] = None,
    neighbours: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=1, max=100, help="Show the K nearest training images.", rich_help_panel=NEIGHBOURS
        ),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Where the training images are, DIR/<name>/ or DIR/; a folder or its URL.",
            envvar="GAN_DATA_DIR",
            show_default=False,
            rich_help_panel=NEIGHBOURS,
        ),
    ] = None,
) -> None:
    """Draw samples from a checkpoint: of classes and codes, along walks, beside training images (docs/sampling.md)."""
    from gan_cli.cli.console import Pace
    from gan_cli.remote.fetch import fetched, output
    from gan_cli.sampling import latent_file, take, writing
    from gan_cli.sampling.options import parse_controls, parse_seeds, parse_terms
    from gan_cli.sampling.request import Conditions, Request, check_request

    with output(out) as target:
        request = Request(
            seeds=parse_seeds(seeds) if seeds is not None else None,
            seed=seed,
            n=n,
            conditions=(Conditions(truncation, parse_controls(classes, codes or [])),),
            ask=ask,
            raw=raw,
            steps=interpolate,
            path=path,
            terms=parse_terms(arithmetic) if arithmetic is not None else (),
            neighbours=neighbours,
            out=target,
            fps=fps,
            batch=batch,
        )
        check_request(request)
        writing.check_out(target)
        sources = store(data_dir) if neighbours else None
        start_jax()
        loaded = loaded_run(ckpt, at, raw=raw)
        if latents:
            files = [fetched(file, notice) for file in latents]
            request = request._replace(kept=latent_file.read_latents(files, loaded, raw=raw))
        taken = take.take(loaded, request, sources, notice, Pace())
        writing.write(target, taken.drawn, fps)
    count = len(taken.drawn.samples)
    report = {
        "out": out,
        "n": count,
        "checkpoint": str(loaded.folder.checkpoints / str(loaded.step)),
        "weights": "raw" if raw else "average",
        **taken.report,
    }
    text = f"{count} samples of step {loaded.step} ({report['weights']} weights) in {out}"
    result(report, "\n".join(filter(None, (text, taken.text))), as_json)
