"""Checkpoints of a run: whole or not there, with checksums; the newest N and the best by the metric are kept.

RUN/checkpoints/4000/state           Orbax's: the arrays of `State`, one leaf a name ("variables.generator.params.…")
RUN/checkpoints/4000/meta.json       resolved recipe, spec, data fingerprint, metric history, versions
RUN/checkpoints/4000/checksums.json  the SHA-256 of every other file

A thread writes a copy while training goes on. It writes into a hidden folder that takes its final name last: a process
that dies at any moment leaves whole checkpoints only.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from gan_cli import door, files, media
from gan_cli.engine import arrays, metadata
from gan_cli.engine.state import flat, placed, unflat
from gan_cli.errors import DamagedError, InputError, StorageError
from gan_cli.remote import layout
from gan_cli.remote.layout import META
from gan_cli.types import Spec, Specs, leaves
from gan_cli.version import versions

STATE = "state"  # the folder of the arrays in a checkpoint
LOOKS = 2  # at a folder: one in which a training renames may seem to be empty
LONGEST = 1 << 20  # pixels of a side, or numbers of a vector


class Memory(TypedDict, total=False):
    """The state of the monitor (see training/monitor.py), as far as it goes on from a checkpoint."""

    past: dict[str, list[float]]
    sums: dict[str, tuple[float, Annotated[int, Field(ge=1)]]]
    exploded: dict[str, float]


class Meta(NamedTuple):
    """The metadata of a checkpoint, saved beside its arrays."""

    recipe: dict[str, Any]  # resolved: reproduces the run
    spec: Spec  # of the data, or of what the first ask makes where there are several streams
    fingerprint: str  # identifies the data
    history: list[dict[str, Any]]  # every evaluation so far: {"step": 500, "fid": 12.3, ...}
    rollbacks: Annotated[int, Field(ge=0, le=layout.LAST_STEP)] = 0  # made on the way to it
    score: float | None = None  # the metric at this step, higher is better; None: not judged
    monitor: Memory | None = None
    versions: dict[str, Any] | None = None  # the packages that made it
    streams: Mapping[str, Spec] = {}  # the formats of the streams of a game that has several

    def to_json(self) -> dict[str, Any]:
        """The metadata as plain JSON, with the versions of the packages that made them."""
        specs = {"spec": self.spec.to_json(), "streams": {name: spec.to_json() for name, spec in self.streams.items()}}
        return {**self._asdict(), **specs, "versions": versions()}

    @property
    def specs(self) -> Specs:
        """The format of the data, by stream."""
        return self.streams or {"": self.spec}

    @classmethod
    def from_json(cls, data: Any) -> "Meta":
        """The inverse of `to_json`; raises DamagedError when it is not what `to_json` makes."""
        known = {name: data[name] for name in cls._fields if name in data} if isinstance(data, dict) else data
        try:
            meta: Meta = TypeAdapter(cls).validate_python(known)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise DamagedError(f"is not a checkpoint's metadata: {where}: {problem['msg']}") from None
        for line in meta.history:
            step, score = line.get("step"), line.get("score", 0.0)
            is_step = type(step) is int and 0 <= step <= layout.LAST_STEP
            if not (is_step and isinstance(score, int | float)):
                raise DamagedError("is not a checkpoint's metadata: an evaluation without a sound step and score")
        try:
            for spec in leaves({"": meta.spec, **meta.streams}).values():
                if spec:
                    media.check_shape(spec, LONGEST)
        except InputError as error:
            raise DamagedError(f"is not a checkpoint's metadata: {error}") from None
        return meta


def nothing_more(step: int) -> None:
    """The `written` of checkpoints after which nothing is to be done."""


class Checkpoints:
    """The checkpoints folder of one run, for one process to write."""

    def __init__(
        self,
        folder: Path,
        *,
        keep_last: int = 2,
        read_only: bool = False,
        written: Callable[[int], None] = nothing_more,
    ):
        """`written(step)` is called, in the thread that writes, when a checkpoint has its name. Raises InputError."""
        logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax narrates every save
        if read_only and not folder.is_dir():
            raise InputError(f"{folder}: no checkpoints here")
        if not read_only:
            files.make_folder(folder)
            files.remove_leftovers(folder)
        self.folder = folder
        self._keep_last = keep_last
        self._written = written
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._scores: dict[int, float | None] = {}  # step -> score, of checkpoints whose metadata have been read

    def steps(self) -> list[int]:
        """The steps of the checkpoints, ascending."""
        for _ in range(LOOKS):
            if found := metadata.steps(self.folder):
                return found
        return []

    def mark(self, step: int) -> tuple[int, int] | None:
        """A mark that differs between a checkpoint and another one that takes its place; None where there is none."""
        try:
            found = os.stat(self.folder / str(step))
        except OSError:
            return None
        return found.st_ino, found.st_ctime_ns

    def best(self) -> int | None:
        """The step with the best metric, the first of equals; None when none has a metric."""
        steps = self.steps()
        for step in steps:
            if step not in self._scores:
                with suppress(DamagedError):
                    self._scores[step] = self.meta(step).score
        return metadata.best({step: self._scores.get(step) for step in steps})

    def save(self, step: int, state: Any, meta: Meta) -> None:
        """Start to save a copy: files are written behind this call, and `state` may be donated at once.

        Waits for the save before it, and raises StorageError when that one could not be written.
        """
        self.wait()
        copy = flat(jax.tree.map(jnp.copy, state))
        self._pending = self._thread.submit(self._write, step, copy, meta.to_json())

    def _write(self, step: int, leaves: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        import orbax.checkpoint as ocp  # takes a second to import, here beside the training; readers do without

        try:
            files.check_room(self.folder, sum(x.nbytes for x in leaves.values()))
            # Orbax for this process alone: in a job only the first process writes, so nobody has to be waited for.
            alone = ocp.options.MultiprocessingOptions(
                primary_host=jax.process_index(),
                active_processes={jax.process_index()},
                barrier_sync_key_prefix="gan",
            )
            # Each array has its own files: the other format, OCDBT, keeps some 20 KiB of memory for every checkpoint.
            handler = ocp.StandardCheckpointHandler(multiprocessing_options=alone, use_ocdbt=False)
            writer = ocp.Checkpointer(handler, multiprocessing_options=alone)
            with files.whole_folder(self.folder / str(step)) as part:
                writer.save((part / STATE).resolve(), args=ocp.args.StandardSave(jax.device_get(leaves)))
                (part / META).write_text(json.dumps(meta), encoding="utf-8")
        except Exception as error:  # Orbax and TensorStore have their own for a disk that is full
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0][:200]
            before = "; the checkpoints before it are whole" if self.steps() else ""
            raise StorageError(f"{self.folder}/{step}: cannot be written: {reason}{before}") from error
        self._scores[step] = meta["score"]
        with files.storing(self.folder):
            for old in set(self.steps()[: -self._keep_last]) - {self.best()}:
                self._delete(old)
        self._written(step)

    def _delete(self, step: int) -> None:
        files.remove_folder(self.folder / str(step))
        self._scores.pop(step, None)

    def meta(self, step: int) -> Meta:
        """The metadata of the checkpoint of `step`; raises DamagedError, naming the file, when they cannot be read."""
        path = self.folder / str(step)
        found = metadata.read_metadata(path)
        try:
            return Meta.from_json(found)
        except DamagedError as error:
            raise DamagedError(f"{path / META}: {error}") from None

    def restore(self, step: int, like: Any) -> Any:
        """The state saved at `step`: a pytree like `like`, which may hold shapes only; raises as `leaves` does."""
        return unflat(self.leaves(step, flat(like, abstract=True)), like)

    def leaves(self, step: int, wanted: Mapping[str, Any], only: str = "") -> dict[str, Any]:
        """The arrays saved at `step` by name, on the device; those whose name begins with `only`.

        `wanted`: shapes and types of all leaves of the state (`state.flat`). Raises DamagedError, naming the file, when
        one that is read is not what was written, and InputError when the checkpoint is of other networks or optimisers.
        """
        folder = self.folder / str(step)
        sums = files.checksums(folder)
        saved = arrays.leaf_names(sums, STATE)
        if differing := sorted(saved ^ wanted.keys()):
            side = "is in the checkpoint but not in the recipe's networks" if differing[0] in saved else "is missing"
            raise InputError(f"{folder}: a checkpoint of another recipe: {differing[0]} {side}")
        own = {file for name, x in wanted.items() for file in arrays.array_files(name, x, STATE)}
        chosen = {name: x for name, x in wanted.items() if name.startswith(only)}
        read = {name: arrays.read_array(folder, name, x, STATE, sums) for name, x in chosen.items()}
        files.check_whole(folder, sums, but=own, most=door.SMALL)
        return placed(read)

    def set_aside(self, step: int) -> Path:
        """Rename an unreadable checkpoint out of the way, so that its step can be saved again."""
        aside = self.folder / f"damaged-{step}"
        files.remove_folder(aside)
        (self.folder / str(step)).rename(aside)
        self._scores.pop(step, None)
        return aside

    def drop_after(self, step: int) -> None:
        """Delete the checkpoints of later steps."""
        for later in [found for found in self.steps() if found > step]:
            self._delete(later)

    def wait(self) -> None:
        """Wait until every save so far is on disk; raises StorageError when one could not be written."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Wait for the save that is being written, and stop the thread."""
        self._thread.shutdown()
