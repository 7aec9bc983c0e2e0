"""What the times of a page say: the unit of durations, and which moment of a span Datadog sorts by."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

FEWEST = 3
NS_IN = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """The raw numbers of one span."""

    span_id: str
    parent_id: str
    start: float
    duration: float


def duration_unit(spans: Sequence[Timed], unit_of_start: str) -> tuple[str | None, int]:
    """The unit in which most children begin before their parent ends, and over how many pairs; None where too few or
    several units would do. A child begins within its parent, so that too small a unit shows."""
    by_id = {span.span_id: span for span in spans}
    pairs = [(by_id[one.parent_id], one) for one in spans if one.parent_id in by_id and one.parent_id != one.span_id]
    later = [(parent, child.start - parent.start) for parent, child in pairs if child.start > parent.start]
    scale = NS_IN.get(unit_of_start)
    if scale is None or len(later) < FEWEST:
        return None, len(later)
    fits = [
        unit
        for unit, ns in NS_IN.items()
        if sum(parent.duration * ns >= offset * scale for parent, offset in later) >= 0.9 * len(later)
    ]
    finest = min(fits, key=NS_IN.__getitem__, default=None)
    return finest, len(later)


def sorted_by(spans: Sequence[Timed], unit_of_start: str, unit_of_duration: str | None) -> str:
    """Which moment never goes back along the page: `start`, `end`, `start or end`, `neither`, or `unknown`."""
    scale, inner = NS_IN.get(unit_of_start), NS_IN.get(unit_of_duration or unit_of_start)
    if scale is None or inner is None or len(spans) < FEWEST:
        return "unknown"
    starts = [span.start * scale for span in spans]
    ends = [span.start * scale + span.duration * inner for span in spans]
    by_start, by_end = (all(a <= b for a, b in pairwise(moments)) for moments in (starts, ends))
    if by_start and by_end:
        return "start or end"
    return "start" if by_start else "end" if by_end else "neither"
