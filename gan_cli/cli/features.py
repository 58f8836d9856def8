"""`gan features`: list the feature networks, import weights, write statistics of images' features."""

from pathlib import Path
from typing import Annotated

import typer

from gan_cli.cli.options import DataDir, Json, notice, result, start_jax, store
from gan_cli.errors import InputError
from gan_cli.files import check_not_folder

app = typer.Typer(help="List feature networks, and import their weights.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the feature networks: length of a feature vector, classes, what is done to an image, weights."""
    from gan_cli.features import FEATURES, outline

    found = {name: outline(name)._asdict() for name in FEATURES.names()}
    width = max(map(len, found))
    lines = []
    for name, row in found.items():
        dim = f"{row['dim']} features" if row["dim"] else "features: the input's"
        classes = f"{row['classes']} classes" if row["classes"] else "no classes"
        mend = ": gan features import FILE" if row["weights"] in ("missing", "damaged") else ""
        lines.append(f"{name:{width}}  {dim}, {classes}, weights {row['weights']}{mend}; {row['protocol']}")
    result({"features": found}, "\n".join(lines), as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The file that pytorch-fid publishes: pt_inception-2015-12-05-*.pth.")],
    as_json: Json = False,
) -> None:
    """Check a PyTorch file with the weights of FID's Inception-v3, and keep them for --features inception."""
    from gan_cli.features.inception_weights import PUBLISHED, import_file

    imported = import_file(file)
    known = "the published file" if imported.published else f"another file than the published one ({PUBLISHED}...)"
    data = {"path": imported.path, "sha256": imported.sha256, "published": imported.published}
    result(data, f"{imported.path}\nfrom {known}, SHA-256 {imported.sha256}", as_json)


@app.command("statistics")
def statistics(
    images: Annotated[str, typer.Argument(help="Images: as gan eval --real.")],
    out: Annotated[str, typer.Option(help="The file to write, .npz.")],
    features: Annotated[
        str, typer.Option(help="Feature network: one that gan features list names, or your own; auto: as gan eval.")
    ] = "auto",
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
