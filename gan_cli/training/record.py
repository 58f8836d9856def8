"""The run folder of a training: what is kept in it, and where training goes on. Only the first process has one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

import jax

from gan_cli import build, datasets, recipe
from gan_cli.engine import platform
from gan_cli.engine.checkpoint import Checkpoints, Memory, Meta, nothing_more
from gan_cli.engine.loop import DivergedError
from gan_cli.engine.state import State, initial_state
from gan_cli.errors import DamagedError, InputError, StorageError
from gan_cli.files import storing, sync
from gan_cli.remote.mirror import Mirror
from gan_cli.runs import jsonl
from gan_cli.runs.folder import RunFolder
from gan_cli.sampling.writing import Drawn, write_picture
from gan_cli.training.callbacks import Callback, Clock, Tracker
from gan_cli.training.monitor import UnwellError
from gan_cli.version import versions

Note = Callable[[str], None]


class Start(NamedTuple):
    """Where a training begins."""

    state: State
    history: list[dict[str, Any]]  # evaluations before it
    resumed: bool = False
    rollbacks: int = 0  # rollbacks so far
    monitor: Memory | None = None  # what the monitor had gathered


class Record:
    """The run folder of a training, open for this process to write."""

    def __init__(
        self,
        folder: RunFolder,
        checkpoints: Checkpoints,
        prepared: build.Prepared,
        note: Note,
        mirror: Mirror | None = None,
        followers: Sequence[Callback] = (),
    ):
        self.folder = folder
        self.checkpoints = checkpoints
        self._prepared = prepared
        self._note = note
        self._mirror = mirror
        self._followers = followers

    def begin(self, *, override: bool, header: str) -> Start:
        """Return the newest checkpoint that can be read, or a fresh state where there is none.

        Unreadable checkpoints are renamed once an older one has been read; when none can be read, nothing is touched.
        Lines of later steps are cut off the logs, because these steps will be done again. `override` goes on although
        the recipe has changed. Raises InputError when the run is of another recipe or other data.
        """
        start = self._restore(override)
        if self._mirror:
            self._mirror.take_over()  # only now that it is known to be this run
        step = int(start.state.step)
        if step and step >= self._prepared.experiment.train.steps:
            return start
        if start.resumed and override:
            self.folder.keep_recipe(step)
        self.folder.write_recipe(self._prepared.resolved, header)
        for path in (self.folder.log, self.folder.metrics):
            jsonl.cut_after(path, step if start.resumed else -1, start.rollbacks)
        for follower in self._followers:
            follower.start(step)
        return start

    def _restore(self, override: bool) -> Start:
        """Read the newest sound checkpoint, see `begin`."""
        unreadable = []
        for step in reversed(self.checkpoints.steps()):
            try:
                meta = self.checkpoints.meta(step)
                _refuse_other_run(self.folder, meta, self._prepared, override)
                restored = self.checkpoints.restore(step, self._prepared.shapes)
            except DamagedError as error:
                self._note(f"{error}; trying the checkpoint before it")
                unreadable.append(step)
                continue
            for damaged in unreadable:
                self._note(f"checkpoint {damaged} is now {self.checkpoints.set_aside(damaged)}")
            self._note(f"resumed {self.folder.path} at step {step}")
            return Start(restored, meta.history, resumed=True, rollbacks=meta.rollbacks, monitor=meta.monitor)
        if unreadable:
            raise InputError(f"{self.folder.checkpoints}: no checkpoint can be read; name another folder with --out")
        return Start(initial_state(self._prepared.experiment, self._prepared.resolved["run"]["seed"]), [])

    def roll_back(self, problem: str, rollbacks: int, seed: int) -> Start:
        """Return where to go on after a problem: the best checkpoint, or the newest, or a new beginning from `seed`.

        A checkpoint goes on with another key. What was written of later steps is deleted, so that a resumed run finds
        one history. `rollbacks` counts this one, too.
        """
        options = recipe.Monitor(**self._prepared.resolved["monitor"])
        self.checkpoints.wait()
        best, known = self.checkpoints.best(), self.checkpoints.steps()
        for step in sorted(known, key=lambda step: (step == best, step), reverse=True):
            try:
                state = self.checkpoints.restore(step, self._prepared.shapes)
                history = self.checkpoints.meta(step).history
            except DamagedError as error:
                self._note(f"{error}; going back to another checkpoint")
                continue
            break
        else:
            step, history = 0, []
        if step:
            state = state._replace(key=jax.random.fold_in(state.key, rollbacks))
        else:
            state = initial_state(self._prepared.experiment, seed)
        self.checkpoints.drop_after(step)
        for path in (self.folder.log, self.folder.metrics):
            jsonl.cut_after(path, step or -1, rollbacks)  # a new beginning is judged anew
        slower = options.learning_rate_factor**rollbacks
        self._note(
            f"{problem}; rollback {rollbacks} of {options.rollbacks} to step {step}, learning rates times {slower:g}"
        )
        for follower in self._followers:
            follower.start(step)
        self.log({"step": step, "rollback": rollbacks, "because": problem})
        return Start(state, history, resumed=True, rollbacks=rollbacks)

    def log(self, line: Mapping[str, Any]) -> None:
        """Append a line to log.jsonl."""
        jsonl.append(self.folder.log, line)
        for follower in self._followers:
            follower.log(line)

    def judged(self, line: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        jsonl.append(self.folder.metrics, line)
        for follower in self._followers:
            follower.judged(line)

    def picture(self, step: int, drawn: Drawn) -> None:
        """Write the grid of a step."""
        path = self.folder.samples(step)
        write_picture(path, drawn)
        for follower in self._followers:
            follower.picture(step, path)

    def save(self, step: int, state: State, history: list[dict[str, Any]], rollbacks: int, monitor: Memory) -> None:
        """Start to write a checkpoint; its score is that of the last evaluation, if that was at this step."""
        resolved = self._prepared.resolved
        score = history[-1].get("score") if history and history[-1]["step"] == step else None
        for file in (self.folder.log, self.folder.metrics):
            if file.exists():
                with storing(file):
                    sync(file)  # a checkpoint relies on these lines: they must be on the disk before it
        experiment = self._prepared.experiment
        streams = {} if "" in experiment.specs else dict(experiment.specs)
        spec = experiment.specs.get("", experiment.spec)
        meta = Meta(
            resolved, spec, self._prepared.fingerprint, list(history), rollbacks, score, monitor, streams=streams
        )
        self.checkpoints.save(step, state, meta)

    def finish(self) -> int | None:
        """Wait until all is written, and return the step of the best checkpoint."""
        self.checkpoints.wait()
        return self.checkpoints.best()

    def ended(self, step: int, stopped_by: str | None) -> None:
        """Tell that training ends at `step`, by a signal's name or a problem, or with None because it is done."""
        for follower in self._followers:
            follower.end(step, stopped_by)


