"""Diversity within a class: how similar the images of a class are to each other."""

import jax
import numpy as np
from pydantic import PositiveInt

from gan_cli.data.pipeline import ahead
from gan_cli.errors import InputError
from gan_cli.metrics import ssim
from gan_cli.metrics.metric import Metric, Sample, Scope
from gan_cli.types import CLASS

PAIRS_AT_ONCE = 64
_compiled = jax.jit(ssim.ms_ssim)


def ms_ssim(
    *,
    pairs: PositiveInt = 500,  # of each class; of all images where there are no classes
) -> Metric:
    """Mean multi-scale structural similarity (MS-SSIM) of pairs of fakes of one class, averaged over the classes.

    https://arxiv.org/abs/1610.09585, section 4.2, with 500 pairs a class instead of 100. The images themselves are
    compared, no features. It is 1 for a class of equal images; the lower, the more diverse, but noise is the most
    diverse of all: compare with as many pairs of real images, `ms-ssim-real`, or take the difference, `ms-ssim-excess`.
    `ms-ssim-3` and `ms-ssim-real-3` are of class number 3. For a game without classes, pairs are drawn from all fakes.
    Images of less than 176 pixels have fewer than five scales: see `ssim.ms_ssim`.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        asked = fake.codes[CLASS].values if CLASS in fake.codes and real.labels is not None else None
        fakes = similarities(fake.outputs["images"], asked, pairs)
        reals = similarities(real.outputs["images"], None if asked is None else real.labels, pairs)
        mean_fake, mean_real = (float(np.mean(list(found.values()))) for found in (fakes, reals))
        values = {"ms-ssim": mean_fake, "ms-ssim-real": mean_real, "ms-ssim-excess": mean_fake - mean_real}
        if asked is None:
            return values
        return {
            **values,
            **{f"ms-ssim-{label}": value for label, value in fakes.items()},
            **{f"ms-ssim-real-{label}": value for label, value in reals.items()},
        }

    def check(plan: Scope) -> tuple[str, ...]:
        if len(plan.shape) != 3 or not ssim.scales(*plan.shape[:2]):
            shape = "x".join(map(str, plan.shape))
            raise InputError(
                f"ms-ssim compares images of {ssim.WINDOW}x{ssim.WINDOW} pixels or more, and these are {shape}"
            )
        by_class = plan.real_by_class and plan.fake_by_class
        sides = (plan.real_by_class, plan.fake_by_class) if by_class else ((plan.n_real,), (plan.n_fake,))
        for counts, what in zip(sides, ("real", "fake"), strict=True):
            if min(counts) < 2:
                few = f"a class with as few as {min(counts)}" if by_class else f"only {min(counts)}"
                raise InputError(f"ms-ssim compares pairs of {what} images, and there is {few}: give more")
        return ()

    return Metric(
        name="ms-ssim",
        lower_is_better=True,
        one_line="sees collapse within a class, also where every image is good; cannot see quality: noise is diverse",
        paper="https://arxiv.org/abs/1610.09585",
        compute=compute,
        needs_real=True,
        keeps=("images",),
        keeps_real=("images",),
        check=check,
    )


def similarities(images: np.ndarray, labels: np.ndarray | None, pairs: int) -> dict[int, float]:
    """Mean MS-SSIM of random pairs of images uint8 [N, H, W, C] of each label [N].

    labels: None counts as label 0 for all. The pairs are always the same, of two different images each. Labels that
    fewer than two images have are left out.
    """
    groups = np.zeros(len(images), int) if labels is None else labels
    found = {}
    for label in np.unique(groups):
        members = np.flatnonzero(groups == label)
        if len(members) < 2:
            continue
        chosen = draw_pairs(members, pairs)
        # the last batch is filled up with pairs that are not counted
        whole = np.resize(chosen, (-(-pairs // PAIRS_AT_ONCE) * PAIRS_AT_ONCE, 2))
        batches = np.split(whole, len(whole) // PAIRS_AT_ONCE)
        values = ahead(_compiled(images[first], images[second]) for first, second in (batch.T for batch in batches))
        whole_values = np.concatenate([np.asarray(part) for part in values])
        found[int(label)] = float(whole_values[:pairs].mean(dtype=np.float64))
    return found


def draw_pairs(members: np.ndarray, pairs: int) -> np.ndarray:
    """Pairs of two different members [n], n at least 2: [pairs, 2], always the same ones.

    Drawn from the bits of Philox, whose stream NumPy promises to keep.
    """
    n = len(members)
    bits = np.random.Philox(np.random.SeedSequence(0)).random_raw(2 * pairs).reshape(pairs, 2)
    first = bits[:, 0] % n
    return members[np.stack([first, (first + 1 + bits[:, 1] % (n - 1)) % n], axis=1)]
