"""The protocol between the benchmark and its contenders. Nothing but the standard library: both sides import it.

A contender prints one JSON object when it is ready (facts about itself), then answers each line "N" on stdin with one
JSON object: the seconds that N units of its work took. It leaves when stdin ends.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def serve(work: Callable[[int], Any], **facts: Any) -> None:
    """Answer every line N on stdin with the seconds that `work(N)` took; `work` returns when all of it is done."""
    say(ready=True, **facts)
    for line in sys.stdin:
        began = time.perf_counter()
        work(int(line))
        say(seconds=time.perf_counter() - began)


def serve_prepared(prepare: Callable[[int], Callable[[], Any]], **facts: Any) -> None:
    """As `serve`, where `prepare(N)` is not timed and what it returns is."""
    say(ready=True, **facts)
    for line in sys.stdin:
        work = prepare(int(line))
        began = time.perf_counter()
        work()
        say(seconds=time.perf_counter() - began)


def say(**answer: Any) -> None:
    """One line of JSON on stdout."""
    print(json.dumps(answer), flush=True)
