"""A figure for each thing that a game can be asked about examples: what was given, and what it made of it."""

from collections.abc import Iterator, Mapping

import numpy as np

from gan_cli import media
from gan_cli.data.source import Source
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment
from gan_cli.judging.given import Given, take_given
from gan_cli.pictures.labelled import Block
from gan_cli.report.page_parts import Figure
from gan_cli.report.pictures import picture
from gan_cli.runs.load import Loaded
from gan_cli.sampling.results import compared
from gan_cli.sampling.writing import Drawn
from gan_cli.types import Spec, leaves

SHOWN = 16  # examples of each
IN_A_ROW = 8


def asked_figures(loaded: Loaded, sources: Mapping[str, Source], paired: bool) -> Iterator[Figure]:
    """The figures, drawn with averaged weights from a fixed random choice of the data."""
    experiment = loaded.experiment
    for name, ask in experiment.game.asks.items():
        if not ask.given:
            continue
        given = take_given(experiment, name, sources, SHOWN, paired=paired)
        inputs = {**sampler.draw_many(experiment, 0, given.n), **given.inputs}
        results = sampler.Sampler(experiment, given.n, ask=name)(loaded.leaves(raw=False), inputs)
        is_label = experiment.made_by(name) is None
        classes = experiment.specs[experiment.stream(name)].classes
        drawn: Drawn | None
        if is_label:
            drawn = _classified(experiment, given, results, classes)
        else:
            drawn = compared(experiment, name, given, results)
        if drawn is not None:
            alt = f"{given.n} examples and what the model makes of them when it is asked: {name}"
            yield Figure(f"Asked: {name}", picture(drawn, alt), f"gan apply --ask {name}")


def _classified(experiment: Experiment, given: Given, answers: np.ndarray, classes: tuple[str, ...]) -> Drawn | None:
    """Examples with the class that the game sees in each; None where they have no picture."""
    name, x = next(iter(given.inputs.items()))
    spec = leaves(experiment.specs)[name]
    if spec is None or media.seen_together(spec):
        return None
    images = media.tiles(x, spec)
    n = len(images)
    cells = np.pad(np.arange(n), (0, -n % IN_A_ROW), constant_values=-1).reshape(-1, IN_A_ROW)
    said = [f"{classes[answer.argmax()]} ({np.exp(answer.max()):.2f})" for answer in answers]
    captions = [[said[i] if i >= 0 else "" for i in row] for row in cells]
    return Drawn(images, Spec(images.shape[1:]), sheet=(Block(cells, captions=captions),))
