"""Theirs, for speed.py: python speed_theirs.py TASK [FOLDER [OUT]]. Answers as scripts/bench/worker.py says.

FOLDER holds legacy.pth for the tasks that need the network, and what speed_fill.py writes for the others.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import inception_torch
import numpy as np
import torch
from worker import serve, serve_prepared

BATCHES = {"pytorch-fid": 50, "torch-fidelity": 64}  # images at once; their defaults
Sides = tuple[np.ndarray, np.ndarray]


def inception(task: str, weights: Path) -> None:
    """Features of n images, their mean and covariance, as each program calls its network."""
    network = of_pytorch_fid(weights) if task == "pytorch-fid" else of_torch_fidelity(weights)

    def prepare(n: int) -> Callable[[], object]:
        images = inception_torch.images((32, 32, 3), n).transpose(0, 3, 1, 2).copy()
        batches = np.split(images, range(BATCHES[task], n, BATCHES[task]))

        @torch.no_grad()
        def work() -> Sides:
            found = np.concatenate([network(torch.from_numpy(batch)).numpy() for batch in batches]).astype(np.float64)
            return found.mean(axis=0), np.cov(found, rowvar=False)

        return work

    prepare(BATCHES[task])()
    serve_prepared(prepare, threads=torch.get_num_threads())


def of_pytorch_fid(weights: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    patch_pytorch_fid(weights)
    from pytorch_fid import inception as fid

    network = fid.InceptionV3([3]).eval()
    return lambda x: network(x / 255)[0][:, :, 0, 0]


def patch_pytorch_fid(weights: Path) -> None:
    """Its weights from a file in place of the published ones."""
    from pytorch_fid import inception as fid

    fid.load_state_dict_from_url = lambda *_, **__: torch.load(weights)


def of_torch_fidelity(weights: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("fidelity", ["2048"], feature_extractor_weights_path=str(weights))
    return lambda x: network(x)[0]


def whole(task: str, folder: Path, out: Path) -> None:
    """FID of FOLDER/fake against FOLDER/real, files of images, by the program's own entry point."""
    paths = [str(folder / "real"), str(folder / "fake")]
    weights = Path(__file__).parents[2] / "build" / "parity" / "legacy.pth"
    if task == "pytorch-fid-whole":
        patch_pytorch_fid(weights)
        from pytorch_fid.fid_score import calculate_fid_given_paths

        value = calculate_fid_given_paths(paths, BATCHES["pytorch-fid"], "cpu", 2048, num_workers=2)
    else:
        from torch_fidelity import calculate_metrics

        options = {"feature_extractor_weights_path": str(weights), "cache": False, "verbose": False}
        found = calculate_metrics(input1=paths[0], input2=paths[1], fid=True, cuda=False, **options)
        value = found["frechet_inception_distance"]
    with out.open("a") as file:
        file.write(f"{task} {value!r}\n")


def metric(task: str, folder: Path) -> None:
    """A metric of the first n features a side."""
    real, fake = (np.load(folder / f"{name}.npy") for name in ("real", "fake"))
    compute = dict(metrics())[task]

    def work(n: int) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            compute(real[:n], fake[:n])

    with contextlib.redirect_stdout(sys.stderr):
        compute(real[:1000, :64].copy(), fake[:1000, :64].copy())
    serve(work, threads=torch.get_num_threads())


def metrics() -> Iterator[tuple[str, Callable[[np.ndarray, np.ndarray], object]]]:
    from prdc import compute_prdc
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    def sides(real: np.ndarray, fake: np.ndarray) -> Iterator[torch.Tensor]:
        return map(torch.from_numpy, (fake, real))

    def by_pytorch_fid(real: np.ndarray, fake: np.ndarray) -> object:
        found = (x.astype(np.float64) for x in (real, fake))  # as it collects them
        one, other = ((x.mean(axis=0), np.cov(x, rowvar=False)) for x in found)
        return calculate_frechet_distance(*one, *other)

    def by_torch_fidelity(real: np.ndarray, fake: np.ndarray) -> object:
        return fid_statistics_to_metric(*map(fid_features_to_statistics, sides(real, fake)), verbose=False)

    def prc(save_cpu_ram: bool) -> Callable[[np.ndarray, np.ndarray], object]:
        options = {"prc_neighborhood": 3, "prc_batch_size": 10_000, "save_cpu_ram": save_cpu_ram, "verbose": False}
        return lambda real, fake: prc_features_to_metric(*sides(real, fake), **options)

    subsets = {"kid_subsets": 100, "kid_subset_size": 1000, "verbose": False}
    yield "fid-pytorch-fid", by_pytorch_fid
    yield "fid-torch-fidelity", by_torch_fidelity
    yield "kid", lambda real, fake: kid_features_to_metric(*sides(real, fake), **subsets)
    yield "prc", prc(False)
    yield "prc-part", prc(True)
    yield "prdc", lambda real, fake: compute_prdc(real, fake, nearest_k=5)


if __name__ == "__main__":
    if sys.argv[1] in BATCHES:
        inception(sys.argv[1], Path(sys.argv[2]))
    elif sys.argv[1].endswith("-whole"):
        whole(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        metric(sys.argv[1], Path(sys.argv[2]))
