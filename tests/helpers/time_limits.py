"""Limits of time that no slow or busy machine breaks: judged against work done in the same process right beside."""

import gc
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

ATTEMPTS = 3
YARDSTICK_SECONDS = 0.02
"""What `_yardstick` takes on the machine that the limits were set on: two cores of 2.5 GHz, otherwise idle."""
_TEXT = "".join(f"{number:x} " for number in range(20_000))
_WORDS = re.compile(r"(\w+) ")

Given = TypeVar("Given")


def within(seconds: float, work: Callable[[], Given]) -> Given:
    """What the work gives; fails if it takes more time of the processor than so much, at the third attempt too.

    The seconds are those of the machine that the limits were set on. Where the yardstick takes longer right after the
    work, they are longer by as much.
    """
    attempts = []
    for _ in range(ATTEMPTS):
        with _no_collection():
            took, given = _seconds(work)
            if took <= seconds:
                return given
            slowness = _seconds(_yardstick)[0] / YARDSTICK_SECONDS
        if took <= seconds * slowness:
            return given
        attempts.append(f"{took:.2f} s on a machine {slowness:.1f} times as slow")
    raise AssertionError(f"more than {seconds} s: {', '.join(attempts)}")


def _yardstick() -> None:
    """Plain work: objects made, text matched and copied, bytes compared."""
    words = _WORDS.sub(r"<\1>", _TEXT).split(">")
    sorted({word: len(word) for word in words}.items(), key=lambda pair: (pair[1], pair[0]))


def _seconds(work: Callable[[], Given]) -> tuple[float, Given]:
    start = time.process_time()
    given = work()
    return time.process_time() - start, given


@contextmanager
def _no_collection() -> Iterator[None]:
    """A collection of garbage goes through all that thousands of tests left behind, at a moment of luck."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
