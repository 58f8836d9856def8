"""A model card: Markdown for people, and before it the YAML that the Hugging Face Hub reads."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gan_cli import recipe
from gan_cli.errors import InputError
from gan_cli.export import facts, reader
from gan_cli.export.description import describe, recipe_text
from gan_cli.export.facts import Score
from gan_cli.export.markdown import Markup, render, words
from gan_cli.names import entries
from gan_cli.runs.load import Loaded
from gan_cli.sampling import take, writing
from gan_cli.sampling.latents import is_points
from gan_cli.sampling.options import parse_controls
from gan_cli.sampling.plan import POINTS_IN_A_PANEL
from gan_cli.sampling.request import Conditions, Request
from gan_cli.types import CLASS
from gan_cli.version import NAME

TASK = "unconditional-image-generation"  # the Hub's name for what GANs do, also with classes
PICTURE = "sample_grid.png"
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")
ROWS = 16  # classes that the picture has a row for


class Plain(yaml.SafeDumper):
    """YAML without aliases: what several metrics have in common is written with each."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Of all data."""
        return True


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


def write(loaded: Loaded, wish: CardOptions) -> str:
    """The card, as README.md."""
    scores = facts.headlines(facts.scores(loaded, raw=wish.raw))
    head = yaml.dump(metadata(loaded, wish, scores), Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{head}---\n\n{_text(loaded, wish, scores)}"


def metadata(loaded: Loaded, wish: CardOptions, scores: Sequence[Score]) -> dict[str, Any]:
    """What the Hub reads: licence, tags, task, data sets, and the metrics with their protocols."""
    source = str(loaded.meta.recipe["data"]["source"])
    image = not is_points(loaded.experiment)
    controls = loaded.experiment.game.controls
    play = str(loaded.meta.recipe["game"]["play"])
    tags = ["gan", "generative-adversarial-network", "jax", "flax"] + ([play] if play != "standard" else [])
    known = {
        "license": wish.licence,
        "library_name": NAME,
        "tags": tags + (["class-conditional"] if CLASS in controls else []),
        "pipeline_tag": TASK if image else None,
        "datasets": [hub] if (hub := _hub(source)) else None,
        "metrics": [score.metric for score in scores] or None,
        "model-index": [{"name": words(wish.name), "results": [_result(s, source, image) for s in scores]}]
        if scores
        else None,
    }
    return {key: value for key, value in known.items() if value is not None}


def _hub(source: str) -> str:
    """A data source's name on the Hub; empty: it has none there."""
    known = entries("data source").get(source)
    return known.hub if known else ""


def _result(score: Score, source: str, image: bool) -> dict[str, Any]:
    return {
        "task": {"type": TASK if image else "unconditional-generation"},
        "dataset": {"type": _hub(source) or source, "name": words(score.protocol.split or source)},
        "metrics": [{"type": score.metric, "value": score.value, "name": score.metric, "args": _args(score)}],
    }


def _args(score: Score) -> dict[str, Any]:
    """A protocol with its words on one line each, without what is empty and other metrics' options."""
    options = score.protocol.options.items()
    own = {name: table for name, table in options if f"{score.metric}-".startswith(f"{name}-")}
    found = score.protocol._replace(options=own)._asdict().items()
    return {key: words(value) if isinstance(value, str) else value for key, value in found if value not in ("", {})}


def _text(loaded: Loaded, wish: CardOptions, scores: Sequence[Score]) -> str:
    resolved = loaded.meta.recipe
    game, data, train = resolved["game"], resolved["data"], resolved["train"]
    description = describe(loaded, raw=wish.raw)
    chosen = recipe.Eval(**resolved["eval"]).metrics[0] if loaded.meta.score is not None else ""
    loss = game.get("loss")
    return render(
        "card.md",
        name=wish.name,
        licence=wish.licence,
        repo=Markup(wish.repo) if wish.repo else None,  # checked: in code, too
        caption=_caption(loaded, wish.raw),
        kind="points" if is_points(loaded.experiment) else "images",
        shape=" x ".join(map(str, loaded.experiment.spec.shape)),
        play=game["play"],
        loss=loss["name"] if isinstance(loss, Mapping) else loss,
        networks=[(role, resolved["networks"][role]["net"], count) for role, count in facts.parameters(loaded).items()],
        source=data["source"],
        split=data.get("split", ""),
        folder=recipe.last_part(str(data["path"])) if "path" in data else "",
        step=loaded.step,
        batch=train["batch"],
        precision=train["precision"],
        decay=resolved["ema"]["decay"],
        raw=wish.raw,
        scores=scores,
        chosen=chosen,
        judged=sum(chosen in line for line in loaded.meta.history),
        protocols=[(", ".join(names), line) for line, names in _protocols(scores).items()],
        features={score.protocol.features for score in scores},
        sizes=sorted({(s.protocol.n_real, s.protocol.split) for s in scores if s.protocol.n_real}),
        monitored=facts.was_monitored(loaded),
        memorised="memorisation" in " ".join(score.metric for score in scores),
        alarms=facts.alarms(loaded),
        rollbacks=loaded.meta.rollbacks,
        versions=facts.versions(loaded),
        sessions=facts.sessions(loaded),
        recipe=recipe_text(loaded),
        inputs=reader.rows(description),
        reader=reader.code("hub" if wish.repo else "stablehlo", "sampler.jaxexport", description, wish.repo or ""),
        by_class=CLASS in loaded.experiment.game.controls,
    )


def _protocols(scores: Sequence[Score]) -> dict[str, list[str]]:
    """Protocol in words -> the metrics that were taken by it."""
    found: dict[str, list[str]] = {}
    for score in scores:
        found.setdefault(str(score.protocol), []).append(score.metric)
    return found


def _by_class(loaded: Loaded) -> bool:
    """Whether the picture has a row for each class."""
    controls = loaded.experiment.game.controls
    return CLASS in controls and controls[CLASS].categories <= ROWS


def _caption(loaded: Loaded, raw: bool) -> str:
    weights = "the weights of the last step" if raw else "averaged weights"
    what = "one class a row" if _by_class(loaded) else "none chosen by hand"
    return f"Samples of seed 0 with {weights}, {what}."


def draw(loaded: Loaded, out: Path, *, raw: bool) -> None:
    """Write the card's picture: the first samples of seed 0, or a row for each class. Raises InputError."""
    classes = parse_controls("all", []) if _by_class(loaded) else ()
    n = POINTS_IN_A_PANEL if is_points(loaded.experiment) and not classes else None
    request = Request(n=n, conditions=(Conditions(controls=classes),), raw=raw, out=out)
    taken = take.take(loaded, request, None, lambda _: None)
    writing.write(out, taken.drawn, 1)
