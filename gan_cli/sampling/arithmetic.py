"""`gan sample --arithmetic`: sums and differences of mean latents."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from gan_cli import features, media
from gan_cli.binding import nearest
from gan_cli.engine.sampler import Inputs
from gan_cli.errors import InputError
from gan_cli.features import Features
from gan_cli.metrics.collect import extract
from gan_cli.pictures.labelled import Block
from gan_cli.sampling.arrange import Plan, put, title
from gan_cli.sampling.controls import Setting
from gan_cli.sampling.request import Term
from gan_cli.types import CLASS, Control, Spec

SEARCHED = 1000  # seeds, 0 to 999, among which samples of a class are looked for
NEIGHBOURS = 8  # of the result
REACH = 0.25  # noise of the neighbours: U(-0.25, 0.25) on each component of the latent, as in the paper


def check_sum(
    terms: Sequence[Term], settings: Sequence[Setting], controls: Mapping[str, Control], *, points: bool
) -> None:
    """Raise InputError for a sum that a model with these controls cannot make. `points`: its samples are points."""
    if points:
        raise InputError("--arithmetic makes pictures, and the samples of this recipe are points")
    for setting in settings:
        if setting.is_sweep:
            raise InputError(f"--arithmetic: {setting.name} can have one value, that of all samples, not several")
    chosen = [setting.name for setting in settings]
    free = [name for name, control in controls.items() if control.categories and name not in chosen]
    for term in terms:
        if term.wanted and CLASS in controls:
            raise InputError(f"--arithmetic: {term.text} is for models without classes; this one has --class")
        if term.wanted and free:
            raise InputError(
                f"--arithmetic: {term.text}: what a sample shows depends on {free[0]}, too; set it, --code {free[0]}=0"
            )


def classifier(name: str, terms: Sequence[Term], spec: Spec) -> Features:
    """The feature network `name`, which finds the classes of the terms among samples that look like `spec`.

    Raises InputError when it knows none such, and for samples that are no images.
    """
    wanted = next(term for term in terms if term.wanted)
    if not media.is_image(spec):
        raise InputError(
            f"--arithmetic: {wanted.text} is found by a feature network of images, and the samples of this recipe are "
            f"{media.of(spec).many}; name seeds instead"
        )
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
    found = []
    for term in terms:
        if not term.wanted:
            found.append(term)
            continue
        seeds = np.flatnonzero(told == network.classes.index(term.wanted))
        if len(seeds) < n:
            mend = f"--n {len(seeds)} would do" if len(seeds) else "name seeds instead"
            raise InputError(
                f"--arithmetic: {term.text}: of the samples of seeds 0 to {SEARCHED - 1}, {network.name!r} takes "
                f"{len(seeds)} for it, and {n} are wanted; {mend}"
            )
        found.append(term._replace(seeds=tuple(seeds[:n].tolist())))
    return tuple(found)


def plan_sum(
    terms: Sequence[Term], drawn: Inputs, settings: Sequence[Setting], numbers: Collection[str], seed: int
) -> Plan:
    """Exemplars of all terms, their means, the result and its neighbours, in this order; the last 1 + 8 are kept.

    `drawn`: inputs of the exemplars [E, ...]. `numbers`: those among the controls. What is no float, a category above
    all, is that of the first exemplar everywhere, or what it is set to. In the picture each term is a row: its
    exemplars, and in the last column the mean's sample. Below it are the result and its neighbours.
    """
    inputs = put(combine(drawn, terms, numbers, seed), settings)
    names = [f"seed {own}" for term in terms for own in term.seeds]
    names += [f"mean of {term.text}" for term in terms]
    names += ["result", *[f"neighbour {i + 1}" for i in range(NEIGHBOURS)]]

    sizes = [len(term.seeds) for term in terms]
    longest, total = max(sizes), sum(sizes)
    cells = np.full((len(terms), longest + 1), -1)
    for row, size in enumerate(sizes):
        cells[row, :size] = sum(sizes[:row]) + np.arange(size)
        cells[row, -1] = total + row
    rows = [f"{'+' if term.sign > 0 else '-'} {term.text}" for term in terms]
    last = total + len(terms) + np.arange(1 + NEIGHBOURS)[None]
    sheet = (
        Block(cells, rows, [*[""] * longest, "mean"], title=title(settings)),
        Block(last, ["= result"], ["result", *[f"± {REACH}"] * NEIGHBOURS]),
    )
    return Plan(inputs, names, sheet, kept=slice(total + len(terms), None))


def combine(drawn: Inputs, terms: Sequence[Term], numbers: Collection[str], seed: int) -> Inputs:
    """Inputs of the exemplars [E, ...] -> of exemplars, T means, the result and its neighbours: [E + T + 1 + 8, ...].

    https://arxiv.org/abs/1511.06434, section 6.3.2: the mean latents of the terms are added and subtracted, and noise
    is added to the result, a pure function of the seed; not to the numbers among the controls, which are summed alike.
    """
    sizes = [len(term.seeds) for term in terms]
    means = np.repeat(np.eye(len(terms)), sizes, axis=1) / np.array(sizes)[:, None]  # [T, E]
    weights = np.concatenate([means, np.array([[term.sign for term in terms]]) @ means])  # [T + 1, E]
    rng = np.random.default_rng(seed)

    made: dict[str, np.ndarray] = {}
    for name in sorted(drawn):  # so that the noise does not depend on the order in which the game names them
        x = drawn[name]
        if np.issubdtype(x.dtype, np.floating):
            combined = np.tensordot(weights, x.astype(np.float64), axes=1)  # [T + 1, ...]
            reach = 0.0 if name in numbers else REACH
            around = combined[-1] + rng.uniform(-reach, reach, (NEIGHBOURS, *x.shape[1:]))
            made[name] = np.concatenate([x, combined, around]).astype(x.dtype)
        else:
            made[name] = np.broadcast_to(x[0], (len(x) + len(weights) + NEIGHBOURS, *x.shape[1:]))
    return made
