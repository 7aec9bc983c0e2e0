"""What a run knows of spans from their bytes alone: which are stored as they are, and which it is about to store.

A span goes into its manifest in a commit that stores what it became, and only when nothing of its trace is left to be
done: what lacks its context, or may be cut by a cap, is read again in full by the next run.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from evalforge.ingestion.manifests import Manifests, hour_of, trace_of
from evalforge.ingestion.merging import at_the_caps
from evalforge.models import FailureCapture
from evalforge.ports import Manifest

READ_AGAIN = b""
"""In place of what tells the bytes of a span that the next run is to read in full, as if it had changed."""


class Reading(NamedTuple):
    """A failing span that was read: the hour of its start, what tells it from others, and what tells its bytes."""

    hour: str
    span: bytes
    content: bytes


class KnownSpans:
    """One run's view of the manifests."""

    def __init__(self, manifests: Manifests) -> None:
        self._manifests = manifests
        self._read: defaultdict[str, dict[str, Reading]] = defaultdict(dict)
        self._skipped: set[bytes] = set()
        self._committed: set[bytes] = set()
        self.unchanged = 0
        self.hours: list[str] = []

    def content(self, raw: bytes) -> bytes:
        """What tells these bytes of a span from others."""
        return self._manifests.content(raw)

    def is_stored(self, content: bytes) -> bool:
        """Whether the span with these bytes is stored as it is, and need not be read; it is counted then."""
        stored = self._manifests.find(content)
        if stored is None:
            return False
        span, hour = stored
        self.unchanged += 1
        self._skipped.add(span)
        self.hours.append(hour)
        return True

    @property
    def unchanged_traces(self) -> set[bytes]:
        """What tells the traces of which a span was skipped."""
        return {trace_of(span) for span in self._skipped}

    def skipped(self, trace_id: str, span_id: str) -> bool:
        """Whether this run met the span as it is stored, before another version of it."""
        return bool(self._skipped) and self._manifests.span(trace_id, span_id) in self._skipped

    def began(self, start_ns: int | None) -> None:
        """A span was read that began then."""
        self.hours.append(hour_of(start_ns))

    def take_hours(self) -> list[str]:
        """The hours in which the spans began that were met since this was asked last, in order."""
        hours, self.hours = self.hours, []
        return hours

    def note(self, trace_id: str, span_id: str, start_ns: int | None, content: bytes) -> None:
        """A failing span of a trace was read.

        Of one that this run meets in two versions, the worse is stored and the other may be the later: that one is
        left to the next run. An earlier version that is stored is no longer skipped from now on.
        """
        span, hour, known = (
            self._manifests.span(trace_id, span_id),
            hour_of(start_ns),
            self._read[trace_id].get(span_id),
        )
        changing = known is not None and known.content != content
        changing = changing or span in self._skipped or span in self._committed
        self._manifests.doubt(hour, span)
        self._read[trace_id][span_id] = Reading(hour, span, READ_AGAIN if changing else content)

    def forget(self, trace_ids: Collection[str]) -> None:
        """These traces are not stored after all, though their manifests may say so."""
        for trace_id in trace_ids:
            self._read.pop(trace_id, None)
        self._manifests.forget(trace_ids)

    def not_written(self, manifests: Iterable[Manifest]) -> None:
        """The store did not take these, which `settled` gave; the next `settled` gives them again."""
        self._manifests.not_written(manifest.hour for manifest in manifests)

    def settled(self, captures: Iterable[FailureCapture], unfinished: Collection[str]) -> list[Manifest]:
        """The manifests to commit with these captures: with the spans of those for which nothing is left to be done.

        `unfinished` are the traces whose context is still to be read. An earlier version of a span that was read of
        them is no longer what is stored; nor, once a trace has reached the caps, is perhaps any span of it.
        """
        capped = []
        for capture in captures:
            trace_id = capture.trace_id
            if at_the_caps(capture):
                capped.append(trace_id)
                self._read.pop(trace_id, None)
            elif trace_id in unfinished:
                for reading in self._read.get(trace_id, {}).values():
                    self._manifests.drop(reading.hour, reading.span)
            else:
                self._note(self._read.pop(trace_id, {}).values())
        self._manifests.forget(capped)
        return self._manifests.changed()

    def _note(self, readings: Iterable[Reading]) -> None:
        for hour, span, content in readings:
            self._committed.add(span)
            if content == READ_AGAIN:
                self._manifests.drop(hour, span)
            else:
                self._manifests.note(hour, span, content)
