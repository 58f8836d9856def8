"""`gan features`: list the feature networks, and import weights that are not shipped."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_cli.cli.options import Json, result

app = typer.Typer(help="List feature networks, and import their weights.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the feature networks: length of a feature vector, classes, what is done to an image, weights."""
    from gan_cli.features import FEATURES, outline

    found = {name: outline(name)._asdict() for name in FEATURES.names()}
    width = max(map(len, found))
    result({"features": found}, "\n".join(f"{name:{width}}  {_line(row)}" for name, row in found.items()), as_json)


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


def _line(row: dict[str, Any]) -> str:
    """A network for a person."""
    dim = f"{row['dim']} features" if row["dim"] else "features: the input's"
    classes = f"{row['classes']} classes" if row["classes"] else "no classes"
    mend = ": gan features import FILE" if row["weights"] in ("missing", "damaged") else ""
    return f"{dim}, {classes}, weights {row['weights']}{mend}; {row['protocol']}"
