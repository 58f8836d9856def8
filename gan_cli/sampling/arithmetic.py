"""`gan sample --arithmetic`: sums and differences of mean latents."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np

from gan_cli import features
from gan_cli.binding import nearest
from gan_cli.engine.sampler import Inputs
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.metrics.collect import extract
from gan_cli.pictures.labelled import Block, Sheet
from gan_cli.sampling.arrange import Plan, put, title
from gan_cli.sampling.controls import Setting
from gan_cli.sampling.drawing import count, parse_seeds

SEARCHED = 1000  # seeds, 0 to 999, among which samples of a class are looked for
NEIGHBOURS = 8  # of the result
REACH = 0.25  # noise of the neighbours: U(-0.25, 0.25) on each component of the latent, as in the paper
FORM = '"0,1,2 - 3,4,5 + 6-8", with spaces around + and -'


class Term(NamedTuple):
    """A mean latent, added or subtracted."""

    sign: int  # 1 or -1
    text: str  # as written
    seeds: tuple[int, ...] = ()  # of its exemplars; empty: samples of a class are to be found
    wanted: str = ""  # the class to be found


def parse(text: str) -> tuple[Term, ...]:
    """ "0,1 - class:7" -> its terms; raises InputError."""
    parts = re.split(r"\s+([+-])\s+", text.strip())
    return tuple(
        _term(part, sign, f"--arithmetic {text!r}:") for part, sign in zip(parts[::2], ["+", *parts[1::2]], strict=True)
    )


def _term(text: str, sign: str, option: str) -> Term:
    number = 1 if sign == "+" else -1
    kind, colon, wanted = text.partition(":")
    if colon and kind.strip() == "class" and wanted.strip():
        return Term(number, text, wanted=wanted.strip())
    if not re.fullmatch(r"[\d\s,-]+", text):
        raise InputError(f"{option} {text!r} is no term; right: seeds 0,1,2 or class:7, joined as in {FORM}")
    return Term(number, text, tuple(parse_seeds(text, option)))


def classifier(name: str, terms: Sequence[Term]) -> Features:
    """The feature network `name`, which finds the classes of the terms; raises InputError when it knows none such."""
    network = features.find_network(name)
    for term in terms:
        if term.wanted and not network.classes:
            raise InputError(
                f"--arithmetic: {term.text}: the recipe's feature network, [eval] features = {name!r}, knows no "
                "classes; name seeds instead"
            )
        if term.wanted and term.wanted not in network.classes:
            raise InputError(
                f"--arithmetic: {term.text}: {name!r} knows no such class{nearest(term.wanted, network.classes)}"
            )
    return network


def find_exemplars(terms: Sequence[Term], n: int, network: Features, samples: np.ndarray) -> tuple[Term, ...]:
    """The terms with seeds for their classes: the first n whose samples [SEARCHED, H, W, C] the network takes for it.

    Raises InputError when there are fewer.
    """
    logits = np.concatenate([outputs["logits"] for outputs in extract(network, np.split(samples, SEARCHED // 100))])
    told = logits.argmax(axis=1)

    def found(term: Term) -> Term:
        seeds = np.flatnonzero(told == network.classes.index(term.wanted))
        if len(seeds) < n:
            mend = f"--n {len(seeds)} would do" if len(seeds) else "name seeds instead"
            raise InputError(
                f"--arithmetic: {term.text}: of the samples of seeds 0 to {SEARCHED - 1}, {network.name!r} takes "
                f"{len(seeds)} for it, and {n} are wanted; {mend}"
            )
        return term._replace(seeds=tuple(seeds[:n].tolist()))

    return tuple(found(term) if term.wanted else term for term in terms)


def plan(
    terms: Sequence[Term],
    draw: Callable[[Sequence[int]], Inputs],
    settings: Sequence[Setting],
    numbers: Collection[str],
    seed: int,
) -> Plan:
    """Exemplars of all terms, their means, the result and its neighbours, in this order; the last 1 + 8 are the result.

    `draw`: seeds -> inputs. `numbers`: those among the controls. What is no float, a category above all, is that of
    the first exemplar everywhere, or what it is set to.
    """
    drawn = draw([own for term in terms for own in term.seeds])
    inputs = put(combine(drawn, terms, numbers, seed), settings)
    names = [f"seed {own}" for term in terms for own in term.seeds]
    results = ["result", *[f"neighbour {i + 1}" for i in range(NEIGHBOURS)]]
    names = [*names, *(f"mean of {term.text}" for term in terms), *results]
    return Plan(inputs, names, _sheet(terms, title(settings)))


def combine(drawn: Inputs, terms: Sequence[Term], numbers: Collection[str], seed: int) -> Inputs:
    """Inputs of the exemplars [E, ...] -> of exemplars, T means, the result and its neighbours: [E + T + 1 + 8, ...].

    https://arxiv.org/abs/1511.06434, section 6.3.2: the mean latents of the terms are added and subtracted, and noise
    is added to the result, a pure function of the seed; not to the numbers among the controls, which are summed alike.
    """
    sizes = [len(term.seeds) for term in terms]
    means = np.repeat(np.eye(len(terms)), sizes, axis=1) / np.array(sizes)[:, None]  # [T, E]
    weights = np.concatenate([means, np.array([[term.sign for term in terms]]) @ means])  # [T + 1, E]
    rng = np.random.default_rng(seed)

    def extended(name: str, x: np.ndarray) -> np.ndarray:
        if not np.issubdtype(x.dtype, np.floating):
            return np.broadcast_to(x[0], (len(x) + len(weights) + NEIGHBOURS, *x.shape[1:]))
        combined = np.tensordot(weights, x.astype(np.float64), axes=1)  # [T + 1, ...]
        reach = 0.0 if name in numbers else REACH
        around = combined[-1] + rng.uniform(-reach, reach, (NEIGHBOURS, *x.shape[1:]))
        return np.concatenate([x, combined, around]).astype(x.dtype)

    return {name: extended(name, drawn[name]) for name in sorted(drawn)}


def results(inputs: Inputs) -> slice:
    """Which of a plan's samples are the result and its neighbours."""
    return slice(count(inputs) - 1 - NEIGHBOURS, None)


def _sheet(terms: Sequence[Term], text: str) -> Sheet:
    """A row a term, its exemplars and in the last column the mean's sample; below it the result and its neighbours."""
    sizes = [len(term.seeds) for term in terms]
    longest, total = max(sizes), sum(sizes)
    cells = np.full((len(terms), longest + 1), -1)
    for row, size in enumerate(sizes):
        cells[row, :size] = sum(sizes[:row]) + np.arange(size)
        cells[row, -1] = total + row
    rows = [f"{'+' if term.sign > 0 else '-'} {term.text}" for term in terms]
    last = total + len(terms) + np.arange(1 + NEIGHBOURS)[None]
    return (
        Block(cells, rows, [*[""] * longest, "mean"], title=text),
        Block(last, ["= result"], ["result", *[f"± {REACH}"] * NEIGHBOURS]),
    )
