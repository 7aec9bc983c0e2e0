"""The record of coverage while a run goes on: a slice counts as read when what was found in it is committed.

Pages come in the order of time. So a search over many slices has read each of them whole as soon as a page holds a
later one, and what a run has read when it ends early need not be read first by the next. Where pages turn out not to
be in order, nothing counts before the search has ended; a span that began at a time that was not asked for tells
nothing of the order.
"""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from evalforge.ingestion.manifests import HOUR_FORMAT
from evalforge.ingestion.slices import (
    Segment,
    compacted,
    is_cut,
    plan,
    plan_deep,
    record_for,
    with_doubt,
    with_reading,
    with_slices_of,
)
from evalforge.models import CoverageRecord, CoveredTime, Window, covered

NEW_EVALUATORS = "evaluators that turned up while reading were not asked for everywhere"
MOST_STRETCHES = 50
"""In a report; the record has them all."""


def digest_of(apps: Iterable[str], *others: str) -> str:
    """Tells whether two runs ask for the same: what was read for something else does not count as read."""
    return hashlib.sha256("\0".join((*sorted(apps), "", *others)).encode()).hexdigest()[:32]


class RunCoverage:
    """What one run adds to the record. `asked` is a digest of all that decides what is asked for.

    `deep_hours` is how far back the deep pass reads, 0 for none; `deep_read` counts the slices that it has read;
    `stored` is the record as the store has it.
    """

    def __init__(
        self, stored: CoverageRecord | None, *, asked: str, window: Window, deep_hours: float, read_at: str
    ) -> None:
        self.stored, self._read_at, self._window = stored, read_at, window
        self._end = now = datetime.fromisoformat(window.end)
        self._record = compacted(record_for(stored, asked, window), now)
        self.has_new_hour = stored is None or not stored.slices or self._record.slices[-1].end > stored.slices[-1].end
        self.segments = tuple(plan(self._record, window))
        self.deep_segments = tuple(plan_deep(self._record, window, deep_hours))
        self.deep_read, self._deep = 0, False
        self._read_before = [(one.start, one.until) for one in self._record.slices if one.until is not None]
        self._left: list[datetime] = []
        self._segment, self._begun = Segment((), window), self._record
        self._asked_for: frozenset[str] = frozenset()
        self._spans: Counter[datetime] = Counter()
        self._latest = ""
        self._in_order = True

    @property
    def deep_due(self) -> int:
        """How many slices the deep pass is to read."""
        return sum(len(segment.slices) for segment in self.deep_segments)

    def stretches(self) -> tuple[CoveredTime, ...]:
        """What all runs have read by now, the newest stretches of it."""
        return covered(self._record, self._end)[-MOST_STRETCHES:]

    def was_read(self, moment: str) -> bool:
        """Whether a run before this one had read what began then."""
        place = bisect_right(self._read_before, (moment, "~")) - 1
        return place >= 0 and moment < self._read_before[place][1]

    def begin(self, segment: Segment, *, deep: bool = False) -> None:
        """This segment is being read."""
        self._deep, self._segment, self._begun = deep, segment, self._record
        self._asked_for = frozenset(f"{start:{HOUR_FORMAT}}" for start in segment.slices)
        self._left = self._to_read()
        self._spans.clear()
        self._latest, self._in_order = "", True

    def saw(self, hours: Iterable[str]) -> None:
        """A page was read, with spans that began in these hours, in this order. What lies before is read whole."""
        for hour in hours:
            if hour not in self._asked_for:
                continue
            if hour < self._latest and self._in_order:
                self._take_back()
            self._latest = max(self._latest, hour)
            self._spans[_start_of(hour)] += 1
        if self._in_order and self._latest:
            self._whole_before(_start_of(self._latest))

    def read(self, reason: str | None) -> None:
        """The segment was read to its end: whole, or not and why."""
        if reason is None:
            self._whole_before(self._end)
        self.interrupted(reason or "")

    def interrupted(self, reason: str) -> None:
        """What is left of the segment at hand cannot be read whole by this run.

        In the deep pass that takes nothing from what earlier runs read of it.
        """
        if self._left and not self._deep:
            self._record = with_doubt(self._record, self._left, reason)
        self._left = []

    def doubted(self) -> None:
        """Nothing that this run read was asked for with every evaluator."""
        every = [
            start
            for segment in self.segments
            for start in segment.slices
            if not is_cut(self._record, start, self._window)
        ]
        self._record = with_doubt(self._record, every, NEW_EVALUATORS)

    def unsaved(self) -> CoverageRecord | None:
        """The record, if it says something that the store does not know; to be committed with what was found."""
        if self._record == self.stored:
            return None
        self.stored = self._record
        return self._record

    def _to_read(self) -> list[datetime]:
        """Those of the segment that are read whole with it."""
        return [start for start in self._segment.slices if self._deep or not is_cut(self._begun, start, self._window)]

    def _take_back(self) -> None:
        """The pages of this segment are not in order: what it was taken to have read is not read yet."""
        self._in_order = False
        left = self._to_read()
        self.deep_read -= (len(left) - len(self._left)) if self._deep else 0
        self._record, self._left = with_slices_of(self._record, left, self._begun), left

    def _whole_before(self, moment: datetime) -> None:
        """Every slice left that ends by then was read whole, and the one that the window ends in with the window."""
        whole = [start for start in self._left if min(start + timedelta(hours=1), self._end) <= moment]
        if whole:
            self._record = with_reading(self._record, whole, self._end, read_at=self._read_at, spans=self._spans)
            self._left = [start for start in self._left if start not in whole]
            self.deep_read += len(whole) if self._deep else 0


@lru_cache(maxsize=256)  # asked for each span, of few hours
def _start_of(hour: str) -> datetime:
    return datetime.strptime(hour, HOUR_FORMAT).replace(tzinfo=UTC)
