"""`gan card`: a model card, Markdown for people, and before it the YAML that the Hugging Face Hub reads."""

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import yaml

from gan_cli import datasets, door, media, recipe
from gan_cli.data.store import Store
from gan_cli.engine import sampler
from gan_cli.engine.state import Experiment
from gan_cli.errors import DamagedError, InputError
from gan_cli.export import facts, reader
from gan_cli.export.bundle import save_file
from gan_cli.export.description import describe, recipe_text
from gan_cli.export.facts import Score
from gan_cli.export.formats import find_format
from gan_cli.export.markdown import Markup, render, words
from gan_cli.export.program import exported_ask
from gan_cli.files import check_folder_of
from gan_cli.names import entries
from gan_cli.remote.place import is_url
from gan_cli.runs.load import Loaded
from gan_cli.runs.reader import Reader
from gan_cli.sampling import applying, results, take, writing
from gan_cli.sampling.latents import is_points
from gan_cli.sampling.options import parse_controls
from gan_cli.sampling.plan import POINTS_IN_A_PANEL
from gan_cli.sampling.request import Conditions, Request
from gan_cli.types import CLASS, Spec, leaves
from gan_cli.version import NAME

PROGRAM, WEIGHTS = "stablehlo", "safetensors"  # the formats that a card tells how to use, and `gan push` pushes
TASK = "unconditional-image-generation"  # the Hub's name for what GANs do, also with classes
TRANSLATION = "image-to-image"  # and for what they make of images
PICTURE = "sample_grid.png"
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")
ROWS = 16  # classes that the picture has a row for
MARK = "\nlibrary_name: gan-cli\n"  # in the head of our cards
MOST_SESSIONS = 100  # of a training that are told of
LOOKED_AT = 1000  # bytes of a file that is in the way


class CardOptions(NamedTuple):
    """What a person says of the card."""

    name: str  # the model's
    licence: str | None = None  # an identifier of the Hub's: mit, apache-2.0, cc-by-4.0
    repo: str | None = None  # USER/NAME, where it will be
    raw: bool = False  # the weights of the last step


def check_licence(licence: str | None) -> None:
    """Raise InputError unless it may be a licence's identifier."""
    if licence is not None and not LICENCE.fullmatch(licence):
        raise InputError(f"--license {words(licence)}: an identifier is expected, such as mit, apache-2.0 or cc-by-4.0")


def check_card(ckpt: str, out: str | None, licence: str | None) -> None:
    """Raise InputError for an output that cannot be, or a licence that is none."""
    check_licence(licence)
    if out is None and is_url(ckpt):
        raise InputError(f"--ckpt {ckpt} is a URL: name a file for the card with --out")
    if out is None:
        return
    if is_url(out):
        raise InputError(f"--out {out}: a card and its picture are two files: write them here, and copy both")
    path = Path(out)
    if path.suffix != ".md":
        raise InputError(f"--out {out}: a card is Markdown, and its name ends in .md")
    check_folder_of(path)


def save_card(loaded: Loaded, wish: CardOptions, target: Path, note: Callable[[str], None]) -> Path:
    """Write card and picture; returns the picture's path.

    An older card is replaced. Raises InputError when any other file is in the way.
    """
    picture = target.parent / PICTURE
    if target.exists():
        try:
            with door.opened(target) as file:
                is_card = MARK in file.read(LOOKED_AT).decode("utf-8", "replace")
        except DamagedError:
            is_card = False
        if not is_card:
            raise InputError(f"{target}: exists and is not a card that gan wrote: name another file with --out")
    elif picture.exists():
        raise InputError(f"{picture}: exists, and is not this card's: name a file in another folder with --out")
    text = card_text(loaded, wish)
    note(f"step {loaded.step} of {loaded.folder.path}: compiling, then drawing the picture")
    draw_picture(loaded, picture, raw=wish.raw)
    save_file(target, text.encode())
    return picture


