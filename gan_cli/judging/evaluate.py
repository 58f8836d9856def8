"""`gan eval --ckpt`: a run's checkpoints, judged against its own data or others."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gan_cli import datasets, media, metrics
from gan_cli.data.store import Store
from gan_cli.engine.sampler import Told, untold
from gan_cli.errors import InputError, StorageError
from gan_cli.judging import image_sets, reference
from gan_cli.judging.evaluator import COMMAND_LINE, Verdict
from gan_cli.judging.given import making_ask
from gan_cli.judging.model_evaluator import ModelEvaluator
from gan_cli.judging.reference import Reference
from gan_cli.metrics.collect import COMPOSITED, composited_spec
from gan_cli.names import canonical_metric
from gan_cli.pictures import plots
from gan_cli.recipe import Eval
from gan_cli.runs import jsonl
from gan_cli.runs.load import TRIES, Loaded, load_run, steps

OPTION = "METRIC.OPTION=VALUE, for example kid.subsets=100"


class Asked(NamedTuple):
    """What a person asks of a run."""

    judged: Mapping[str, Any]  # in place of the recipe's [eval]: metric, n, ...
    split: str | None = None  # of the run's data; None: the one of [eval]
    real: str | None = None  # images to compare with in place of the run's data, see `image_sets.open_set`
    training: str | None = None  # what it was trained on, where that is not the run's data
    seed: int = 0  # of the latents
    raw: bool = False  # the weights of the last step, not their average


class Evaluation(NamedTuple):
    """A checkpoint's numbers."""

    step: int
    score: float  # the first metric as higher-is-better
    verdict: Verdict
    line: dict[str, Any]  # of metrics.jsonl


def judge(
    path: Path, at: str, asked: Asked, store: Store, note: Callable[[str], None], told: Told = untold
) -> tuple[Loaded, Evaluation]:
    """Judge one checkpoint, and add its line to the run's metrics.jsonl.

    `at`: "best", "latest" or a step. `note` takes notices; `told`: see `sampler.Sampler`. Raises InputError.
    """
    loaded = load_run(path, at, raw=asked.raw)
    made = _model_evaluator(loaded, asked, store, note, told)
    needs, plan = made.evaluator.needs, made.evaluator.plan
    judged = f"judging {plan.n_fake} samples" if needs.fakes or needs.pairs else "asking it about examples"
    note(f"step {loaded.step} of {loaded.folder.path}: compiling, then {judged}")
    return loaded, _evaluation(loaded, made, asked, note)


def judge_all(
    path: Path, asked: Asked, store: Store, note: Callable[[str], None], told: Told = untold
) -> Iterator[Evaluation]:
    """Judge every checkpoint of a run, first to last, by the same samples' latents and the same real examples.

    A checkpoint that a training deletes meanwhile is passed over. Raises InputError.
    """
    newest, last, missed = steps(path)[-1], -1, 0
    made: ModelEvaluator | None = None
    while last < newest and missed < TRIES:
        step = next((step for step in steps(path) if step > last), None)
        if step is None:
            return
        try:
            loaded = load_run(path, str(step), raw=asked.raw)
        except InputError:
            if step in steps(path):
                raise
            missed += 1
            continue
        last = step
        if made is None:
            made = _model_evaluator(loaded, asked, store, note, told)
            made.evaluator.check_chooses()
        yield _evaluation(loaded, made, asked, note)
    if last < newest:
        raise InputError(f"{path}: changes all the time; wait until nobody trains there")


def best(judged: list[Evaluation]) -> Evaluation:
    """The best by the first metric; of equals the earliest."""
    return max(judged, key=lambda one: (one.score, -one.step))


def draw(judged: list[Evaluation], out: Path) -> None:
    """Every value over the steps, the best checkpoint marked, as a PNG."""
    values = {name: [one.verdict.values[name] for one in judged] for name in judged[0].verdict.values}
    plots.save_curves(out, [one.step for one in judged], values, best(judged).step, str(judged[0].verdict.protocol))


def _evaluation(loaded: Loaded, made: ModelEvaluator, asked: Asked, note: Callable[[str], None]) -> Evaluation:
    """Judge a checkpoint and add its line to metrics.jsonl; where that cannot be, a notice says so."""
    verdict = made(loaded.leaves(asked.raw))
    line = {**verdict.line(step=loaded.step), "weights": "raw" if asked.raw else "average"}
    try:
        jsonl.append(loaded.folder.metrics, line)
    except (InputError, OSError, StorageError) as error:  # somebody else's run, or a disk that is full or read-only
        note(f"not added to {loaded.folder.metrics}: {getattr(error, 'strerror', None) or error}")
    return Evaluation(loaded.step, made.evaluator.score(verdict.values), verdict, line)


