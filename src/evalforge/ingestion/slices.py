"""Slices of time: which to read, in which order, and what all runs together have read of them.

A slice is a whole hour in UTC. Every run reads the whole look-back again, newest slice first, then those that were not
read for longest, so that a run that ends early starves none (facts: platform.md §1.3). Pure: no clock, no store.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from evalforge.common.clock import timestamp
from evalforge.models import CoverageRecord, SliceReading, Window

HOUR = timedelta(hours=1)
KEPT_APART = timedelta(hours=72)
"""The longest look-back: older slices are never planned again, and those that were read whole become one."""
RETENTION = timedelta(days=15)
"""Datadog docs, "Data Retention Periods": traces and spans. What was not read by then can never be."""
REMEMBERED = 2 * RETENTION
"""How long the record says of a slice that it was never read."""
SPANS_A_SEARCH = 1_000
"""Slices are searched together as long as the last reading saw no more in them: quiet hours cost one call."""
NOT_REACHED = "not reached"


class Segment(NamedTuple):
    """Adjoining slices that are searched together, oldest first, and the window of the search."""

    slices: tuple[datetime, ...]
    window: Window


def record_for(record: CoverageRecord | None, asked: str, window: Window) -> CoverageRecord:
    """The record to go on with: a new one where nothing was recorded, or where something else was asked for."""
    start, end = _moment(window.start), _moment(window.end)
    if record is None:
        record = CoverageRecord(asked=asked, since=window.start)
    elif record.asked != asked:
        forgotten = [
            msgspec.structs.replace(one, until=None, read_at=None, reason="asked for something else", spans=0)
            for one in record.slices
        ]
        record = msgspec.structs.replace(record, asked=asked, slices=tuple(forgotten))
    return _with_hours(record, start, end)


def plan(record: CoverageRecord, window: Window) -> Iterator[Segment]:
    """The slices of the window in the order in which they are read, quiet neighbours together."""
    start, end = _moment(window.start), _moment(window.end)
    wanted = [one for one in record.slices if _moment(one.end) > start and _moment(one.start) < end]
    left = sorted(wanted, key=lambda one: one.start)
    if not left:
        return
    newest = left.pop()
    yield from _segments([newest], start, end)
    for age in sorted({one.read_at or "" for one in left}):
        yield from _segments([one for one in left if (one.read_at or "") == age], start, end)


def with_reading(
    record: CoverageRecord, segment: Segment, *, read_at: str, spans: int, reason: str | None
) -> CoverageRecord:
    """The record after a segment was read: whole up to the window's end, or not and why."""
    ends = _moment(segment.window.end)
    slices = []
    for one in record.slices:
        if _moment(one.start) in segment.slices:
            if reason is None:
                until = timestamp(min(_moment(one.end), ends))
                share = spans // len(segment.slices)
                told = msgspec.structs.replace(one, until=until, read_at=read_at, reason=None, spans=share)
            else:
                told = msgspec.structs.replace(one, reason=reason)
            slices.append(told)
        else:
            slices.append(one)
    return msgspec.structs.replace(record, slices=tuple(slices))


def compacted(record: CoverageRecord, now: datetime) -> CoverageRecord:
    """The record without what no run will read or ask about again: old whole slices are one, the oldest are gone."""
    kept: list[SliceReading] = []
    for one in record.slices:
        if _moment(one.end) <= now - REMEMBERED:
            continue
        old = _moment(one.end) <= now - KEPT_APART
        last = kept[-1] if kept else None
        if last is not None and old and _is_whole(one) and _is_whole(last) and last.end == one.start:
            kept[-1] = msgspec.structs.replace(last, end=one.end, until=one.until, read_at=one.read_at, spans=0)
        else:
            kept.append(one)
    return msgspec.structs.replace(record, slices=tuple(kept))


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _is_whole(one: SliceReading) -> bool:
    return one.reason is None and one.until is not None and one.until >= one.end


def _with_hours(record: CoverageRecord, start: datetime, end: datetime) -> CoverageRecord:
    """The record with a slice for every hour from its own beginning, or the window's, to the window's end."""
    known = list(record.slices)
    first = hour_of(start)
    if known:
        first = min(first, _moment(known[0].start))
    hours: list[SliceReading] = []
    position = first
    for one in known:
        hours += _new(position, _moment(one.start))
        hours.append(one)
        position = _moment(one.end)
    last = hour_of(end - timedelta(microseconds=1)) + HOUR
    hours += _new(position, last)
    return msgspec.structs.replace(record, slices=tuple(hours), since=min(record.since, timestamp(start)))


def _new(start: datetime, end: datetime) -> Iterator[SliceReading]:
    while start < end:
        yield SliceReading(start=timestamp(start), end=timestamp(start + HOUR), reason=NOT_REACHED)
        start += HOUR


def _segments(slices: Sequence[SliceReading], start: datetime, end: datetime) -> Iterator[Segment]:
    """Newest first; neighbours together while the last readings saw few spans in them."""
    group: list[SliceReading] = []
    for one in sorted(slices, key=lambda one: one.start, reverse=True):
        full = group and (
            group[-1].start != one.end
            or one.read_at is None
            or sum(each.spans for each in group) + one.spans > SPANS_A_SEARCH
        )
        if full:
            yield _segment(group, start, end)
            group = []
        group.append(one)
    if group:
        yield _segment(group, start, end)


def _segment(group: Iterable[SliceReading], start: datetime, end: datetime) -> Segment:
    moments = sorted(_moment(one.start) for one in group)
    window = Window(start=timestamp(max(start, moments[0])), end=timestamp(min(end, moments[-1] + HOUR)))
    return Segment(slices=tuple(moments), window=window)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
