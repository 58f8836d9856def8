"""`gan compare`: trains each recipe over the same seeds and judges all alike; results are written as they come."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from gan_cli import build, datasets, overrides, recipe
from gan_cli.data.pipeline import Feed
from gan_cli.data.store import Store
from gan_cli.engine.seeds import train_seeds
from gan_cli.engine.state import state_shapes
from gan_cli.errors import InputError
from gan_cli.files import make_folder, write_text
from gan_cli.judging import reference
from gan_cli.judging.given import making_ask
from gan_cli.judging.model_evaluator import ModelEvaluator
from gan_cli.metrics.collect import NotFiniteError
from gan_cli.pictures import comparison, plots
from gan_cli.pictures.comparison import Result
from gan_cli.training.callbacks import Watcher
from gan_cli.version import __version__

SMALL = 1_000_000  # weights in all networks of a recipe, up to which its seeds are trained at once


class Candidate(NamedTuple):
    """A recipe of the comparison, its data loaded, ready to be trained."""

    name: str
    prepared: build.Prepared
    judge: ModelEvaluator
    digest: str  # 12 hexadecimal digits of a hash of all that decides a run's numbers, but for the seed


class Comparison(NamedTuple):
    """Where the results are, and what they are."""

    csv: Path
    table: Path
    picture: Path
    results: list[Result]
    markdown: str


def entries(
    names: Sequence[str], changes: Sequence[str], judged: dict[str, Any], store: Store, watcher: Watcher
) -> list[Candidate]:
    """Return the recipes, all checked before any is trained.

    `changes` are overrides, `table.key=value` each; `judged` replaces options of [eval]. Raises InputError, also when
    the recipes' numbers could not be compared with each other.
    """
    found = [_entry(name, changes, judged, store, watcher) for name in names]
    labels = [entry.name for entry in found]
    if len(set(labels)) < len(labels):
        raise InputError(f"two of the recipes have the same name: {', '.join(labels)}; rename a file")
    first, *others = [entry.judge.evaluator for entry in found]
    wanted = [metric.name for metric in first.metrics]
    if any([metric.name for metric in other.metrics] != wanted for other in others):
        raise InputError("the recipes have different metrics in [eval]; name one for all of them with --metric")
    for other in others:
        if (other.features.name, other.features.hash) != (first.features.name, first.features.hash):
            raise InputError(
                f"the recipes have different [eval] features, {first.features.name} and {other.features.name}: "
                "numbers through them cannot be compared; --set eval.features=... names one for all of them"
            )
        if other.options != first.options:
            raise InputError(
                f"the recipes have different [eval] options, {first.options} and {other.options}: "
                "their numbers cannot be compared"
            )
    for notice in dict.fromkeys(notice for entry in found for notice in entry.judge.evaluator.notices):
        watcher.note(notice)
    return found


def _entry(name: str, changes: Sequence[str], judged: dict[str, Any], store: Store, watcher: Watcher) -> Candidate:
    """Check a recipe and load its data; raises InputError."""
    path = recipe.find_recipe(name)
    changes = [*changes, *(f"eval.{key}={value}" for key, value in judged.items())]
    store = store.near(path)
    prepared = build.prepare(overrides.read_overridden(path, changes, watcher.note), str(path), store)
    options = recipe.Eval(**prepared.resolved["eval"])
    stream = prepared.experiment.stream(making_ask(prepared.experiment, options.ask) or "")
    against = reference.of_streams(prepared.resolved, stream, prepared.sources, None, store, training=True)
    judge = ModelEvaluator(prepared.experiment, options, against, store, seed=0)
    # A digest of everything that decides a run's numbers: a run of the same digest and seed is not repeated.
    of_step = {k: v for k, v in recipe.decisive(prepared.resolved).items() if not k.startswith(("run.", "monitor."))}
    data = [s.fingerprint for s in (*prepared.sources.values(), against.source, against.training) if s]
    decisive = [__version__, of_step, prepared.experiment.train.steps, data, judge.evaluator.features.hash]
    text = json.dumps(decisive, sort_keys=True, default=str)
    return Candidate(path.stem, prepared, judge, hashlib.sha256(text.encode()).hexdigest()[:12])


def compare(
    chosen: Sequence[Candidate], seeds: Sequence[int], at_once: int | None, out: Path, watcher: Watcher
) -> Comparison:
    """Train every recipe with every seed; runs whose results are in `out` already are not repeated.

    results.csv keeps every run that was ever made in `out`; the table and the plot are of the runs asked for.
    `at_once` is how many seeds are trained in one program; None for all of them when the networks are small, else one
    for each device. Raises InputError when `out` cannot be written or has a results.csv of somebody else's.
    """
    done = Comparison(out / "results.csv", out / "table.md", out / "plot.png", [], "")
    known = {(run.recipe, run.seed, run.digest): run for run in comparison.read_csv(done.csv)}
    make_folder(out)
    seeds = list(dict.fromkeys(seeds))
    for entry in chosen:
        missing = [seed for seed in seeds if (entry.name, seed, entry.digest) not in known]
        old, new = len(seeds) - len(missing), len(missing)
        steps = entry.prepared.experiment.train.steps
        parts = [f"{new} run{'' if new == 1 else 's'} of {steps} steps"] if new else []
        parts += [f"{old} already there"] if old else []
        watcher.note(f"{entry.name}: {', '.join(parts)}")
        size = at_once or _seeds_at_once(entry, len(seeds))
        for start in range(0, len(missing), size):
            for run in _trained(entry, missing[start : start + size], watcher):
                known[run.recipe, run.seed, run.digest] = run
                comparison.write_csv(done.csv, list(known.values()))
    results = [known[entry.name, seed, entry.digest] for entry in chosen for seed in seeds]
    text = comparison.markdown(results)
    write_text(done.table, text)
    plots.save_comparison(done.picture, results)
    return done._replace(results=results, markdown=text)


def _seeds_at_once(entry: Candidate, seeds: int) -> int:
    """Return how many seeds to train in one program: all of them, or for large networks one on each accelerator."""
    shapes = state_shapes(entry.prepared.experiment)
    weights = sum(leaf.size for v in shapes.variables.values() for leaf in jax.tree.leaves(v.params))
    accelerators = jax.local_device_count() if jax.default_backend() != "cpu" else 1
    return seeds if weights <= SMALL else accelerators


def _trained(entry: Candidate, seeds: Sequence[int], watcher: Watcher) -> Iterator[Result]:
    """Train some seeds together, then judge each."""
    experiment = entry.prepared.experiment
    feeds = _feeds(entry.prepared, seeds)
    train = experiment.train
    watcher.start(0, train.steps, train.batch * len(seeds))
    try:
        outcome = train_seeds(experiment, feeds, seeds, jax.local_devices(), watcher.progress)
    finally:
        for feed in feeds:
            feed.close()
    for seed, state in zip(seeds, outcome.states, strict=True):
        lost = outcome.diverged.get(seed)
        seconds = round(outcome.seconds / len(seeds), 3)  # as in the table, which is read again
        run = Result(entry.name, seed, entry.digest, train.steps, seconds, lost, "", {})
        if lost is None:
            try:
                verdict = entry.judge(state.average)
                run = run._replace(protocol=str(verdict.protocol), values=verdict.values)
            except NotFiniteError:  # the last update did it: no loss has seen its weights
                run = run._replace(diverged=train.steps)
        yield run


def _feeds(prepared: build.Prepared, seeds: Sequence[int]) -> list[Feed]:
    """Return the batches of each seed; data that lie on the device are read once for all of them."""
    first = datasets.feed(prepared.resolved, prepared.sources)
    return [first.reseeded(seed) for seed in seeds]
