"""The record of coverage while a run goes on: a slice counts as read when what was found in it is committed.

Pages come in the order of time. So a search over many slices has read each of them whole as soon as a page holds a
later one, and what a run has read when it ends early need not be read first by the next. Where pages turn out not to
be in order, nothing counts before the search has ended.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from evalforge.ingestion.manifests import HOUR_FORMAT, UNKNOWN_HOUR
from evalforge.ingestion.slices import Segment, compacted, plan, record_for, with_doubt, with_reading
from evalforge.models import CoverageRecord, Window

NEW_EVALUATORS = "evaluators that turned up while reading were not asked for everywhere"


class RunCoverage:
    """What one run adds to the record. `asked` is a digest of all that decides what is asked for."""

    def __init__(
        self, stored: CoverageRecord | None, *, asked: str, window: Window, now: datetime, read_at: str
    ) -> None:
        self._stored, self._read_at = stored, read_at
        self._end = datetime.fromisoformat(window.end)
        self._record = compacted(record_for(stored, asked, window), now)
        self.has_new_hour = stored is None or not stored.slices or self._record.slices[-1].end > stored.slices[-1].end
        self.segments = tuple(plan(self._record, window))
        self._left: list[datetime] = []
        self._spans: Counter[datetime] = Counter()
        self._latest = ""
        self._in_order = True

    def begin(self, segment: Segment) -> None:
        """This segment is being read."""
        self._left = list(segment.slices)
        self._spans.clear()
        self._latest, self._in_order = "", True

    def saw(self, hours: Iterable[str]) -> None:
        """A page was read, with spans that began in these hours, in this order. What lies before is read whole."""
        for hour in hours:
            if hour == UNKNOWN_HOUR:
                continue
            self._in_order = self._in_order and hour >= self._latest
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
        """What is left of the segment at hand cannot be read whole by this run."""
        if self._left:
            self._record = with_doubt(self._record, self._left, reason)
        self._left = []

    def doubted(self) -> None:
        """Nothing that this run read was asked for with every evaluator."""
        every = [start for segment in self.segments for start in segment.slices]
        self._record = with_doubt(self._record, every, NEW_EVALUATORS)

    def unsaved(self) -> CoverageRecord | None:
        """The record, if it says something that the store does not know; to be committed with what was found."""
        if self._record == self._stored:
            return None
        self._stored = self._record
        return self._record

    def _whole_before(self, moment: datetime) -> None:
        """Every slice left that ends by then was read whole, and the one that the window ends in with the window."""
        whole = [start for start in self._left if min(start + timedelta(hours=1), self._end) <= moment]
        if whole:
            self._record = with_reading(self._record, whole, self._end, read_at=self._read_at, spans=self._spans)
            self._left = [start for start in self._left if start not in whole]


@lru_cache(maxsize=256)  # asked for each span, of few hours
def _start_of(hour: str) -> datetime:
    return datetime.strptime(hour, HOUR_FORMAT).replace(tzinfo=UTC)
