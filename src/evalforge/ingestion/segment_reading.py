"""How far the searches of a segment have come, and which of its slices are read whole by that.

The pages of a search come in the order of time. So a search over many slices has read each of them whole as soon as a
page holds a later one, and what a run has read when it ends early need not be read first by the next. Where pages turn
out not to be in order, nothing counts before the search has ended, and what counted already is taken back. A segment
may be read by several searches: a slice is whole when each that touches it has read its part of it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

from evalforge.ingestion.manifests import HOUR_FORMAT, UNKNOWN_HOUR
from evalforge.models import Window

OUT_OF_ORDER = "Datadog's pages were not in the order of time"
NOWHERE = datetime.min.replace(tzinfo=UTC)


Told: TypeAlias = "Callable[[SegmentReading, Sequence[datetime]], None]"


class SegmentReading:
    """A segment that is being read. `left` are the slices not read whole so far, `spans` counts those met by slice.

    `end` is that of the run's window; `whole` is told of the slices that were read whole, and `taken_back` of those
    that turn out not to have been.
    """

    def __init__(
        self,
        slices: Iterable[datetime],
        end: datetime,
        *,
        whole: Told,
        taken_back: Told,
        deep: bool = False,
    ) -> None:
        self._slices, self.deep = tuple(slices), deep
        self.left = list(self._slices)
        self.begun = False
        self.reason: str | None = None
        self.spans: Counter[datetime] = Counter()
        self._run_end, self._whole, self._taken_back = end, whole, taken_back
        self._parts: list[PartReading] = []

    def add(self, part: "PartReading") -> None:
        """One of the searches that read it."""
        self._parts.append(part)

    def moved(self) -> None:
        """A search got further: perhaps slices have been read whole."""
        whole = [start for start in self.left if self._is_whole(start)]
        if whole:
            self._whole(self, whole)
            self.left = [start for start in self.left if start not in whole]

    def fell_back(self) -> None:
        """A search turned out not to have got as far as it seemed: perhaps slices have not been read whole."""
        left = [start for start in self._slices if start in self.left or not self._is_whole(start)]
        if back := [start for start in left if start not in self.left]:
            self._taken_back(self, back)
            self.left = left

    def _is_whole(self, start: datetime) -> bool:
        end = min(start + timedelta(hours=1), self._run_end)
        touching = [part for part in self._parts if part.start < end and part.end > start]
        return all(part.reached >= min(end, part.end) for part in touching)


class PartReading:
    """One search of a segment, and how far in time it has come."""

    def __init__(self, segment: SegmentReading, window: Window) -> None:
        self._segment = segment
        self.start, self.end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
        self._first_hour, self._last_hour = f"{self.start:{HOUR_FORMAT}}", f"{self.end:{HOUR_FORMAT}}"
        self.reached = NOWHERE
        self._latest, self._in_order, self._is_cut = "", True, False

    def saw(self, hours: Iterable[str], *, sure: bool) -> None:
        """A page was read, with spans that began in these hours, in this order. What lies before is read whole.

        `sure` while nothing makes that doubtful.
        """
        for hour in hours:
            if hour == UNKNOWN_HOUR or not self._first_hour <= hour <= self._last_hour:
                continue  # what was not asked for does not tell how far the search has come
            if hour < self._latest and self._in_order:
                self._fall_back()
            self._latest = max(self._latest, hour)
            self._segment.spans[_start_of(hour)] += 1
        if sure and self._in_order and self._latest:
            self.reached = max(self.reached, _start_of(self._latest))
            self._segment.moved()

    def _fall_back(self) -> None:
        self._in_order, self.reached = False, NOWHERE
        self._segment.fell_back()

    def cut(self, rest: "PartReading") -> None:
        """The later half of what is left of it is read by another search."""
        self._segment.add(rest)
        self.end, self._is_cut = rest.start, True

    def ended(self, reason: str | None) -> None:
        """The search was read to its end: whole, or not and why."""
        if reason is None and self._is_cut and not self._in_order:
            reason = OUT_OF_ORDER
        if reason is None:
            self.reached = self.end
            self._segment.moved()
        else:
            self._segment.reason = self._segment.reason or reason


@lru_cache(maxsize=256)  # asked for each span, of few hours
def _start_of(hour: str) -> datetime:
    return datetime.strptime(hour, HOUR_FORMAT).replace(tzinfo=UTC)
