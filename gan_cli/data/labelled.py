"""Labels that a training does not see: `[data] labelled`."""

import numpy as np
from pydantic import NonNegativeInt

from gan_cli.data.order import order
from gan_cli.data.source import Source
from gan_cli.errors import InputError


def hide(
    source: Source,
    *,
    labelled: NonNegativeInt | None = None,  # examples whose label a game is shown; None: all
    labelled_seed: NonNegativeInt = 0,  # chooses them
) -> Source:
    """The source with `labelled` labelled examples, as many of each class as of any other, or one more.

    This is what semi-supervised games are for; with 0 a game sees no label, as of a domain that has none. What is
    hidden is hidden from training only: metrics see all labels.
    Raises InputError when the source has no labels, or too few examples of a class.
    """
    if labelled is None:
        return source
    classes = source.spec.classes
    if source.labels is None:
        raise InputError(f"{source.name}: [data] labelled = {labelled} wants data with labels, and these have none")
    if 0 < labelled < len(classes):
        raise InputError(
            f"{source.name}: [data] labelled = {labelled} leaves some of {len(classes)} classes without one"
        )
    by_chance = order(labelled_seed, source.size, 0)
    chosen = []
    for label, name in enumerate(classes):
        wanted = labelled // len(classes) + (label < labelled % len(classes))
        found = by_chance[source.labels[by_chance] == label][:wanted]
        if len(found) < wanted:
            raise InputError(
                f"{source.name}: [data] labelled = {labelled} wants {wanted} examples of class {name!r}, and there are "
                f"{len(found)}"
            )
        chosen.append(found)
    return source._replace(labelled=np.sort(np.concatenate(chosen)))
