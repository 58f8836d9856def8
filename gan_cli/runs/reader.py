"""Reads what a run folder says of its run: recipe, checkpoints, logs, metrics, times. Without JAX."""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

from gan_cli import door, recipe, recipe_tables, slips
from gan_cli.engine import metadata
from gan_cli.errors import DamagedError, InputError
from gan_cli.names import lower_is_better
from gan_cli.runs import times
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.jsonl import alarms, number, parsed, read_lines, step_of, texts, values, whole

LONGEST_TITLE = 200  # characters
MOST_ALARMS, LONGEST_ALARM = 10, 200  # alarms of a line, and characters of each, that are kept


class Value(NamedTuple):
    """The values of a metric over a run."""

    best: float
    last: float
    best_step: int


class Log(NamedTuple):
    """What log.jsonl says of a training."""

    step: int = 0  # the last step
    looks: int = 0  # how often the monitor looked
    alarmed: int = 0  # at how many of these looks something was wrong
    alarms: tuple[str, ...] = ()  # what was wrong at the last look
    rollbacks: int = 0


class Reader:
    """A run folder; each thing in it is read when it is first asked for."""

    def __init__(self, folder: RunFolder, notes: list[str] | None = None) -> None:
        """Raises InputError when this is no run.

        What cannot be read raises InputError when it is asked for. With `notes`, a recipe, metadata and times that
        cannot be read count as missing, and a note says why.
        """
        if not any(path.exists() for path in (folder.recipe, folder.log, folder.checkpoints)):
            mend = "it has neither recipe.toml nor log.jsonl nor checkpoints/; train one with `gan train`"
            raise InputError(f"{folder.path}: is not a run folder: {mend}")
        self.folder = folder
        self._notes = notes

    def _note(self, problem: str) -> None:
        if self._notes is None:
            raise InputError(problem)
        self._notes.append(problem)

    @cached_property
    def title(self) -> str:
        """The first line of the recipe's header, empty without one; raises InputError when it cannot be read."""
        return recipe.header(self.folder.recipe).partition("\n")[0][:LONGEST_TITLE]

    @cached_property
    def recipe(self) -> str:
        """The recipe as TOML; empty when it cannot be read."""
        path = self.folder.recipe
        try:
            door.check_inside(path, self.folder.path)
            content = recipe.content(path)
            recipe_tables.parse(content, str(path))
            return slips.decoded(content, str(path)).replace("\r\n", "\n")
        except (DamagedError, InputError) as error:
            self._note(f"the recipe: {error}")
            return ""

    @cached_property
    def tables(self) -> Mapping[str, Any]:
        """The recipe's tables; empty when it cannot be read."""
        return recipe_tables.parse(self.recipe.encode(), str(self.folder.recipe)) if self.recipe else {}

    def setting(self, table: str, key: str) -> Any:
        """Return a value of the recipe; None when it has none or cannot be read."""
        found = self.tables.get(table)
        return found.get(key) if isinstance(found, Mapping) else None

    def whole(self, table: str, key: str) -> int | None:
        """Return a whole number of the recipe; None when it has none there or cannot be read."""
        found = self.setting(table, key)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    @cached_property
    def steps(self) -> list[int]:
        """Steps of the checkpoints, ascending, whether or not they are whole."""
        return metadata.steps(self.folder.checkpoints)

    @cached_property
    def metas(self) -> dict[int, dict[str, Any]]:
        """Metadata of the checkpoints that have readable ones, by step, ascending."""
        found = {}
        for step in self.steps:
            path = self.folder.checkpoints / str(step)
            try:
                found[step] = metadata.read_metadata(path)
            except DamagedError as error:
                if path.is_dir():  # otherwise a training has deleted it meanwhile
                    self._note(f"a checkpoint: {error}")
        return found

    @cached_property
    def best(self) -> int | None:
        """The step of the best checkpoint, the first among equals; None when none was judged."""
        return metadata.best({step: number(meta.get("score")) for step, meta in self.metas.items()})

    @property
    def shown(self) -> int | None:
        """The step of the checkpoint that `gan sample` takes: the best, or else the newest; None without any."""
        return max(self.metas, default=None) if self.best is None else self.best

    @cached_property
    def lives(self) -> tuple[times.Session, ...]:
        """The run's sessions, first to last; empty for a run from before times were noted."""
        try:
            return tuple(times.read_times(self.folder.times))
        except InputError as error:
            self._note(str(error))
            return ()

    @property
    def versions(self) -> dict[str, str]:
        """Package versions in the last session, or else in the newest checkpoint; empty when neither says them."""
        if self.lives and self.lives[-1].versions:
            return dict(self.lives[-1].versions)
        saved = self.metas[max(self.metas)].get("versions") if self.metas else None
        return {str(name): str(version) for name, version in saved.items()} if isinstance(saved, dict) else {}

    @cached_property
    def log(self) -> Log:
        """What log.jsonl says; only lines of the monitor and the last ones are parsed. Raises InputError."""
        found = Log()
        newest: deque[bytes] = deque(maxlen=2)  # two: the last line may have been cut short
        for text in texts(self.folder.log):
            if b'"step"' in text:
                newest.append(text)
            line = parsed(text) if b'"monitor"' in text or b'"rollback"' in text else None
            if line is None:
                continue
            if "rollback" in line:
                found = found._replace(rollbacks=max(found.rollbacks, whole(line["rollback"]) or 0))
            else:
                told = tuple(alarm[:LONGEST_ALARM] for alarm in alarms(line)[:MOST_ALARMS])
                found = found._replace(looks=found.looks + 1, alarmed=found.alarmed + bool(told), alarms=told)
        return found._replace(step=max((step_of(parsed(text) or {}) or 0 for text in newest), default=0))

    @cached_property
    def metrics(self) -> dict[str, Value]:
        """The best and last value of each metric, taken during training, or else by `gan eval`.

        The first metric is the one that chooses the best checkpoint. Numbers beside the metrics, for which neither
        direction is better, are left out. Raises InputError.
        """
        lines = [*read_lines(self.folder.metrics)]
        during = [line for line in lines if "weights" not in line]
        series: dict[str, list[tuple[int, float]]] = {}
        for line in during or lines:
            for name, value in values(line).items():
                series.setdefault(name, []).append((step_of(line) or 0, value))
        found = {}
        for name, own in series.items():
            lower = lower_is_better(name)
            if lower is not None:
                best = (min if lower else max)(value for _, value in own)
                first = next(step for step, value in own if value == best)
                found[name] = Value(best, own[-1][1], first)
        return found

    @property
    def written(self) -> float:
        """When something was last written, in seconds since 1970; 0 for never."""
        known = [0.0]
        for path in (self.folder.recipe, self.folder.log, self.folder.metrics, self.folder.checkpoints):
            with suppress(OSError):
                known.append(path.stat().st_mtime)
        return max(known)
