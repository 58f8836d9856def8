"""On PYTHONPATH: the clock of the day jumps back and forth by hours at every look; the monotonic one does not.

Counts the looks in the file that FAULTS_CLOCK names.
"""

import atexit
import os
import random
import time

HOURS = 12.0  # at most, either way
_TIME, _LOCALTIME = time.time, time.localtime
_RANDOM = random.Random(os.getpid())
_LOOKS = [0]


def _jumping() -> float:
    _LOOKS[0] += 1
    return _TIME() + _RANDOM.uniform(-HOURS, HOURS) * 3600


def _count() -> None:
    with open(os.environ["FAULTS_CLOCK"], "a", encoding="utf-8") as file:
        file.write(f"{_LOOKS[0]}\n")


time.time = _jumping
time.time_ns = lambda: int(_jumping() * 1e9)
time.localtime = lambda seconds=None: _LOCALTIME(_jumping() if seconds is None else seconds)
atexit.register(_count)
