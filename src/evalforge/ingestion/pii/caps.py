"""Cutting sanitised text to a cap: always at the same place, and never within a mark."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import msgspec

from evalforge.ingestion.pii.placeholders import MARK

MARK_CHARS = 28
"""Room for `[TRUNCATED chars=N]`, N of up to nine digits."""
CUT = re.compile(r"\[TRUNCATED chars=(0|[1-9]\d{0,6})\]\Z")


def encoded_bytes(text: str) -> int:
    """Bytes of the text in JSON, with its quotes and escapes."""
    return len(msgspec.json.encode(text))


def cut(text: str, most: int, beyond: int = 0) -> str:
    """The text in at most so many characters; `beyond` more were left out already, and are counted in the mark."""
    if len(text) <= most and not beyond:
        return text
    text, before = _uncut(text)
    end = _before_mark(text, max(0, min(len(text), most - MARK_CHARS)))
    return f"{text[:end]}[TRUNCATED chars={len(text) - end + beyond + before}]"


def fit(text: str, most_bytes: int) -> str:
    """The text in at most so many encoded bytes, or the mark alone where those are too few."""
    if len(text) * 6 + 2 <= most_bytes or encoded_bytes(text) <= most_bytes:
        return text
    text, before = _uncut(text)
    room = most_bytes - MARK_CHARS
    sizes = range(len(text) + 1)
    end = bisect_right(sizes, room, key=lambda count: encoded_bytes(text[:count])) - 1
    end = _before_mark(text, max(0, end))
    return f"{text[:end]}[TRUNCATED chars={len(text) - end + before}]"


def cut_mark(text: object) -> int | None:
    """The characters that were cut where this is the mark of it, and nothing else; else None."""
    mark = CUT.match(text) if type(text) is str else None
    return int(mark[1]) if mark else None


def mark_last(keys: list[str], value: Mapping[str, Any]) -> list[str]:
    """The keys with the mark of what was cut from the object behind the others, where the cut put it."""
    marks = [key for key in keys if value[key] is None and CUT.match(key)]
    return [key for key in keys if key not in marks] + marks if marks else keys


def _uncut(text: str) -> tuple[str, int]:
    """The text without the mark of an earlier cut at its end, and the characters that this tells of."""
    mark = CUT.search(text, max(0, len(text) - MARK_CHARS))
    return (text[: mark.start()], int(mark[1])) if mark else (text, 0)


def _before_mark(text: str, position: int) -> int:
    """The position, or the start of the mark that it would cut in two."""
    return next((mark.start() for mark in MARK.finditer(text) if mark.start() < position < mark.end()), position)
