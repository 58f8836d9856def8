"""Ways of running a PyTorch peer: eager or compiled, layouts, threads, allocators. The best of a case is the peer."""

import ctypes.util
import functools
import os
from collections.abc import Mapping
from typing import NamedTuple


class Variant(NamedTuple):
    """Options of its script and variables of its environment."""

    options: tuple[str, ...]
    env: Mapping[str, str] = {}


def plain(words: str, *options: str) -> Variant:
    return Variant(("--variant", words, *options))


def with_tcmalloc(variants: Mapping[str, Variant]) -> dict[str, Variant]:
    """The variants under another allocator, where it is installed."""
    preload = {"LD_PRELOAD": tcmalloc()}
    return {f"{name}, tcmalloc": each._replace(env=preload) for name, each in variants.items() if tcmalloc()}


@functools.cache
def tcmalloc() -> str:
    """The library to preload: $BENCH_TCMALLOC, or the installed one (apt install libtcmalloc-minimal4); "": none."""
    names = map(ctypes.util.find_library, ("tcmalloc_minimal", "tcmalloc"))
    return os.environ.get("BENCH_TCMALLOC") or next(filter(None, names), "")


EAGER = {"PyTorch eager": plain("eager")}
IN_PARTS = {"PyTorch compile, channels_last": plain("compile,channels_last")}
IMAGES = {"PyTorch channels_last": plain("channels_last"), **IN_PARTS}
PYTORCH = {**EAGER, **IMAGES, **with_tcmalloc(IMAGES)}
SMALL_BATCH = {"PyTorch compile, channels_last, batch 64": plain("compile,channels_last", "--batch", "64")}
WHOLE_IMAGES = {"PyTorch whole step compiled, channels_last": plain("whole,channels_last")}
SMALL_IMAGES = {**EAGER, **IN_PARTS, **WHOLE_IMAGES, **with_tcmalloc(WHOLE_IMAGES)}
ONE_THREAD = {"PyTorch whole step compiled, 1 thread": plain("whole", "--threads", "1")}
SMALL = {  # networks so small that threads and dispatch decide
    **EAGER,
    "PyTorch eager, 1 thread": plain("eager", "--threads", "1"),
    "PyTorch whole step compiled": plain("whole"),
    **ONE_THREAD,
    **with_tcmalloc(ONE_THREAD),
}
