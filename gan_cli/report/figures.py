"""What a report shows that takes the model or the data: real samples, sweeps, nearest neighbours. With JAX."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from gan_cli import build, datasets, media
from gan_cli.data.images import check_fitted
from gan_cli.data.order import order
from gan_cli.data.source import Source
from gan_cli.data.store import Store
from gan_cli.errors import InputError
from gan_cli.pictures.labelled import Block, Sheet
from gan_cli.report.asked import asked_figures
from gan_cli.report.page_parts import Figure, FromModel, Picture
from gan_cli.report.pictures import picture
from gan_cli.runs.load import Loaded, load_run
from gan_cli.runs.reader import Reader
from gan_cli.sampling import neighbours
from gan_cli.sampling.controls import ControlOption
from gan_cli.sampling.latents import Painter, is_points, painter
from gan_cli.sampling.plan import DEFAULT_N, POINTS_IN_A_PANEL, overview, paint_plan, plan_samples
from gan_cli.sampling.request import Conditions, Request
from gan_cli.sampling.writing import Drawn
from gan_cli.types import CLASS

BATCH = 64  # samples drawn at once
IN_A_ROW = 8  # latents of a sweep over categories, and samples whose neighbours are shown
ROWS = 6  # latents of a sweep over a number
VALUES = 9  # of a number
MOST_CATEGORIES = 20  # of a sweep
MOST_SWEEPS = 12
MOST_VALUES = 3 << 20  # numbers in the images of one figure: 3 MB without compression
NEIGHBOURS = 4  # of a sample
MOST_COMPARED = 100_000  # training images
REAL = "A fixed random choice of the training data."
REAL_POINTS = f"{REAL} Each plot has axes of its own, which hold its points."

Note = Callable[[str], None]


def draw_from_model(run: Reader, store: Store, note: Note) -> FromModel:
    """Draw what a report shows of a run's model and data; what cannot be drawn is left out, with a note.

    Nothing is downloaded.
    """
    notes: list[str] = []
    loaded = load_shown(run, notes)
    sources = _data(run, replace(store.near(run.folder.path), download=False, follow=False), notes)
    stream = loaded.experiment.stream() if loaded else next(iter(sources), "")
    source = sources.get(stream)
    real = _real(source, loaded, run, notes) if source else None
    text = REAL_POINTS if source and media.seen_together(source.spec) else REAL
    if loaded is None:
        return FromModel(real, text, notes=tuple(notes))
    note(f"{run.folder.path}: drawing with the checkpoint of step {loaded.step}")
    figures = list(asked_figures(loaded, sources, bool(run.setting("eval", "paired")))) if sources else []
    if all(ask.given for ask in loaded.experiment.game.asks.values()):
        return FromModel(real, text, tuple(figures), tuple(notes), draws=False)
    paint = painter(loaded, raw=False, batch=BATCH)
    figures += _sweeps(loaded, paint, notes)
    if source and media.has_levels(loaded.experiment.spec):
        figures += _neighbours(loaded, paint, source, notes, note)
    n = media.in_a_picture(loaded.experiment.spec, run.whole("run", "grid") or DEFAULT_N)
    shown = overview(loaded.experiment, 0, n)  # what the training drew again and again
    grid = (*(word for own in shown.conditions[0].controls for word in own.option.split()), "--n", str(shown.n))
    return FromModel(real, text, tuple(figures), tuple(notes), grid)


def _data(run: Reader, store: Store, notes: list[str]) -> dict[str, Source]:
    """The run's data by stream; none where they cannot be had, or may be others than those it was trained on.

    A recipe can name any folder of this machine, and the page may go to other people: what it names is shown only when
    a checkpoint knows its fingerprint, which only they can make who have it.
    """
    if not run.tables:
        return {}  # why not has been said
    try:
        resolved = build.resolve(run.tables, str(run.folder.recipe))
        known = None if run.shown is None else str(run.metas[run.shown].get("fingerprint"))
        places = [table["path"] for table in datasets.data_tables(resolved["data"]).values() if "path" in table]
        if places and known is None:
            raise InputError("they are shown when there is a checkpoint, which says what data it was trained on")
        sources = datasets.load_streams(resolved, store)
        for source in sources.values():
            check_fitted(source)
        if places and known != datasets.fingerprint(sources):
            raise InputError(f"what is at {' and '.join(places)} is not what the run was trained on")
    except InputError as error:
        notes.append(f"real samples and nearest neighbours: {error}")
        return {}
    return sources


def load_shown(run: Reader, notes: list[str]) -> Loaded | None:
    """The run's best checkpoint, else its newest; None, and a note, where there is none or it cannot be read."""
    what = "what is drawn with the model (sweeps, nearest neighbours)"
    if run.shown is None:
        notes.append(f"{what}: there is no checkpoint yet")
        return None
    try:
        try:
            return load_run(run.folder.path, str(run.shown))
        except InputError:
            if (run.folder.checkpoints / str(run.shown)).is_dir():
                raise
            return load_run(run.folder.path)  # a training has deleted it meanwhile: there is a newer one
    except InputError as error:
        notes.append(f"{what}: {error}")
        return None


