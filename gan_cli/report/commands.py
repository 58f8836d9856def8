"""The commands that make a run again, and draw and judge as was done in it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from gan_cli.names import entries
from gan_cli.runs.kept import Kept
from gan_cli.version import NAME, PACKAGES


def commands(kept: Kept, where: str, name: str, grid: Sequence[str] = ()) -> str:
    """A few lines for a shell. `where`: the run as it was asked for; `name`: of the new run; `grid`: as in `Seen`."""
    parts = [_install(kept.versions)]
    if kept.tables:
        train = _line("gan", "train", f"{where}/recipe.toml", "--out", f"runs/{name}-again")
        parts.append(f"# train it again{_data(kept)}\n{train}")
    if kept.shown is not None:
        at = ("--ckpt", where, "--at", str(kept.shown))
        n = kept.whole("run", "grid")
        sample = ("--seed", str(kept.whole("run", "seed") or 0), *(grid or (("--n", str(n)) if n else ())))
        what = "draw its samples again" if grid else "draw from its checkpoint"
        parts.append(f"# {what}\n{_line('gan', 'sample', *at, *sample, '--out', 'samples.png')}")
        parts += [f"# judge it as in training\n{_line('gan', 'eval', *at, *_judging(kept))}"] if kept.scores else []
    return "\n\n".join(filter(None, parts))


def _install(versions: Mapping[str, str]) -> str:
    known = [f"{name}=={versions[name]}" for name in PACKAGES if name in versions]
    own = f", in a checkout of {NAME} {' '.join(versions[NAME].split())}" if NAME in versions else ""
    return f"# the versions that it was trained with{own}\n{_line('pip', 'install', *known)}" if known else ""


def _data(kept: Kept) -> str:
    source = kept.setting("data", "source")
    if isinstance(source, str) and (known := entries("data source").get(source)) and known.published:
        return f"; {source} is downloaded unless --data-dir says where it is"
    path = kept.setting("data", "path")
    return f"; its data were at {' '.join(path.split())}" if isinstance(path, str) else ""


def _judging(kept: Kept) -> list[str]:
    """The options of `gan eval` that measure as [eval] did."""
    options = []
    for key, option in (("metric", "--metric"), ("n", "--n"), ("n_real", "--n-real"), ("split", "--split")):
        value = kept.setting("eval", key)
        if key == "split" and kept.setting("data", "split") is None:
            continue  # a source without splits
        options += [option, str(value)] if value is not None else []
    features = kept.setting("eval", "features")
    options += ["--features", str(features)] if features not in (None, "digits") else []
    options += ["--seed", str(kept.whole("run", "seed") or 0)]
    own = kept.setting("eval", "options")
    for metric, table in own.items() if isinstance(own, Mapping) else ():
        for key, value in table.items() if isinstance(table, Mapping) else ():
            options += ["--set", f"{metric}.{key}={_toml(value)}"]
    return options


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _line(*words: str) -> str:
    """A command line; what a shell would take for more than a word is quoted."""
    return " ".join(shlex.quote(word) for word in words)