def draw_picture(loaded: Loaded, out: Path, *, raw: bool) -> None:
    """Write the card's picture: the first samples of seed 0, or a row for each class. Raises InputError.

    Of a model that starts from examples it is what it makes of some of its own data, which have to be at hand.
    """
    ask = exported_ask(loaded.experiment, "")
    if loaded.experiment.game.ask(ask).given:
        wanted = applying.Application(ask=ask, raw=raw)
        store = replace(Store.from_environment(), download=False, follow=False)
        made = applying.apply(loaded, wanted, store, lambda _: None, sampler.untold)
        if made.spec is None:  # classes have no picture, and what is classified has one
            name, x = next(iter(made.given.inputs.items()))
            spec = leaves(loaded.experiment.specs)[name]
            assert spec
            writing.write_picture(out, writing.Drawn(x, spec))
            return
        results.write_results(out, made)
        return
    classes = parse_controls("all", []) if _has_class_rows(loaded) else ()
    n = POINTS_IN_A_PANEL if is_points(loaded.experiment) and not classes else None
    request = Request(n=n, conditions=(Conditions(controls=classes),), raw=raw, out=out)
    taken = take.take(loaded, request, None, lambda _: None)
    writing.write(out, taken.drawn, 1)


def _has_class_rows(loaded: Loaded) -> bool:
    """Whether the picture has a row for each class."""
    controls = loaded.experiment.game.controls
    return CLASS in controls and controls[CLASS].categories <= ROWS


