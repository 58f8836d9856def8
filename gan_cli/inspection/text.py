"""What `gan inspect` says of a checkpoint, for a person."""

from typing import Any

from gan_cli import recipe
from gan_cli.recipe_tables import has_streams
from gan_cli.text import pairs, shape, size, table


def _of_data(data: dict[str, Any]) -> str:
    """Where examples come from and what they are like, of each stream where there are several."""
    if has_streams(data):
        return "; ".join(f"{stream}: {_of_data(own)}" for stream, own in data.items())
    classes = f", {len(data['classes'])} classes" if data["classes"] else ""
    return f"{recipe.data_name(data)}, {shape(data['shape'])}{classes}"


def of_checkpoint(report: dict[str, Any]) -> str:
    """What `checkpoint.report` says, for a person."""
    data, steps = report["data"], ", ".join(map(str, report["checkpoints"]))
    best = f", the best of them {report['best_step']}" if report["best_step"] is not None else ""
    loss = report["game"].get("loss")
    metrics: dict[str, str | None] = dict.fromkeys(("last", "best"))
    for which, line in report["metrics"].items():
        if line is not None:
            values = ", ".join(f"{name} {value:.5g}" for name, value in line.items() if name != "step")
            metrics[which] = f"{values} at step {line['step']}"
    head = {
        "run": report["run"],
        "recipe": report["recipe"],
        "game": report["game"]["play"] + (f", {loss['name']}" if isinstance(loss, dict) else ""),
        "data": _of_data(data),
        "step": f"{report['step']} of {report['steps']}, batch {report['batch']}, {report['precision']}",
        "checkpoints": f"{steps}{best}",
        "rollbacks": report["rollbacks"] or None,
        "last metrics": metrics["last"],
        "best metrics": metrics["best"],
        "on disk": f"{size(report['bytes']['checkpoint'])} this checkpoint, {size(report['bytes']['run'])} the run",
    }
    optimisers = []
    for name, one in report["optimisers"].items():
        options = ", ".join(f"{key} {_option(v)}" for key, v in one.items() if key not in ("name", "turns", "roles"))
        turns = ", ".join(f"{turn}: {when}" for turn, when in one["turns"].items())
        optimisers.append((name, one["name"], options, turns, ", ".join(one["roles"])))
    last = table(("optimiser", "is", "options", "turns", "moves"), optimisers)
    return "\n\n".join([pairs(head), *_networks(report["networks"]), last])


def _networks(networks: dict[str, Any]) -> list[str]:
    """A table of its layers for each network, and a line for all of them where there are several."""
    heads = ("layer", "is", "output", ">parameters", ">multiply-adds")
    tables = []
    for role, network in networks.items():
        rows = [
            (layer["path"], layer["kind"], shape(layer["output"]), layer["parameters"], layer["multiply_adds"])
            for layer in network["layers"]
        ]
        given = shape(network["input"]) + (f" and one of {network['classes']} labels" if network["classes"] else "")
        title = f"{role}: {network['net']}, {given} -> {shape(network['output']) or 'a score'}"
        total = ("total", "", "", network["parameters"], network["multiply_adds"])
        tables.append(table(heads, rows, title=title, last=total))
    if len(networks) > 1:
        both = [sum(network[what] for network in networks.values()) for what in ("parameters", "multiply_adds")]
        tables.append(f"all networks: {both[0]:,} parameters, {both[1]:,} multiply-adds")
    return tables


def _option(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_option(v)}" for key, v in value.items()) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)
