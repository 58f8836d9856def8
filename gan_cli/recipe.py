"""Recipes as plain data: finding, reading, checking and comparing them. What a table means is up to `build.py`."""

import difflib
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from gan_cli import door, recipe_tables, slips
from gan_cli.binding import STRICT, Kind, Table, nearest, shown, validate, validate_part
from gan_cli.errors import DamagedError, InputError, printable
from gan_cli.names import canonical_metric, canonical_metrics

SEEDS = 2**32  # all seeds are below this
LONGEST = 1 << 17  # bytes of a recipe file
COUNT = 10**7  # images or examples, where a recipe says how many
FREE_KEYS = {  # these may differ on resume: they change neither what a step computes nor what a metric means
    *("run.log_every", "run.sample_every", "run.checkpoint_every", "run.keep_last", "run.grid"),
    *("train.steps", "train.resident", "train.steps_per_call", "eval.every", "eval.batch", "data.path"),
    *("monitor.every", "monitor.n", "monitor.grace"),
}


class _Table(BaseModel):
    """A table whose keys are the program's own; others are refused."""

    model_config = STRICT


class Run(_Table):
    """[run]: seed and cadences. Cadences are in steps, and 0 means never."""

    seed: int = Field(0, ge=0, lt=SEEDS)
    log_every: PositiveInt = 100  # a line in log.jsonl, with the means since the last one
    sample_every: NonNegativeInt = 500  # a grid in samples/
    checkpoint_every: NonNegativeInt = 1000  # besides the ones at the end and on a signal
    keep_last: Annotated[int, Field(gt=0, le=10_000)] = 2  # newest checkpoints kept, besides the best by the metric
    grid: Annotated[int, Field(gt=0, le=10_000)] = 64  # images in a sample grid


class Train(_Table):
    """[train]: length, batch and arithmetic."""

    steps: Annotated[int, Field(gt=0, lt=2**31)] = 1000  # counted in an int32
    batch: Annotated[int, Field(gt=0, le=2**20)] = 64  # examples a step, over all devices
    accumulate: PositiveInt = 1  # micro-batches a step; gradients are their mean
    precision: Literal["float32", "bfloat16"] = "float32"  # of activations; weights and statistics stay float32
    remat: bool = False  # networks' insides are computed again for derivatives, not kept: less memory, slower steps
    convolutions: Literal["auto", "cpu", "lax"] = "auto"  # formulation: auto is the faster one on the platform
    steps_per_call: Annotated[int, Field(gt=0, le=10_000)] = 10  # steps in one compiled call; more hides more host work
    resident: bool | Literal["auto"] = "auto"  # data on the device; auto: when they fit in 1 GiB

    @model_validator(mode="after")
    def _divides(self) -> "Train":
        if self.batch % self.accumulate:
            raise ValueError(f"accumulate = {self.accumulate} does not divide batch = {self.batch}")
        return self


class Ema(_Table):
    """[ema]: the exponential moving average of the weights, which samples are drawn with."""

    decay: float = Field(0.999, ge=0, lt=1)  # per step; 0: the weights themselves
    warmup: bool = True  # decay is at most (1 + step) / (10 + step), so that early averages forget the start


