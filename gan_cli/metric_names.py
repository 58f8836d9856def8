"""What people call metrics: other names of those that are here, and where to turn for those that are not.

Only a metric's own name is ever stored: a recipe with another one for it is the same recipe.
"""

import re

NAMES = {  # metric -> what else it answers to: papers' names, and the keys of other programs
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
}
ELSEWHERE = {  # names that are of no metric here, or of more than one -> what to take
    "prdc": "it is two metrics here: precision-recall,density-coverage",
    "ms": "mode-score or ms-ssim",
    "ssim": "of samples among themselves there is ms-ssim; nothing here compares an image with its original",
    "psnr": "nothing here compares an image with its original",
    "lpips": "diversity is told by ms-ssim or by precision-recall",
    "ppl": "no metric here looks at a path between latents; gan sample --interpolate draws one",
    "clean-fid": "it is fid through other features: --metric fid --features inception.clean",
    "cmmd": "it is mmd through features of CLIP: --metric mmd --features FILE.py:FUNCTION",
    "cas": "class-agreement asks a classifier that was trained on real images",
    "vendi": "diversity is told by precision-recall or density-coverage",
    "authenticity": "copies of training images are told by memorisation",
    "nll": "of a known prior, ais or parzen estimates the log-likelihood",
    "log-likelihood": "ais or parzen estimates it",
    "accuracy": "code-accuracy, class-agreement or one-nn",
}
_OWN = {other: name for name, others in NAMES.items() for other in others}


def canonical(name: str) -> str:
    """A metric's own name: " IS", "inception_score" -> "inception-score"; other words are as they are, with dashes."""
    plain = re.sub(r"[\s_-]+", "-", name.strip().lower())
    return _OWN.get(plain, plain)


def all_canonical(names: str) -> list[str]:
    """Names separated by commas -> each metric's own name, once."""
    return list(dict.fromkeys(map(canonical, names.split(","))))


def elsewhere(name: str) -> str:
    """The end of a message about a name in ELSEWHERE; empty for others."""
    known = ELSEWHERE.get(canonical(name))
    return f"; {known}" if known else ""