def card_text(loaded: Loaded, wish: CardOptions) -> str:
    """The card: the Hub's metadata in YAML, and the page in Markdown. Strangers' words in it are escaped."""
    scores = facts.headlines(facts.scores(loaded, raw=wish.raw))
    head = yaml.safe_dump(_metadata(loaded, wish, scores), sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{head}---\n\n{_page(loaded, wish, scores)}"


def _metadata(loaded: Loaded, wish: CardOptions, scores: Sequence[Score]) -> dict[str, Any]:
    """What the Hub reads: licence, tags, task, data sets, and the metrics with their protocols."""
    play, experiment = str(loaded.meta.recipe["game"]["play"]), loaded.experiment
    sources = [str(table["source"]) for table in datasets.data_tables(loaded.meta.recipe["data"]).values()]
    known = {source: entries("data source").get(source) for source in sources}
    hubs = [one.hub for one in known.values() if one and one.hub]  # the data sources' names there
    source, hub = " and ".join(known), hubs[0] if len(known) == len(hubs) == 1 else ""
    task = _task(experiment)
    results = []
    for score in scores:
        protocol = score.protocol._asdict()
        own = {m: table for m, table in protocol["options"].items() if f"{score.metric}-".startswith(f"{m}-")}
        protocol = {**protocol, "options": deepcopy(own)}  # or YAML would refer from one metric to another
        args = {k: words(v) if isinstance(v, str) else v for k, v in protocol.items() if v not in ("", {})}
        results.append(
            {
                "task": {"type": task},
                "dataset": {"type": hub or source, "name": words(score.protocol.split or source)},
                "metrics": [{"type": score.metric, "value": score.value, "name": score.metric, "args": args}],
            }
        )
    tags = ["gan", "generative-adversarial-network", "jax", "flax"] + ([play] if play != "standard" else [])
    head = {
        "license": wish.licence,
        "library_name": NAME,
        "tags": tags + (["class-conditional"] if CLASS in experiment.game.controls else []),
        "pipeline_tag": task if task in (TASK, TRANSLATION) else None,
        "datasets": hubs or None,
        "metrics": [score.metric for score in scores] or None,
        "model-index": [{"name": words(wish.name), "results": results}] if results else None,
    }
    return {key: value for key, value in head.items() if value is not None}


def _task(experiment: Experiment) -> str:
    """The Hub's name for what a model does."""
    ask = exported_ask(experiment, "")
    given, made = experiment.game.ask(ask).given, experiment.made_by(ask)
    if not given:
        return TASK if media.is_image(experiment.spec) else "unconditional-generation"
    specs = [made, *(leaves(experiment.specs)[name] for name in given)]
    return TRANSLATION if all(spec and media.is_image(spec) for spec in specs) else "other"


def _asks(experiment: Experiment) -> list[tuple[str, str, str]]:
    """What a model can be asked: the name, what it is given, and what it makes."""
    specs = leaves(experiment.specs)
    return [
        (name, ", ".join(_kind(specs[leaf]) for leaf in ask.given), _kind(experiment.made_by(name)))
        for name, ask in experiment.game.asks.items()
    ]


def _kind(spec: Spec | None) -> str:
    """ "images of 16 x 16 x 1"; without a spec they are classes."""
    return f"{media.of(spec).many} of {' x '.join(map(str, spec.shape))}" if spec else "classes"


def _caption(draws: bool, classifies: bool, weights: str, arrangement: str) -> str:
    """What the card's picture shows."""
    if draws:
        return f"Samples of seed 0 with {weights}, {arrangement}."
    if classifies:
        return "Some of its own data."
    return f"What it makes of its own data with {weights}: given, result and, where it is known, truth."


def _page(loaded: Loaded, wish: CardOptions, scores: Sequence[Score]) -> str:
    resolved, program, description = loaded.meta.recipe, find_format(PROGRAM), describe(loaded, raw=wish.raw)
    game, train, data = resolved["game"], resolved["train"], datasets.data_tables(resolved["data"])
    draws = not loaded.experiment.game.ask(description["ask"]).given
    classifies = loaded.experiment.made_by(description["ask"]) is None
    weights = "the weights of the last step" if wish.raw else "averaged weights"
    arrangement = "one class a row" if _has_class_rows(loaded) else "none chosen by hand"
    networks = []
    copied = {copy.target: copy.source for copy in loaded.experiment.game.copies}  # roles without a table of their own
    for role, variables in loaded.state.variables.items():
        parameters = sum(x.size for x in jax.tree.leaves(variables.params))  # trained numbers
        networks.append((role, resolved["networks"][copied.get(role, role)]["net"], parameters))
    chosen = recipe.Eval(**resolved["eval"]).metrics[0] if loaded.meta.score is not None else ""
    protocols: dict[str, list[str]] = {}  # in words -> the metrics that were taken by it
    for score in scores:
        protocols.setdefault(str(score.protocol), []).append(score.metric)
    alarms, monitored = facts.alarms(loaded)
    sessions = [life for life in Reader(loaded.folder).lives if life.step < min(life.last, loaded.step)]
    loss = game.get("loss")
    return render(
        "card.md",
        name=wish.name,
        licence=wish.licence,
        repo=Markup(wish.repo) if wish.repo else None,  # checked: in code, too
        caption=_caption(draws, classifies, weights, arrangement),
        kind=media.of(loaded.experiment.spec).many,
        draws=draws,
        classifies=classifies,
        ask=Markup(description["ask"]),  # a name in the code of a game
        asks=_asks(loaded.experiment),
        play=game["play"],
        loss=loss["name"] if isinstance(loss, Mapping) else loss,
        networks=networks,
        streams=[
            (
                f"data {stream}".rstrip(),
                table["source"],
                table.get("split", ""),
                recipe.last_part(str(table["path"])) if "path" in table else "",
            )
            for stream, table in data.items()
        ],
        step=loaded.step,
        batch=train["batch"],
        precision=train["precision"],
        decay=resolved["ema"]["decay"],
        raw=wish.raw,
        scores=scores,
        chosen=chosen,
        judged=sum(chosen in line for line in loaded.meta.history),
        protocols=[(", ".join(names), line) for line, names in protocols.items()],
        features={score.protocol.features for score in scores},
        sizes=sorted({(s.protocol.n_real, s.protocol.split) for s in scores if s.protocol.n_real}),
        monitored=monitored,
        memorised="memorisation" in " ".join(score.metric for score in scores),
        alarms=alarms,
        rollbacks=loaded.meta.rollbacks,
        versions=facts.versions(loaded),
        sessions=sessions[:MOST_SESSIONS],
        recipe=recipe_text(loaded),
        inputs=reader.rows(description),
        program={"name": program.name, "runtime": program.runtime, "needs": program.needs},
        weights_file=find_format(WEIGHTS).file,
        reader=reader.code(program, description, wish.repo or ""),
        by_class=CLASS in loaded.experiment.game.controls,
    )
