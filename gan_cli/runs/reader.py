"""What a run folder says of itself: recipe, checkpoints, logs, metrics, times. Without JAX."""

from collections import deque
from collections.abc import Mapping, Sequence
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

LONGEST_TITLE = 200  # letters
MOST_ALARMS, LONGEST_ALARM = 10, 200  # of one line of the monitor; letters


class Value(NamedTuple):
    """A metric over a run."""

    best: float
    last: float
    best_step: int


class Log(NamedTuple):
    """What log.jsonl says of a training."""

    step: int = 0  # the last one
    looks: int = 0  # of the monitor
    alarmed: int = 0  # of these, at how many something was wrong
    alarms: tuple[str, ...] = ()  # at the last of them
    rollbacks: int = 0


class Reader:
    """A run folder, of which each thing is read when it is first asked for."""

    def __init__(self, folder: RunFolder, notes: list[str] | None = None) -> None:
        """Raises InputError when this is no run.

        What cannot be read raises InputError when it is asked for. With `notes`, a recipe, metadata and times that
        cannot be read are as if they were not there, and a note says why.
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
        """The first line of the recipe; empty where it has no header. Raises InputError when it cannot be read."""
        return recipe.header(self.folder.recipe).partition("\n")[0][:LONGEST_TITLE]

    @cached_property
    def recipe(self) -> str:
        """The recipe as TOML; empty: there is none that can be read."""
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
        """The recipe's tables; empty: it cannot be read."""
        return recipe_tables.parse(self.recipe.encode(), str(self.folder.recipe)) if self.recipe else {}

    def setting(self, table: str, key: str) -> Any:
        """A value of the recipe; None where it cannot be read or does not say."""
        found = self.tables.get(table)
        return found.get(key) if isinstance(found, Mapping) else None

    def whole(self, table: str, key: str) -> int | None:
        """A whole number of the recipe."""
        found = self.setting(table, key)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    @cached_property
    def steps(self) -> list[int]:
        """Steps of the checkpoints, ascending, whether or not they are whole."""
        return metadata.steps(self.folder.checkpoints)

    @cached_property
    def metas(self) -> dict[int, dict[str, Any]]:
        """Metadata of the checkpoints that are whole by them, by step, ascending."""
        found = {}
        for step in self.steps:
            path = self.folder.checkpoints / str(step)
            try:
                found[step] = metadata.read_metadata(path)
            except DamagedError as error:
                if path.is_dir():  # else a training has deleted it meanwhile
                    self._note(f"a checkpoint: {error}")
        return found

    @cached_property
    def best(self) -> int | None:
        """The step of the best checkpoint, the first of equals. None: none was judged."""
        return metadata.best({step: number(meta.get("score")) for step, meta in self.metas.items()})

    @property
    def shown(self) -> int | None:
        """The checkpoint that `gan sample` takes: the best, else the newest."""
        return max(self.metas, default=None) if self.best is None else self.best

    @cached_property
    def lives(self) -> tuple[times.Session, ...]:
        """Its sessions, first to last. Empty: a run from before times were noted."""
        try:
            return tuple(times.read_times(self.folder.times))
        except InputError as error:
            self._note(str(error))
            return ()

    @property
    def versions(self) -> dict[str, str]:
        """The packages of its last session, else of its newest checkpoint."""
        if self.lives and self.lives[-1].versions:
            return dict(self.lives[-1].versions)
        saved = self.metas[max(self.metas)].get("versions") if self.metas else None
        return {str(name): str(version) for name, version in saved.items()} if isinstance(saved, dict) else {}

    @cached_property
    def log(self) -> Log:
        """What log.jsonl says, of which only the lines that matter are parsed; raises InputError."""
        found = Log()
        newest: deque[bytes] = deque(maxlen=2)  # the last one may have been cut short
        for text in texts(self.folder.log):
            if b'"step"' in text:
                newest.append(text)
            if b'"monitor"' in text or b'"rollback"' in text:
                found = _heard(found, parsed(text))
        return found._replace(step=max((step_of(parsed(text) or {}) or 0 for text in newest), default=0))

    @cached_property
    def metrics(self) -> dict[str, Value]:
        """Best and last of each metric, as measured during training; where that was not done, by `gan eval`.

        The first is the one that chooses the best checkpoint. Raises InputError.
        """
        lines = [*read_lines(self.folder.metrics)]
        during = [line for line in lines if "weights" not in line]
        series: dict[str, list[tuple[int, float]]] = {}
        for line in during or lines:
            for name, value in values(line).items():
                series.setdefault(name, []).append((step_of(line) or 0, value))
        return {name: made for name, own in series.items() if (made := _value(name, own))}

    @property
    def written(self) -> float:
        """When something was written last, seconds since 1970; 0: never."""
        known = [0.0]
        for path in (self.folder.recipe, self.folder.log, self.folder.metrics, self.folder.checkpoints):
            with suppress(OSError):
                known.append(path.stat().st_mtime)
        return max(known)


def _heard(found: Log, line: Mapping[str, Any] | None) -> Log:
    """With a line of the monitor's."""
    if line is None:
        return found
    if "rollback" in line:
        return found._replace(rollbacks=max(found.rollbacks, whole(line["rollback"]) or 0))
    told = tuple(alarm[:LONGEST_ALARM] for alarm in alarms(line)[:MOST_ALARMS])
    return found._replace(looks=found.looks + 1, alarmed=found.alarmed + bool(told), alarms=told)


def _value(name: str, series: Sequence[tuple[int, float]]) -> Value | None:
    """None for a number beside a metric, of which it is not known whether more is better."""
    lower = lower_is_better(name)
    if lower is None:
        return None
    step, best = min(series, key=lambda one: one[1] if lower else -one[1])
    return Value(best, series[-1][1], step)
