"""What a pattern found, and what a check of it is.

A check gets the candidate and gives the stretches of it that are entities: mostly one or none.
"""

from collections.abc import Callable

import msgspec

Spans = tuple[tuple[int, int], ...]


class Candidate(msgspec.Struct, frozen=True):
    """data[start:end] is what the pattern found; `match` is where the whole match begins, its guard or key included."""

    data: bytes
    match: int
    start: int
    end: int

    @property
    def text(self) -> str:
        """What was found."""
        return self.data[self.start : self.end].decode("latin-1")

    @property
    def whole(self) -> Spans:
        """The answer that all of it is an entity."""
        return ((self.start, self.end),)

    def before(self, count: int) -> bytes:
        """Up to `count` bytes that stand before it."""
        return self.data[max(0, self.start - count) : self.start]


Check = Callable[[Candidate], Spans]


def accept(candidate: Candidate) -> Spans:
    """The pattern says it all."""
    return candidate.whole


def where(holds: Callable[[str], bool]) -> Check:
    """A check by what was found alone."""

    def check(candidate: Candidate) -> Spans:
        return candidate.whole if holds(candidate.text) else ()

    return check
