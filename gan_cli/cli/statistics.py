"""`gan features statistics`."""

from pathlib import Path
from typing import Annotated

import typer

from gan_cli.cli.options import DataDir, Json, notice, result, start_jax, store
from gan_cli.errors import InputError
from gan_cli.files import check_not_folder


def statistics(
    images: Annotated[str, typer.Argument(help="Images: as gan eval --real.")],
    out: Annotated[str, typer.Option(help="The file to write, .npz.")],
    features: Annotated[
        str, typer.Option(help="Feature network: one that gan features list names, or your own.")
    ] = "digits",
    n: Annotated[int | None, typer.Option("--n", min=1, help="How many, chosen at random.", show_default="all")] = None,
    size: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Bring them to this many pixels.", show_default=False)
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, max=3, help="Make them grey (1) or RGB (3).", show_default=False)
    ] = None,
    resize: Annotated[str, typer.Option(help="How --size fits them: pad, crop or squash.")] = "pad",
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 250,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write mean and covariance of images' features: `mu` and `sigma`, as FID programs read them.

    gan eval --real FILE compares with them in place of the images.
    """
    if Path(out).suffix != ".npz":
        raise InputError(f"--out {out}: name a file that ends in .npz")
    check_not_folder(out)
    sources = store(data_dir)
    start_jax()
    from gan_cli.judging import image_sets
    from gan_cli.judging import images as at_hand

    fit = image_sets.fit(size, channels, resize)
    given = image_sets.open_set(images, sources, fit)
    saved = at_hand.save_statistics(given, fit, sources, Path(out), features=features, n=n, batch=batch)
    for message in saved.notices:
        notice(message)
    report = {"file": out, "n": saved.n, "features": saved.features.name, "protocol": saved.rules}
    result(report, f"{out}\n{saved.n} images through {saved.features.name}: {saved.rules}", as_json)
