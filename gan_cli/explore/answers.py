"""What the page gives a model that starts from examples, and what this makes of it."""

import re
import shlex
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli import media
from gan_cli.data.left_out import SUFFIXES
from gan_cli.data.store import Store
from gan_cli.engine.sampler import Inputs, Sampler, draw_many
from gan_cli.errors import InputError
from gan_cli.explore.requests import MOST_GIVEN, File, Question
from gan_cli.explore.shown import shown
from gan_cli.runs.load import Loaded
from gan_cli.sampling import applying
from gan_cli.types import leaves

SIZES = (1, MOST_GIVEN)  # examples that are answered at once
LIKELIEST = 3  # classes that are named
ARRAYS = ".npz"
LONGEST = 60  # characters of a file's name that are kept, and its suffix with them


class Answers:
    """The asks of a checkpoint that start from examples."""

    def __init__(self, loaded: Loaded, checkpoint: str, store: Store, lock: threading.Lock):
        """`checkpoint`: as a person named it. `store`: has the run's own data. `lock`: is held while one computes."""
        self._loaded, self._checkpoint, self._store, self._lock = loaded, checkpoint, store, lock
        self._experiment = loaded.experiment
        self._specs = leaves(self._experiment.specs)

    @cached_property
    def _samplers(self) -> dict[tuple[str, int], Sampler]:
        """By ask and number of examples."""
        return {(ask, n): Sampler(self._experiment, n, ask=ask) for ask in self.asks for n in SIZES}

    @cached_property
    def asks(self) -> dict[str, str]:
        """By name the leaf that each starts from, the first of them."""
        return {name: ask.given[0] for name, ask in self._experiment.game.asks.items() if ask.given}

    def description(self) -> list[dict[str, Any]]:
        """The asks as the page needs to know them."""
        made = {ask: self._experiment.made_by(ask) for ask in self.asks}
        return [
            {
                "name": ask,
                "given": _many(self._specs[leaf]),
                "made": "classes" if made[ask] is None else _many(made[ask]),
                "accepts": [*self._accepted(leaf)],
            }
            for ask, leaf in self.asks.items()
        ]

    def warm_up(self) -> None:
        """Compile what the page uses, so that no answer waits for it."""
        for ask, n in self._samplers:
            specs = {name: self._specs[name] for name in self._experiment.game.ask(ask).given}
            given = {
                name: np.zeros((n, *spec.shape), media.of(spec).dtype) if spec else np.zeros(n, np.int32)
                for name, spec in specs.items()
            }
            self._made(ask, given, n, raw=False)

    def answer(self, question: Question) -> dict[str, Any]:
        """What is given, what is made of it and what it should be where that is known. Raises InputError."""
        ask = applying.applied_ask(self._experiment, question.ask)
        with self._at_hand(ask, question.file) as path:
            wanted = applying.Application(path, ask, n=MOST_GIVEN, raw=question.raw)
            given, names = applying.examples_for(self._loaded, ask, wanted, self._store)
        began = time.perf_counter()
        results = self._made(ask, given.inputs, given.n, raw=question.raw)
        took = time.perf_counter() - began
        leaf, spec = self.asks[ask], self._experiment.made_by(ask)
        # the truth of a reconstruction is what was given, and shown as such
        truth = None if self._experiment.game.ask(ask).like == leaf else given.truth
        own = self._specs[leaf]
        return {
            "names": [*names] or [f"{i}" for i in range(given.n)],
            "given": shown(given.inputs[leaf], own) if own else {},
            **(self._classes(ask, results, given.truth) if spec is None else {"result": shown(results, spec)}),
            **({"truth": shown(truth, spec)} if spec and truth is not None else {}),
            "command": self._command(ask, question, given.n, spec is None),
            "milliseconds": round(1000 * took, 2),
        }

    def _made(self, ask: str, given: Inputs, n: int, *, raw: bool) -> np.ndarray:
        """Results as stored; the first n of seed 0, as those of `gan apply`."""
        inputs = {**draw_many(self._experiment, 0, n), **given}
        asking = self._samplers[ask, next(size for size in SIZES if size >= n)]
        with self._lock:
            return asking(self._loaded.leaves(raw), inputs)

    def _classes(self, ask: str, answers: np.ndarray, truth: np.ndarray | None) -> dict[str, Any]:
        """The likeliest classes of each example with their probabilities, and the true ones where they are known."""
        names = self._experiment.specs[self._experiment.stream(ask)].classes
        best = np.argsort(-answers, axis=1)[:, :LIKELIEST]
        listed = [
            [[names[k], float(np.exp(own[k]))] for k in chosen] for own, chosen in zip(answers, best, strict=True)
        ]
        return {"classes": listed, **({} if truth is None else {"true_classes": [names[int(k)] for k in truth]})}

    def _accepted(self, leaf: str) -> tuple[str, ...]:
        """Suffixes of the files that an upload can be."""
        spec = self._specs[leaf]
        return (*SUFFIXES, ARRAYS) if spec and media.is_image(spec) else (ARRAYS,)

    @contextmanager
    def _at_hand(self, ask: str, file: File | None) -> Iterator[str | None]:
        """The path of what was uploaded, for the length of the block; errors call it by the name that a person gave."""
        if file is None:
            yield None
            return
        accepted = self._accepted(self.asks[ask])
        if Path(file.name).suffix.lower() not in accepted:
            raise InputError(f"{file.name}: {ask} starts from {', '.join(accepted)} files")
        with tempfile.TemporaryDirectory(prefix="gan-explore-") as folder:
            path = Path(folder, re.sub(r"[^\w. -]", "_", Path(file.name).name)[-LONGEST:])
            path.write_bytes(file.data)
            try:
                yield str(path)
            except InputError as error:
                raise InputError(str(error).replace(f"{folder}/", "")) from None

    def _command(self, ask: str, question: Question, n: int, classifies: bool) -> str:
        given = ["--input", question.file.name] if question.file else []
        given += ["--n", str(n)] if n == MOST_GIVEN else []  # of a file with more, so many are taken
        raw, out = ["--raw"] if question.raw else [], "applied.csv" if classifies else "applied.png"
        command = ["gan", "apply", "--ckpt", self._checkpoint, "--at", str(self._loaded.step), "--ask", ask]
        return shlex.join([*command, *given, *raw, "--out", out])


def _many(spec: Any) -> str:
    """What examples are called: "images"; without a spec they are labels."""
    return media.of(spec).many if spec else "labels"
