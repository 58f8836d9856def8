"""`gan train`."""

from typing import TYPE_CHECKING, Annotated

import typer

from gan_cli.cli import completion
from gan_cli.cli.options import DataDir, Json, Recipe, Set, notice, result, start_jax, store

if TYPE_CHECKING:
    from gan_cli.training.train import Outcome

STOPPED, FAILED = 75, 1  # exit codes; 75 is EX_TEMPFAIL: stopped by a signal after saving, the same command goes on


def train(
    recipe: Recipe = completion.DEFAULT,
    out: Annotated[
        str | None,
        typer.Option(help="The run folder, or its URL; an existing run is resumed.", show_default="runs/<recipe>"),
    ] = None,
    set_: Set = None,
    data_dir: DataDir = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check the recipe and its data, try some steps, print the plan and stop; nothing is written.",
        ),
    ] = False,
    trial: Annotated[
        bool, typer.Option("--trial/--no-trial", help="Whether --dry-run compiles and times the real step.")
    ] = True,
    override_recipe: Annotated[
        bool, typer.Option("--override-recipe", help="Resume although the recipe has changed.")
    ] = False,
    track: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Send numbers and pictures to tensorboard (RUN/tensorboard), wandb, or both."
        ),
    ] = None,
    coordinator: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="With several processes: where the first one listens.")
    ] = None,
    num_processes: Annotated[
        int | None,
        typer.Option(min=1, help="How many processes train together; known by itself on Slurm and TPU pods."),
    ] = None,
    process_id: Annotated[int | None, typer.Option(min=0, help="Which of them this one is, from 0.")] = None,
    as_json: Json = False,
) -> None:
    """Train a recipe; an existing run folder is resumed from its newest checkpoint.

    Exit codes: 0 done; 2 bad input; 75 stopped after saving, by Ctrl-C, a
    terminal that closed, or a signal of kill or a scheduler (TERM, HUP, QUIT,
    USR1, USR2, XCPU), or because another process of the job is gone: run the
    same command to go on; 1 anything else. A second Ctrl-C stops at once.
    """
    from gan_cli import build, overrides
    from gan_cli import recipe as recipes
    from gan_cli.engine import places, processes
    from gan_cli.remote.fetch import fetched
    from gan_cli.remote.mirror import working_copy
    from gan_cli.remote.place import is_url
    from gan_cli.training.callbacks import parse_trackers

    path = recipes.find_recipe(recipe)
    tables = overrides.read_overridden(path, set_ or (), notice)
    sources = store(data_dir).near(path)
    trackers = parse_trackers(track) if track is not None else ()
    processes.start(places.Job(coordinator, num_processes, process_id), notice)
    start_jax()
    prepared = build.prepare(tables, str(path), sources)
    where = out or f"runs/{path.stem}"
    mirror = working_copy(where, notice) if is_url(where) else None
    folder = mirror.folder if mirror else fetched(where, notice)
    shown = mirror.url if mirror else str(folder)
    if dry_run:
        from gan_cli.inspection import plan
        from gan_cli.training.train import prepare_metric

        prepare_metric(prepared, folder, sources, notice if processes.first() else lambda _: None)
        if trial and processes.first():
            notice("compiling the step and trying it; --no-trial leaves that out")
        found = plan.plan(prepared, shown, folder, trial=trial)
        if processes.first():
            result(found, plan.text(found), as_json)
        return

    from gan_cli.cli.console import Reporter
    from gan_cli.engine import platform
    from gan_cli.engine.loop import DivergedError
    from gan_cli.training.monitor import UnwellError
    from gan_cli.training.train import train as run

    reporter = Reporter(quiet=not processes.first())
    reporter.note(f"{path.stem}: {platform.describe()}")
    try:
        with processes.noticing_loss():
            header = recipes.header(path)
            outcome = run(
                prepared,
                folder,
                sources,
                reporter,
                override=override_recipe,
                header=header,
                mirror=mirror,
                track=trackers,
            )
    except (DivergedError, UnwellError) as error:
        notice(f"error: {error}; checkpoints from before, if there are any, are in {shown}/checkpoints")
        raise typer.Exit(FAILED) from None
    finally:
        reporter.close()
    if processes.first():
        summary = {
            "run": shown,
            "step": outcome.step,
            "steps": outcome.steps,
            "stopped_by": outcome.stopped_by,
            "best_step": outcome.best,
            "last": outcome.history[-1] if outcome.history else None,
        }
        experiment = prepared.experiment
        draws = any(not ask.given for ask in experiment.game.asks.values())
        pictures = f"pictures: {shown}/samples" if experiment.made_by() else ""  # classes have none
        next_one = f"gan sample --ckpt {shown} --out samples.png" if draws else f"gan apply --ckpt {shown}"
        result(summary, _closing(outcome, shown, pictures, next_one), as_json)
    if outcome.stopped_by:
        raise typer.Exit(STOPPED)


def _closing(outcome: "Outcome", run: str, pictures: str, command: str) -> str:
    """Say how a training ended, where its results are, and what to run next."""
    if outcome.stopped_by:
        saved = f"saved in {run}" if outcome.step else "before anything was worth saving"
        return (
            f"stopped by {outcome.stopped_by} at step {outcome.step} of {outcome.steps}, {saved}\n"
            "run the same command to go on"
        )
    left = "" if outcome.trained else "; nothing was left to do, and --set train.steps=N goes on to step N"
    lines = [f"done: {outcome.step} steps in {run}{left}"]
    scored = {line["step"]: line for line in outcome.history}
    if outcome.best in scored:
        name = next(key for key in scored[outcome.best] if key not in ("step", "protocol", "score"))
        first, best = outcome.history[0], scored[outcome.best]
        lines.append(f"{name} {first[name]:.4g} at step {first['step']}, best {best[name]:.4g} at step {outcome.best}")
    lines.append("   ".join(filter(None, (pictures, f"next: {command}"))))
    return "\n".join(lines)
