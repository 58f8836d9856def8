"""Tasks one after the other: the classes of a data set come in groups, each for so many steps."""

import numpy as np
from pydantic import PositiveInt

from gan_cli.data.source import Phases, Source
from gan_cli.errors import InputError


def divide(
    source: Source,
    *,
    tasks: PositiveInt | None = None,  # groups of classes, in the order of their labels; None: all at once
    task_steps: PositiveInt = 1000,  # steps of a task; the last one goes on to the end
) -> Source:
    """The source whose classes a training sees in `tasks` groups, one after the other; metrics see all of them.

    A batch is a function of (seed, step) as ever. Raises InputError when there are fewer classes than tasks.
    """
    if tasks is None:
        return source
    if source.labels is None or source.labelled is not None:
        raise InputError(f"{source.name}: [data] tasks = {tasks} divides classes: it wants data whose labels are known")
    classes = len(source.spec.classes)
    if tasks > classes:
        raise InputError(f"{source.name}: [data] tasks = {tasks}: there are {classes} classes, and each task wants one")
    task_of_class = np.arange(classes) * tasks // classes
    pools = tuple(np.flatnonzero(task_of_class[source.labels] == task) for task in range(tasks))
    if empty := [task for task, pool in enumerate(pools) if not len(pool)]:
        raise InputError(f"{source.name}: [data] tasks = {tasks}: no example is of task {empty[0]}")
    return source._replace(phases=Phases(task_steps, pools))
