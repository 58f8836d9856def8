"""`gan eval`."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_cli.cli import completion
from gan_cli.cli.options import At, DataDir, Json, Raw, notice, result, start_jax, store
from gan_cli.errors import InputError
from gan_cli.files import check_not_folder

if TYPE_CHECKING:
    from gan_cli.judging.evaluate import Asked
    from gan_cli.judging.evaluator import Verdict

SAMPLES = 10_000  # samples drawn from a model without --n
ALL = sys.maxsize

Images = "a folder, zip, .npz or IDX file or the URL of one, statistics, or a data source such as mnist:test"


def evaluate(
    ckpt: Annotated[
        str | None,
        typer.Option(
            "--ckpt",
            metavar="RUN",
            help="A run, or one of its checkpoints; also a URL.",
            autocompletion=completion.run,
        ),
    ] = None,
    fake: Annotated[str | None, typer.Option(help=f"Images to judge in place of a run: {Images}.")] = None,
    real: Annotated[
        str | None, typer.Option(help="Real images to compare with: as --fake.", show_default="the run's own data")
    ] = None,
    train: Annotated[
        str | None, typer.Option(help="What the model was trained on, for memorisation.", show_default=False)
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Metrics, separated by commas; --list names them.",
            show_default="the recipe's, or fid",
            autocompletion=completion.metrics,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="METRIC.OPTION=VALUE", help="Set an option of a metric; repeatable."),
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", min=1, help="Images judged.", show_default=f"{SAMPLES} of a run, all of --fake")
    ] = None,
    n_real: Annotated[
        int | None,
        typer.Option(
            min=1, help="Real images compared with.", show_default=f"{SAMPLES} of a run's data, all of --real"
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Split of the run's data to compare with; that of the recipe's table eval otherwise."),
    ] = None,
    ask: Annotated[
        str | None,
        typer.Option(
            help="What to ask the model, where it can be asked several things.",
            show_default="the recipe's, or the first that the metric fits",
        ),
    ] = None,
    paired: Annotated[
        bool,
        typer.Option(
            "--paired", help="Example i of one stream of the data belongs to example i of the other: compare with it."
        ),
    ] = False,
    beside: Annotated[
        str | None,
        typer.Option(
            help="Another thing to ask the model: what it makes of the same draws is what results are compared with.",
            show_default="the recipe's",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=2**32 - 1, help="Seed of the latents, as in gan sample; with --fake, of the choice of --n."
        ),
    ] = 0,
    features: Annotated[
        str | None,
        typer.Option(
            help="Feature network: one that gan features list names, or your own.",
            show_default="the recipe's; otherwise photos of images in colour, where installed, or digits",
            autocompletion=completion.features,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=1, max=4096, help="Bring --real and --fake to this many pixels.", show_default=False),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Make them grey (1) or RGB (3).", show_default=False, min=1, max=3)
    ] = None,
    resize: Annotated[str, typer.Option(help="How --size fits them: pad, crop or squash.")] = "pad",
    batch: Annotated[int, typer.Option(min=1, help="Images drawn and judged at once.")] = 250,
    data_dir: DataDir = None,
    at: At = "best",
    raw: Raw = False,
    all_checkpoints: Annotated[
        bool,
        typer.Option("--all-checkpoints", help="Judge every checkpoint of the run, draw it, name the best."),
    ] = False,
    out: Annotated[
        str | None, typer.Option(help="Where --all-checkpoints draws, a .png.", show_default="RUN/checkpoints.png")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Name the metrics and what each can detect.")] = False,
    as_json: Json = False,
) -> None:
    """Judge a model's samples, or images at hand: print metrics with the protocol they were taken by."""
    if list_:
        _list(as_json)
        return
    judged: dict[str, Any] = {"batch": batch, "options": _options(set_ or ())}
    judged |= {"metric": metric} if metric else {}
    if ckpt is not None and fake is not None:
        raise InputError("--ckpt and --fake: name one of the two, a run or images")
    judged |= {"features": features} if features else {}
    if ckpt is None:
        _refuse("--ckpt", split=split, at=at != "best", raw=raw, all_checkpoints=all_checkpoints, out=out)
        _refuse("--ckpt", ask=ask, paired=paired, beside=beside)
        if fake is None:
            raise InputError("name what to judge: a run with --ckpt RUN, or images with --fake PATH")
        fit = {"size": size, "channels": channels, "resize": resize}
        judged |= {"n": n or ALL, "n_real": n_real or ALL}
        verdict = _judge_images(fake, real, train, judged, fit, seed, data_dir)
        _tell_of_fewer(verdict, n, n_real)
        result(verdict.line(fake=fake, real=real), f"{_values(verdict)}\n{verdict.protocol}", as_json)
        return
    _refuse("--fake", size=size, channels=channels, resize=resize != "pad")
    from gan_cli.judging.evaluate import Asked

    judged |= {"ask": ask} if ask is not None else {}
    judged |= {"paired": True} if paired else {}
    judged |= {"beside": beside} if beside is not None else {}
    judged |= {"n": n or SAMPLES, "n_real": n_real or (ALL if real else SAMPLES)}
    asked = Asked(judged, split, real, train, seed, raw)
    if all_checkpoints:
        _refuse("one checkpoint", at=at != "best")
        _tell_of_fewer(_judge_all(ckpt, asked, data_dir, out, as_json), n, n_real)
        return
    if out:
        raise InputError("--out is where --all-checkpoints draws; a single checkpoint's numbers are printed")
    _tell_of_fewer(_judge_one(ckpt, at, asked, data_dir, as_json), n, n_real)


