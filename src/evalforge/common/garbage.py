"""The garbage collector, told that a run makes millions of objects and no cycles."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = (50_000, 20, 100)
"""With Python's default, 700 new objects, the collector goes over the same live spans again and again: a tenth of a run
(`benchmarks.capture_speed`)."""

_lock = threading.Lock()
_before: list[tuple[int, int, int]] = []


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Collect rarely while this lasts; what was set before comes back when the last of those that overlap ends."""
    with _lock:
        _before.append(gc.get_threshold())
        gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        with _lock:
            earliest, *_ = _before
            _before.pop()
            if not _before:
                gc.set_threshold(*earliest)
