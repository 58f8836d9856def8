"""`gan compare`: each recipe trained over the same seeds and judged alike; results land in a folder as they come."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from gan_cli import build, overrides, recipe
from gan_cli.data.pipeline import Feed, Resident
from gan_cli.data.store import Store
from gan_cli.engine.seeds import train_seeds
from gan_cli.engine.state import state_shapes
from gan_cli.errors import InputError
from gan_cli.files import make_folder
from gan_cli.judging import reference
from gan_cli.judging.evaluator import Evaluator
from gan_cli.judging.model_evaluator import ModelEvaluator
from gan_cli.metrics.collect import NotFiniteError
from gan_cli.pictures import comparison, plots
from gan_cli.pictures.comparison import Result
from gan_cli.runs import folder as files
from gan_cli.training.train import Watcher
from gan_cli.version import __version__

SMALL = 1_000_000  # weights of a recipe, all networks together, up to which its seeds are trained at once


class Candidate(NamedTuple):
    """A recipe of the comparison, its data loaded, ready to be trained."""

    name: str
    prepared: build.Prepared
    judge: ModelEvaluator
    digest: str


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
    """The recipes, all checked before any is trained; `judged` replaces options of their [eval]. Raises InputError."""
    found = [_entry(name, changes, judged, store, watcher.note) for name in names]
    labels = [entry.name for entry in found]
    if len(set(labels)) < len(labels):
        raise InputError(f"two of the recipes have the same name: {', '.join(labels)}; rename a file")
    if len({tuple(m.name for m in entry.judge.evaluator.metrics) for entry in found}) > 1:
        raise InputError("the recipes have different metrics in [eval]; name one for all of them with --metric")
    _check_alike([entry.judge.evaluator for entry in found])
    for notice in dict.fromkeys(notice for entry in found for notice in entry.judge.evaluator.notices):
        watcher.note(notice)
    return found


def _check_alike(evaluators: Sequence[Evaluator]) -> None:
    """Raise InputError when recipes would be judged through other features, or with other options of a metric."""
    first = evaluators[0]
    for evaluator in evaluators[1:]:
        if (evaluator.features.name, evaluator.features.hash) != (first.features.name, first.features.hash):
            raise InputError(
                f"the recipes have different [eval] features, {first.features.name} and "
                f"{evaluator.features.name}: numbers through them cannot be compared; --set eval.features=... names "
                "one for all of them"
            )
        if evaluator.options != first.options:
            raise InputError(
                f"the recipes have different [eval] options, {first.options} and {evaluator.options}: "
                "their numbers cannot be compared"
            )


def _entry(
    name: str, changes: Sequence[str], judged: dict[str, Any], store: Store, note: Callable[[str], None]
) -> Candidate:
    path = recipe.find_recipe(name)
    tables = overrides.read_overridden(
        path, [*changes, *(f"eval.{key}={value}" for key, value in judged.items())], note
    )
    store = store.near(path)
    prepared = build.prepare(tables, str(path), store)
    options = recipe.Eval(**prepared.resolved["eval"])
    against = reference.of_recipe(prepared.resolved, prepared.source, None, store, training=True)
    judge = ModelEvaluator(prepared.experiment, options, against, store, seed=0)
    return Candidate(path.stem, prepared, judge, _digest(prepared, against, judge))


def _digest(prepared: build.Prepared, against: reference.Reference, judge: ModelEvaluator) -> str:
    """12 hexadecimal digits of a hash of everything that decides a run's numbers, but for the seed."""
    of_step = {k: v for k, v in recipe.decisive(prepared.resolved).items() if not k.startswith(("run.", "monitor."))}
    data = [s.fingerprint for s in (prepared.source, against.source, against.training) if s]
    text = json.dumps(
        [__version__, of_step, prepared.experiment.train.steps, data, judge.evaluator.features.hash],
        sort_keys=True,
        default=str,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def compare(
    chosen: Sequence[Candidate], seeds: Sequence[int], at_once: int | None, out: Path, watcher: Watcher
) -> Comparison:
    """Train every recipe with every seed; runs that `out` already has the results of are not repeated.

    results.csv keeps every run that was ever made in `out`; the table and the plot are of the runs asked for.
    `at_once`: seeds trained in one program; None: all of them when the networks are small, else one for each device.
    Raises InputError when `out` cannot be written or has a results.csv of somebody else's.
    """
    done = Comparison(out / "results.csv", out / "table.md", out / "plot.png", [], "")
    known = {(run.recipe, run.seed, run.digest): run for run in comparison.read_csv(done.csv)}
    make_folder(out)
    seeds = list(dict.fromkeys(seeds))
    for entry in chosen:
        missing = [seed for seed in seeds if (entry.name, seed, entry.digest) not in known]
        watcher.note(_announcement(entry, len(seeds) - len(missing), len(missing)))
        size = at_once or _fitting(entry, len(seeds))
        for start in range(0, len(missing), size):
            for run in _run(entry, missing[start : start + size], watcher):
                known[run.recipe, run.seed, run.digest] = run
                comparison.write_csv(done.csv, list(known.values()))
    results = [known[entry.name, seed, entry.digest] for entry in chosen for seed in seeds]
    text = comparison.markdown(results)
    files.replace(done.table, text)
    plots.save_comparison(done.picture, results)
    return done._replace(results=results, markdown=text)


def _announcement(entry: Candidate, old: int, new: int) -> str:
    plural = "" if new == 1 else "s"
    parts = [f"{new} run{plural} of {entry.prepared.experiment.train.steps} steps"] if new else []
    parts += [f"{old} already there"] if old else []
    return f"{entry.name}: {', '.join(parts)}"


def _fitting(entry: Candidate, seeds: int) -> int:
    """How many seeds to train at once."""
    shapes = state_shapes(entry.prepared.experiment)
    weights = sum(leaf.size for v in shapes.variables.values() for leaf in jax.tree.leaves(v.params))
    accelerators = jax.local_device_count() if jax.default_backend() != "cpu" else 1
    return seeds if weights <= SMALL else accelerators


def _run(entry: Candidate, seeds: Sequence[int], watcher: Watcher) -> Iterator[Result]:
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
        seconds = round(outcome.seconds / len(seeds), 3)  # as in the table that is read again
        run = Result(entry.name, seed, entry.digest, train.steps, seconds, lost, "", {})
        if lost is None:
            try:
                verdict = entry.judge(state.average)
                run = run._replace(protocol=str(verdict.protocol), values=verdict.values)
            except NotFiniteError:  # the last update did it: no loss has seen its weights
                run = run._replace(diverged=train.steps)
        yield run


def _feeds(prepared: build.Prepared, seeds: Sequence[int]) -> list[Feed]:
    """The batches of each seed; data that lie on the device are read once for all of them."""

    def made(seed: int) -> Feed:
        feed: Feed = build.feed(
            {**prepared.resolved, "run": {**prepared.resolved["run"], "seed": seed}}, prepared.source
        )
        return feed

    first = made(seeds[0])
    return [first, *(first._replace(seed=s) if isinstance(first, Resident) else made(s) for s in seeds[1:])]
