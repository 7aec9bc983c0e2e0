"""How late failures are seen: after the end of their spans, for evaluations do not say when they came.

Datadog docs, LLM Observability Export API, `SpanData`: an evaluation has no time of its own. A failure is a span with a
reason that is not stored of it yet.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from evalforge.models import CapturedSpan, FailureCapture, Lateness, lateness_of
from evalforge.models.lateness import bucket_of

A_RUN_LATE = timedelta(hours=1)
"""Runs come four times an hour: of time that none had read before, a longer delay says nothing of Datadog."""


class FirstSeen:
    """What one run, which began at `seen_at`, saw first. `was_read` tells whether an earlier one had read a moment."""

    def __init__(self, seen_at: datetime, was_read: Callable[[str], bool]) -> None:
        self._seen_at, self._was_read = seen_at, was_read
        self._counts: Counter[str] = Counter()
        self._unknown = 0

    def note(self, stored: FailureCapture | None, capture: FailureCapture) -> None:
        """This is stored now in place of that."""
        known = set() if stored is None else {signal.identity for signal in stored.signals}
        failures = {signal.span_id for signal in capture.signals if signal.identity not in known}
        for span in capture.trace_payload.spans if failures else ():
            if span.span_id in failures:
                self._count(span)

    def lateness(self) -> Lateness:
        """The histogram so far."""
        return lateness_of(self._counts, self._unknown)

    def _count(self, span: CapturedSpan) -> None:
        if span.started_at is None:
            return
        late = self._seen_at - datetime.fromisoformat(span.started_at)
        late -= min(late, timedelta(milliseconds=min(span.duration_ms or 0.0, MOST_MILLISECONDS)))
        if late > A_RUN_LATE and not self._was_read(span.started_at):
            self._unknown += 1
        else:
            self._counts[bucket_of(late.total_seconds())] += 1


MOST_MILLISECONDS = 1e12
"""A longer duration is none, and would be no timedelta."""