def _real(source: Source, loaded: Loaded | None, run: Reader, notes: list[str]) -> Picture | None:
    """Real examples, a fixed random choice of as many as a sample grid shows: of each class a row where it has rows."""
    spec = source.spec
    n = media.in_a_picture(spec, run.whole("run", "grid") or DEFAULT_N)
    if media.seen_together(spec):
        points = source.load(order(0, source.size, 0)[:n])["x"]
        return picture(Drawn(points, spec), f"{len(points):,} real points") if points.shape[1] <= 2 else None
    if int(np.prod(spec.shape)) * n > 1 << 28:
        notes.append("real samples: they are too large for a page")
        return None
    chosen, classes = real_indices(source, loaded, n)
    images = source.load(chosen)["x"]
    sheet = (Block(np.arange(len(images)).reshape(len(classes), -1), classes),) if classes else ()
    return picture(Drawn(images, spec, sheet=sheet), f"{len(images)} real {media.of(spec).many}")


def real_indices(source: Source, loaded: Loaded | None, n: int) -> tuple[np.ndarray, Sequence[str]]:
    """Which real examples to show, int64 [m], and the classes of their rows; no classes: they are a grid.

    There are rows where the grids of the training's n samples have a row for each class.
    """
    chosen = order(0, source.size, 0)
    sheet: Sheet = ()
    if loaded and source.labels is not None and not loaded.experiment.game.ask().given:
        sheet = plan_samples(loaded.experiment, overview(loaded.experiment, 0, n)).sheet
    if not sheet or sheet[0].title != f"rows: {CLASS}" or source.labels is None:
        return chosen[:n], ()
    columns = sheet[0].cells.shape[1]
    of_class = [chosen[source.labels[chosen] == label][:columns] for label in range(len(sheet[0].rows))]
    if any(len(some) < columns for some in of_class):
        return chosen[:n], ()
    return np.concatenate(of_class), sheet[0].rows


def _sweeps(loaded: Loaded, paint: Painter, notes: list[str]) -> Iterator[Figure]:
    """A figure for each class and code that a person can set; fewer latents where the images are large."""
    controls, shape = loaded.experiment.game.controls, loaded.experiment.spec.shape
    points = is_points(loaded.experiment)
    if len(controls) > MOST_SWEEPS:
        notes.append(f"sweeps: of {len(controls)} codes the first {MOST_SWEEPS} are shown")
    for name, control in list(controls.items())[:MOST_SWEEPS]:
        values = min(control.categories, MOST_CATEGORIES) or VALUES
        wanted = f"0-{values - 1}" if control.categories else f"{control.low:g}:{control.high:g}:{values}"
        option = f"--class {wanted}" if name == CLASS else f"--code {name}={wanted}"
        most = MOST_VALUES // (values * int(np.prod(shape)))
        n = POINTS_IN_A_PANEL if points else min(IN_A_ROW if control.categories else ROWS, most)
        if n < 1 or (points and shape[0] > 2):
            notes.append(f"the sweep of {name}: its images are too large for a page; gan sample {option}")
            continue
        request = Request(n=n, conditions=(Conditions(controls=(ControlOption(name, wanted, option),)),))
        shown = paint_plan(loaded.experiment, plan_samples(loaded.experiment, request), paint)
        what = "class" if name == CLASS else f"code {name}"
        alt = f"Samples under each value of the {what}, the same latents for each value"
        yield Figure(f"Sweep of the {what}", picture(shown, alt), f"gan sample {option}")


def _neighbours(loaded: Loaded, paint: Painter, source: Source, notes: list[str], note: Note) -> Iterator[Figure]:
    """Samples beside the training images that are nearest to them; nothing, and a note, where they are too many."""
    shape = loaded.experiment.spec.shape
    n = min(IN_A_ROW, MOST_VALUES // (int(np.prod(shape)) * (NEIGHBOURS + 1)))
    option = f"--neighbours {NEIGHBOURS}"
    try:
        neighbours.check_source(source, shape, NEIGHBOURS)
        if source.size > MOST_COMPARED or n < 1:
            raise InputError(f"{source.size:,} images are too many to compare with for a page; gan sample {option}")
    except InputError as error:
        notes.append(f"nearest neighbours: {error}")
        return
    plan = plan_samples(loaded.experiment, Request(n=n))
    samples = paint(plan.inputs)
    note(f"comparing with {source.size:,} images of {source.name}")
    found = neighbours.search(source, samples, NEIGHBOURS)
    shown = np.concatenate([samples, source.load(found.indices.ravel())["x"]])
    text = f"M{neighbours.summary(found)[1:]} (Euclidean, of pixels in [0, 1]). gan sample {option}"
    spec = loaded.experiment.spec
    drawn = Drawn(samples, spec, sheet=neighbours.sheet(found.distances, plan.names), shown=shown)
    yield Figure(
        "Nearest training images", picture(drawn, f"{n} samples, each beside its nearest training images"), text
    )
