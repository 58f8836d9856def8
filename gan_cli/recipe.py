"""Recipes as plain data: find, read, override, compare and write them. What a table means is for `build.py` to say."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from gan_cli import door, recipe_tables, slips
from gan_cli.binding import STRICT, Table, nearest, shown, validate
from gan_cli.errors import DamagedError, InputError, printable
from gan_cli.metric_names import all_canonical, canonical

SEEDS = 2**32  # seeds are below this
LONGEST = 1 << 17  # bytes of a recipe file
COUNT = 10**7  # images or examples at most, where it is for a recipe to say how many
FREE_KEYS = {  # may differ on resume: they change neither what a step computes nor what a metric means
    *("run.log_every", "run.sample_every", "run.checkpoint_every", "run.keep_last", "run.grid"),
    *("train.steps", "train.resident", "train.steps_per_call", "eval.every", "eval.batch", "data.path"),
    *("monitor.every", "monitor.n", "monitor.grace"),
}


class _Table(BaseModel):
    model_config = STRICT


class Run(_Table):
    """[run]: seed and cadences; all cadences are in steps, 0 is never."""

    seed: int = Field(0, ge=0, lt=SEEDS)
    log_every: PositiveInt = 100  # a line in log.jsonl: means since the last one
    sample_every: NonNegativeInt = 500  # a grid in samples/
    checkpoint_every: NonNegativeInt = 1000  # besides the ones at the end and on a signal
    keep_last: Annotated[int, Field(gt=0, le=10_000)] = 2  # newest checkpoints kept, besides the best by the metric
    grid: Annotated[int, Field(gt=0, le=10_000)] = 64  # images in a sample grid


class Train(_Table):
    """[train]: length, batch and arithmetic."""

    steps: Annotated[int, Field(gt=0, lt=2**31)] = 1000  # they are counted in an int32
    batch: Annotated[int, Field(gt=0, le=2**20)] = 64  # examples a step, over all devices
    accumulate: PositiveInt = 1  # micro-batches a step; gradients are their mean
    precision: Literal["float32", "bfloat16"] = "float32"  # of activations; weights and statistics stay float32
    convolutions: Literal["auto", "cpu", "lax"] = "auto"  # formulation: auto is the faster one on the platform
    steps_per_call: Annotated[int, Field(gt=0, le=10_000)] = 10  # steps in one compiled call; more hides more host work
    resident: bool | Literal["auto"] = "auto"  # data on the device; auto: when they fit in 1 GiB

    @model_validator(mode="after")
    def _divides(self) -> "Train":
        if self.batch % self.accumulate:
            raise ValueError(f"accumulate = {self.accumulate} does not divide batch = {self.batch}")
        return self


class Ema(_Table):
    """[ema]: the exponential moving average of the weights that sampling uses."""

    decay: float = Field(0.999, ge=0, lt=1)  # per step; 0: the weights themselves
    warmup: bool = True  # decay is at most (1 + step) / (10 + step), so that early averages forget the start


class Eval(_Table):
    """[eval]: the metric during training, which chooses the best checkpoint."""

    metric: str = "fid"  # names separated by commas; the first chooses the best checkpoint
    every: NonNegativeInt = 0  # steps; 0: not during training
    n: PositiveInt = 2000  # samples drawn
    n_real: PositiveInt = 10_000  # real images they are compared with, or all there are
    features: str = "digits"  # the feature network of images; vectors are their own features
    batch: Annotated[int, Field(gt=0, le=2**20)] = 250  # images drawn and judged at once
    split: str = "train"  # split of the data source that samples are compared with, where it has splits
    options: dict[str, dict[str, Any]] = {}  # [eval.options.kid]: options of a metric, where it has any

    @property
    def metrics(self) -> list[str]:
        """The names in `metric`, each once."""
        return all_canonical(self.metric)

    @field_validator("metric", mode="before")
    @classmethod
    def _own_names(cls, value: Any) -> Any:
        names = ",".join(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else value
        return ",".join(all_canonical(names)) if isinstance(names, str) else value

    @field_validator("options")
    @classmethod
    def _options_by_own_names(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for name, own in value.items():
            there = found.setdefault(canonical(name), {})
            if twice := there.keys() & own.keys():
                raise ValueError(f"{canonical(name)}.{min(twice)} is given twice, by two names of the metric")
            there.update(own)
        return found


class Monitor(_Table):
    """[monitor]: what is looked at during training, and what happens when something is wrong.

    A number that is not finite stops a training whatever is here, or rolls it back if that is the action.
    """

    every: NonNegativeInt = 500  # steps between two looks; 0: none
    grace: NonNegativeInt = 1000  # steps before the first alarm
    n: int = Field(64, ge=2, le=4096)  # fakes, and reals, whose mean pairwise distances are compared
    least_diversity: float = Field(0.1, ge=0)  # of fakes, in units of the reals'
    most_accuracy: float = Field(0.999, ge=0.5, le=1)  # share of pairs that D tells apart; 1: never an alarm
    most_dead: float = Field(0.95, ge=0, le=1)  # share of a turn's gradients below 1e-12; 1: never an alarm
    explosion: PositiveFloat = 1000.0  # a loss or an update, in units of its median over the last 50 calls
    action: Literal["warn", "stop", "rollback"] = "warn"  # rollback: to the best checkpoint, slower, with another seed
    rollbacks: PositiveInt = 3  # at most; then the training stops
    learning_rate_factor: float = Field(0.5, gt=0, le=1)  # of all learning rates, at each rollback


FIXED: dict[str, type[BaseModel]] = {"run": Run, "train": Train, "ema": Ema, "eval": Eval, "monitor": Monitor}
LIKE = "like"  # the key above all tables: the recipe that this one is like, but for what it says itself
TABLES = ("run", "data", "networks", "game", "optimisers", "train", "ema", "eval", "monitor")


def folder() -> Path:
    """Where the shipped recipes are: in the package when installed, beside it in a checkout."""
    packaged = Path(str(resources.files("gan_cli"))) / "recipes"
    return packaged if packaged.is_dir() else packaged.parent.parent / "recipes"


def shipped() -> list[str]:
    """Names of the shipped recipes: `dcgan_mnist`, `conditional/cgan_mnist`."""
    return sorted(str(path.relative_to(folder()).with_suffix("")) for path in folder().rglob("*.toml"))


def find_recipe(name: str, beside: Path = Path()) -> Path:
    """The file of a recipe given as a path, from the folder `beside`, or as a shipped one's name; raises InputError."""
    for path in (beside / name, folder() / f"{name}.toml"):
        if path.is_file():
            return path
    if name.strip() and Path(name).is_dir():
        raise InputError(f"{name} is a folder; name a recipe file (.toml)")
    raise InputError(f"{name.strip() or repr(name)}: no such recipe file, nor a shipped recipe{_near(Path(name))}")


