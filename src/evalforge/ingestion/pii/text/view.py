"""A folded text as the rules see it: one byte per character, and the way back to the offsets of the original."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

HOLE = "\x1f"
"""Stands for a placeholder, or for what a rule has found: no rule looks into it. Folding leaves no other one."""


class Segment(NamedTuple):
    """From offset `at` on, the view shows the original from `start`: one for one, or all up to `end` at once."""

    at: int
    start: int
    end: int
    whole: bool


class Offsets(NamedTuple):
    """Where each stretch of a changed text comes from; segments in order, `ats` their offsets."""

    segments: list[Segment]
    ats: list[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original behind [start, end), which is not empty."""
        first = self.segments[bisect_right(self.ats, start) - 1]
        last = self.segments[bisect_right(self.ats, end - 1) - 1]
        return (
            first.start if first.whole else first.start + start - first.at,
            last.end if last.whole else last.start + end - last.at,
        )

    def within(self, start: int, end: int) -> Iterator[Segment]:
        """The segments of [start, end), cut to it."""
        number = bisect_right(self.ats, start) - 1
        while start < end:
            segment = self.segments[number]
            number += 1
            stop = min(end, self.ats[number] if number < len(self.ats) else end)
            shift = 0 if segment.whole else start - segment.at
            yield Segment(start, segment.start + shift, segment.end, segment.whole)
            start = stop


class Rewriting:
    """A text being rewritten from left to right; `offsets` are its own, None if it is the original."""

    def __init__(self, text: str, offsets: Offsets | None) -> None:
        self._text, self._old = text, offsets
        self._parts: list[str] = []
        self._segments: list[Segment] = []
        self._read = self._written = 0

    def replace(self, start: int, end: int, new: str) -> None:
        """Write what stands before `start`, then `new` for [start, end)."""
        self._keep(start)
        if new:
            origin = (start, end) if self._old is None else self._old.original(start, end)
            self._segments.append(Segment(self._written, *origin, whole=True))
            self._parts.append(new)
            self._written += len(new)
        self._read = end

    def done(self) -> tuple[str, Offsets]:
        """The text and its offsets in the original."""
        self._keep(len(self._text))
        return "".join(self._parts), Offsets(self._segments, [segment.at for segment in self._segments])

    def _keep(self, end: int) -> None:
        start = self._read
        if start == end:
            return
        if self._old is None:
            self._segments.append(Segment(self._written, start, end, whole=False))
        else:
            shift = self._written - start
            self._segments += (part._replace(at=part.at + shift) for part in self._old.within(start, end))
        self._parts.append(self._text[start:end])
        self._written += end - start


class View(msgspec.Struct, frozen=True):
    """A folded text: characters up to U+00FF, and their offsets, None where they are the original's."""

    text: str
    data: bytes
    offsets: Offsets | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original text behind [start, end), which is not empty."""
        return (start, end) if self.offsets is None else self.offsets.original(start, end)

    def without(self, spans: Sequence[tuple[int, int]]) -> "View":
        """The view with a hole in place of each of these spans, which are in order and do not overlap."""
        rewriting = Rewriting(self.text, self.offsets)
        for start, end in spans:
            rewriting.replace(start, end, HOLE)
        return seen(*rewriting.done())


def seen(text: str, offsets: Offsets | None = None) -> View:
    """The view of a text: in Latin-1, with ? for a character that is not in it."""
    return View(text, text.encode("latin-1", "replace"), offsets)
