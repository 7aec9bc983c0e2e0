"""What a run knows of spans from their bytes alone: which are stored as they are, and which it is about to store.

A span goes into its manifest in a commit that stores what it became, and only when nothing of its trace is left to be
done: what lacks its context, or may be cut by a cap, is read again in full by the next run.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from evalforge.ingestion.manifests import Manifests, hour_of
from evalforge.ingestion.merging import at_the_caps
from evalforge.models import FailureCapture
from evalforge.ports import Manifest

READ_AGAIN = b""
"""In place of what tells the bytes of a span that the next run is to read in full, as if it had changed."""


class Reading(NamedTuple):
    """A failing span that was read: the hour of its start, its id and what tells its bytes."""

    hour: str
    span_id: str
    content: bytes


class KnownSpans:
    """One run's view of the manifests."""

    def __init__(self, manifests: Manifests) -> None:
        self._manifests = manifests
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
        self._read[trace_id][span_id] = Reading(hour_of(start_ns), span_id, READ_AGAIN if changing else content)

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
                    self._manifests.drop(reading.hour, trace_id, reading.span_id)
            else:
                self._note(trace_id, self._read.pop(trace_id, {}).values())
        self._manifests.forget(capped)
        return self._manifests.changed()

    def _note(self, trace_id: str, readings: Iterable[Reading]) -> None:
        for reading in readings:
            if reading.content == READ_AGAIN:
                self._manifests.drop(reading.hour, trace_id, reading.span_id)
            else:
                self._manifests.note(reading.hour, trace_id, reading.span_id, reading.content)
