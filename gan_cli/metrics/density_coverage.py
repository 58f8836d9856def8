"""Quality and variety apart, by balls around real images alone."""

import numpy as np
from pydantic import PositiveInt

from gan_cli.metrics.metric import Metric, Sample, require_images
from gan_cli.metrics.neighbours import distinct, held, radii


def density_coverage(
    *,
    k: PositiveInt = 5,  # a ball reaches from a real image to the k-th nearest other one
) -> Metric:
    """Share of real images with a fake in the ball around them, the coverage: 0 to 1 (best).

    https://arxiv.org/abs/2002.09797. `density-coverage-density` is how many balls hold a fake, on average and divided
    by k: 1 is expected for samples of one law, above it fakes keep to where real images are dense. Coverage is the
    headline because it is bounded and falls with every missing kind, whereas density can be raised without limit by
    making the most usual image again and again. `density-coverage-expected` is the coverage that is expected for
    samples of one law, as the paper derives it: 1 - 2^-k for many images in equal numbers. Balls are open, as in the
    authors' code: where a real image has k copies nothing lies in its ball.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        reals, fakes = distinct(real.outputs["features"]), distinct(fake.outputs["features"])
        found = held(reals, radii(reals, k), fakes, closed=False)
        return {
            "density-coverage": float(np.mean(found.points > 0)),
            "density-coverage-density": float(np.mean(found.balls) / k),
            "density-coverage-expected": expected_coverage(len(reals.values), len(fakes.values), k),
        }

    return Metric(
        name="density-coverage",
        lower_is_better=False,
        one_line="sees missing kinds (coverage) and bad images (density), hardly moved by outliers; cannot see "
        "memorised images; coverage alone does not mind bad images beside good ones",
        paper="https://arxiv.org/abs/2002.09797",
        compute=compute,
        needs_real=True,
        keeps=("features",),
        keeps_real=("features",),
        check=lambda plan: require_images(
            plan.n_real, k + 1, f"density-coverage with k = {k} needs {k + 1} real images"
        ),
    )


def expected_coverage(n_real: int, n_fake: int, k: int) -> float:
    """Chance that any of a real image's k nearest neighbours is fake, when real and fake images have the same law."""
    i = np.arange(1, k + 1)
    return float(1 - np.prod((n_real - i) / (n_real + n_fake - i)))
