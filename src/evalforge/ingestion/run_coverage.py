"""The record of coverage while a run goes on: a slice counts as read when what was found in it is committed.

The pages of a search come in the order of time. So a search over many slices has read each of them whole as soon as a
page holds a later one, and what a run has read when it ends early need not be read first by the next. Where pages turn
out not to be in order, nothing counts before the search has ended. A segment may be read by several searches: what all
of them that touch a slice have read of it is whole.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

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
        self._readings: list[SegmentReading] = []

    def reading(self, segment: Segment) -> "SegmentReading":
        """This segment is to be read."""
        self._readings.append(SegmentReading(segment, self._end, self._read_whole))
        return self._readings[-1]

    def interrupted(self, reason: str) -> None:
        """What is left of the segments at hand cannot be read whole by this run."""
        for reading in self._readings:
            if reading.begun and reading.left:
                self._record = with_doubt(self._record, reading.left, reading.reason or reason)
        self._readings = []

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

    def _read_whole(self, slices: Sequence[datetime], spans: Counter[datetime]) -> None:
        self._record = with_reading(self._record, slices, self._end, read_at=self._read_at, spans=spans)


class SegmentReading:
    """A segment that is being read, by one search or more. `left` are the slices not read whole so far."""

    def __init__(
        self, segment: Segment, end: datetime, whole: Callable[[Sequence[datetime], Counter[datetime]], None]
    ) -> None:
        self.left = list(segment.slices)
        self.begun = False
        self.reason: str | None = None
        self._run_end, self._whole = end, whole
        self._parts: list[PartReading] = []
        self.spans: Counter[datetime] = Counter()

    def add(self, part: "PartReading") -> "PartReading":
        """One of the searches that read it."""
        self._parts.append(part)
        return part

    def moved(self) -> None:
        """A search got further: perhaps slices have been read whole."""
        whole = [start for start in self.left if self._is_whole(start)]
        if whole:
            self._whole(whole, self.spans)
            self.left = [start for start in self.left if start not in whole]

    def _is_whole(self, start: datetime) -> bool:
        end = min(start + timedelta(hours=1), self._run_end)
        return all(part.start >= end or part.reached >= min(end, part.end) for part in self._parts)


class PartReading:
    """One search of a segment, and how far in time it has come."""

    def __init__(self, segment: SegmentReading, window: Window) -> None:
        self._segment = segment
        self.start, self.end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
        self.reached = datetime.min.replace(tzinfo=UTC)
        self._latest, self._in_order = "", True

    def saw(self, hours: Iterable[str], *, sure: bool) -> None:
        """A page was read, with spans that began in these hours, in this order. What lies before is read whole.

        `sure` while nothing makes that doubtful.
        """
        for hour in hours:
            if hour == UNKNOWN_HOUR:
                continue
            self._in_order = self._in_order and hour >= self._latest
            self._latest = max(self._latest, hour)
            self._segment.spans[_start_of(hour)] += 1
        if sure and self._in_order and self._latest:
            self.reached = max(self.reached, _start_of(self._latest))
            self._segment.moved()

    def cut(self, parts: "Sequence[PartReading]") -> None:
        """What is left of it is read by other searches, the first of which begins where it has come to."""
        for part in parts:
            self._segment.add(part)
        self.end = parts[0].start
        self.ended(None)

    def ended(self, reason: str | None) -> None:
        """The search was read to its end: whole, or not and why."""
        if reason is None:
            self.reached = self.end
            self._segment.moved()
        else:
            self._segment.reason = self._segment.reason or reason


def _start_of(hour: str) -> datetime:
    return datetime.strptime(hour, HOUR_FORMAT).replace(tzinfo=UTC)
