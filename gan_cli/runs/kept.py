"""What a run folder says of itself beside its logs: recipe, checkpoints, times. Without JAX."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gan_cli import door, files, recipe, recipe_tables
from gan_cli.errors import DamagedError, InputError
from gan_cli.remote import layout
from gan_cli.remote.layout import META
from gan_cli.runs import times
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.jsonl import number


class Kept(NamedTuple):
    """What is kept of a run."""

    recipe: str  # TOML; empty: there is none
    tables: Mapping[str, Any]  # of the recipe; empty: it cannot be read
    checkpoints: tuple[int, ...]  # steps of those that are whole by their metadata
    scores: Mapping[int, float]  # of those that were judged, higher is better
    versions: Mapping[str, str]  # of packages
    lives: tuple[times.Session, ...]  # empty: a run from before times were noted
    notes: tuple[str, ...]  # what cannot be read
    fingerprints: Mapping[int, str]  # of the data, by each of the checkpoints

    @property
    def best(self) -> int | None:
        """The step of the best checkpoint, the first of equals: what `Checkpoints.best` says. None: none was judged."""
        return max(self.scores, key=lambda step: (self.scores[step], -step), default=None)

    @property
    def shown(self) -> int | None:
        """The checkpoint that `gan sample` takes: the best, else the newest."""
        return self.checkpoints[-1] if self.best is None and self.checkpoints else self.best

    @property
    def devices(self) -> str:
        """What it was trained on, each once."""
        return "; ".join(dict.fromkeys(life.devices for life in self.lives if life.devices))

    def setting(self, table: str, key: str) -> Any:
        """A value of the recipe; None where it cannot be read or does not say."""
        found = self.tables.get(table)
        return found.get(key) if isinstance(found, Mapping) else None

    def whole(self, table: str, key: str) -> int | None:
        """A whole number of the recipe."""
        found = self.setting(table, key)
        return found if isinstance(found, int) and not isinstance(found, bool) else None


def read(folder: RunFolder) -> Kept:
    """Gather it; raises InputError when this is no run."""
    if not any(path.exists() for path in (folder.recipe, folder.log, folder.checkpoints)):
        mend = "it has neither recipe.toml nor log.jsonl nor checkpoints/; train one with `gan train`"
        raise InputError(f"{folder.path}: is not a run folder: {mend}")
    text, tables, notes = _recipe(folder)
    metas = dict(_metas(folder.checkpoints, notes))
    known = {step: number(meta.get("score")) for step, meta in metas.items()}
    scores = {step: score for step, score in known.items() if score is not None and score == score}
    lives = _lives(folder, notes)
    versions = dict(lives[-1].versions) if lives else {}
    saved = metas[max(metas)].get("versions") if metas else None
    if not versions and isinstance(saved, dict):
        versions = {str(name): str(version) for name, version in saved.items()}
    fingerprints = {step: str(meta.get("fingerprint")) for step, meta in metas.items()}
    return Kept(text, tables, tuple(sorted(metas)), scores, versions, lives, tuple(notes), fingerprints)


def _recipe(folder: RunFolder) -> tuple[str, Mapping[str, Any], list[str]]:
    """Its text, its tables, and what is wrong with it."""
    try:
        door.check_inside(folder.recipe, folder.path)
        content = recipe.content(folder.recipe)
        return (
            content.decode("utf-8", "replace").replace("\r\n", "\n"),
            recipe_tables.parse(content, str(folder.recipe)),
            [],
        )
    except (DamagedError, InputError) as error:
        return "", {}, [f"the recipe: {error}"]


def _lives(folder: RunFolder, notes: list[str]) -> tuple[times.Session, ...]:
    try:
        return tuple(times.read(folder.times))
    except InputError as error:
        notes.append(str(error))
        return ()


def _metas(folder: Path, notes: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Step and metadata of each checkpoint; of those that are damaged a note."""
    for step in layout.steps(os.listdir(folder) if folder.is_dir() else ()):
        path = folder / str(step)
        try:
            yield step, _meta(path)
        except DamagedError as error:
            if path.is_dir():  # else a training has deleted it meanwhile
                notes.append(f"a checkpoint: {error}")


def _meta(path: Path) -> dict[str, Any]:
    try:
        meta = door.parse_json(files.read_whole(path, META, door.SMALL))
    except ValueError as error:
        raise DamagedError(f"{path / META}: {error}") from None
    if not isinstance(meta, dict):
        raise DamagedError(f"{path / META}: is not a checkpoint's metadata")
    return meta
