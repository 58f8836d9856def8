"""Runs and data at URLs (gs://, s3://, whatever fsspec knows): the rest of the program works on copies of them here.

What is read is fetched into the user's cache (`fetch.py`); a run is trained in a copy (`mirror.py`).
"""

import os
from pathlib import Path


def user_cache() -> Path:
    """Where downloads are kept: $GAN_CACHE_DIR, or `gan` in $XDG_CACHE_HOME or ~/.cache.

    For a user without a home, a path that cannot be made: what needs it says so.
    """
    if chosen := os.environ.get("GAN_CACHE_DIR"):
        return Path(chosen)
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # in a container: the user's number has no name
        base = Path(os.devnull)
    return base / "gan"
