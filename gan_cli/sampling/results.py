"""What `gan apply` has made, into a picture, an archive, a folder of images or a table."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli import media
from gan_cli.engine.state import Experiment
from gan_cli.errors import InputError
from gan_cli.files import atomic
from gan_cli.judging.given import Given
from gan_cli.pictures import grids
from gan_cli.pictures.beside import beside
from gan_cli.sampling.applying import Applied
from gan_cli.sampling.writing import Drawn, file_part, write, write_picture
from gan_cli.types import Spec, leaves


def write_results(out: Path, applied: Applied) -> None:
    """Write results as the suffix of `out` says; raises InputError when that fails.

    A .png shows results beside what was given and what they should be, or a single image alone; a folder has each under
    the name of its file, or its number, in a subfolder of its class where that is known; a .csv has the likeliest class
    of each; a .npz has arr_0, all results as stored (log-probabilities of classes), and `given`, `truth` and arr_1, the
    classes of what was given, where they are known. Other kinds of files are those of the results' medium.
    """
    made = applied.spec
    try:
        if out.suffix == ".npz":
            with atomic(out) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, **_arrays(applied))
        elif made is None:
            with atomic(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(table(applied))
        elif out.suffix == ".png" and len(applied.results) == 1 and media.is_image(made):
            grids.save_png(out, grids.to_pil(applied.results[0]))
        elif out.suffix == ".png":
            write_picture(out, compared(applied.experiment, applied.ask, applied.given, applied.results))
        elif out.suffix:
            write(out, Drawn(applied.results, made), None)
        else:
            _write_folder(out, applied, made)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror or error}") from None


def compared(experiment: Experiment, ask: str, given: Given, results: np.ndarray) -> Drawn:
    """Results of an ask beside what they were made from and what they should be, where these have pictures."""
    made, specs = experiment.made_by(ask), leaves(experiment.specs)
    assert made is not None
    first, x = next(iter(given.inputs.items()))
    truth = None if experiment.game.ask(ask).like == first else given.truth  # of a reconstruction it is what was given
    kinds = (("given", x, specs[first]), ("result", results, made), ("truth", truth, made))
    if media.seen_together(made):
        return Drawn(results, made)
    shown = {
        name: media.tiles(x, spec)
        for name, x, spec in kinds
        if x is not None and spec is not None and not media.seen_together(spec)
    }
    tiles, sheet = beside(shown)
    return Drawn(tiles, Spec(tiles.shape[1:]), sheet=sheet)


def table(applied: Applied) -> Iterator[list[Any]]:
    """The likeliest class of each example and its probability, beside the true class where it is known."""
    truth = applied.given.truth
    yield [
        "number",
        *(["name"] if applied.names else []),
        "class",
        "probability",
        *([] if truth is None else ["truth"]),
    ]
    for i, answer in enumerate(applied.results):
        best = int(answer.argmax())
        row = [i, *([applied.names[i]] if applied.names else []), applied.classes[best], f"{np.exp(answer[best]):.6g}"]
        yield row if truth is None else [*row, applied.classes[int(truth[i])]]


def _arrays(applied: Applied) -> dict[str, Any]:
    """The arrays of an archive."""
    labels = {} if applied.given.labels is None else {"arr_1": np.asarray(applied.given.labels, np.int64)}
    truth = {} if applied.given.truth is None else {"truth": applied.given.truth}
    return {"arr_0": applied.results, **labels, "given": next(iter(applied.given.inputs.values())), **truth}


def _write_folder(out: Path, applied: Applied, made: Spec) -> None:
    """A file a result."""
    suffix, content = next(iter(media.of(made).files.items()))
    places = places_of(applied.names, suffix, out)
    labels = applied.given.labels
    for i in range(len(applied.results)):
        own = "" if labels is None else file_part(int(labels[i]), applied.classes)
        place = out / (places[i] if places else Path(own, f"{i:06d}{suffix}"))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content(applied.results[i : i + 1], made, 0))


def places_of(names: Sequence[str], suffix: str, out: Path) -> list[Path]:
    """Where results go in a folder, by the names of what was given; raises InputError where two would have one name."""
    places = [Path(name).with_suffix(suffix) for name in names]
    if len(set(places)) < len(places):
        twice = next(place for i, place in enumerate(places) if place in places[:i])
        raise InputError(f"--out {out}: two of the files that were given would both become {twice}")
    return places
