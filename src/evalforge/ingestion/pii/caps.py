"""Cutting sanitised text to a cap: always at the same place, and never within a mark."""

from bisect import bisect_right

import msgspec

from evalforge.ingestion.pii.placeholders import MARK

MARK_CHARS = 28
"""Room for `[TRUNCATED chars=N]`, N of up to nine digits."""


def encoded_bytes(text: str) -> int:
    """Bytes of the text in JSON, with its quotes and escapes."""
    return len(msgspec.json.encode(text))


def cut(text: str, most: int, beyond: int = 0) -> str:
    """The text in at most so many characters; `beyond` more were left out already, and are counted in the mark."""
    if len(text) <= most and not beyond:
        return text
    end = _before_mark(text, max(0, min(len(text), most - MARK_CHARS)))
    return f"{text[:end]}[TRUNCATED chars={len(text) - end + beyond}]"


def fit(text: str, most_bytes: int) -> str:
    """The text in at most so many encoded bytes, or the mark alone where those are too few."""
    if len(text) * 6 + 2 <= most_bytes or encoded_bytes(text) <= most_bytes:
        return text
    room = most_bytes - MARK_CHARS
    sizes = range(len(text) + 1)
    end = bisect_right(sizes, room, key=lambda count: encoded_bytes(text[:count])) - 1
    end = _before_mark(text, max(0, end))
    return f"{text[:end]}[TRUNCATED chars={len(text) - end}]"


def _before_mark(text: str, position: int) -> int:
    """The position, or the start of the mark that it would cut in two."""
    return next((mark.start() for mark in MARK.finditer(text) if mark.start() < position < mark.end()), position)
