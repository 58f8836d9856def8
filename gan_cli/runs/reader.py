"""What a run folder says of itself: recipe, checkpoints, logs, metrics, times. Without JAX."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from gan_cli import door, recipe, recipe_tables
from gan_cli.engine import metadata
from gan_cli.errors import DamagedError, InputError
from gan_cli.runs import summary, times
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.jsonl import number

LONGEST_TITLE = 200  # letters


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

    @property
    def recipe(self) -> str:
        """The recipe as TOML; empty: there is none that can be read."""
        return self._recipe[0]

    @property
    def tables(self) -> Mapping[str, Any]:
        """The recipe's tables; empty: it cannot be read."""
        return self._recipe[1]

    @cached_property
    def _recipe(self) -> tuple[str, Mapping[str, Any]]:
        path = self.folder.recipe
        try:
            door.check_inside(path, self.folder.path)
            content = recipe.content(path)
            return content.decode("utf-8", "replace").replace("\r\n", "\n"), recipe_tables.parse(content, str(path))
        except (DamagedError, InputError) as error:
            self._note(f"the recipe: {error}")
            return "", {}

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
                found[step] = metadata.read(path)
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

    @property
    def fingerprint(self) -> str | None:
        """Of the data, as the checkpoint that is shown knows it; None: there is no checkpoint."""
        return None if self.shown is None else str(self.metas[self.shown].get("fingerprint"))

    @cached_property
    def lives(self) -> tuple[times.Session, ...]:
        """Its sessions, first to last. Empty: a run from before times were noted."""
        try:
            return tuple(times.read(self.folder.times))
        except InputError as error:
            self._note(str(error))
            return ()

    @property
    def devices(self) -> str:
        """What it was trained on, each once."""
        return "; ".join(dict.fromkeys(life.devices for life in self.lives if life.devices))

    @property
    def versions(self) -> dict[str, str]:
        """The packages of its last session, else of its newest checkpoint."""
        if self.lives and self.lives[-1].versions:
            return dict(self.lives[-1].versions)
        saved = self.metas[max(self.metas)].get("versions") if self.metas else None
        return {str(name): str(version) for name, version in saved.items()} if isinstance(saved, dict) else {}

    @cached_property
    def log(self) -> summary.Log:
        """Its last step, and what the monitor saw; raises InputError."""
        return summary.of_log(self.folder.log)

    @cached_property
    def metrics(self) -> dict[str, summary.Value]:
        """Best and last of each metric; the first is the one that chooses the best checkpoint. Raises InputError."""
        return summary.of_metrics(self.folder.metrics)

    @property
    def trained_by(self) -> str | None:
        """Who trains in this folder just now, in words; None: nobody does."""
        return self.folder.trained_by()

    @property
    def written(self) -> float:
        """When something was written last, seconds since 1970; 0: never."""
        paths = (self.folder.recipe, self.folder.log, self.folder.metrics, self.folder.checkpoints)
        return max(map(_modified, paths))


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
