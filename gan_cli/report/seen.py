"""What a report shows that takes the model or the data."""

from typing import NamedTuple

from gan_cli.report.parts import Figure, Picture


class Seen(NamedTuple):
    """What takes the model or the data, and what is missing of it."""

    real: Picture | None = None  # real samples
    real_text: str = ""  # what stands below them
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    grid: tuple[str, ...] = ()  # options of `gan sample` that draw what the training drew; empty: not known
