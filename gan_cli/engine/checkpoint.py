"""Checkpoints of a run, through Orbax: asynchronous, atomic; the newest N and the best by the metric are kept.

RUN/checkpoints/4000/state   the arrays of `State`, one leaf a name ("variables.generator.params.…")
RUN/checkpoints/4000/meta    JSON: resolved recipe, spec, data fingerprint, metric history, versions
"""

import logging
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from gan_cli import __version__
from gan_cli.errors import InputError
from gan_cli.types import Spec

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class Meta(NamedTuple):
    """What a checkpoint says about itself, beside the arrays."""

    recipe: dict[str, Any]  # resolved: reproduces the run
    spec: Spec
    fingerprint: str  # of the data
    history: list[dict[str, Any]]  # every evaluation so far: {"step": 500, "fid": 12.3, ...}
    rollbacks: int = 0  # made on the way to it

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, with the versions of the packages that made it."""
        versions = {"gan-cli": __version__, **{name: version(name) for name in PACKAGES}}
        return {**self._asdict(), "spec": self.spec._asdict(), "versions": versions}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Meta":
        """The inverse of `to_json`."""
        spec = Spec(**{name: tuple(values) for name, values in data["spec"].items()})
        return cls(data["recipe"], spec, data["fingerprint"], data["history"], data.get("rollbacks", 0))


class Checkpoints:
    """The checkpoints folder of one run."""

    def __init__(self, folder: Path, *, keep_last: int = 2, read_only: bool = False):
        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax narrates every save
        if read_only and not folder.is_dir():
            raise InputError(f"{folder}: no checkpoints here")
        keep = [
            policies.LatestN(keep_last),
            policies.BestN(get_metric_fn=_score, n=1, keep_checkpoints_without_metrics=False),
        ]
        options = ocp.CheckpointManagerOptions(
            best_fn=_score,
            best_mode="max",
            preservation_policy=None if read_only else policies.AnyPreservationPolicy(keep),
            create=not read_only,
            read_only=read_only,
            cleanup_tmp_directories=not read_only,
            enable_async_checkpointing=not read_only,
        )
        handlers = {"state": ocp.StandardCheckpointHandler(), "meta": ocp.JsonCheckpointHandler()}
        self._manager = ocp.CheckpointManager(folder.resolve(), options=options, item_handlers=handlers)
        self.folder = folder

    def steps(self) -> list[int]:
        """Steps of the whole checkpoints, ascending."""
        return sorted(self._manager.all_steps())

    def best(self) -> int | None:
        """The step with the best metric; None when none has a metric."""
        return self._manager.best_step()

    def save(self, step: int, state: Any, meta: Meta, score: float | None) -> None:
        """Start to save a copy: files are written behind this call, and `state` may be donated at once.

        `score`: of the metric, higher is better; None: not judged at this step.
        """
        arguments = ocp.args.Composite(
            state=ocp.args.StandardSave(_flat(jax.tree.map(jnp.copy, state))), meta=ocp.args.JsonSave(meta.to_json())
        )
        metrics = None if score is None else {"score": score}
        self._manager.save(step, args=arguments, metrics=metrics, force=True)

    def meta(self, step: int) -> Meta:
        """What the checkpoint of `step` says about itself."""
        restored = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))
        return Meta.from_json(restored["meta"])

    def restore(self, step: int, like: Any) -> Any:
        """The state saved at `step`: a pytree like `like`, which may hold shapes only.

        Raises InputError when the checkpoint is of other networks or optimisers.
        """
        wanted = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in _flat(like, abstract=True).items()}
        saved = self._manager.item_metadata(step)["state"]
        _check_same(saved, wanted, f"{self.folder}/{step}")
        restored = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(wanted)))
        return _unflat(restored["state"], like)

    def set_aside(self, step: int) -> Path:
        """Rename an unreadable checkpoint out of the way, so that its step can be saved again."""
        aside = self.folder / f"damaged-{step}"
        if aside.exists():
            shutil.rmtree(aside)
        (self.folder / str(step)).rename(aside)
        self._manager.reload()
        return aside

    def drop_after(self, step: int) -> None:
        """Delete the checkpoints of later steps."""
        for later in [found for found in self.steps() if found > step]:
            self._manager.delete(later)

    def wait(self) -> None:
        """Until every save so far is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Wait, and stop Orbax's threads."""
        self._manager.close()


def _score(metrics: Mapping[str, float]) -> float:
    return metrics["score"]


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _flat(tree: Any, abstract: bool = False) -> dict[str, Any]:
    """Leaves by name; PRNG keys as their raw data."""

    def plain(x: Any) -> Any:
        if not _is_key(x):
            return x
        return jax.eval_shape(jax.random.key_data, x) if abstract else jax.random.key_data(x)

    return {_name(path): plain(x) for path, x in jax.tree_util.tree_leaves_with_path(tree)}


def _unflat(leaves: Mapping[str, Any], like: Any) -> Any:
    def leaf(path: Any, x: Any) -> Any:
        value = jnp.asarray(leaves[_name(path)])
        return jax.random.wrap_key_data(value) if _is_key(x) else value

    return jax.tree_util.tree_map_with_path(leaf, like)


def _check_same(saved: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> None:
    """Raise InputError naming the first leaf in which a checkpoint and the networks of the recipe differ."""
    for name in sorted(saved.keys() ^ wanted.keys()):
        side = "is in the checkpoint but not in the recipe's networks" if name in saved else "is missing"
        raise InputError(f"{where}: a checkpoint of another recipe: {name} {side}")
    for name, x in wanted.items():
        if tuple(saved[name].shape) != tuple(x.shape):
            raise InputError(f"{where}: a checkpoint of another recipe: {name} is {saved[name].shape}, not {x.shape}")
