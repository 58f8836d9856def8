"""`gan train --dry-run`: what a training would be, and how long it would take by a trial of its real step."""

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax

from gan_cli import build, datasets, machine
from gan_cli.data.pipeline import RESIDENT_LIMIT, stored_bytes
from gan_cli.engine import loop, metadata, parallel, platform, processes
from gan_cli.engine.state import initial_state
from gan_cli.errors import InputError
from gan_cli.inspection.networks import networks
from gan_cli.text import duration, size

CALLS = 7  # calls that the trial makes at most, besides the first
SECONDS = 10.0  # seconds that they may take; a call is made as long as a seventh of that, if steps_per_call allows
# The parts of a state -> its fields.
PARTS = {"weights": "variables", "averages": "average", "optimisers": "optim", "memories": "memory"}


class Trial(NamedTuple):
    """What compiling and running the real step showed."""

    compiled: float  # seconds that compiling took, or reading from the cache
    memory: dict[str, int]  # bytes by XLA's account, on each device: arguments, activations and other temporaries
    steps: int  # that were run; 0: there was no room for them
    step: float  # seconds of one, the median over calls
    refusal: str = ""  # why none was run


def plan(prepared: build.Prepared, run: str, folder: Path, *, trial: bool = True) -> dict[str, Any]:
    """What a training of this recipe in `folder`, shown as `run`, would do, as plain JSON. Writes nothing there.

    Raises InputError when the devices lack the memory for a step.
    """
    train, stored = prepared.experiment.train, sum(map(stored_bytes, prepared.sources.values()))
    described = networks(prepared.resolved, prepared.experiment.specs)
    try:
        begun = max(metadata.steps(folder / "checkpoints"), default=0)
    except OSError:
        begun = 0
    resident = prepared.resolved["train"]["resident"]
    parts = {name: jax.tree.leaves(getattr(prepared.shapes, field)) for name, field in PARTS.items()}
    found: dict[str, Any] = {
        "run": run,
        "devices": platform.describe(),
        "data": "; ".join(
            f"{stream} {source.size} examples of shape {source.spec.shape}".strip()
            for stream, source in prepared.sources.items()
        ),
        **{f"{role} parameters": network.parameters for role, network in described.items()},
        "turns": ", ".join(turn.name for turn in prepared.experiment.game.turns),
        "steps": train.steps,
        "batch": train.batch,
        "resumed_at": begun,
        "networks": {
            role: {"net": one.net, "parameters": one.parameters, "multiply_adds": one.multiply_adds}
            for role, one in described.items()
        },
        "epochs": round(train.steps * train.batch / prepared.source.size, 2),
        "bytes": {
            **{name: sum(x.size * x.dtype.itemsize for x in leaves) for name, leaves in parts.items()},
            "data": stored,
        },
        "resident": stored <= RESIDENT_LIMIT if resident == "auto" else bool(resident),
        "besides": _besides(prepared.resolved, begun),
        "estimate": None,
    }
    if not trial or not processes.alone():
        return {**found, "trial": None, "no_trial": "a trial is made by one process alone" if trial else "--no-trial"}
    made = _try(prepared)
    left = max(0, train.steps - begun)
    estimate = {"seconds": made.step * left, "steps": left} if made.steps else None
    return {**found, "trial": made._asdict(), "estimate": estimate}


def _besides(resolved: Mapping[str, Any], begun: int) -> dict[str, int]:
    """How often a training that begins after `begun` steps does what the trial does not."""
    steps, run = resolved["train"]["steps"], resolved["run"]
    every = {
        "evaluations": resolved["eval"]["every"],
        "sample grids": run["sample_every"],
        "checkpoints": run["checkpoint_every"],
        "looks of the monitor": resolved["monitor"]["every"],
    }
    at_start = {"evaluations", "sample grids"} if begun == 0 else set()
    left = range(begun + 1, steps + 1)
    return {
        name: len(left[-(begun + 1) % cadence :: cadence]) + bool(left and steps % cadence) + (name in at_start)
        for name, cadence in every.items()
        if cadence
    }


