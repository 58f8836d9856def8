"""What the page may ask for: the bodies of its requests, checked."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from gan_cli.binding import STRICT, shown
from gan_cli.errors import InputError
from gan_cli.recipe import SEEDS
from gan_cli.sampling.drawing import NARROWEST

MOST_SAMPLES = 64  # of a view
MOST_PINS = 12
MOST_STEPS = 128  # of a walk
TRUNCATION = (NARROWEST, 10.0)
LARGEST = 1e6  # of a code: far beyond what any was trained with
MOST_PROBLEMS = 3  # in one message

Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Name = Annotated[str, Field(max_length=100)]  # of a control
Value = Annotated[int, Field(ge=0, lt=1 << 31)] | Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


class _Table(BaseModel):
    model_config = ConfigDict(**STRICT, strict=True)


class Conditions(_Table):
    """What a sample is made with besides its seed; what is not set is drawn as in training."""

    truncation: Annotated[float, Field(ge=TRUNCATION[0], le=TRUNCATION[1])] | None = None  # of normal latents
    values: Annotated[dict[Name, Value], Field(max_length=64)] = {}  # of classes, codes: a category's number, a number

    @property
    def setting(self) -> "Conditions":
        """This alone."""
        return Conditions(truncation=self.truncation, values=self.values)


class Pin(Conditions):
    """A sample that was kept."""

    seed: Seed


Pins = tuple[Pin, ...]


class Samples(Conditions):
    """Samples of seeds `seed`, `seed + 1`, ..., one each; of points always as many as a plot has."""

    view: Literal["samples"]
    raw: bool = False  # the weights of the last step, not their average
    seed: Seed
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
    path: Literal["spherical", "linear"] | None = None  # None: spherical where the prior is normal

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


Ask = Samples | Pinned | Walk | Sum
_ASK: TypeAdapter[Ask] = TypeAdapter(Annotated[Ask, Field(discriminator="view")])


def parse_request(body: bytes) -> Ask:
    """The JSON of a request; raises InputError that says what is wrong with it."""
    try:
        return _ASK.validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)[:MOST_PROBLEMS]
        raise InputError("; ".join(map(_said, problems))) from None


def _said(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{shown(place)[1:-1]}: {text}" if place else text
