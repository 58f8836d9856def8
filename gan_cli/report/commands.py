"""The commands that make a run again, and draw and judge as was done in it."""

import shlex
from collections.abc import Mapping, Sequence

from gan_cli.names import entries
from gan_cli.runs.reader import Reader
from gan_cli.version import NAME, PACKAGES


def commands(run: Reader, where: str, name: str, grid: Sequence[str] = (), *, draws: bool = True) -> str:
    """A few lines for a shell; what it would take for more than a word is quoted.

    `where`: the run as it was asked for; `name`: of the new run; `grid`, `draws`: as in `FromModel`.
    """
    parts = []
    if known := [f"{package}=={run.versions[package]}" for package in PACKAGES if package in run.versions]:
        checkout = f", in a checkout of {NAME} {' '.join(run.versions[NAME].split())}" if NAME in run.versions else ""
        parts.append(f"# the versions that it was trained with{checkout}\n{shlex.join(['pip', 'install', *known])}")
    if run.tables:
        source, path, data = run.setting("data", "source"), run.setting("data", "path"), ""
        entry = entries("data source").get(source) if isinstance(source, str) else None
        if entry and entry.published:
            data = f"; {source} is downloaded unless --data-dir says where it is"
        elif isinstance(path, str):
            data = f"; its data were at {' '.join(path.split())}"
        train = shlex.join(["gan", "train", f"{where}/recipe.toml", "--out", f"runs/{name}-again"])
        parts.append(f"# train it again{data}\n{train}")
    if run.shown is None:
        return "\n\n".join(parts)
    at = ("--ckpt", where, "--at", str(run.shown))
    seed, n = ("--seed", str(run.whole("run", "seed") or 0)), run.whole("run", "grid")
    choice = grid or (("--n", str(n)) if n else ())
    what = "draw its samples again" if grid else "draw from its checkpoint"
    if draws:
        parts.append(f"# {what}\n{shlex.join(['gan', 'sample', *at, *seed, *choice, '--out', 'samples.png'])}")
    else:
        parts.append(f"# give it examples\n{shlex.join(['gan', 'apply', *at])}")
    if run.best is not None:
        judge = shlex.join(["gan", "eval", *at, *_judging_options(run, seed)])
        parts.append(f"# judge it as in training\n{judge}")
    return "\n\n".join(parts)


def _judging_options(run: Reader, seed: Sequence[str]) -> list[str]:
    """The options of `gan eval` that measure as [eval] did."""
    options = []
    for key, option in (("metric", "--metric"), ("n", "--n"), ("n_real", "--n-real"), ("split", "--split")):
        value = run.setting("eval", key)
        if key == "split" and run.setting("data", "split") is None:
            continue  # a source without splits
        options += [option, str(value)] if value is not None else []
    features = run.setting("eval", "features")
    options += ["--features", str(features)] if features not in (None, "digits") else []
    options += seed
    own = run.setting("eval", "options")
    for metric, table in own.items() if isinstance(own, Mapping) else ():
        for key, value in table.items() if isinstance(table, Mapping) else ():
            toml = str(value).lower() if isinstance(value, bool) else str(value)
            options += ["--set", f"{metric}.{key}={toml}"]
    return options