def _near(path: Path) -> str:
    """The end of a message: the nearest file beside `path`, or shipped recipe."""
    beside = {file.stem: str(file) for file in path.parent.glob("*.toml")} if path.parent.is_dir() else {}
    without_folder = {Path(known).name: known for known in shipped()}  # recipes are asked for like that, too
    known = {**without_folder, **{name: name for name in shipped()}, **beside}
    for name in (path.stem, str(path)):
        if close := difflib.get_close_matches(name, known, n=1):
            return f"; did you mean {known[close[0]]!r}?"
    return "; `gan recipe list` names those that are shipped"


def read_tables(path: Path, overrides: Iterable[str] = ()) -> Table:
    """The recipe's tables as written, with `table.key=value` overrides applied; raises InputError."""
    return recipe_tables.overriding(_with_base(path), overrides)


def _with_base(path: Path, above: tuple[Path, ...] = ()) -> Table:
    """The tables of a recipe file, laid over those of the recipe that it is `like`."""
    own = recipe_tables.parse(content(path), str(path))
    like = own.pop(LIKE, None)
    if like is None:
        return own
    if not isinstance(like, str) or not like.strip():
        raise InputError(
            f'{path}: {LIKE} = {shown(like)}: expected the name or path of a recipe, {LIKE} = "dcgan_mnist"'
        )
    try:
        base = find_recipe(like, beside=path.parent)
    except InputError as error:
        raise InputError(f"{path}: {LIKE} = {shown(like)}: {error}") from None
    if base.resolve() in {one.resolve() for one in (*above, path)}:
        raise InputError(f"{path}: {LIKE} = {shown(like)}: a recipe cannot be like itself")
    return recipe_tables.laid_over(_with_base(base, (*above, path)), own)


def content(path: Path) -> bytes:
    """The bytes of a recipe file; raises InputError."""
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


def check_fixed(tables: Mapping[str, Any], where: str) -> Table:
    """The tables whose options are the program's own, with defaults filled in; raises InputError."""
    checked = {name: validate(model, tables.get(name, {}), f"{where}: [{name}] ") for name, model in FIXED.items()}
    for key in ("n", "n_real"):  # on the command line they may be all there are, however many
        if checked["eval"][key] > COUNT:
            raise InputError(f"{where}: [eval] {key} = {checked['eval'][key]}: at most {COUNT:,} images are judged")
    return checked


def header(path: Path) -> str:
    """The comment at the head of a recipe: what it is, paper, command, expected time and score, departures.

    Raises InputError when the file cannot be read.
    """
    lines = []
    for line in slips.decoded(content(path), str(path)).splitlines():
        if not line.startswith("#"):
            break
        lines.append(printable(line.removeprefix("#").removeprefix(" ")))
    return "\n".join(lines)


def data_name(table: Mapping[str, Any]) -> str:
    """What [data] is: its source, and of files the name of what holds them: "digits", "folder my_photos"."""
    path = table.get("path")
    return " ".join(filter(None, (str(table.get("source", "")), last_part(path) if isinstance(path, str) else "")))


def last_part(path: str) -> str:
    """The name of a file or folder without where it lies; other words are as they are."""
    return PurePath(path.replace("\\", "/")).name or path


def to_toml(tables: Mapping[str, Any]) -> str:
    """`tables` as TOML."""
    return tomli_w.dumps(tables)


def decisive(resolved: Mapping[str, Any]) -> Table:
    """What a step computes and a metric means, by the recipe: "train.batch" -> 64, without the FREE_KEYS."""
    return {key: value for key, value in _leaves(resolved) if key not in FREE_KEYS}


def differences(saved: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Where two resolved recipes differ in what a step computes: "train.batch: 64 was saved, 128 is given"."""
    old, new = decisive(saved), decisive(given)
    return [
        f"{key}: {old.get(key, 'nothing')!r} was saved, {new.get(key, 'nothing')!r} is given"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
