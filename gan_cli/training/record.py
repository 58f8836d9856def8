"""What a training keeps in its run folder, and where it goes on from: of several processes, the first one's alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

import jax

from gan_cli import build, recipe
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
from gan_cli.training.callbacks import Callback
from gan_cli.training.clock import Clock
from gan_cli.training.monitor import UnwellError
from gan_cli.training.tracking import Tracker
from gan_cli.version import versions

Note = Callable[[str], None]


class Start(NamedTuple):
    """Where a training begins."""

    state: State
    history: list[dict[str, Any]]  # evaluations before it
    resumed: bool = False
    rollbacks: int = 0  # made so far
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
        """The newest checkpoint that can be read, of this recipe and these data; a fresh state where there is none.

        Unreadable ones are renamed once an older one has been read; when none can be, nothing is touched. What was
        logged of later steps is cut off: they will be done again. Raises InputError when the run is another one.
        """
        start = self._restore(override)
        if self._mirror:
            self._mirror.take_over()  # not before it is known to be this run
        step = int(start.state.step)
        if step and step >= self._prepared.experiment.train.steps:
            return start
        if start.resumed and override:
            self.folder.keep_recipe(step)
        self.folder.write_recipe(self._prepared.resolved, header)
        self._cut_logs(step if start.resumed else -1, start.rollbacks)
        self._tell(lambda follower: follower.start(step))
        return start

    def _tell(self, message: Callable[[Callback], None]) -> None:
        for follower in self._followers:
            message(follower)

    def _restore(self, override: bool) -> Start:
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

    def _cut_logs(self, step: int, rollbacks: int) -> None:
        for path in (self.folder.log, self.folder.metrics):
            jsonl.cut_after(path, step, rollbacks)

    def roll_back(self, problem: str, rollbacks: int, seed: int) -> Start:
        """Where to go on after a problem: the best checkpoint, else the newest, else a new beginning, with another key.

        What was written of later steps is deleted, so that a resumed run finds one history. `rollbacks`: with this one;
        `seed`: of a new beginning.
        """
        options = recipe.Monitor(**self._prepared.resolved["monitor"])
        self.checkpoints.wait()
        step, state, history = self._to_go_back_to()
        if step:
            state = state._replace(key=jax.random.fold_in(state.key, rollbacks))
        else:
            state = initial_state(self._prepared.experiment, seed)
        self.checkpoints.drop_after(step)
        self._cut_logs(step or -1, rollbacks)  # a new beginning is judged anew
        slower = options.learning_rate_factor**rollbacks
        self._note(
            f"{problem}; rollback {rollbacks} of {options.rollbacks} to step {step}, learning rates times {slower:g}"
        )
        self._tell(lambda follower: follower.start(step))
        self.log({"step": step, "rollback": rollbacks, "because": problem})
        return Start(state, history, resumed=True, rollbacks=rollbacks)

    def _to_go_back_to(self) -> tuple[int, Any, list[dict[str, Any]]]:
        """Step, state and history of the best checkpoint, else of the newest that can be read; step 0: of none."""
        best, known = self.checkpoints.best(), self.checkpoints.steps()
        for step in sorted(known, key=lambda step: (step == best, step), reverse=True):
            try:
                state = self.checkpoints.restore(step, self._prepared.shapes)
                return step, state, self.checkpoints.meta(step).history
            except DamagedError as error:
                self._note(f"{error}; going back to another checkpoint")
        return 0, None, []

    def log(self, line: Mapping[str, Any]) -> None:
        """Add a line to log.jsonl."""
        jsonl.append(self.folder.log, line)
        self._tell(lambda follower: follower.log(line))

    def judged(self, line: Mapping[str, Any]) -> None:
        """Add a line to metrics.jsonl."""
        jsonl.append(self.folder.metrics, line)
        self._tell(lambda follower: follower.judged(line))

    def picture(self, step: int, drawn: Drawn) -> None:
        """Write the grid of a step."""
        path = self.folder.samples(step)
        write_picture(path, drawn)
        self._tell(lambda follower: follower.picture(step, path))

    def save(self, step: int, state: State, history: list[dict[str, Any]], rollbacks: int, monitor: Memory) -> None:
        """Start to write a checkpoint."""
        resolved, source = self._prepared.resolved, self._prepared.source
        score = history[-1].get("score") if history and history[-1]["step"] == step else None
        for file in (self.folder.log, self.folder.metrics):
            if file.exists():
                with storing(file):
                    sync(file)  # what the checkpoint takes for written has to outlive the machine, too
        meta = Meta(
            resolved, self._prepared.experiment.spec, source.fingerprint, list(history), rollbacks, score, monitor
        )
        self.checkpoints.save(step, state, meta)

    def finish(self) -> int | None:
        """Wait until all is written; the step of the best checkpoint."""
        self.checkpoints.wait()
        return self.checkpoints.best()

    def ended(self, step: int, stopped_by: str | None) -> None:
        """Training ends at `step`: a signal's name, what the monitor found, or None when it is done."""
        self._tell(lambda follower: follower.end(step, stopped_by))


@contextmanager
def opened(
    folder: RunFolder, prepared: build.Prepared, note: Note, mirror: Mirror | None = None, track: Sequence[Tracker] = ()
) -> Iterator[Record]:
    """The record of a run, which no other process can open meanwhile; `mirror`: of one at a URL. Raises InputError."""
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
    """What is done after every checkpoint of a run that is at a URL; the rest of it is brought there at the end."""
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
        except (DivergedError, UnwellError):  # the logs say why
            mirror.push()
            raise
        mirror.push()


def _refuse_other_run(folder: RunFolder, meta: Meta, prepared: build.Prepared, override: bool) -> None:
    """Raise InputError when the checkpoint is of another recipe or other data, unless the person insists."""
    saved = build.resolve(meta.recipe, str(folder.recipe))  # with defaults that it may be older than
    spec = prepared.experiment.spec
    changed = recipe.differences(build.as_trained(saved, meta.spec), build.as_trained(prepared.resolved, spec))
    if meta.fingerprint != prepared.source.fingerprint:
        changed.append("the content of the data")
    judged = [line for line in changed if line.startswith("eval.")]
    if judged and meta.history:
        mend = "name another folder with --out" + ("" if len(changed) > len(judged) else ", or judge with `gan eval`")
        raise _other_recipe(folder, changed, f"its metrics so far could not be compared with the new ones; {mend}")
    if changed and not override:
        mend = "name another folder with --out, or go on with the new recipe with --override-recipe"
        if meta.spec.shape[2:] == (4,) and spec.shape[2:] == (3,):
            mend = f"its model has an alpha channel, as --set data.channels=4 would have it; {mend}"
        if any(line.startswith("networks.") for line in changed):
            mend += ", if its networks can have the weights of the old ones"
        raise _other_recipe(folder, changed, mend)


def _other_recipe(folder: RunFolder, changed: list[str], mend: str) -> InputError:
    return InputError(f"{folder.path} holds a run of another recipe:\n  " + "\n  ".join(changed) + f"\n{mend}")
