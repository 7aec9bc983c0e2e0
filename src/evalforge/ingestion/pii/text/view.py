"""A folded text as the rules see it: one byte per character, and the way back to the offsets of the original."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

HOLE = b"\x1f"
"""Stands for a placeholder, or for what a rule has found: no rule looks into it. Folding leaves no other one."""


class View(NamedTuple):
    """`data` in Latin-1; `starts` and `ends` give for each byte the stretch of the original it came from.

    Both are None where byte and character have the same offset.
    """

    data: bytes
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original text behind data[start:end]."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]

    def without(self, spans: Sequence[tuple[int, int]]) -> "View":
        """The view with a hole in place of each of these spans, which are in order and do not overlap."""
        size = len(self.data)
        starts = range(size) if self.starts is None else self.starts
        ends = range(1, size + 1) if self.ends is None else self.ends
        parts, new_starts, new_ends = [self.data[: spans[0][0]]], [*starts[: spans[0][0]]], [*ends[: spans[0][0]]]
        for (start, end), (following, _) in pairwise([*spans, (size, size)]):
            parts += [HOLE, self.data[end:following]]
            new_starts += [starts[start], *starts[end:following]]
            new_ends += [ends[end - 1], *ends[end:following]]
        return View(b"".join(parts), new_starts, new_ends)
