"""`gan push`."""

from typing import Annotated

import typer

from gan_cli.cli.card import Licence
from gan_cli.cli.options import At, Ckpt, Json, Raw, notice, result, start_jax


def push(
    ckpt: Ckpt,
    repo: Annotated[str, typer.Option(metavar="USER/NAME", help="The repository on the Hub; made if it is not there.")],
    private: Annotated[bool, typer.Option("--private", help="Make it private, if it is new.")] = False,
    licence: Licence = None,
    at: At = "best",
    raw: Raw = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make everything and list it; push nothing, ask for no token.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a model on the Hugging Face Hub: card, program, weights, recipe (HF_TOKEN; docs/taking-away.md)."""
    start_jax()
    from gan_cli.export import hub
    from gan_cli.export.card import CardOptions
    from gan_cli.remote.fetch import fetched_run
    from gan_cli.runs.load import load_run
    from gan_cli.version import __version__

    hub.check_push(repo, licence, dry_run=dry_run)
    loaded = load_run(fetched_run(ckpt, notice), at)
    made = hub.pushed_files(loaded, CardOptions(repo.partition("/")[2], licence, repo, raw), notice)
    report = {"repo": repo, "step": loaded.step, "files": {name: len(data) for name, data in sorted(made.items())}}
    text = "\n".join(f"{size:>12,} {name}" for name, size in report["files"].items())  # type: ignore[attr-defined]
    if dry_run:
        return result(report, f"{text}\nwould be pushed to {repo}", as_json)
    pushed = hub.push(made, repo, f"Step {loaded.step}, by gan-cli {__version__}", private=private, note=notice)
    return result({**report, **pushed._asdict()}, f"{text}\nstep {loaded.step} is at {pushed.url}", as_json)
