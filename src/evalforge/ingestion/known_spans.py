"""What a run knows of spans from their bytes alone: which are stored as they are, and which it is about to store.

A span goes into its manifest in the commit that stores it, and only when nothing of its trace is left to be done: what
lacks its context, or was cut by a cap, is read again in full by the next run.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from evalforge.ingestion.context import wants_context
from evalforge.ingestion.manifests import Manifests, hour_of
from evalforge.ingestion.merging import SIGNALS_KEPT, SPANS_KEPT
from evalforge.models import FailureCapture
from evalforge.ports import Manifest

CHANGING = b""
"""In place of what tells the bytes of a span that was read in two versions."""


class Reading(NamedTuple):
    """A failing span that was read: the hour of its start, its id and what tells its bytes."""

    hour: str
    span_id: str
    content: bytes


class KnownSpans:
    """One run's view of the manifests. `reads_context`: whether a capture is done only when its context was read."""

    def __init__(self, manifests: Manifests, *, reads_context: bool, now: datetime) -> None:
        self._manifests, self._reads_context, self._now = manifests, reads_context, now
        self._read: defaultdict[str, dict[str, Reading]] = defaultdict(dict)
        self.unchanged_traces: set[bytes] = set()
        self.unchanged = 0
        self.hours: list[str] = []

    def is_stored(self, raw: bytes) -> bytes | None:
        """What tells these bytes if the span must be read; None if it is stored as it is, which is counted."""
        content = self._manifests.content(raw)
        stored = self._manifests.find(content)
        if stored is None:
            return content
        trace, hour = stored
        self.unchanged += 1
        self.unchanged_traces.add(trace)
        self.hours.append(hour)
        return None

    def began(self, start_ns: int | None) -> None:
        """A span was read that began then."""
        self.hours.append(hour_of(start_ns))

    def take_hours(self) -> list[str]:
        """The hours in which the spans began that were met since this was asked last, in order."""
        hours, self.hours = self.hours, []
        return hours

    def note(self, trace_id: str, span_id: str, start_ns: int | None, content: bytes) -> None:
        """A failing span of a trace was read.

        Of one that this run reads in two versions, the worse is stored and the other may be the later: that one is
        left to the next run.
        """
        known = self._read[trace_id].get(span_id)
        changing = known is not None and known.content != content
        self._read[trace_id][span_id] = Reading(hour_of(start_ns), span_id, CHANGING if changing else content)

    def forget(self, trace_ids: Iterable[str]) -> None:
        """These traces are not stored after all, though their manifests may say so."""
        for trace_id in trace_ids:
            self._read.pop(trace_id, None)
            self._manifests.forget(trace_id)

    def settled(self, captures: Collection[FailureCapture]) -> list[Manifest]:
        """The manifests to commit with these captures: with the spans of those for which nothing is left to be done."""
        for capture in captures:
            if self._is_done(capture):
                for reading in self._read.pop(capture.trace_id, {}).values():
                    if reading.content == CHANGING:
                        continue
                    self._manifests.note(reading.hour, capture.trace_id, reading.span_id, reading.content)
        return self._manifests.changed()

    def _is_done(self, capture: FailureCapture) -> bool:
        if len(capture.trace_payload.spans) >= SPANS_KEPT or len(capture.signals) >= SIGNALS_KEPT:
            return False
        return not (self._reads_context and wants_context(capture, changed=False, now=self._now))
