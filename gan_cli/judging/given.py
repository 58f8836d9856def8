"""What an ask of a trained game starts from, for those who judge it: examples of a split, and what belongs to them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gan_cli.binding import nearest
from gan_cli.data.order import order
from gan_cli.data.source import Source
from gan_cli.engine.sampler import Inputs
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.types import Y, leaf


class Given(NamedTuple):
    """Examples that an ask starts from, and those that its results can be compared with one by one."""

    inputs: Inputs  # the leaves that it is given, as stored, [n, ...] each
    truth: np.ndarray | None  # what results should be, [n, ...] as stored; None: not known
    labels: np.ndarray | None  # int32 [n]: classes of what is given; None: there are none

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(next(iter(self.inputs.values())))


def take_given(
    experiment: Experiment, ask: str, sources: Mapping[str, Source], n: int, *, paired: bool = False
) -> Given:
    """At most n examples of the streams that an ask is given: a fixed random choice, in random order.

    Their truths are known where results are like a leaf of the same stream; `paired` says that example i of every
    stream belongs to example i of the others. Raises InputError where that cannot be.
    """
    asked = experiment.game.ask(ask)
    streams = {name: stream for name in asked.given if (stream := stream_of(name, sources)) is not None}
    sizes = {sources[stream].size for stream in streams.values()}
    if paired and len({source.size for source in sources.values()}) > 1:
        listed = ", ".join(f"{source.size} in {stream}" for stream, source in sources.items())
        raise InputError(f"[eval] paired = true: example i of one stream belongs to example i of the other; {listed}")
    chosen = order(0, min(sizes), 0)[:n]
    examples: dict[str, np.ndarray] = {}
    for stream, source in sources.items():
        if paired or stream in streams.values():
            examples |= {leaf(stream, part): x for part, x in source.load(chosen).items()}
    truth = examples.get(asked.like) if isinstance(asked.like, str) else None
    first = next(iter(streams.values()))
    return Given({name: examples[name] for name in asked.given}, truth, examples.get(leaf(first, Y)))


def making_ask(experiment: Experiment, named: str) -> str | None:
    """The ask whose results are judged as examples are: the named one, or the first that makes some.

    None: there is none. Raises InputError for a name that the game does not know.
    """
    return _first(experiment, named, labels=False)


def classifying_ask(experiment: Experiment, named: str) -> str | None:
    """The ask whose results are log-probabilities of classes: the named one, or the first such; None: there is none."""
    return _first(experiment, named, labels=True)


def _first(experiment: Experiment, named: str, *, labels: bool) -> str | None:
    asks = experiment.game.asks
    if named and named not in asks:
        raise InputError(f"[eval] ask = {named!r}: the game cannot be asked for that{nearest(named, asks)}")
    fitting = [name for name in asks if (experiment.made_by(name) is None) == labels]
    return named if named in fitting else next(iter(fitting), None)


def check_beside(experiment: Experiment, ask: str | None, beside: str) -> None:
    """Raise InputError unless what `beside` makes of the same inputs can be compared with what `ask` makes."""
    if not beside:
        return
    asks, where = experiment.game.asks, f"[eval] beside = {beside!r}: "
    if beside not in asks:
        raise InputError(f"{where}the game cannot be asked for that{nearest(beside, asks)}")
    made, other = (experiment.made_by(name) if name else None for name in (ask, beside))
    fits = ask and ask != beside and made and other and made.shape == other.shape
    if not fits or not {*asks[beside].given} <= {*asks[str(ask)].given}:
        raise InputError(
            f"{where}it wants another ask that makes examples of the same shape, given nothing that the first one is "
            "not given"
        )


def stream_of(name: str, streams: Mapping[str, object]) -> str | None:
    """The stream to which a leaf of the data belongs; None: it is none of theirs."""
    found = [stream for stream in streams if not stream or name.startswith(f"{stream}_")]
    return max(found, key=len, default=None)