def _try(prepared: build.Prepared) -> Trial:
    try:
        return _measured(prepared)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(
            f"[train] batch = {prepared.experiment.train.batch}: a step does not fit into the device's memory; "
            "a smaller batch, or accumulate = 2 or more, or remat = true, would do"
        ) from None


def _measured(prepared: build.Prepared) -> Trial:
    experiment, devices = prepared.experiment, parallel.everyone()
    per_call = experiment.train.steps_per_call
    with closing(datasets.feed(prepared.resolved, prepared.sources)) as feed:
        trainer = loop.Trainer(experiment, feed, devices)
        state = trainer.place(initial_state(experiment, prepared.resolved["run"]["seed"]))
        began = time.perf_counter()
        compiled = trainer.compile(state, 0, 1)
        took = time.perf_counter() - began
        memory: dict[str, int] = {}
        if (account := compiled.memory_analysis()) is not None:  # some backends keep none
            new = account.output_size_in_bytes - account.alias_size_in_bytes  # what is given up is not counted twice
            memory = {
                "state and data": account.argument_size_in_bytes,
                "activations": account.temp_size_in_bytes,
                "results": max(0, new),
            }
        free = machine.memory().free
        needed = sum(memory.values()) * (len(devices) if devices[0].platform == "cpu" else 1)
        if devices[0].platform == "cpu" and needed > free:
            return Trial(took, memory, 0, 0.0, f"a step wants {needed:,} bytes, and {free:,} are free")
        done, n = 0, 1
        durations: list[tuple[float, int]] = []  # seconds of a step, and how many the call had
        while len(durations) <= CALLS and (done == 0 or sum(t * k for t, k in durations) < SECONDS):
            began = time.perf_counter()
            state, _ = jax.block_until_ready(trainer.advance(state, done, n))
            durations.append(((time.perf_counter() - began) / n, n))
            done += n
            n = max(1, min(per_call, int(SECONDS / CALLS / durations[-1][0])))
    counted = durations[1:] or durations  # the first call also warms up
    return Trial(took, memory, done, median(seconds for seconds, _ in counted))


def text(found: Mapping[str, Any]) -> str:
    """What `plan` says, for a person: a line for each thing."""
    lines = {name: found[name] for name in ("run", "devices", "data")}
    for role, network in found["networks"].items():
        each = f"{network['multiply_adds']:,} multiply-adds forward for one example"
        lines[f"{role} parameters"] = f"{network['parameters']:,} ({network['net']}, {each})"
    begun = f", of which the run has a checkpoint of {found['resumed_at']:,}" if found["resumed_at"] else ""
    lines["turns"] = found["turns"]
    lines["steps"] = f"{found['steps']:,}, {found['epochs']:,} epochs{begun}"
    lines["batch"] = found["batch"]
    sizes = found["bytes"]
    kept = ", ".join(f"{name} {size(sizes[name])}" for name in ("weights", "averages", "optimisers"))
    where = "on the device" if found["resident"] else "read as they are needed"
    lines["memory"] = f"{kept}; data {size(sizes['data'])}, {where}"
    trial, estimate = found["trial"], found["estimate"]
    if trial is not None:
        parts = ", ".join(f"{name} {size(count)}" for name, count in trial["memory"].items() if count)
        total = size(sum(trial["memory"].values()))
        lines["a step's memory"] = f"{total} a device, as XLA counts it: {parts}"
    if trial is None or estimate is None:
        lines["time"] = f"not tried: {found['no_trial'] if trial is None else trial['refusal']}"
    else:
        each = f"{1000 * trial['step']:.3g} ms each, median of a trial of {trial['steps']:,} steps"
        all_steps = f"{duration(estimate['seconds'])} for {estimate['steps']:,} steps ({each})"
        lines["time"] = f"{all_steps}, after {duration(trial['compiled'])} of compiling"
        if besides := ", ".join(f"{count:,} {what}" for what, count in found["besides"].items()):
            lines["not counted in it"] = besides
    return "\n".join(f"{name}: {value}" for name, value in lines.items())