def _model_evaluator(
    loaded: Loaded, asked: Asked, store: Store, note: Callable[[str], None], told: Told
) -> ModelEvaluator:
    """The metrics that are asked for, ready for any checkpoint of a run; what a person should know goes to `note`."""
    meta, experiment = loaded.meta, loaded.experiment
    options = with_options(meta.recipe["eval"], asked.judged)
    ask = making_ask(experiment, options.ask) or ""
    spec = experiment.made_by(ask) or experiment.spec
    own_features = "features" in asked.judged
    if own_features and not media.is_image(spec):
        many = media.of(spec).many
        raise InputError(f"--features {asked.judged['features']}: {many} are their own features; it is for images")
    chosen = metrics.options(options.metrics, options.options, *COMMAND_LINE)
    found = [metrics.find_metric(name, **own) for name, own in chosen.items()]
    training, answers = any(one.needs_training for one in found), any(one.needs_answers for one in found)
    store = store.near(loaded.folder.path)
    against = _reference(loaded, ask, asked, store, training=training, answers=answers)
    made = ModelEvaluator(
        experiment, options, against, store, asked.seed, outside=own_features, where=COMMAND_LINE, told=told
    )
    notices = list(made.evaluator.notices)
    # None: the source has no splits
    trained_splits = {table.get("split") for table in datasets.data_tables(meta.recipe["data"]).values()}
    if asked.real is None and trained_splits <= {None, asked.split or meta.recipe["eval"]["split"]}:
        notices += reference.changed(datasets.fingerprint(against.streams), meta, loaded.step, against.called)
    for message in notices:
        note(message)
    return made


def with_options(recipe: Mapping[str, Any], judged: Mapping[str, Any]) -> Eval:
    """The recipe's [eval] with what was asked for in its place; options of metrics are replaced one by one.

    Options that the recipe gives to metrics that are not asked for have no say. Raises InputError.
    """
    chosen = Eval(**{**recipe, **judged, "options": {}}).metrics
    kept = {name: own for name, own in recipe.get("options", {}).items() if canonical_metric(name) in chosen}
    given = {canonical_metric(name): own for name, own in judged.get("options", {}).items()}
    for name, own in given.items():
        if not isinstance(own, Mapping):
            raise InputError(f"--set {name}={own}: expected {OPTION}")
    options = {name: {**kept.get(name, {}), **given.get(name, {})} for name in {**kept, **given}}
    return Eval(**{**recipe, **judged, "options": options})


def _reference(loaded: Loaded, ask: str, asked: Asked, store: Store, *, training: bool, answers: bool) -> Reference:
    """What the results of an ask are compared with: the run's own data, or what is given in their place.

    `training`: whether a metric wants what was trained on, too; `answers`: whether one asks for classes of examples.
    Raises InputError for options that do not go together.
    """
    if asked.real is None and asked.training is not None:
        raise InputError("--train goes with --real; a run's own data have a training split, see --split")
    experiment, recipe = loaded.experiment, loaded.meta.recipe
    stream = experiment.stream(ask)

    def own() -> Reference:
        return reference.of_streams(recipe, stream, {}, asked.split, store, training=training)

    if asked.real is None:
        return own()
    if asked.split is not None:
        raise InputError("--split chooses among the run's own data, and --real gives others")
    if asked.training is not None and not training:
        raise InputError(f"--train {asked.training}: is for metrics that tell copies: --metric memorisation")
    shape = composited_spec(experiment.made_by(ask) or experiment.spec).shape
    data = datasets.data_tables(recipe["data"])[stream]
    resize = data.get("resize", "pad")
    real = image_sets.open_like(asked.real, shape, store, resize)
    # where `real` is statistics: what may have been done to their images, so that they were like the model's
    fits = [str(image_sets.Fit(shape[0], channels, resize)) for channels in (None, 1, 3)] if len(shape) == 3 else []
    ways = [", ".join(filter(None, (fit, white))) for fit in ("", *fits) for white in ("", COMPOSITED)]
    starts_from_examples = bool(ask) and bool(experiment.game.ask(ask).given)
    streams = own().streams if starts_from_examples or answers else {}
    against = Reference(real.called, real.source, real.stored, tuple(ways), streams=streams)
    if not training:
        return against
    if asked.training is None:
        trained = " ".join(filter(None, (data["source"], data.get("split", "all"))))
        return against._replace(training=datasets.load_source(data, store), trained=trained)
    known = image_sets.open_like(asked.training, shape, store, resize)
    return against._replace(training=known.source, trained=known.called)
