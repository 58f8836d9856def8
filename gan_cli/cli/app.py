"""The `gan` command: its verbs, which are in thin files; they import JAX inside, so that --help is quick."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from inspect import getdoc
from types import ModuleType
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from gan_cli.cli import completion
from gan_cli.version import __version__

BOXES = 80  # columns that help in boxes needs: Typer's boxes cut words off on narrower terminals
UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}  # half of the time that Typer's help takes
Context: Any = TyperCommand.context_class


class Entry(NamedTuple):
    """A command as `gan --help` lists it: its module is imported when it is called."""

    panel: str
    place: str  # a module in gan_cli.cli and its function, or `app` for a group of commands
    line: str  # the first paragraph of its docstring


MAKE, LOOK, TAKE, KNOW = "Train, draw, judge", "Look", "Take away", "Find out"
COMMANDS = {
    "train": Entry(
        MAKE, "train:train", "Train a recipe; an existing run folder is resumed from its newest checkpoint."
    ),
    "sample": Entry(
        MAKE,
        "sample:sample",
        "Draw samples from a checkpoint: of classes and codes, along walks, beside training images (docs/sampling.md).",
    ),
    "apply": Entry(
        MAKE,
        "apply:apply",
        "Give examples to a trained model: translate, segment, reconstruct or classify them (docs/applying.md).",
    ),
    "project": Entry(
        MAKE,
        "project:project",
        "Find the latents whose samples are nearest to pictures: to fill holes, edit and walk (docs/editing.md).",
    ),
    "eval": Entry(
        MAKE,
        "evaluate:evaluate",
        "Judge a model's samples, or images at hand: print metrics with the protocol they were taken by.",
    ),
    "compare": Entry(
        MAKE, "compare:compare", "Train recipes over the same seeds and compare them: which loss for my data?"
    ),
    "report": Entry(
        LOOK,
        "report:report",
        "Write one HTML page about a run, or several side by side, that needs no network and no other file.",
    ),
    "explore": Entry(
        LOOK,
        "explore:explore",
        "Play with a model in the browser: seeds, classes, codes, walks, sums of pins, uploads (docs/explore.md).",
    ),
    "runs": Entry(
        LOOK,
        "runs:runs",
        "List the runs below a folder: how far they are, what their metrics say, what the monitor saw.",
    ),
    "inspect": Entry(
        LOOK,
        "runs:inspect",
        "Say what a run holds: its networks layer by layer, optimisers, steps, metrics. Needs no data set.",
    ),
    "export": Entry(TAKE, "export:export", "Take a model away: to use it without this package (docs/taking-away.md)."),
    "card": Entry(
        TAKE,
        "export:card",
        "Write a model card: what it is, its numbers and their protocol, how to use it (docs/taking-away.md).",
    ),
    "push": Entry(
        TAKE,
        "export:push",
        "Put a model on the Hugging Face Hub: card, program, weights, recipe (HF_TOKEN; docs/taking-away.md).",
    ),
    "doctor": Entry(
        KNOW,
        "checks:doctor",
        "Look at this machine: versions, devices, precision, memory, disk, data, settings; say how to mend what is "
        "wrong.",
    ),
    "lab": Entry(
        KNOW,
        "lab:lab",
        "Run a piece of theory: train something small whose truth is known, and print its numbers beside the truth.",
    ),
    "recipe": Entry(KNOW, "recipe:app", "List, show, check and describe recipes."),
    "data": Entry(KNOW, "checks:app", "Look at data before training on them."),
    "features": Entry(KNOW, "features:app", "List feature networks, and import their weights."),
}


class _Formatter(Context.formatter_class):
    """Puts the description of a long option below it: beside it there would be no room."""

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands with their descriptions."""
        super().write_dl(rows, min(col_max, self.width // 4), col_spacing)


class _Context(Context):
    def get_help(self) -> str:
        """Return the command's help. Typer's boxes are imported here, without what they need for other texts."""
        absent = [name for name in UNUSED if name not in sys.modules]
        for name in absent:
            sys.modules[name] = ModuleType(name)
            setattr(sys.modules[name], UNUSED[name], type(UNUSED[name], (), {}))
        try:
            import_module("typer.rich_utils")
        finally:
            for name in absent:
                del sys.modules[name]  # whoever wants the real one can import it
        return str(super().get_help())


class _PlainContext(Context):
    formatter_class = _Formatter


class _Commands(Mapping[str, Any]):
    """The commands by name, each made when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(TyperGroup):
    """`gan` itself: knows what its commands are for without them."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands: Any = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the commands' names in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return a stand-in for a command, enough to list it; None for a name of none."""
        found = COMMANDS.get(cmd_name)
        return found and TyperCommand(cmd_name, short_help=found.line, rich_help_panel=found.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the name of the command that is called, itself, and its arguments."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and self.commands[name], rest


def _settings() -> dict[str, Any]:
    """Return arguments of a `typer.Typer`: for help in boxes, or for plain help as wide as a narrow terminal."""
    context: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
    columns = shutil.get_terminal_size().columns
    is_wide = columns >= BOXES
    TyperCommand.context_class = TyperGroup.context_class = _Context if is_wide else _PlainContext
    settings: dict[str, Any] = {"no_args_is_help": True, "pretty_exceptions_enable": False}
    if is_wide:
        return {**settings, "context_settings": context}
    return {**settings, "rich_markup_mode": None, "context_settings": {**context, "terminal_width": columns}}


SETTINGS = _settings()
app = typer.Typer(name="gan", cls=_Group, **SETTINGS)
completion.prepare()


@cache
def _command(name: str) -> Any:
    """Import a command, or a group of them; raises KeyError for a name of none."""
    panel, place, _ = COMMANDS[name]
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"gan_cli.cli.{module}"), attribute)
    alone = typer.Typer(**SETTINGS)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name, rich_help_panel=panel)
    else:
        alone.command(name, rich_help_panel=panel)(found)
    _finish(alone)
    return get_group(alone).commands[name]


def _finish(typer_app: typer.Typer) -> None:
    """Give all commands what they have in common.

    Their short help is their docstring's first paragraph: Typer would cut it to the terminal's width.
    """
    from gan_cli.cli.options import places_named

    for one in typer_app.registered_commands:
        assert one.callback is not None
        one.callback = places_named(one.callback)
        one.short_help = (getdoc(one.callback) or "").partition("\n\n")[0].replace("\n", " ")
    for group in typer_app.registered_groups:
        assert group.typer_instance is not None
        group.short_help = group.typer_instance.info.help
        _finish(group.typer_instance)


def _version(wanted: bool) -> None:
    """Print the version and exit, when that is wanted."""
    if wanted:
        typer.echo(f"gan {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Train, sample and judge generative adversarial networks on JAX."""
