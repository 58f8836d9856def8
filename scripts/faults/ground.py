"""What rot.py breaks: a run that was left in the middle, and the same run undisturbed to its end."""

import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import fork
import games
from life import environment
from table import Row

MIDDLE, END = 200, 400  # steps: a multiple of every cadence below, so that a run to END begins as one to MIDDLE does
CADENCES = {"run.sample_every": 100, "run.checkpoint_every": 50, "eval.every": 100, "monitor.every": 100}


class Ground(NamedTuple):
    """A game, its runs, and how `gan` is run on them."""

    context: Any  # of fork.server
    scratch: Path
    recipe: Path
    middle: Path  # a run of MIDDLE steps
    whole: Path  # one of END steps
    rng: random.Random
    note: Callable[[str], None]

    def gan(self, *arguments: object, env: Mapping[str, str] | None = None) -> fork.Said:
        """Run `gan ARGUMENTS` to its end."""
        return fork.gan(self.context, *arguments, said=self.scratch / "said", env=env)

    def train(self, folder: Path, steps: int = END, env: Mapping[str, str] | None = None) -> fork.Said:
        """Run `gan train` into a folder, to its end."""
        return self.gan(*self.command(folder, steps), env=env)

    def command(self, folder: Path, steps: int = END) -> tuple[object, ...]:
        """The arguments of `gan train`."""
        settings = {"train.steps": steps, **CADENCES}
        sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        return ("train", self.recipe, "--out", folder, *sets)

    def copy(self, to: Path | None = None) -> Path:
        """A copy of the run that was left in the middle."""
        folder = to or self.scratch / "broken"
        shutil.rmtree(folder, ignore_errors=True)
        return Path(shutil.copytree(self.middle, folder))


def prepare(scratch: Path, seed: int, note: Callable[[str], None]) -> Ground:
    """Train both runs; raises SystemExit when they cannot be."""
    scratch.mkdir(parents=True, exist_ok=True)
    context = fork.server(environment(GAN_CACHE_DIR=str(scratch / "cache")))
    middle, whole = scratch / "middle", scratch / "whole"
    ground = Ground(context, scratch, games.write("toy", scratch), middle, whole, random.Random(seed), note)
    for folder, steps in ((middle, MIDDLE), (whole, END)):
        shutil.rmtree(folder, ignore_errors=True)
        said = ground.train(folder, steps)
        if said.code:
            raise SystemExit(said.text)
    return ground


class Tally:
    """Counts the tries of a row, and what was lost in them."""

    def __init__(self, fault: str, note: Callable[[str], None]):
        self._fault, self._note = fault, note
        self._tries, self._survived = 0, 0
        self._lost: list[str] = []

    def add(self, what: str, problems: list[str]) -> None:
        """Count a try: of which file, and what was wrong after it."""
        self._tries += 1
        self._survived += not problems
        self._lost += [f"{what}: {problem}" for problem in problems]
        for problem in problems:
            self._note(f"{self._fault}: {what}: {problem}")

    def row(self, remark: str = "") -> Row:
        """The row of the table."""
        self._note(f"{self._fault}: {self._survived} of {self._tries}")
        return Row(self._fault, self._tries, self._survived, tuple(self._lost[:5]), remark)


def wrong(said: fork.Said, code: int, *words: str) -> list[str]:
    """What is wrong with how a command ended, which should be with `code`, no traceback, and each of `words` said."""
    found = [] if said.code == code else [f"exit code {said.code} instead of {code}: {said.text[-300:]}"]
    found += [] if said.clean else [f"a traceback: {said.text[-300:]}"]
    return found + [f"{word} is not named: {said.text[-300:]}" for word in words if word not in said.text]
