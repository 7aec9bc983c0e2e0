"""The record of coverage while a run goes on: a slice counts as read when what was found in it is committed."""

from datetime import datetime

from evalforge.ingestion.slices import Segment, compacted, plan, record_for, with_reading
from evalforge.models import CoverageRecord, Window

NEW_EVALUATORS = "evaluators that turned up while reading were not asked for everywhere"


class RunCoverage:
    """What one run adds to the record. `asked` is a digest of all that decides what is asked for."""

    def __init__(
        self, stored: CoverageRecord | None, *, asked: str, window: Window, now: datetime, read_at: str
    ) -> None:
        self._stored, self._read_at = stored, read_at
        self._record = compacted(record_for(stored, asked, window), now)
        self.segments = tuple(plan(self._record, window))
        self._reading: Segment | None = None

    def begin(self, segment: Segment) -> None:
        """This segment is being read."""
        self._reading = segment

    def read(self, spans: int, reason: str | None) -> None:
        """The segment was read to its end: whole, or not and why."""
        if self._reading is not None:
            self._tell(self._reading, spans, reason)
        self._reading = None

    def interrupted(self, reason: str) -> None:
        """The run reads no more: of the segment at hand it has a part, and of the rest nothing."""
        if self._reading is not None:
            self._tell(self._reading, 0, reason)
            self._reading = None

    def doubted(self) -> None:
        """Nothing that this run read was asked for with every evaluator."""
        for segment in self.segments:
            self._tell(segment, 0, NEW_EVALUATORS)

    def unsaved(self) -> CoverageRecord | None:
        """The record, if it says something that the store does not know; to be committed with what was found."""
        if self._record == self._stored:
            return None
        self._stored = self._record
        return self._record

    def _tell(self, segment: Segment, spans: int, reason: str | None) -> None:
        self._record = with_reading(self._record, segment, read_at=self._read_at, spans=spans, reason=reason)
