"""No pattern that reads customer text tries exponentially many ways to match it, however it is made."""

import importlib
import pkgutil
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import evalforge.ingestion

WORDS = "a A 1 _ - . aA Aa aa AA aaA a. a- a_ A_ a: a/ a, a= a@ 1. = , : / % & < > ( [ { \\ \" ' @ # ; $ + é Éa a' Mc"
UNITS = (*WORDS.split(), " ", "\n", "\t", "a\n", "1 ", "aa ", "Aa ", "Jane Doe ", "von A ")
TAILS = ("", "!", "\n", "=", '"', "\x00", "Z1é")
LENGTH = 60
"""Long enough for ways that double with each character to take years."""
MOST_SECONDS = 5.0
"""Of all texts together: a tenth of a second is usual."""


class TooLongError(Exception):
    pass


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every pattern of Python's own engine in the modules of ingestion; those of RE2 are linear."""
    for module in pkgutil.walk_packages(evalforge.ingestion.__path__, "evalforge.ingestion."):
        for name, value in vars(importlib.import_module(module.name)).items():
            for pattern in found_in(value):
                yield f"{module.name}.{name}", pattern


def found_in(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from found_in(tuple(value.values()))
    elif isinstance(value, tuple):
        for item in value:
            yield from found_in(item)


FOUND = {(pattern.pattern, pattern.flags): (name, pattern) for name, pattern in patterns()}


def test_the_patterns_are_found() -> None:
    assert len(FOUND) > 100


@pytest.mark.parametrize(("name", "pattern"), FOUND.values(), ids=[name for name, _ in FOUND.values()])
def test_no_pattern_takes_exponential_time(name: str, pattern: re.Pattern[Any]) -> None:
    def read_all() -> None:
        for unit in UNITS:
            for tail in TAILS:
                text = (unit * LENGTH)[:LENGTH] + tail
                given: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
                for read in (pattern.match, pattern.fullmatch, pattern.search):
                    read(given)

    in_time(name, read_all)


def in_time(name: str, work: Callable[[], None]) -> None:
    """The engine gives way to signals while it matches."""

    def over(*_: Any) -> None:
        raise TooLongError(name)

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
