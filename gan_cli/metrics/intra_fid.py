"""Fréchet distance class by class: real examples of a class against fakes that were asked for it."""

import numpy as np

from gan_cli.metrics.frechet import check_n, frechet_distance, statistics
from gan_cli.metrics.metric import Metric, Sample, Scope
from gan_cli.types import CLASS


def intra_fid() -> Metric:
    """Mean over the classes of the Fréchet distance between real examples of a class and fakes of it; 0 is best.

    https://arxiv.org/abs/1802.05637, section 4. `intra-fid-3` is the distance of class number 3. Biased upwards by
    small numbers as FID is, and a class has K times fewer examples than all K classes together. Raises InputError when
    a class has too few examples on either side.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        assert real is not None
        code = fake.codes[CLASS]
        assert real.labels is not None
        assert code.values is not None
        distances = {}
        for label in range(code.control.categories):
            parts = real.outputs["features"][real.labels == label], fake.outputs["features"][code.values == label]
            for part, what in zip(parts, ("real", "fake"), strict=True):
                check_n(len(part), part.shape[1], what, f" of class {label}")
            distances[label] = frechet_distance(*map(statistics, parts))
        mean = float(np.mean(list(distances.values())))
        return {"intra-fid": mean, **{f"intra-fid-{label}": value for label, value in distances.items()}}

    def check(plan: Scope) -> tuple[str, ...]:
        notices: tuple[str, ...] = ()
        for counts, what in ((plan.real_by_class, "real"), (plan.fake_by_class, "fake")):
            rarest = int(np.argmin(counts))
            notices += check_n(counts[rarest], plan.dim, what, f" of class {rarest}")
        return notices

    return Metric(
        name="intra-fid",
        lower_is_better=True,
        one_line="sees what fid sees, within each class, and classes that are taken for each other; cannot see "
        "memorised training images or anything beyond second moments",
        paper="https://arxiv.org/abs/1802.05637",
        compute=compute,
        needs_real=True,
        needs_class=True,
        needs_labels=True,
        keeps=("features",),
        keeps_real=("features",),
        check=check,
    )
