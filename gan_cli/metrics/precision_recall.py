"""Quality and variety apart: fakes within the real images' manifold, and real images within the fakes'."""

import numpy as np
from pydantic import PositiveInt

from gan_cli.metrics.metric import Metric, Sample, Scope, require_images
from gan_cli.metrics.neighbours import distinct, held, radii


def precision_recall(
    *,
    k: PositiveInt = 3,  # a ball reaches from an image to the k-th nearest other one of its kind
) -> Metric:
    """Harmonic mean of improved precision and recall: 0 to 1 (best).

    https://arxiv.org/abs/1904.06991. `precision-recall-precision` is the share of fakes that lie in the ball around any
    real image, `precision-recall-recall` the share of real images that lie in the ball around any fake. Balls are
    closed, as in the paper, and a copy of an image is a neighbour like any other. Real images against as many others do
    not score 1, so compare with them. An outlier's ball is large: one bad real image makes fakes around it precise, and
    scattered fakes make recall high (https://arxiv.org/abs/2002.09797; see density-coverage).
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        reals, fakes = distinct(real.outputs["features"]), distinct(fake.outputs["features"])
        precision = float(np.mean(held(reals, radii(reals, k), fakes, closed=True).balls > 0))
        recall = float(np.mean(held(fakes, radii(fakes, k), reals, closed=True).balls > 0))
        return {
            "precision-recall": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
            "precision-recall-precision": precision,
            "precision-recall-recall": recall,
        }

    def check(plan: Scope) -> tuple[str, ...]:
        few = min(plan.n_real, plan.n_fake)
        require_images(few, k + 1, f"precision-recall with k = {k} needs {k + 1} images of each kind")
        if plan.n_real == plan.n_fake:
            return ()
        return (
            f"precision-recall: {plan.n_real} real and {plan.n_fake} fake images; with fewer of a kind the balls "
            "around them are larger: papers have equal numbers",
        )

    return Metric(
        name="precision-recall",
        lower_is_better=False,
        one_line="sees bad images (precision) and missing kinds (recall), each apart; cannot see uneven shares or "
        "memorised images, and takes scattered outliers for variety",
        paper="https://arxiv.org/abs/1904.06991",
        compute=compute,
        needs_real=True,
        keeps=("features",),
        keeps_real=("features",),
        check=check,
    )
