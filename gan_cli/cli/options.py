"""Options that several commands share, and what all of them do: report, notify, find data, start JAX."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_cli.cli import completion
from gan_cli.errors import InputError, printable

if TYPE_CHECKING:
    from gan_cli.data.store import Store
    from gan_cli.runs.load import Loaded

DataDir = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Where data sets are, DIR/<name>/ or DIR/; a folder or its URL.",
        envvar="GAN_DATA_DIR",
        show_default=False,
    ),
]
Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe file, or the name of a shipped one.",
        autocompletion=completion.recipe,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="TABLE.KEY=VALUE",
        help="Override a key of the recipe; repeatable.",
        autocompletion=completion.set_key,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Ckpt = Annotated[
    str,
    typer.Option(
        "--ckpt",
        metavar="RUN",
        help="A run, or one of its checkpoints, RUN/checkpoints/STEP; also a URL.",
        autocompletion=completion.run,
    ),
]
At = Annotated[
    str,
    typer.Option(
        "--at",
        help="Which checkpoint of a run: best (by its metric), latest, or a step.",
        autocompletion=completion.at,
    ),
]
Raw = Annotated[bool, typer.Option("--raw", help="Use the weights of the last step, not their moving average.")]


PLACES = {  # parameters that name a file or folder -> their names in messages
    **{name: f"--{name.replace('_', '-')}" for name in ("out", "ckpt", "data_dir")},
    **dict.fromkeys(("run", "runs"), "RUN"),
    "folder": "FOLDER",
}


def places_named(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command refuse what cannot name a file or folder: an empty name, and "-" for a stream."""

    @wraps(command)
    def call(**given: Any) -> Any:
        for name, value in given.items():
            for place in (value if isinstance(value, list) else [value]) if name in PLACES else ():
                if str(place) == "-":
                    raise InputError(f"{PLACES[name]} -: files are neither read from nor written to a pipe; name one")
                if not str(place).strip():
                    raise InputError(f"{PLACES[name]} {place!r}: an empty name; name a file or folder")
        return command(**given)

    return call


def notice(message: str) -> None:
    """Print a notice for the person, on stderr."""
    print(printable(message), file=sys.stderr)


def result(data: dict[str, Any], text: str, as_json: bool) -> None:
    """Print what a command reports, on stdout: one JSON object, or text for a person."""
    print(json.dumps(data, default=str) if as_json else printable(text))


def store(data_dir: str | None) -> "Store":
    """Return where data sets come from; raises InputError when `data_dir`, a folder or URL, is not there."""
    from gan_cli.data.store import Store
    from gan_cli.remote.fetch import fetched

    return Store.from_environment(None if data_dir is None else fetched(data_dir, notice))


def start_jax() -> None:
    """Set up JAX for a command: the persistent compilation cache, and a warning when an accelerator is left idle."""
    from gan_cli.engine import platform

    for message in platform.start():
        notice(message)


def loaded_run(ckpt: str, at: str, *, raw: bool | None = None) -> "Loaded":
    """Load the checkpoint that --ckpt and --at name, from here or from a URL; raises InputError.

    `raw`: which weights alone are read, see `load_run`.
    """
    from gan_cli.remote.fetch import fetched_run
    from gan_cli.runs.load import load_run

    return load_run(fetched_run(ckpt, notice), at, raw=raw)
