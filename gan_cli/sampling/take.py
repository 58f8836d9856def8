"""`gan sample`: from a request to samples of a checkpoint, and what is reported of them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_cli import datasets
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.sampler import Told, untold
from gan_cli.judging import reference
from gan_cli.runs.load import Loaded
from gan_cli.sampling import arithmetic, neighbours, writing
from gan_cli.sampling.controls import resolve
from gan_cli.sampling.latents import Painter, count, is_points, painter, prior_of
from gan_cli.sampling.plan import paint_plan, plan_samples
from gan_cli.sampling.request import Request
from gan_cli.sampling.writing import Drawn
from gan_cli.types import Spec

EXEMPLARS = 3  # samples of a class whose mean is taken

Note = Callable[[str], None]


class Taken(NamedTuple):
    """Samples, and what is reported of them."""

    drawn: Drawn
    report: Mapping[str, Any]
    text: str  # the same for a person; empty: nothing


def take(loaded: Loaded, request: Request, store: Store | None, note: Note, told: Told = untold) -> Taken:
    """Draw what is asked for; raises InputError, before anything is compiled, when the model cannot do it.

    `store`: of the training images, for the nearest ones. `told`: how many samples are drawn, of how many.
    """
    experiment, prior, out = loaded.experiment, prior_of(loaded), request.out
    assert out is not None
    made = _made(loaded, request)
    writing.check_kind(out, made, walks=bool(request.steps))
    if request.neighbours:
        assert store is not None
        return _take_beside_nearest(loaded, request, store, note, told)
    paint = None
    if any(term.wanted for term in request.terms):
        controls = experiment.game.controls
        settings = resolve(request.conditions[0].controls, controls)
        arithmetic.check_sum(request.terms, settings, controls, points=is_points(experiment))
        network = arithmetic.classifier(loaded.meta.recipe["eval"]["features"], request.terms, made)
        searched = request._replace(terms=(), seed=None, n=None, seeds=range(arithmetic.SEARCHED))
        candidates = plan_samples(experiment, searched, prior).inputs
        paint = _painter(loaded, request, arithmetic.SEARCHED, note, told)
        terms = arithmetic.find_exemplars(request.terms, request.n or EXEMPLARS, network, paint(candidates))
        request = request._replace(terms=terms)
    plan = plan_samples(experiment, request, prior)
    writing.check_size(out, made, count(plan.inputs), plan.sheet, plan.groups)
    paint = paint or _painter(loaded, request, count(plan.inputs), note, told)
    drawn = paint_plan(experiment, plan, paint, request.ask)

    report: dict[str, Any] = {}
    lines = [f"{term.text}: the mean of seeds {', '.join(map(str, term.seeds))}" for term in request.terms]
    if request.terms:
        report["terms"] = [{"term": term.text, "sign": term.sign, "seeds": list(term.seeds)} for term in request.terms]
    if request.terms or request.steps:  # categories that nobody has set are those of the first sample
        chosen = [option.name for option in request.conditions[0].controls]
        for name, control in experiment.game.controls.items():
            if control.categories and name not in chosen:
                report[name] = int(plan.inputs[name][0])
                lines.append(f"{name} = {report[name]}, that of the first sample, everywhere")
    return Taken(drawn, report, "\n".join(lines))


def _made(loaded: Loaded, request: Request) -> Spec:
    """The format of what is asked for."""
    return loaded.experiment.made_by(sampler.drawing_ask(loaded.experiment, request.ask)) or loaded.experiment.spec


def _painter(loaded: Loaded, request: Request, n: int, note: Note, told: Told) -> Painter:
    """Makes at most `n` samples at a time."""
    note(f"step {loaded.step} of {loaded.folder.path}: compiling, then drawing")
    return painter(loaded, raw=request.raw, batch=min(request.batch, n), told=told, ask=request.ask)


def _take_beside_nearest(loaded: Loaded, request: Request, store: Store, note: Note, told: Told) -> Taken:
    """The samples, each with the training images that are nearest to it."""
    assert request.neighbours is not None
    assert request.out is not None
    k, made = request.neighbours, _made(loaded, request)
    plan = plan_samples(loaded.experiment, request, prior_of(loaded))
    sheet = neighbours.sheet(np.zeros((len(plan.names), k)), plan.names)
    writing.check_size(request.out, made, len(plan.names), sheet)
    stream = loaded.experiment.stream(sampler.drawing_ask(loaded.experiment, request.ask))
    source = datasets.load_data(datasets.stream_table(loaded.meta.recipe, stream), store.near(loaded.folder.path))
    neighbours.check_source(source, made.shape, k)
    for message in reference.changed(source.fingerprint, loaded.meta, loaded.step, source.name):
        note(message)
    paint = _painter(loaded, request, count(plan.inputs), note, told)
    drawn = paint_plan(loaded.experiment, plan, paint, request.ask)
    note(f"comparing with {source.size:,} images of {source.name}")
    found = neighbours.search(source, drawn.samples, k)
    arrays = {"neighbours": found.indices, "distances": found.distances}
    drawn = drawn._replace(sheet=neighbours.sheet(found.distances, plan.names), arrays=arrays)
    if request.out.suffix == ".png":
        drawn = drawn._replace(shown=np.concatenate([drawn.samples, source.load(found.indices.ravel())["x"]]))
    report = {
        "mean_distance": float(found.distances[:, 0].mean()),
        "mean_distance_of_training_images": float(found.of_training.mean()),
        "neighbours": found.indices.tolist(),
        "distances": [[round(float(d), 6) for d in row] for row in found.distances],
    }
    return Taken(drawn, report, neighbours.summary(found))
