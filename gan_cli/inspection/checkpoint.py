"""What a run or one of its checkpoints is: read from its metadata, without weights and without data."""

from pathlib import Path
from typing import Any, NamedTuple

from gan_cli import datasets
from gan_cli.binding import Table
from gan_cli.engine import metadata
from gan_cli.engine.checkpoint import Checkpoints, Meta
from gan_cli.engine.state import Experiment, optimised
from gan_cli.errors import InputError
from gan_cli.inspection.networks import Network, networks
from gan_cli.machine import folder_bytes
from gan_cli.runs import load
from gan_cli.runs.folder import RunFolder
from gan_cli.runs.jsonl import number, values
from gan_cli.runs.reader import Reader


class FoundCheckpoint(NamedTuple):
    """A checkpoint among those of its run."""

    folder: RunFolder
    step: int
    steps: list[int]  # of all checkpoints, ascending
    best: int | None  # the best of them by the metric
    meta: Meta
    experiment: Experiment
    networks: dict[str, Network]


def find_checkpoint(path: Path, at: str) -> FoundCheckpoint:
    """The checkpoint that `load` would take of `path` at "best", "latest" or a step. Raises InputError.

    Its arrays are not looked at: one whose arrays are damaged can be inspected.
    """

    def read(run: RunFolder, checkpoints: Checkpoints, step: int) -> FoundCheckpoint:
        meta, experiment = load.described(checkpoints, step)
        made = networks(meta.recipe, meta.specs)
        return FoundCheckpoint(run, step, checkpoints.steps(), checkpoints.best(), meta, experiment, made)

    return load.taken(path, at, read)


def report(found: FoundCheckpoint) -> dict[str, Any]:
    """All that is known of a checkpoint and its run, as plain JSON."""
    tables, specs, history = found.meta.recipe, found.meta.specs, found.meta.history
    folder = found.folder.checkpoints / str(found.step)
    data = {
        stream: {**table, "shape": list(specs[stream].shape), "classes": list(specs[stream].classes)}
        for stream, table in datasets.data_tables(tables["data"]).items()
    }
    try:
        title = Reader(found.folder).title or None
    except InputError:  # a copy of the checkpoints alone
        title = None
    # The last evaluation and the best, the first of equals.
    best = metadata.best({i: number(line.get("score")) for i, line in enumerate(history)})
    evaluations = {"last": len(history) - 1 if history else None, "best": best}
    return {
        "run": str(found.folder.path),
        "recipe": title,
        "step": found.step,
        "steps": tables["train"]["steps"],
        "best_step": found.best,
        "checkpoints": found.steps,
        "rollbacks": found.meta.rollbacks,
        "game": tables["game"],
        "data": data.get("", data),
        "batch": tables["train"]["batch"],
        "precision": tables["train"]["precision"],
        "metrics": {
            name: None if i is None else {"step": history[i].get("step"), **values(history[i])}
            for name, i in evaluations.items()
        },
        "networks": {role: network_report(network) for role, network in found.networks.items()},
        "optimisers": optimisers_report(tables, found.experiment),
        "bytes": {"checkpoint": folder_bytes(folder), "run": folder_bytes(found.folder.path)},
    }


def network_report(network: Network) -> dict[str, Any]:
    """A network as plain JSON: what it stands between, and its layers with parameters and multiply-adds."""
    return {
        "net": network.net,
        "input": list(network.ports.inputs),
        "output": list(network.ports.outputs),
        "classes": network.ports.classes,
        "parameters": network.parameters,
        "multiply_adds": network.multiply_adds,
        "layers": [{**layer._asdict(), "output": list(layer.output)} for layer in network.layers],
    }


def optimisers_report(tables: Table, experiment: Experiment) -> dict[str, Any]:
    """Table of [optimisers] -> its name, its options, the turns that use it and when, and the roles that it moves."""
    found = {}
    for name, roles in optimised(experiment.game).items():
        turns = {}
        for turn in experiment.game.turns:
            if turn.optimiser == name:
                often = f"every {turn.every} steps" if turn.every > 1 else "every step"
                start = f" from step {turn.start}" if turn.start else ""
                stop = f" until step {turn.stop}" if turn.stop is not None else ""
                when = f"{'by a schedule of its own' if turn.when else often}{start}{stop}"
                turns[turn.name] = "every step" if turn.always else when
        found[name] = {**tables["optimisers"][name], "turns": turns, "roles": list(roles)}
    return found
