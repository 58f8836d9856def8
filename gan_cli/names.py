"""The names that recipes and command lines use, with options and defaults, and what else people call metrics.

All but the metrics' aliases is read from names.json, without JAX. `python -m gan_cli.inspection.names` (`make names`)
writes that file from the code.
"""

import json
import re
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple, get_args, get_origin

KINDS = (
    *("loss", "penalty", "view", "augmentation", "network", "game", "data source"),  # named in recipes
    *("feature network", "metric", "demonstration", "export format"),
)
METRIC_ALIASES = {  # metric -> its other names: those of papers, and the keys of other programs
    "fid": ("frechet-inception-distance", "fréchet-inception-distance", "frechet"),
    "fid-infinity": ("fid-inf", "fidinf", "fid∞", "fid-∞", "fidinfinity"),
    "kid": ("kernel-inception-distance",),
    "inception-score": ("is", "isc", "inception", "inceptionscore"),
    "intra-fid": ("ifid", "intra-class-fid", "class-fid", "conditional-fid"),
    "precision-recall": ("pr", "prc", "p&r", "ipr", "precision", "recall", "precision-and-recall"),
    "density-coverage": ("dc", "d&c", "density", "coverage", "density-and-coverage"),
    "one-nn": ("1nn", "1-nn", "1nna", "1-nna", "onenn", "knn", "nn", "one-nearest-neighbour", "leave-one-out-1-nn"),
    "mode-score": ("mode", "modescore"),
    "modes": ("mode-coverage", "high-quality-samples"),
    "stacked-modes": ("stacked-mnist-modes", "stacked-mnist"),
    "ms-ssim": ("msssim", "multi-scale-ssim", "multiscale-ssim"),
    "mmd": ("kernel-mmd", "maximum-mean-discrepancy"),
    "wasserstein": ("emd", "earth-mover", "earth-movers-distance", "wasserstein-distance", "w2", "w1"),
    "sliced-wasserstein": ("swd", "sw", "sliced-wasserstein-distance"),
    "parzen": ("parzen-window", "kde"),
    "memorisation": ("memorization", "copies", "data-copying"),
    "mutual-information": ("mi",),
    "code-accuracy": ("codes",),
    "class-agreement": ("classes", "class-accuracy"),
    "l1": ("mae", "mean-absolute-error"),
    "ssim": ("structural-similarity",),
    "psnr": ("peak-signal-to-noise-ratio",),
    "accuracy": ("classification-accuracy", "test-accuracy", "errors"),
    "nll": ("negative-log-likelihood", "bits-per-dim", "bits-per-dimension", "bpd", "elbo"),
}
ELSEWHERE = {  # names of no metric here, or of more than one -> what to use instead
    "prdc": "it is two metrics here: precision-recall,density-coverage",
    "ms": "mode-score or ms-ssim",
    "lpips": "diversity is told by ms-ssim or by precision-recall",
    "ppl": "no metric here looks at a path between latents; gan sample --interpolate draws one",
    "clean-fid": "it is fid through other features: --metric fid --features inception.clean",
    "cmmd": "it is mmd through features of CLIP: --metric mmd --features FILE.py:FUNCTION",
    "cas": "class-agreement asks a classifier that was trained on real images",
    "vendi": "diversity is told by precision-recall or density-coverage",
    "authenticity": "copies of training images are told by memorisation",
    "log-likelihood": "nll is its negative, of games that say it; ais or parzen estimates it of a generator",
}


class Option(NamedTuple):
    """An option of a named thing: a key of its table in a recipe."""

    name: str
    default: Any  # a number, a text or a boolean; None for no default, or one of another type
    choices: tuple[str, ...]  # the words that it accepts; empty when it is of another type


class Entry(NamedTuple):
    """A named thing: a loss, a network, a metric or another of KINDS."""

    name: str  # "dcgan.generator", "inception-score"
    line: str  # the first line of its docstring
    options: tuple[Option, ...]
    lower_is_better: bool | None = None  # metrics only
    published: bool = False  # data sources only: the files are published by others
    hub: str = ""  # data sources only: the data set's name on the Hugging Face Hub, if it has one
    suffix: str = ""  # export formats only: that of their files, ".onnx"


@cache
def entries(kind: str) -> dict[str, Entry]:
    """Return the entries of one of KINDS by name; KeyError for any other kind."""
    text = (resources.files("gan_cli") / "names.json").read_text(encoding="utf-8")
    found = {}
    for name, known in json.loads(text)[kind].items():
        options = [Option(key, default, tuple(choices)) for key, (default, choices) in known.pop("options").items()]
        found[name] = Entry(name, options=tuple(options), **known)
    return found


def lower_is_better(metric: str) -> bool | None:
    """Whether smaller values of a metric are better; None for what is no metric."""
    found = entries("metric").get(metric)
    return found.lower_is_better if found else None


def literals(annotation: Any) -> list[str]:
    """Return the words that a value of this type can be, also within a union; empty for other types."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    if annotation is bool:
        return ["true", "false"]
    return [value for inner in get_args(annotation) for value in literals(inner)]


def canonical_metric(name: str) -> str:
    """Return a metric's own name, the only one that is stored: " IS", "inception_score" -> "inception-score".

    Names of no metric come back in small letters, with dashes.
    """
    plain = re.sub(r"[\s_-]+", "-", name.strip().lower())
    return next((own for own, others in METRIC_ALIASES.items() if plain in others), plain)


def canonical_metrics(names: str) -> list[str]:
    """Return the own names of metrics that are separated by commas, each once."""
    return list(dict.fromkeys(map(canonical_metric, names.split(","))))


def elsewhere(name: str) -> str:
    """Return the end of an error message about a name in ELSEWHERE: what to use instead; empty for other names."""
    known = ELSEWHERE.get(canonical_metric(name))
    return f"; {known}" if known else ""
