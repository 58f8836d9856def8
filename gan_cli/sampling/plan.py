"""A request as a plan, and a plan as samples: the way that all take who draw for a person to look at."""

import numpy as np

from gan_cli import media
from gan_cli.engine.sampler import drawing_ask
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.sampling.arithmetic import check_sum, plan_sum
from gan_cli.sampling.arrange import Plan, arrange
from gan_cli.sampling.controls import ControlOption, resolve
from gan_cli.sampling.latents import Painter, draw_latents, is_points, number_controls
from gan_cli.sampling.request import Conditions, Request, check_request
from gan_cli.sampling.walk import default_path, plan_walk
from gan_cli.sampling.writing import Drawn
from gan_cli.types import CLASS

DEFAULT_N = 64  # samples, in a grid; of media with large pictures fewer
IN_A_ROW = 8  # with classes, codes or nearest training images
POINTS_IN_A_PANEL = 500
TO_WALK = 4  # samples that a walk joins
SHORTEST_ROW, LONGEST_OF_CLASS = 4, 12  # samples of a class in a training's pictures


def plan_samples(experiment: Experiment, request: Request, prior: str = "") -> Plan:
    """The latents of what is asked for, in order, and where a picture shows them.

    `prior`: of the latents (see `latents.prior_of`): only "normal" ones can be truncated, and a walk between them is
    spherical unless the request says otherwise. Classes that a sum is to find must have been found
    (`arithmetic.find_exemplars`). Raises InputError when the request contradicts itself or this model cannot do it.
    """
    check_request(request)
    drawing_ask(experiment, request.ask)
    settings = resolve(request.conditions[0].controls, experiment.game.controls) if len(request.conditions) == 1 else []
    sweeps = sum(setting.is_sweep for setting in settings)
    points, numbers = is_points(experiment), number_controls(experiment)
    if request.neighbours and not media.has_levels(experiment.spec):
        are = media.of(experiment.spec).many
        raise InputError(f"--neighbours compares pixels, and the samples of this recipe are {are}")
    if request.terms:
        check_sum(request.terms, settings, experiment.game.controls, points=points)
        exemplars = request._replace(seeds=[seed for term in request.terms for seed in term.seeds])
        drawn = draw_latents(experiment, exemplars, 0, prior).inputs
        return plan_sum(request.terms, drawn, settings, numbers, request.seed or 0)
    if request.steps:
        if sweeps > 1:
            raise InputError(
                "--interpolate makes the columns: one of --class and --code can take several values, not two"
            )
        latents, path = draw_latents(experiment, request, TO_WALK, prior), request.path or default_path(prior)
        plan = plan_walk(latents, settings, numbers, request.steps, path, is_loop=request.is_animation)
        if request.at is not None and not request.is_animation:
            only = slice(request.at, request.at + 1)
            return Plan({name: x[only] for name, x in plan.inputs.items()}, plan.names[only])
        return plan._replace(sheet=()) if points else plan  # one plot shows all of it
    most = min(DEFAULT_N, media.of(experiment.spec).overview or DEFAULT_N)
    default = IN_A_ROW if settings or request.neighbours else most
    if sweeps == 2:
        default = 1
    if sweeps and points:
        default = POINTS_IN_A_PANEL
    return arrange(draw_latents(experiment, request, default, prior), settings, points=points)


def paint_plan(experiment: Experiment, plan: Plan, paint: Painter, ask: str = "") -> Drawn:
    """The samples of a plan, with their classes where the model has some, as they are shown and kept.

    `ask`: what `paint` draws.
    """
    samples, controls = paint(plan.inputs), experiment.game.controls
    labels = plan.inputs[CLASS].astype(np.int64)[plan.kept] if CLASS in controls else None
    classes = controls[CLASS].names if CLASS in controls else ()
    made = experiment.made_by(ask) or experiment.spec
    return Drawn(samples[plan.kept], made, labels, classes, plan.sheet, plan.groups, shown=samples)


def overview(experiment: Experiment, seed: int, n: int) -> Request:
    """What a training draws again and again: n samples, or a row for each class or category of a code.

    The first control whose categories leave room for rows of SHORTEST_ROW samples makes them. With few categories there
    are fewer than n samples: a row has at most LONGEST_OF_CLASS.
    """
    controls = {} if is_points(experiment) else experiment.game.controls
    for name, control in controls.items():
        if control.categories > 1 and n // control.categories >= SHORTEST_ROW:
            option = ControlOption(name, "all", "--class all" if name == CLASS else f"--code {name}=all")
            row = min(n // control.categories, LONGEST_OF_CLASS)
            return Request(seed=seed, n=row, conditions=(Conditions(controls=(option,)),))
    return Request(seed=seed, n=n)
