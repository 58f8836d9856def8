"""A trained generator in Python: `from gan_cli import load; g = load("runs/x"); g.sample(16, seed=0)`."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from gan_cli import media
from gan_cli.engine import platform
from gan_cli.engine.sampler import Inputs, Sampler, draw_many
from gan_cli.errors import InputError, printable
from gan_cli.games.networks import Variables
from gan_cli.pictures import grids
from gan_cli.remote.fetch import fetched, fetched_run
from gan_cli.runs import load as checkpoints
from gan_cli.runs import weights
from gan_cli.sampling import walk
from gan_cli.sampling.controls import ControlOption
from gan_cli.sampling.latents import Painter, apply_conditions, count, number_controls, painter, prior_of
from gan_cli.sampling.plan import plan_samples
from gan_cli.sampling.request import Conditions, Request, WalkPath
from gan_cli.sampling.writing import Drawn, check_kind, write
from gan_cli.types import CLASS, Control, Shape, Spec

SIZES = (1, 4, 16, 64)  # samples drawn at once: the least that holds what is asked for; few, so that little is compiled

Value = int | float | str
Values = Value | Sequence[Value]  # of a class or a code: one for all samples, or one each


def load(run: str | PathLike[str], at: str | int = "best", *, raw: bool = False) -> "Model":
    """The generator of a run, of one of its checkpoints (RUN/checkpoints/STEP), of a run at a URL, or of a file.

    `at`: "best" by the run's metric, "latest", or a step. `raw`: the weights of the last step, not their moving
    average. A file, or its URL, is one of `gan export --format safetensors`, which has one step and one kind of
    weights: neither `at` nor `raw` goes with it. Needs no data set. Raises InputError when there is no such
    checkpoint or file.
    """
    for message in platform.start():
        warnings.warn(message, stacklevel=2)
    if fspath(run).endswith(weights.SUFFIX):
        if raw or at != "best":
            raise InputError(f"{run}: is a file of one step's weights, of one kind; `at` and `raw` are of a run")
        return Model(weights.load_weights(fetched(fspath(run), _warn)))
    return Model(checkpoints.load_run(fetched_run(fspath(run), _warn), str(at), raw=raw), raw=raw)


def _warn(message: str) -> None:
    warnings.warn(printable(message), stacklevel=3)


class Model:
    """A generator with the weights of one checkpoint."""

    def __init__(self, loaded: checkpoints.Loaded, *, raw: bool = False):
        self._loaded = loaded
        self._raw = raw
        self._painters: dict[int, Painter] = {}

    def __repr__(self) -> str:
        return f"<gan_cli.Model of step {self.step} of {self._loaded.folder.path}>"

    @property
    def step(self) -> int:
        """Steps of training behind these weights."""
        return self._loaded.step

    @property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe."""
        return self._loaded.meta.recipe

    @property
    def history(self) -> list[dict[str, Any]]:
        """Every evaluation up to this step: {"step": 500, "fid": 12.3, ...}."""
        return self._loaded.meta.history

    @property
    def asks(self) -> tuple[str, ...]:
        """What the game can be asked: to draw, to translate, to classify; the first one is meant without a name."""
        return tuple(self._loaded.experiment.game.asks)

    @property
    def shape(self) -> Shape:
        """Of one sample: (H, W, C) of an image, (D,) of a point."""
        return self._loaded.experiment.spec.shape

    @property
    def controls(self) -> Mapping[str, Control]:
        """What can be set besides the latents: the class ("class"), and codes by their names."""
        return self._loaded.experiment.game.controls

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that samples can be asked for; empty when the model knows none."""
        return self.controls[CLASS].names if CLASS in self.controls else ()

    @property
    def prior(self) -> str:
        """Of the latents: "normal", "uniform", or "" where the game has none. Only normal ones can be truncated."""
        return prior_of(self._loaded)

    @property
    def weights(self) -> Mapping[str, Variables]:
        """The networks' weights by role, as pytrees: `.params`, and what else a network keeps."""
        return self._loaded.weights(self._raw)

    def sample(
        self,
        n: int = 1,
        *,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        truncation: float | None = None,
        label: Values | None = None,
        codes: Mapping[str, Values] | None = None,
    ) -> "Samples":
        """Draw n samples; sample i depends on (seed, i) alone, and is that of `gan sample --seed`.

        `seeds`: one latent a seed, instead of n and seed. `truncation`: of normal latents, to [-T, T]. `label`: the
        class by number or name, `codes`: by their names; one value for all samples, or one each. What is not set is
        drawn as in training. Raises InputError for what this model does not have.
        """
        conditions = self._conditions(n if seeds is None else len(seeds), truncation, label, codes)
        return self.draw(self._inputs(n, seed, seeds, conditions))

    def latents(
        self, n: int = 1, *, seed: int = 0, seeds: Sequence[int] | None = None, truncation: float | None = None
    ) -> Inputs:
        """What n samples are made of: name -> [n, ...], usually `z` [n, L], and each of `controls` [n].

        The arguments are those of `sample`. Raises InputError for latents that cannot be truncated.
        """
        return self._inputs(n, seed, seeds, (Conditions(truncation),))

    def put(self, inputs: Inputs, *, label: Values | None = None, codes: Mapping[str, Values] | None = None) -> Inputs:
        """The inputs with this class and these codes, one value for all samples or one each.

        Raises InputError for what this model does not have, and for another number of values.
        """
        conditions = self._conditions(count(inputs), None, label, codes)
        return apply_conditions(self._loaded.experiment, inputs, conditions, self.prior)

    def _inputs(self, n: int, seed: int, seeds: Sequence[int] | None, conditions: tuple[Conditions, ...]) -> Inputs:
        which = Request(seed=seed, n=n) if seeds is None else Request(seeds)
        request = which._replace(conditions=conditions, raw=self._raw)
        return plan_samples(self._loaded.experiment, request, self.prior).inputs

    def _conditions(
        self, n: int, truncation: float | None, label: Values | None, codes: Mapping[str, Values] | None
    ) -> tuple[Conditions, ...]:
        """One for all of n samples, or one for each. Raises InputError for another number of classes or codes."""
        columns = []  # the values of a class or a code: one, or n
        for name, values in {**({} if label is None else {CLASS: label}), **(codes or {})}.items():
            each: list[Any] = [values] if np.ndim(values) == 0 else [*values]  # type: ignore[misc]
            argument = "label" if name == CLASS else name
            if len(each) not in (1, n):
                raise InputError(f"{argument}: {len(each)} values for {n} samples; one, or one each, would do")
            columns.append([ControlOption(name, str(x), f"{argument} = {x!r}", is_single=True) for x in each])
        several = n if any(len(column) > 1 for column in columns) else 1
        return tuple(Conditions(truncation, tuple(own[i % len(own)] for own in columns)) for i in range(several))

    def apply(
        self, given: np.ndarray | Mapping[str, np.ndarray], *, ask: str = "", seed: int = 0
    ) -> "Samples | np.ndarray":
        """What the game makes of examples: translations, masks, reconstructions; of classes their probabilities [n, K].

        `given`: examples as they are stored, images uint8 [n, H, W, C]; several parts by name, {"x": ..., "y": ...}.
        Result i depends on example i, `seed` and i. Raises InputError for what this model cannot be asked, and for
        examples of another format.
        """
        from gan_cli.sampling import applying  # with all that judges models: who draws does without

        experiment = self._loaded.experiment
        name = applying.applied_ask(experiment, ask)
        parts = given if isinstance(given, Mapping) else {experiment.game.ask(name).given[0]: given}
        inputs = applying.checked_leaves(experiment, name, parts)
        n = count(inputs)
        asking = Sampler(experiment, next((size for size in SIZES if size >= n), SIZES[-1]), ask=name)
        results = asking(self._loaded.leaves(self._raw), {**draw_many(experiment, seed, n), **inputs})
        made = experiment.made_by(name)
        return np.exp(results) if made is None else Samples(results, made)

    def project(
        self,
        images: np.ndarray,
        *,
        mask: np.ndarray | None = None,
        near: Inputs | None = None,
        label: Values | None = None,
        codes: Mapping[str, Values] | None = None,
        **search: Any,
    ) -> Inputs:
        """The inputs whose samples are nearest to images uint8 [n, H, W, C]: what `draw` and `interpolate` take.

        `mask`: bool [H, W] or [n, H, W], the pixels that count; None: all. `near`: the inputs of one sample, or of n,
        to start from and to stay near. `label`, `codes`: as for `sample`; without them the best of many. `search`: of
        `sampling.descent.Projection`: seed, starts, steps, rate, features, stay. What is found for an image depends
        on that image and the seed alone. Raises InputError for a model that has no latents or makes no images.
        """
        from gan_cli.sampling import descent, projecting

        set_ = tuple(own.controls for own in self._conditions(len(images), None, label, codes))
        wanted = descent.Projection(set_, raw=self._raw, **search)
        known = None if mask is None else np.asarray(mask, bool)[..., None]
        return projecting.project(projecting.whole(self._loaded), images, wanted, known=known, near=near).inputs

    def interpolate(self, inputs: Inputs, steps: int, *, path: WalkPath | None = None) -> Inputs:
        """Inputs of m samples -> of the walk through them, `steps` from each to the next, both included.

        `path`: "spherical" where the prior is normal, else "linear". Categories stay those of the first sample.
        """
        numbers = number_controls(self._loaded.experiment)
        return walk.between(inputs, numbers, steps, path or walk.default_path(self.prior), closed=False)

    def draw(self, inputs: Inputs) -> "Samples":
        """The samples that these inputs make: of `latents`, `put`, `interpolate`, or one's own."""
        batch = next((size for size in SIZES if size >= count(inputs)), SIZES[-1])
        if batch not in self._painters:
            self._painters[batch] = painter(self._loaded, raw=self._raw, batch=batch)
        labels = np.asarray(inputs[CLASS], np.int64) if CLASS in self.controls else None
        return Samples(self._painters[batch](inputs), self._loaded.experiment.spec, labels)


