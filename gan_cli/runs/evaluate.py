"""`gan eval --ckpt`: a run's checkpoints, judged against its own data or others."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gan_cli import build, metrics
from gan_cli.data.store import Store
from gan_cli.engine.checkpoint import Meta
from gan_cli.errors import InputError
from gan_cli.recipe import Eval
from gan_cli.report import curves
from gan_cli.runs import folder as files
from gan_cli.runs import reference, sets
from gan_cli.runs.judge import Judge
from gan_cli.runs.load import Loaded, load, steps
from gan_cli.runs.panel import Verdict
from gan_cli.runs.reference import Reference


class Asked(NamedTuple):
    """What a person asks of a run."""

    judged: Mapping[str, Any]  # in place of the recipe's [eval]: metric, n, ...
    split: str | None = None  # of the run's data; None: the one of [eval]
    real: str | None = None  # images to compare with in place of the run's data, see `sets.open_set`
    training: str | None = None  # what it was trained on, where that is not the run's data
    seed: int = 0  # of the latents
    raw: bool = False  # the weights of the last step, not their average


class Judged(NamedTuple):
    """A checkpoint's numbers."""

    step: int
    score: float  # the first metric as higher-is-better
    verdict: Verdict
    line: dict[str, Any]  # of metrics.jsonl


def judge(path: Path, at: str, asked: Asked, store: Store, note: Callable[[str], None]) -> tuple[Loaded, Judged]:
    """Judge one checkpoint, and add its line to the run's metrics.jsonl. Raises InputError."""
    loaded = load(path, at)
    made = _judge(loaded, asked, store)
    for message in made.panel.notices:
        note(message)
    note(f"step {loaded.step} of {loaded.folder.path}: compiling, then judging {made.panel.plan.n_fake} samples")
    return loaded, _judged(loaded, made, asked)


def judge_all(path: Path, asked: Asked, store: Store, note: Callable[[str], None]) -> Iterator[Judged]:
    """Judge every checkpoint of a run, first to last, by the same samples' latents and the same real examples."""
    made: Judge | None = None
    for step in steps(path):
        loaded = load(path, str(step))
        if made is None:
            made = _judge(loaded, asked, store)
            for message in made.panel.notices:
                note(message)
        yield _judged(loaded, made, asked)


def best(judged: list[Judged]) -> Judged:
    """The best by the first metric; of equals the earliest."""
    return max(judged, key=lambda one: (one.score, -one.step))


def draw(judged: list[Judged], out: Path) -> None:
    """Every value over the steps, the best checkpoint marked, as a PNG."""
    values = {name: [one.verdict.values[name] for one in judged] for name in judged[0].verdict.values}
    curves.save(out, [one.step for one in judged], values, best(judged).step, str(judged[0].verdict.protocol))


def _judged(loaded: Loaded, made: Judge, asked: Asked) -> Judged:
    verdict = made(loaded.weights(asked.raw))
    line = {**verdict.line(step=loaded.step), "weights": "raw" if asked.raw else "average"}
    files.append(loaded.folder.metrics, line)
    return Judged(loaded.step, made.panel.score(verdict.values), verdict, line)


def _judge(loaded: Loaded, asked: Asked, store: Store) -> Judge:
    recipe = loaded.meta.recipe["eval"]
    shape = loaded.experiment.spec.shape
    if "features" in asked.judged and len(shape) != 3:
        raise InputError(f"--features {asked.judged['features']}: vectors are their own features; it is for images")
    options = Eval(**{**recipe, **_without_options_of_others(recipe, asked.judged)})
    training = any(metrics.find(name).needs_training for name in options.metrics)
    against = _reference(loaded.meta, asked, store, training)
    return Judge(loaded.experiment, options, against, store, asked.seed, outside="features" in asked.judged)


def _without_options_of_others(recipe: Mapping[str, Any], judged: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for; options that the recipe gives to metrics that are not asked for have no say."""
    chosen = Eval(**{**recipe, **judged, "options": {}}).metrics
    kept = {name: own for name, own in recipe.get("options", {}).items() if name in chosen}
    return {**judged, "options": {**kept, **judged.get("options", {})}}


def _reference(meta: Meta, asked: Asked, store: Store, training: bool) -> Reference:
    """The run's own data, or what is given in their place."""
    if asked.real is None and asked.training is not None:
        raise InputError("--train goes with --real; a run's own data have a training split, see --split")
    if asked.real is None:
        return reference.of_recipe(meta.recipe, None, asked.split, store, training=training)
    if asked.split is not None:
        raise InputError("--split chooses among the run's own data, and --real gives others")
    real = sets.open_like(asked.real, meta.spec.shape, store)
    against = Reference(real.called, real.source, real.stored)
    if not training:
        return against
    if asked.training is None:
        return against._replace(training=build.load_data(meta.recipe, store))
    return against._replace(training=sets.open_like(asked.training, meta.spec.shape, store).source)
