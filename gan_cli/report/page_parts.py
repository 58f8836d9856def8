"""What a report is made of, as plain data."""

import base64
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Curve(NamedTuple):
    """Values of one name over the steps of a run."""

    name: str  # "discriminator/loss"
    chart: str  # the chart it is on: "loss"
    label: str  # what the legend calls it: "discriminator"
    steps: Sequence[int]
    values: Sequence[float | None]  # None: not finite
    lines: int  # how many there were before they were thinned
    lower_is_better: bool | None = None  # None: neither, or not known
    metric: bool = False  # of metrics.jsonl
    part: bool = False  # a further number of a metric: for whoever asks for more
    later: bool = False  # measured after the training: points, not a line

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and value of the best, the first of equals, where it is known which way is better."""
        known = [(step, value) for step, value in zip(self.steps, self.values, strict=True) if value is not None]
        if self.lower_is_better is None or not known:
            return None
        return (min if self.lower_is_better else max)(known, key=lambda pair: pair[1])


class Event(NamedTuple):
    """Something that happened during a training."""

    step: int
    kind: str  # "alarm" or "rollback"
    text: str


class Picture(NamedTuple):
    """A picture, and what it shows in words."""

    png: bytes
    width: int  # pixels
    height: int
    alt: str

    @property
    def uri(self) -> str:
        """As a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


class Grid(NamedTuple):
    """The samples of the same latents at a step."""

    step: int
    label: str  # "step 1,000 · fid 8.59"
    picture: Picture


class Figure(NamedTuple):
    """A picture under a heading: a sweep, neighbours."""

    title: str
    picture: Picture
    text: str = ""


class FromModel(NamedTuple):
    """What of the page takes the model or the data."""

    real: Picture | None = None  # real samples
    real_text: str = ""  # what stands below them
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()  # what was left out, and why
    grid: tuple[str, ...] = ()  # options of `gan sample` that draw what the training drew; empty: not known
    draws: bool = True  # False: the model starts from examples


class RunPart(NamedTuple):
    """What the page says of one run."""

    name: str
    state: str  # one line: "5,000 of 5,000 steps"
    facts: Mapping[str, str]  # a table: beside each other where there are several
    curves: Sequence[Curve] = ()
    events: Sequence[Event] = ()
    best: int | None = None  # step of the best checkpoint
    protocol: str = ""  # of its metrics
    grids: Sequence[Grid] = ()
    real: Picture | None = None
    real_text: str = ""
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()  # what was left out, and why
    recipe: str = ""  # TOML
    commands: str = ""  # of a shell

    @property
    def best_grid(self) -> int | None:
        """Which of the grids is the best checkpoint's; None: it has none."""
        steps = [grid.step for grid in self.grids]
        return steps.index(self.best) if self.best in steps else None

    @property
    def start(self) -> int:
        """Which of the grids is seen first: that of the best checkpoint, else the last."""
        return len(self.grids) - 1 if self.best_grid is None else self.best_grid
