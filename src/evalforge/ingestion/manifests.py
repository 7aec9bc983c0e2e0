"""Manifests: which failing spans are stored as they are, so that a later run need not even decode them.

Per hour of the spans' own start there is one, of entries of 28 bytes: 8 that tell the trace, 8 the span, 12 its raw
bytes, all keyed, so that a manifest tells nothing to who has not the hash key. One that is lost, corrupt or of
another salt is no manifest: its spans are read in full, as if they were new (facts: platform.md §1.3). Spans that do
not say when they began, or say what cannot be, are in none.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from evalforge.ports import Manifest

ID_BYTES, CONTENT_BYTES = 8, 12
SPAN_BYTES = 2 * ID_BYTES
ENTRY_BYTES = SPAN_BYTES + CONTENT_BYTES
HOUR_FORMAT = "%Y-%m-%dT%H"
UNKNOWN_HOUR = "unknown"
"""Of spans that do not say when they began."""
PIPELINE_VERSION = "1"
"""Part of the salt. Changes whenever the same span would be captured differently by other code than rules or policy."""


class Manifests:
    """The manifests of one run, of these hours alone. `key` is secret and changes with everything that changes what a
    span becomes."""

    def __init__(self, key: bytes, hours: Collection[str]) -> None:
        self._key = key
        self.hours = frozenset(hours)
        self.salt = hashlib.blake2b(b"salt", key=key, digest_size=CONTENT_BYTES).hexdigest()
        self._hours: dict[str, dict[bytes, bytes]] = {}
        self._stored: dict[bytes, tuple[bytes, str]] = {}
        self._changed: set[str] = set()

    def content(self, raw: bytes) -> bytes:
        """What tells these raw bytes from others."""
        return hashlib.blake2b(raw, key=self._key, digest_size=CONTENT_BYTES).digest()

    def load(self, manifests: Mapping[str, Manifest]) -> None:
        """Take in what is stored; what cannot be used is left out."""
        for hour, manifest in manifests.items():
            entries = _unpacked(manifest.entries) if manifest.salt == self.salt else None
            if entries is not None:
                self._hours[hour] = entries
        self._drop_moved()
        for hour, entries in self._hours.items():
            self._stored.update((content, (span, hour)) for span, content in entries.items())

    def _drop_moved(self) -> None:
        """A revised span may begin in another hour than before, and then two manifests have it. Which of the two tells
        what is stored they do not say: if Datadog went back to the earlier version, that would be taken for stored."""
        if len(set[bytes]().union(*self._hours.values())) == sum(map(len, self._hours.values())):
            return
        spans = Counter(span for entries in self._hours.values() for span in entries)
        for hour, entries in self._hours.items():
            moved = [span for span in entries if spans[span] > 1]
            for span in moved:
                del entries[span]
            if moved:
                self._changed.add(hour)

    def find(self, content: bytes) -> tuple[bytes, str] | None:
        """What tells the span with these bytes, and the hour it began in, if it is stored as it is."""
        return self._stored.get(content)

    def note(self, hour: str, span: bytes, content: bytes) -> None:
        """A span was captured: from the next `changed` on its manifest has it, in place of an earlier version."""
        if hour not in self.hours:
            return
        entries = self._hours.setdefault(hour, {})
        if entries.get(span) != content:
            entries[span] = content
            self._changed.add(hour)
        self._stored[content] = (span, hour)

    def doubt(self, hour: str, span: bytes) -> None:
        """Another version of this span was read: the one that is stored is found no more until it is noted again."""
        content = self._hours.get(hour, {}).get(span)
        if content is not None:
            self._stored.pop(content, None)

    def drop(self, hour: str, span: bytes) -> None:
        """What an earlier version of this span said is no longer what is stored."""
        content = self._hours.get(hour, {}).pop(span, None)
        if content is not None:
            self._stored.pop(content, None)
            self._changed.add(hour)

    def forget(self, trace_ids: Collection[str]) -> None:
        """Of these traces no span may be skipped."""
        traces = {self._id(trace_id) for trace_id in trace_ids}
        for hour, entries in self._hours.items() if traces else ():
            gone = [span for span in entries if trace_of(span) in traces]
            for span in gone:
                self._stored.pop(entries.pop(span), None)
            if gone:
                self._changed.add(hour)

    def not_written(self, hours: Iterable[str]) -> None:
        """The manifests of these hours were given out by `changed`, and the store did not take them."""
        self._changed.update(hours)

    def trace_hash(self, trace_id: str) -> bytes:
        """What entries tell a trace by."""
        return self._id(trace_id)

    def changed(self) -> list[Manifest]:
        """The manifests that say something new since this was asked last."""
        hours, self._changed = sorted(self._changed), set()
        return [Manifest(hour=hour, salt=self.salt, entries=_packed(self._hours[hour])) for hour in hours]

    def span(self, trace_id: str, span_id: str) -> bytes:
        """What entries tell a span by."""
        return self._id(trace_id) + self._id(span_id)

    def _id(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=ID_BYTES).digest()


def trace_of(span: bytes) -> bytes:
    """What tells the trace of a span."""
    return span[:ID_BYTES]


def hour_of(start_ns: int | None) -> str:
    """The name of the hour in which a span began."""
    if start_ns is None:
        return UNKNOWN_HOUR
    try:
        return datetime.fromtimestamp(start_ns / 1e9, UTC).strftime(HOUR_FORMAT)
    except (OverflowError, ValueError, OSError):
        return UNKNOWN_HOUR


def hours_between(start: datetime, end: datetime) -> list[str]:
    """The names of every hour of a window."""
    first, last = int(start.timestamp()) // 3600, int(end.timestamp()) // 3600
    return [datetime.fromtimestamp(3600 * hour, UTC).strftime(HOUR_FORMAT) for hour in range(first, last + 1)]


def _packed(entries: Mapping[bytes, bytes]) -> bytes:
    return b"".join(span + entries[span] for span in sorted(entries))


def _unpacked(packed: bytes) -> dict[bytes, bytes] | None:
    if len(packed) % ENTRY_BYTES:
        return None
    positions: Iterable[int] = range(0, len(packed), ENTRY_BYTES)
    return {packed[start : start + SPAN_BYTES]: packed[start + SPAN_BYTES : start + ENTRY_BYTES] for start in positions}
