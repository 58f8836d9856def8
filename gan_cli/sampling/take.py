"""`gan sample`: from what is asked for to samples, arranged as they will be seen."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gan_cli import build
from gan_cli.data.store import Store
from gan_cli.engine.sampler import Told, untold
from gan_cli.errors import InputError
from gan_cli.judging import reference
from gan_cli.runs.load import Loaded
from gan_cli.sampling import arithmetic, drawing, neighbours, walk, writing
from gan_cli.sampling.arrange import Plan, arrange, put
from gan_cli.sampling.controls import Setting, resolve
from gan_cli.sampling.drawing import Latents, Painter, painter
from gan_cli.sampling.request import Request
from gan_cli.sampling.writing import Drawn
from gan_cli.types import CLASS

DEFAULT_N = 64  # samples, in a grid
IN_A_ROW = 8  # with --class, --code or --neighbours
POINTS_IN_A_PANEL = 500
TO_WALK = 4  # samples that a walk joins
EXEMPLARS = 3  # samples of a class whose mean is taken

Note = Callable[[str], None]


class Taken(NamedTuple):
    """Samples, and what is reported of them."""

    drawn: Drawn
    report: Mapping[str, Any]
    text: str  # the same for a person; empty: nothing


def take(loaded: Loaded, request: Request, store: Store | None, note: Note, told: Told = untold) -> Taken:
    """Draw what is asked for; raises InputError, before anything is compiled, when the model cannot do it.

    `store`: of the training images, for their neighbours. `told`: how many samples are drawn, of how many.
    """
    settings = resolve(request.wishes, loaded.experiment.game.controls)
    if is_points(loaded):
        writing.check_points(request.out)
    if request.terms:
        return _arithmetic(loaded, request, settings, note)
    if request.neighbours:
        assert store is not None
        return _neighbours(loaded, request, settings, store, note, told)
    plan = _walk(loaded, request, settings) if request.steps else _arranged(loaded, request, settings)
    writing.check_size(request.out, loaded.experiment.spec.shape, plan.sheet, plan.groups)
    samples = _painter(loaded, request, drawing.count(plan.inputs), note, told)(plan.inputs)
    held = _held(loaded, plan, settings) if request.steps else {}
    return Taken(_drawn(loaded, plan, samples), held, _held_text(held).strip())


def is_points(loaded: Loaded) -> bool:
    """Whether samples are vectors, not images."""
    return len(loaded.experiment.spec.shape) != 3


def _painter(loaded: Loaded, request: Request, n: int, note: Note, told: Told = untold) -> Painter:
    """`n`: samples that it will be asked for at most."""
    note(f"step {loaded.step} of {loaded.folder.path}: compiling, then drawing")
    return painter(loaded, raw=request.raw, batch=min(request.batch, n), told=told)


def _latents(loaded: Loaded, request: Request, default: int) -> Latents:
    return drawing.latents(
        loaded,
        seeds=request.seeds,
        seed=request.seed or 0,
        n=request.n or default,
        truncation=request.truncation,
    )


def _drawn(loaded: Loaded, plan: Plan, samples: np.ndarray) -> Drawn:
    labels = plan.inputs[CLASS].astype(np.int64) if CLASS in loaded.experiment.game.controls else None
    return Drawn(samples, labels, _class_names(loaded), plan.sheet, plan.groups)


def _class_names(loaded: Loaded) -> tuple[str, ...]:
    controls = loaded.experiment.game.controls
    return controls[CLASS].names if CLASS in controls else ()


def _arranged(loaded: Loaded, request: Request, settings: list[Setting]) -> Plan:
    points, sweeps = is_points(loaded), sum(setting.is_sweep for setting in settings)
    if points and sweeps:
        default = POINTS_IN_A_PANEL
    elif sweeps == 2:
        default = 1
    else:
        default = IN_A_ROW if settings or request.neighbours else DEFAULT_N
    return arrange(_latents(loaded, request, default), settings, points=points)


def _walk(loaded: Loaded, request: Request, settings: list[Setting]) -> Plan:
    """The walk; of points without a sheet: one plot shows all of it."""
    assert request.steps is not None
    if sum(setting.is_sweep for setting in settings) > 1:
        raise InputError("--interpolate makes the columns: one of --class and --code can take several values, not two")
    path = request.path or walk.path_of(loaded)
    make = walk.loop if request.is_animation else walk.walk
    plan = make(_latents(loaded, request, TO_WALK), settings, drawing.numbers(loaded), request.steps, path)
    return plan._replace(sheet=()) if is_points(loaded) else plan


def _held(loaded: Loaded, plan: Plan, settings: list[Setting]) -> dict[str, int]:
    """The categories that nobody set: those of the first sample, everywhere in a walk or a sum."""
    chosen = {setting.name for setting in settings}
    controls = loaded.experiment.game.controls.items()
    return {name: int(plan.inputs[name][0]) for name, c in controls if c.categories and name not in chosen}


def _held_text(held: dict[str, int]) -> str:
    return "".join(f"\n{name} = {value}, that of the first sample, everywhere" for name, value in held.items())


def _arithmetic(loaded: Loaded, request: Request, settings: list[Setting], note: Note) -> Taken:
    _check_arithmetic(loaded, request, settings)
    draw = partial(drawing.by_seeds, loaded, truncation=request.truncation)
    terms, paint = request.terms, None
    if any(term.wanted for term in terms):
        network = arithmetic.classifier(loaded.meta.recipe["eval"]["features"], terms)
        paint = _painter(loaded, request, arithmetic.SEARCHED, note)
        candidates = paint(put(draw(range(arithmetic.SEARCHED)), settings))
        terms = arithmetic.find_exemplars(terms, request.n or EXEMPLARS, network, candidates)
    plan = arithmetic.plan(terms, draw, settings, drawing.numbers(loaded), request.seed or 0)
    writing.check_size(request.out, loaded.experiment.spec.shape, plan.sheet)
    paint = paint or _painter(loaded, request, drawing.count(plan.inputs), note)
    drawn, last = _drawn(loaded, plan, paint(plan.inputs)), arithmetic.results(plan.inputs)
    labels = None if drawn.labels is None else drawn.labels[last]
    held = _held(loaded, plan, settings)
    report = {"terms": [{"term": term.text, "sign": term.sign, "seeds": list(term.seeds)} for term in terms], **held}
    text = "\n".join(f"{term.text}: the mean of seeds {', '.join(map(str, term.seeds))}" for term in terms)
    kept = drawn._replace(samples=drawn.samples[last], labels=labels, shown=drawn.samples)
    return Taken(kept, report, text + _held_text(held))


def _check_arithmetic(loaded: Loaded, request: Request, settings: list[Setting]) -> None:
    if is_points(loaded):
        raise InputError("--arithmetic makes pictures, and the samples of this recipe are points")
    for setting in settings:
        if setting.is_sweep:
            raise InputError(f"--arithmetic: {setting.name} can have one value, that of all samples, not several")
    controls, chosen = loaded.experiment.game.controls, [setting.name for setting in settings]
    for term in request.terms:
        if term.wanted and CLASS in controls:
            raise InputError(f"--arithmetic: {term.text} is for models without classes; this one has --class")
        for name, control in controls.items():
            if term.wanted and control.categories and name not in chosen:
                mend = f"set it, --code {name}=0"
                raise InputError(f"--arithmetic: {term.text}: what a sample shows depends on {name}, too; {mend}")


def _neighbours(
    loaded: Loaded, request: Request, settings: list[Setting], store: Store, note: Note, told: Told
) -> Taken:
    assert request.neighbours is not None
    k, shape = request.neighbours, loaded.experiment.spec.shape
    neighbours.check_images(shape)
    plan = _arranged(loaded, request, settings)
    writing.check_size(request.out, shape, neighbours.blank(plan.names, k))
    source = build.load_data(loaded.meta.recipe, store.near(loaded.folder.path))
    neighbours.check_source(source, shape, k)
    for message in reference.changed(source, loaded.meta, loaded.step, source.name):
        note(message)
    samples = _painter(loaded, request, drawing.count(plan.inputs), note, told)(plan.inputs)
    note(f"comparing with {source.size:,} images of {source.name}")
    found = neighbours.search(source, samples, k)
    arrays = {"neighbours": found.indices, "distances": found.distances}
    drawn = _drawn(loaded, plan, samples)._replace(sheet=neighbours.sheet(found, plan.names), arrays=arrays)
    if request.out.suffix == ".png":
        drawn = drawn._replace(shown=np.concatenate([samples, source.load(found.indices.ravel())["x"]]))
    near, scale = float(found.distances[:, 0].mean()), float(found.of_training.mean())
    report = {
        "mean_distance": near,
        "mean_distance_of_training_images": scale,
        "neighbours": found.indices.tolist(),
        "distances": [[round(float(d), 6) for d in row] for row in found.distances],
    }
    text = (
        f"mean distance of samples to the nearest training image {near:.4g}; "
        f"of {len(found.of_training)} training images to the nearest other one {scale:.4g}"
    )
    return Taken(drawn, report, text)
