"""Tests of single values, as functions: equality, wildcards, ranges, free text."""

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from evalforge.ingestion.query.ast import Between, Equals, Exists, Matches, Test
from evalforge.ingestion.query.fields import FREE_TEXT_CHARS
from evalforge.ingestion.query.terms import NUMBER, unescaped

ValueTest: TypeAlias = Callable[[Any], bool]
TEXTS_REMEMBERED, LONGEST_REMEMBERED = 1024, 100
"""Short texts, such as the types of errors, come again and again: what a pattern said of them is kept."""
_PIECE = re.compile(r"\\.|[*?]|[^\\*?]+", re.DOTALL)


def value_test(test: Test, *, ignore_case: bool) -> ValueTest:
    """Whether a value that is no null passes."""
    match test:
        case Exists():
            return lambda value: value is not None
        case Equals(text=text):
            return _equals(text, ignore_case=ignore_case)
        case Matches(pattern=pattern):
            return _matches(glob(pattern, ignore_case=ignore_case))
        case Between():
            return _between(test)


def any_test(tests: Sequence[Test], *, ignore_case: bool) -> ValueTest:
    """Whether a value that is no null passes one of the tests; the patterns among them are tried as one."""
    patterns = [_glob_source(test.pattern) for test in tests if isinstance(test, Matches)]
    others = [value_test(test, ignore_case=ignore_case) for test in tests if not isinstance(test, Matches)]
    if patterns:
        others.append(_matches(_regex("|".join(f"(?:{source})" for source in patterns), ignore_case=ignore_case)))
    return others[0] if len(others) == 1 else lambda value: any(test(value) for test in others)


def text_test(test: Equals | Matches) -> ValueTest:
    """Whether a text holds the phrase, or as a whole fits the pattern; case is ignored."""
    if isinstance(test, Matches):
        fits = glob(test.pattern, ignore_case=True).match
        return lambda value: value.__class__ is str and fits(value[:FREE_TEXT_CHARS]) is not None
    wanted = test.text.lower()
    return lambda value: value.__class__ is str and wanted in value[:FREE_TEXT_CHARS].lower()


def glob(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    """The pattern as a regular expression for whole texts that never goes back over a `*`, so that none is slow."""
    return _regex(_glob_source(pattern), ignore_case=ignore_case)


def _regex(source: str, *, ignore_case: bool) -> re.Pattern[str]:
    return re.compile(source, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _glob_source(pattern: str) -> str:
    chunks = [""]
    for piece in _PIECE.findall(pattern):
        if piece == "*":
            chunks.append("")
        else:
            chunks[-1] += "." if piece == "?" else re.escape(unescaped(piece))
    first, *middle = chunks
    if not middle:
        source = first
    else:
        *middle, last = middle
        source = first + "".join(f"(?>.*?{chunk})" for chunk in middle if chunk) + f".*{last}"
    return source + r"\Z"


def _equals(text: str, *, ignore_case: bool) -> ValueTest:
    wanted = text.lower() if ignore_case else text
    found = NUMBER.match(text)
    number = None if not found or found.group(2) else _number(text)

    def test(value: Any) -> bool:
        kind = value.__class__
        if kind is str:
            return bool((value.lower() if ignore_case else value) == wanted)
        if kind is bool:
            return text == ("true" if value else "false")
        if kind is int or kind is float:
            return number is not None and bool(value == number)
        return False

    return test


def _number(text: str) -> int | float:
    return float(text) if set(text) & set(".eE") else int(text)


def _matches(pattern: re.Pattern[str]) -> ValueTest:
    fits = pattern.match
    known = lru_cache(maxsize=TEXTS_REMEMBERED)(lambda text: fits(text) is not None)

    def test(value: Any) -> bool:
        if value.__class__ is not str:
            return False
        return known(value) if len(value) <= LONGEST_REMEMBERED else fits(value) is not None

    return test


def _between(test: Between) -> ValueTest:
    low = -math.inf if test.low is None else test.low.value
    high = math.inf if test.high is None else test.high.value

    def inclusive(value: Any) -> bool:
        return value.__class__ in (int, float) and bool(low <= value <= high) and abs(value) != math.inf

    def exclusive(value: Any) -> bool:
        return value.__class__ in (int, float) and bool(low < value < high)

    return inclusive if test.inclusive else exclusive