@contextmanager
def opened(
    folder: RunFolder, prepared: build.Prepared, note: Note, mirror: Mirror | None = None, track: Sequence[Tracker] = ()
) -> Iterator[Record]:
    """Open the record of a run, which no other process can open meanwhile.

    `mirror` belongs to a run at a URL; `track` says who else is told. Raises InputError when the folder cannot be
    written or another process trains there.
    """
    if mirror:
        mirror.pull()
    folder.create()
    keep_last = prepared.resolved["run"]["keep_last"]
    with (
        folder.locked(),
        _mirrored(mirror, note) as written,
        closing(Checkpoints(folder.checkpoints, keep_last=keep_last, written=written)) as checkpoints,
        ExitStack() as stack,
    ):
        clock = Clock(folder.times, platform.describe(), versions())
        followers = [clock, *(tracker(folder, prepared.resolved) for tracker in track)]
        for follower in followers:
            stack.callback(follower.close)
        yield Record(folder, checkpoints, prepared, note, mirror, followers)


@contextmanager
def _mirrored(mirror: Mirror | None, note: Note) -> Iterator[Callable[[int], None]]:
    """Yield what is called after every checkpoint: it brings a run at a URL there, and at the end so does the rest."""
    if mirror is None:
        yield nothing_more
        return

    def push(step: int) -> None:
        try:
            mirror.push()
        except StorageError as error:  # the store may be back at the next one
            note(f"checkpoint {step} is in {mirror.folder} only: {error}")

    with closing(mirror):
        try:
            yield push
        except (DivergedError, UnwellError):  # the logs say why, so they are brought there, too
            mirror.push()
            raise
        mirror.push()


def _refuse_other_run(folder: RunFolder, meta: Meta, prepared: build.Prepared, override: bool) -> None:
    """Raise InputError when a checkpoint is of another recipe or other data.

    With `override` only differences that keep its metrics from being compared are refused.
    """
    saved = build.resolve(meta.recipe, str(folder.recipe))  # it may be older than some defaults
    spec, specs = prepared.experiment.spec, prepared.experiment.specs
    changed = recipe.differences(datasets.as_trained(saved, meta.specs), datasets.as_trained(prepared.resolved, specs))
    if meta.fingerprint != prepared.fingerprint:
        changed.append("the content of the data")
    judged = [line for line in changed if line.startswith("eval.")]
    if judged and meta.history:
        mend = "its metrics so far could not be compared with the new ones; name another folder with --out"
        mend += "" if len(changed) > len(judged) else ", or judge with `gan eval`"
        if any(line.startswith("eval.features") for line in judged):
            mend += f"; --set eval.features={saved['eval']['features']} keeps the network that it began with"
    elif changed and not override:
        mend = "name another folder with --out, or go on with the new recipe with --override-recipe"
        if meta.spec.shape[2:] == (4,) and spec.shape[2:] == (3,):
            mend = f"its model has an alpha channel, as --set data.channels=4 would have it; {mend}"
        if any(line.startswith("networks.") for line in changed):
            mend += ", if its networks can have the weights of the old ones"
    else:
        return
    raise InputError(f"{folder.path} holds a run of another recipe:\n  " + "\n  ".join(changed) + f"\n{mend}")