class Samples(Sequence[Any]):
    """Samples as arrays and as pictures; a notebook shows the grid.

    `samples[i]` is a PIL image, or of another medium the sample's array.
    """

    def __init__(self, arrays: np.ndarray, spec: Spec, labels: np.ndarray | None = None):
        self.arrays = arrays
        """As their medium stores them: images uint8 [n, H, W, C], videos uint8 [n, T, H, W, C], points float32 [n, D],
        tokens int32 [n, T]."""
        self.spec = spec
        """What each of them is: its medium, its shape, the words of tokens."""
        self.labels = labels
        """Classes int64 [n], or None where the model has none."""

    @cached_property
    def images(self) -> list[Image]:
        """A PIL image of each: of images themselves, of a video its frames in a row, of tokens the text.

        Raises InputError when they are points.
        """
        if media.seen_together(self.spec):
            raise InputError("these samples are points, not images: use .arrays or .grid()")
        return [grids.to_pil(image) for image in media.tiles(self.arrays, self.spec)]

    def grid(self) -> Image:
        """All of them in one picture: a grid of the pictures of each, or a plot of points in the plane or on a line."""
        picture: Image = media.picture(self.arrays, self.spec)
        return picture

    def save(self, path: str | PathLike[str], *, fps: float | None = None) -> None:
        """Write them as `gan sample --out` does: .png, .npz, a folder, videos .gif, tokens .txt, sounds .wav, ...

        `fps`: frames a second of videos; None: their own. Raises InputError for a kind of file that they are not
        written to.
        """
        out = Path(path)
        check_kind(out, self.spec, walks=False)
        write(out, Drawn(self.arrays, self.spec, self.labels), fps)

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return Samples(self.arrays[i], self.spec, None if self.labels is None else self.labels[i])
        return self.images[i] if media.is_image(self.spec) else self.arrays[i]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.images if media.is_image(self.spec) else self.arrays)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.arrays, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<{len(self)} {media.of(self.spec).many} {self.arrays.shape[1:]} {self.arrays.dtype}>"

    def _repr_png_(self) -> bytes:
        """What Jupyter shows."""
        return grids.png(self.grid())