def _options(overrides: list[str] | tuple[()]) -> dict[str, Any]:
    """Return tables of options by metric from METRIC.OPTION=VALUE each; raises InputError."""
    from gan_cli.names import canonical_metric
    from gan_cli.recipe_tables import set_key

    tables: dict[str, Any] = {}
    for override in overrides:
        metric, dot, option = override.partition(".")
        set_key(tables, f"{canonical_metric(metric)}{dot}{option}", "METRIC.OPTION=VALUE, for example kid.subsets=100")
    return tables


def _refuse(goes_with: str, **given: object) -> None:
    """Raise InputError for options that are given, but only go with `goes_with`."""
    for name, value in given.items():
        if value:
            raise InputError(f"--{name.replace('_', '-')} goes with {goes_with}, not with what is judged here")


def _judge_images(
    fake: str,
    real: str | None,
    train: str | None,
    judged: dict[str, Any],
    fit: dict[str, Any],
    seed: int,
    data_dir: str | None,
) -> "Verdict":
    """Judge images at hand; raises InputError."""
    sources = store(data_dir)
    start_jax()
    from gan_cli.judging import image_sets, images
    from gan_cli.judging.evaluate import with_options
    from gan_cli.recipe import Eval

    sides = images.sides(fake, real, train, sources, image_sets.fit(**fit))
    options = with_options(Eval().model_dump(), judged)
    return images.judge(sides, options, sources, seed, outside="features" in judged, note=notice)


def _judge_one(ckpt: str, at: str, asked: "Asked", data_dir: str | None, as_json: bool) -> "Verdict":
    """Judge one checkpoint of a run and report it; raises InputError."""
    from gan_cli.remote.fetch import fetched_run
    from gan_cli.remote.place import is_url

    sources = store(data_dir)
    run = fetched_run(ckpt, notice)
    start_jax()
    from gan_cli.cli.console import Pace
    from gan_cli.judging import evaluate as runs

    loaded, judged = runs.judge(run, at, asked, sources, notice, Pace())
    shown = ckpt if is_url(ckpt) else loaded.folder.path
    where = f"step {judged.step} of {shown}, {judged.line['weights']} weights"
    result(judged.line, f"{_values(judged.verdict)}\n{where}\n{judged.verdict.protocol}", as_json)
    return judged.verdict


def _tell_of_fewer(verdict: "Verdict", n: int | None, n_real: int | None) -> None:
    """Say so where fewer images were judged than were asked for, because there are no more."""
    used = verdict.protocol
    for option, asked, there in (("--n", n, used.n_fake), ("--n-real", n_real, used.n_real)):
        if asked and 0 < there < asked:
            notice(f"{option} {asked}: there are {there}, and all of them were taken")


def _judge_all(ckpt: str, asked: "Asked", data_dir: str | None, out: str | None, as_json: bool) -> "Verdict":
    """Judge every checkpoint of a run, draw and report them; returns the best one's verdict. Raises InputError."""
    from gan_cli.remote.fetch import fetched_run, output

    sources = store(data_dir)
    run = fetched_run(ckpt, notice)
    start_jax()
    from gan_cli.cli.console import Pace
    from gan_cli.files import make_folder
    from gan_cli.judging import evaluate as runs

    where = out or f"{ckpt.rstrip('/')}/checkpoints.png"
    if not where.endswith(".png"):
        raise InputError(f"--out {where}: the plot is a PNG; name a file that ends in .png")
    check_not_folder(where)
    judged = []
    with output(where) as path:
        for one in runs.judge_all(run, asked, sources, notice, Pace()):
            make_folder(path.parent)  # not before the first one: nothing is written for what is refused
            judged.append(one)
            name, value = next(iter(one.verdict.values.items()))
            notice(f"step {one.step}: {name} {value:.5g}")
        runs.draw(judged, path)
    best = runs.best(judged)
    text = f"best: step {best.step} of {ckpt}\n{_values(best.verdict)}\n{best.verdict.protocol}\n{where}"
    result({"best": best.step, "checkpoints": [one.line for one in judged], "plot": where}, text, as_json)
    return best.verdict


def _values(verdict: "Verdict") -> str:
    """Return a verdict's metrics for a person, one a line."""
    return "\n".join(f"{name}: {value:.5g}" for name, value in verdict.values.items())


def _list(as_json: bool) -> None:
    """Print every metric, what it can and cannot detect, and its paper."""
    from gan_cli import metrics
    from gan_cli.names import METRIC_ALIASES

    found = {name: metrics.find_metric(name) for name in metrics.names()}
    best = {name: "low" if m.lower_is_better else "high" for name, m in found.items()}
    rows = {
        name: {"best": best[name], "detects": m.one_line, "paper": m.paper, "names": list(METRIC_ALIASES.get(name, ()))}
        for name, m in found.items()
    }
    lines = []
    for name, row in rows.items():
        lines += [f"{name} ({row['best']} is best)", f"  {row['detects']}", f"  {row['paper']}"]
        lines += [f"  also: {', '.join(row['names'])}"] if row["names"] else []
    result({"metrics": rows}, "\n".join(lines), as_json)