class Eval(_Table):
    """[eval]: the metric during training, which chooses the best checkpoint."""

    metric: str = "fid"  # names separated by commas; the first chooses the best checkpoint
    every: NonNegativeInt = 0  # steps; 0: not during training
    n: PositiveInt = 2000  # samples drawn
    n_real: PositiveInt = 10_000  # real images that samples are compared with, or all there are
    # the feature network of images (vectors are their own features); auto: photos of those in colour, where the extra
    # gan-cli[photos] is installed, otherwise digits
    features: str = "auto"
    batch: Annotated[int, Field(gt=0, le=2**20)] = 250  # images drawn and judged at once
    ask: str = ""  # what the game is asked, where it can be asked several things; empty: the first that a metric fits
    paired: bool = False  # example i of one stream belongs to example i of the other: translations can be compared
    beside: str = ""  # another ask: what it makes of the same draws is what results should be, and be of a class with
    split: str = "train"  # of a data source that has splits: the one that samples are compared with
    options: dict[str, dict[str, Any]] = {}  # [eval.options.kid]: options of a metric, where it has any

    @property
    def metrics(self) -> list[str]:
        """Return the names in `metric`, each once."""
        return canonical_metrics(self.metric)

    @field_validator("metric", mode="before")
    @classmethod
    def _own_names(cls, value: Any) -> Any:
        names = ",".join(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else value
        return ",".join(canonical_metrics(names)) if isinstance(names, str) else value

    @field_validator("options")
    @classmethod
    def _options_by_own_names(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for name, own in value.items():
            there = found.setdefault(canonical_metric(name), {})
            if twice := there.keys() & own.keys():
                raise ValueError(f"{canonical_metric(name)}.{min(twice)} is given twice, by two names of the metric")
            there.update(own)
        return found


class Monitor(_Table):
    """[monitor]: what is looked at during training, and what happens when something is wrong.

    A number that is not finite always stops a training, or rolls it back if that is the action.
    """

    every: NonNegativeInt = 500  # steps between two looks; 0: none
    grace: NonNegativeInt = 1000  # steps before the first alarm
    n: int = Field(64, ge=2, le=4096)  # numbers of fakes and of reals whose mean pairwise distances are compared
    least_diversity: float = Field(0.1, ge=0)  # mean distance of fakes, in units of the reals'
    most_accuracy: float = Field(0.999, ge=0.5, le=1)  # share of pairs that D tells apart; 1: never an alarm
    most_dead: float = Field(0.95, ge=0, le=1)  # share of a turn's gradients below 1e-12; 1: never an alarm
    explosion: PositiveFloat = 1000.0  # a loss or an update, in units of its median over the last 50 calls
    action: Literal["warn", "stop", "rollback"] = "warn"  # rollback: to the best checkpoint, slower, with another seed
    rollbacks: PositiveInt = 3  # at most; then the training stops
    learning_rate_factor: float = Field(0.5, gt=0, le=1)  # applied to all learning rates at each rollback


FIXED: dict[str, type[BaseModel]] = {"run": Run, "train": Train, "ema": Ema, "eval": Eval, "monitor": Monitor}
LIKE = "like"  # the key above all tables: the recipe that this one's tables are laid over
TABLES = ("run", "data", "networks", "game", "optimisers", "train", "ema", "eval", "monitor")


def folder() -> Path:
    """Return the folder of the shipped recipes: in the package when installed, beside it in a checkout."""
    packaged = Path(str(resources.files("gan_cli"))) / "recipes"
    return packaged if packaged.is_dir() else packaged.parent.parent / "recipes"


def shipped() -> list[str]:
    """Return the names of the shipped recipes, sorted: `conditional/cgan_mnist`, `dcgan_mnist`."""
    return sorted(str(path.relative_to(folder()).with_suffix("")) for path in folder().rglob("*.toml"))


def find_recipe(name: str, beside: Path = Path()) -> Path:
    """Return the file of a recipe named by its path from the folder `beside`, or by a shipped recipe's name.

    Raises InputError, with the nearest name, when there is none.
    """
    for path in (beside / name, folder() / f"{name}.toml"):
        if path.is_file():
            return path
    if name.strip() and Path(name).is_dir():
        raise InputError(f"{name} is a folder; name a recipe file (.toml)")
    asked = Path(name)
    known = {Path(own).name: own for own in shipped()} | {own: own for own in shipped()}  # also without its folder
    if asked.parent.is_dir():
        known |= {file.stem: str(file) for file in asked.parent.glob("*.toml")}
    close = next((c for word in (asked.stem, str(asked)) for c in difflib.get_close_matches(word, known, n=1)), None)
    mend = f"did you mean {known[close]!r}?" if close else "`gan recipe list` names those that are shipped"
    raise InputError(f"{name.strip() or repr(name)}: no such recipe file, nor a shipped recipe; {mend}")


def read_tables(path: Path, overrides: Iterable[str] = ()) -> Table:
    """Read a recipe's tables as they are written, laid over those of the recipe that it is `like`.

    Overrides are `table.key=value` each. No default is filled in and no name is checked. Raises InputError.
    """
    layers: list[Table] = []  # this recipe's own tables, then those of the one that it is like, and so on
    seen = set()
    while True:
        layers.append(recipe_tables.parse(content(path), str(path)))
        seen.add(path.resolve())
        like = layers[-1].pop(LIKE, None)
        if like is None:
            break
        if not isinstance(like, str) or not like.strip():
            raise InputError(
                f'{path}: {LIKE} = {shown(like)}: expected the name or path of a recipe, {LIKE} = "dcgan_mnist"'
            )
        try:
            base = find_recipe(like, beside=path.parent)
        except InputError as error:
            raise InputError(f"{path}: {LIKE} = {shown(like)}: {error}") from None
        if base.resolve() in seen:
            raise InputError(f"{path}: {LIKE} = {shown(like)}: a recipe cannot be like itself")
        path = base
    tables = layers.pop()
    for own in reversed(layers):
        tables = recipe_tables.laid_over(tables, own)
    return recipe_tables.overriding(tables, overrides)


def content(path: Path) -> bytes:
    """Read the bytes of a recipe file, LONGEST at most; raises InputError."""
    try:
        return door.read_file(path, LONGEST)
    except DamagedError as error:
        raise InputError(f"{error}; a recipe is a text file") from None


def check_tables(tables: Mapping[str, Any], where: str) -> None:
    """Raise InputError unless every top-level entry of a recipe is one of TABLES and is a table."""
    for name, table in tables.items():
        if name not in TABLES:
            raise InputError(f"{where}: [{name}]: unknown table{nearest(name, TABLES)}")
        if not isinstance(table, dict):
            raise InputError(f"{where}: {name} = {shown(table)}: expected a table, [{name}]")


def checked_part(what: Kind, table: str, tables: Mapping[str, Any], where: str) -> Table:
    """Return [table], checked as a thing of a kind, defaults filled in; raises InputError when it is missing."""
    if table not in tables:
        raise InputError(f"{where}: [{table}] is missing: it names the {what.word}, {what.key} = ...")
    return validate_part(what, tables[table], f"{where}: [{table}] ")


def check_fixed(tables: Mapping[str, Any], where: str) -> Table:
    """Return the tables of FIXED, whose keys are the program's own, with defaults filled in; raises InputError."""
    checked = {name: validate(model, tables.get(name, {}), f"{where}: [{name}] ") for name, model in FIXED.items()}
    for key in ("n", "n_real"):  # `gan eval` may take all there are, however many
        if checked["eval"][key] > COUNT:
            raise InputError(f"{where}: [eval] {key} = {checked['eval'][key]}: at most {COUNT:,} images are judged")
    return checked


def header(path: Path) -> str:
    """Return the comment at the head of a recipe: what it is, paper, command, expected time and score, departures.

    Raises InputError when the file cannot be read.
    """
    lines = []
    for line in slips.decoded(content(path), str(path)).splitlines():
        if not line.startswith("#"):
            break
        lines.append(printable(line.removeprefix("#").removeprefix(" ")))
    return "\n".join(lines)


def data_name(table: Mapping[str, Any]) -> str:
    """Describe [data] by its source and, for files, the name of what holds them: "digits", "folder my_photos".

    Of several streams each: "a digits, b folder my_photos".
    """
    if recipe_tables.has_streams(table):
        return ", ".join(f"{stream} {data_name(own)}" for stream, own in table.items())
    path = table.get("path")
    return " ".join(filter(None, (str(table.get("source", "")), last_part(path) if isinstance(path, str) else "")))


def last_part(path: str) -> str:
    """Return the name of a file or folder without its path; other words stay as they are."""
    return PurePath(path.replace("\\", "/")).name or path


def decisive(resolved: Mapping[str, Any]) -> Table:
    """Return the values that decide what a step computes and a metric means, all but FREE_KEYS: "train.batch" -> 64."""
    leaves = recipe_tables.leaves(resolved)
    return {key: value for key, value in leaves if re.sub(r"^data\.\w+\.", "data.", key) not in FREE_KEYS}


def differences(saved: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """List where two resolved recipes differ in `decisive` values: "train.batch: 64 was saved, 128 is given"."""
    old, new = decisive(saved), decisive(given)
    return [
        f"{key}: {old.get(key, 'nothing')!r} was saved, {new.get(key, 'nothing')!r} is given"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
