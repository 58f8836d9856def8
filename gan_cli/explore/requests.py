"""What the page may ask for: the bodies of its requests, checked, and as requests for samples."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from gan_cli.binding import STRICT, shown
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.recipe import SEEDS
from gan_cli.sampling.controls import ControlOption
from gan_cli.sampling.latents import is_points
from gan_cli.sampling.options import number_text
from gan_cli.sampling.plan import POINTS_IN_A_PANEL
from gan_cli.sampling.request import NARROWEST, Conditions, Request, Term, WalkPath
from gan_cli.types import Control

T = TypeVar("T")

MOST_SAMPLES = 64  # of a view
MOST_PINS = 12
MOST_GIVEN = 16  # examples of an upload
MOST_BYTES = 12 << 20  # of one
MOST_STEPS = 128  # of a walk
TRUNCATION = (NARROWEST, 10.0)
LARGEST = 1e6  # of a code: far beyond what any was trained with
MOST_PROBLEMS = 3  # in one message

Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Name = Annotated[str, Field(max_length=100)]  # of a control
Value = Annotated[int, Field(ge=0, lt=1 << 31)] | Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


class _Table(BaseModel):
    model_config = ConfigDict(**STRICT, strict=True)


class Pin(_Table):
    """A seed, and what its sample is made with besides; what is not set is drawn as in training."""

    seed: Seed
    truncation: Annotated[float, Field(ge=TRUNCATION[0], le=TRUNCATION[1])] | None = None  # of normal latents
    values: Annotated[dict[Name, Value], Field(max_length=64)] = {}  # of classes, codes: a category's number, a number


Pins = tuple[Pin, ...]


class Samples(Pin):
    """Samples of seeds `seed`, `seed + 1`, ..., one each; of points always as many as a plot has."""

    view: Literal["samples"]
    raw: bool = False  # the weights of the last step, not their average
    n: int = Field(ge=1, le=MOST_SAMPLES)


class Pinned(_Table):
    """The pins, with these weights."""

    view: Literal["pins"]
    raw: bool = False
    pins: Pins = Field(min_length=1, max_length=MOST_PINS)


class Walk(_Table):
    """From one pin to another in `steps` samples, both included; or sample `at` of them alone."""

    view: Literal["walk"]
    raw: bool = False
    pins: Pins = Field(min_length=2, max_length=2)
    steps: int = Field(ge=2, le=MOST_STEPS)
    at: Annotated[int, Field(ge=0)] | None = None
    path: WalkPath | None = None  # None: spherical where the prior is normal

    @model_validator(mode="after")
    def _inside(self) -> "Walk":
        if self.at is not None and self.at >= self.steps:
            raise ValueError(f"at = {self.at}: a walk of {self.steps} steps has 0 to {self.steps - 1}")
        return self


class Sum(_Table):
    """mean(plus) - mean(minus) + mean(also): of pins, each part may be empty, but not plus and also both."""

    view: Literal["sum"]
    raw: bool = False
    plus: Annotated[Pins, Field(max_length=MOST_PINS)] = ()
    minus: Annotated[Pins, Field(max_length=MOST_PINS)] = ()
    also: Annotated[Pins, Field(max_length=MOST_PINS)] = ()

    @model_validator(mode="after")
    def _adds(self) -> "Sum":
        if not (self.plus or self.also):
            raise ValueError("a sum needs a pin to add: one of A or C at least")
        if len(self.plus + self.minus + self.also) > MOST_PINS:
            raise ValueError(f"{MOST_PINS} pins are the most")
        return self


Asked = Samples | Pinned | Walk | Sum


class File(_Table):
    """What a person uploads."""

    model_config = ConfigDict(val_json_bytes="base64")

    name: str = Field(min_length=1, max_length=200)
    data: bytes = Field(max_length=MOST_BYTES)


class Question(_Table):
    """An ask of examples: those in a file, or of the run's own data."""

    ask: Name
    raw: bool = False
    file: File | None = None


ASKED: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="view")])
QUESTION: TypeAdapter[Question] = TypeAdapter(Question)


def parse_body(body: bytes, wanted: TypeAdapter[T]) -> T:
    """The JSON that the page sends, an ASKED or a QUESTION; raises InputError that says what is wrong with it."""
    try:
        return wanted.validate_json(body)
    except ValidationError as error:
        said = []
        for problem in error.errors(include_url=False, include_context=False)[:MOST_PROBLEMS]:
            place = ".".join(str(part) for part in problem["loc"])
            text = problem["msg"].removeprefix("Value error, ")
            said.append(f"{shown(place)[1:-1]}: {text}" if place else text)
        raise InputError("; ".join(said)) from None


def request_for(asked: Asked, experiment: Experiment, suffix: str = "") -> Request:
    """What the page asks for, of this model, as a request; `suffix`: of a file of it, ".png".

    Raises InputError for seeds beyond the last one, and for views of images where samples are points.
    """
    controls, points = experiment.game.controls, is_points(experiment)
    out = Path(f"{asked.view}{suffix}") if suffix else None
    if isinstance(asked, Samples):
        n = POINTS_IN_A_PANEL if points else asked.n
        if asked.seed + n > SEEDS:
            raise InputError(f"seed {asked.seed}: {n} seeds from there on would leave 0 to 2^32 - 1")
        seeds = range(asked.seed, asked.seed + n)
        return Request(seeds, conditions=(_conditions(asked, controls),), raw=asked.raw, out=out)
    if points:
        raise InputError(f"{asked.view} is of images, and the samples of this model are points")

    request = Request(raw=asked.raw, out=out)
    if isinstance(asked, Sum):
        parts = [(1, asked.plus), (-1, asked.minus), (1, asked.also)]
        if not asked.plus:
            parts.reverse()  # a sum begins with what is added
        pins = tuple(pin for _, some in parts for pin in some)
        of_parts = [(sign, tuple(pin.seed for pin in some)) for sign, some in parts if some]
        request = request._replace(terms=tuple(Term(sign, ",".join(map(str, own)), own) for sign, own in of_parts))
    else:
        pins = asked.pins
        request = request._replace(seeds=tuple(pin.seed for pin in pins))
    if isinstance(asked, Walk):
        request = request._replace(steps=asked.steps, path=asked.path, at=asked.at)
    alike = all((pin.truncation, pin.values) == (pins[0].truncation, pins[0].values) for pin in pins)
    return request._replace(conditions=tuple(_conditions(pin, controls) for pin in (pins[:1] if alike else pins)))


def _conditions(asked: Pin, controls: Mapping[str, Control]) -> Conditions:
    """The page numbers categories; what reads options takes a name for more than a number."""
    options = []
    for name, value in asked.values.items():
        control = controls.get(name, Control())
        spec = str(value) if control.categories else number_text(value)
        if control.names and isinstance(value, int) and value < control.categories:
            spec = control.names[value]
        options.append(ControlOption(name, spec, f"{name} = {value!r}", is_single=True))
    return Conditions(asked.truncation, tuple(options))
