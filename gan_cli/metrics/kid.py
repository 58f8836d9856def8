"""Kernel Inception Distance: squared maximum mean discrepancy of features under a polynomial kernel."""

from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from gan_cli.data.order import order
from gan_cli.metrics.kernel import LEAST, Kernel, check_sides, mmd2, mmd2_value, polynomial
from gan_cli.metrics.metric import Metric, Sample

REAL, FAKE = 1, 2  # seeds of the subsets


def kid(
    *,
    degree: PositiveInt = 3,  # of the kernel (x.y / D + coefficient)^degree
    coefficient: NonNegativeFloat = 1.0,
    subsets: NonNegativeInt = 0,  # random subsets that are averaged over, in papers 100; 0: all images at once
    subset_size: Annotated[int, Field(ge=2)] = 1000,  # images of each side in a subset
) -> Metric:
    """Unbiased MMD² of real and fake features under a polynomial kernel (KID); 0 is best, by chance it is negative.

    https://arxiv.org/abs/1801.01401, called KID whatever the features are. Unlike FID it is not biased by the number of
    images. `kid-error` is the standard error over draws of the images, see `kernel.mmd2`. With `subsets` the value is
    instead the mean over subsets, drawn without replacement, as papers and torch-fidelity have it, and `kid-std` their
    standard deviation: that of one subset's value, not the error of the mean. Departure: by default all images are
    taken at once, which gives the same value in expectation with less noise.
    """
    kernel = partial(polynomial, degree=degree, coefficient=coefficient)
    least, why = (subset_size, "in a subset") if subsets else (LEAST, "at least")

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        x, y = real.outputs["features"], fake.outputs["features"]
        if not subsets:
            found = mmd2(kernel, x, y)
            return {"kid": found.value, "kid-error": found.error}
        values = of_subsets(kernel, x, y, subsets, subset_size)
        return {"kid": float(values.mean()), "kid-std": float(values.std())}

    return Metric(
        name="kid",
        lower_is_better=True,
        one_line="sees blur, noise, missing classes and collapse as shifts of the features' first three moments, "
        "without bias at few images; cannot see memorised training images. Negative by chance where it is about 0",
        paper="https://arxiv.org/abs/1801.01401",
        compute=compute,
        needs_real=True,
        keeps=("features",),
        keeps_real=("features",),
        check=lambda plan: check_sides(plan, "kid", least, why),
    )


def of_subsets(kernel: Kernel, real: np.ndarray, fake: np.ndarray, subsets: int, size: int) -> np.ndarray:
    """MMD² of random subsets of `size` features a side, always the same ones: [subsets] float64."""
    sides = ((real, REAL), (fake, FAKE))
    chosen = ([side[order(seed, len(side), i)[:size]] for side, seed in sides] for i in range(subsets))
    return np.array([mmd2_value(kernel, x, y) for x, y in chosen])
