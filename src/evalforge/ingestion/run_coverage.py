"""The record of coverage while a run goes on: a slice counts as read when what was found in it is committed.

Slices are read in segments; how far those have come is told by `ingestion.segment_reading`.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime

from evalforge.ingestion.segment_reading import SegmentReading
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
        self.deep_read = 0
        self._read_before = [(one.start, one.until) for one in self._record.slices if one.until is not None]
        self._readings: list[SegmentReading] = []

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

    def reading(self, segment: Segment, *, deep: bool = False) -> SegmentReading:
        """This segment is to be read."""
        slices = [start for start in segment.slices if deep or not is_cut(self._record, start, self._window)]
        begun = self._record
        reading = SegmentReading(
            slices,
            self._end,
            whole=self._read_whole,
            taken_back=lambda reading, slices: self._take_back(reading, slices, begun),
            deep=deep,
        )
        self._readings.append(reading)
        return reading

    def interrupted(self, reason: str) -> None:
        """What is left of the segments that were begun cannot be read whole by this run.

        In the deep pass that takes nothing from what earlier runs read of it.
        """
        for reading in self._readings:
            if reading.begun and reading.left and not reading.deep:
                self._record = with_doubt(self._record, reading.left, reading.reason or reason)
        self._readings = []

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

    def _read_whole(self, reading: SegmentReading, slices: Sequence[datetime]) -> None:
        self._record = with_reading(self._record, slices, self._end, read_at=self._read_at, spans=reading.spans)
        self.deep_read += len(slices) if reading.deep else 0

    def _take_back(self, reading: SegmentReading, slices: Sequence[datetime], begun: CoverageRecord) -> None:
        self._record = with_slices_of(self._record, slices, begun)
        self.deep_read -= len(slices) if reading.deep else 0
