"""The commands that make a run again, and draw and judge as was done in it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from gan_cli.names import entries
from gan_cli.runs.reader import Reader
from gan_cli.version import NAME, PACKAGES


def commands(run: Reader, where: str, name: str, grid: Sequence[str] = ()) -> str:
    """A few lines for a shell. `where`: the run as it was asked for; `name`: of the new run; `grid`: as in `Seen`."""
    parts = [_install(run.versions)]
    if run.tables:
        train = _line("gan", "train", f"{where}/recipe.toml", "--out", f"runs/{name}-again")
        parts.append(f"# train it again{_data(run)}\n{train}")
    if run.shown is not None:
        at = ("--ckpt", where, "--at", str(run.shown))
        n = run.whole("run", "grid")
        sample = ("--seed", str(run.whole("run", "seed") or 0), *(grid or (("--n", str(n)) if n else ())))
        what = "draw its samples again" if grid else "draw from its checkpoint"
        parts.append(f"# {what}\n{_line('gan', 'sample', *at, *sample, '--out', 'samples.png')}")
        judge = f"# judge it as in training\n{_line('gan', 'eval', *at, *_judging(run))}"
        parts += [judge] if run.best is not None else []
    return "\n\n".join(filter(None, parts))


def _install(versions: Mapping[str, str]) -> str:
    known = [f"{name}=={versions[name]}" for name in PACKAGES if name in versions]
    own = f", in a checkout of {NAME} {' '.join(versions[NAME].split())}" if NAME in versions else ""
    return f"# the versions that it was trained with{own}\n{_line('pip', 'install', *known)}" if known else ""


def _data(run: Reader) -> str:
    source = run.setting("data", "source")
    if isinstance(source, str) and (known := entries("data source").get(source)) and known.published:
        return f"; {source} is downloaded unless --data-dir says where it is"
    path = run.setting("data", "path")
    return f"; its data were at {' '.join(path.split())}" if isinstance(path, str) else ""


def _judging(run: Reader) -> list[str]:
    """The options of `gan eval` that measure as [eval] did."""
    options = []
    for key, option in (("metric", "--metric"), ("n", "--n"), ("n_real", "--n-real"), ("split", "--split")):
        value = run.setting("eval", key)
        if key == "split" and run.setting("data", "split") is None:
            continue  # a source without splits
        options += [option, str(value)] if value is not None else []
    features = run.setting("eval", "features")
    options += ["--features", str(features)] if features not in (None, "digits") else []
    options += ["--seed", str(run.whole("run", "seed") or 0)]
    own = run.setting("eval", "options")
    for metric, table in own.items() if isinstance(own, Mapping) else ():
        for key, value in table.items() if isinstance(table, Mapping) else ():
            options += ["--set", f"{metric}.{key}={_toml(value)}"]
    return options


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _line(*words: str) -> str:
    """A command line; what a shell would take for more than a word is quoted."""
    return " ".join(shlex.quote(word) for word in words)
