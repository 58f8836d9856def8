"""Fréchet distance between the features of real and of fake images."""

from gan_cli.errors import InputError
from gan_cli.metrics.frechet import check_n, frechet_distance
from gan_cli.metrics.metric import Metric, Sample


def fid() -> Metric:
    """Fréchet distance of real and fake features (FID); 0 is best.

    Called FID whatever the features are, as is usual; only numbers with the same protocol can be compared.
    Paper: https://arxiv.org/abs/1706.08500.
    """

    def compute(real: Sample | None, fake: Sample) -> dict[str, float]:
        if real is None:
            raise InputError("fid compares with real images: give some (--real, or a run whose data set is at hand)")
        return {"fid": frechet_distance(real.statistics, fake.statistics)}

    return Metric(
        name="fid",
        needs_real=True,
        lower_is_better=True,
        one_line="sees blur, noise, missing classes and collapse as shifts of mean and covariance of features; "
        "cannot see memorised training images or anything beyond second moments",
        paper="https://arxiv.org/abs/1706.08500",
        compute=compute,
        check=lambda plan: (
            *check_n(plan.n_real or None, plan.dim, "real"),
            *check_n(plan.n_fake or None, plan.dim, "fake"),
        ),
    )
