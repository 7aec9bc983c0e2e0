"""Slices of time: which to read, in which order, and what all runs together have read of them.

A slice is a whole hour in UTC. Every run reads the whole look-back again, newest slice first, then those that were not
read for longest, so that a run that ends early starves none (facts: platform.md §1.3). Pure: no clock, no store.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from evalforge.common.clock import timestamp
from evalforge.models import (
    CLOCK_WAS_AHEAD,
    NOT_REACHED,
    RETENTION,
    CoverageRecord,
    SliceReading,
    Window,
    was_read_ahead,
)

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)
KEPT_APART = timedelta(hours=72) + DAY + HOUR
"""The longest look-back, and the day in which the deep pass reads a slice for the last time: older ones are never
planned again, and those that were read whole become one."""
REMEMBERED = 2 * RETENTION
"""How long the record says of a slice that it was never read."""
SPANS_A_SEARCH = 1_000
"""Slices are searched together as long as the last reading saw no more in them: quiet hours cost one call."""


class Segment(NamedTuple):
    """Adjoining slices that are searched together, oldest first, and the window of the search.

    Without slices, a stretch that is searched beside them.
    """

    slices: tuple[datetime, ...]
    window: Window


def window_of(now: datetime, lookback_hours: float) -> Window:
    """The absolute window `[now - lookback, now]`; its end is fixed so that pages do not shift under the cursor."""
    return Window(start=timestamp(now - timedelta(hours=lookback_hours)), end=timestamp(now))


def record_for(record: CoverageRecord | None, asked: str, window: Window) -> CoverageRecord:
    """The record to go on with: a new one where nothing was recorded, or where something else was asked for."""
    start, end = _moment(window.start), _moment(window.end)
    if record is not None:
        record = msgspec.structs.replace(record, slices=tuple(_by_now(record.slices, end)))
    if record is None:
        record = CoverageRecord(asked=asked, since=window.start)
    elif record.asked != asked:
        forgotten = [_unread(one, "asked for something else") for one in record.slices]
        record = msgspec.structs.replace(record, asked=asked, slices=tuple(forgotten))
    return _with_hours(record, start, end)


def plan(record: CoverageRecord, window: Window) -> list[Segment]:
    """The slices of the window in the order in which they are read: newest first, then those not read for longest.

    Neighbours are searched together while the last readings saw few spans in them, or where none has been read yet.
    A slice in which an attempt ended early is gone on with where that stopped; what that attempt read comes last, for
    something may have come late there since.
    """
    start, end = _moment(window.start), _moment(window.end)
    wanted = [one for one in record.slices if _moment(one.end) > start and _moment(one.start) < end]
    wanted.sort(key=lambda one: one.start, reverse=True)
    if sum(one.spans for one in wanted) <= SPANS_A_SEARCH and all(
        one.read_at and not one.resume_from for one in wanted
    ):
        return [_segment(wanted, start, end)] if wanted else []
    newest, left = wanted[:1], wanted[1:]
    if len(left) > 1 and is_cut(record, _moment(left[-1].start), window):
        left[-1] = msgspec.structs.replace(left[-1], read_at=left[-2].read_at)
    again = [Segment((), Window(start=timestamp(first), end=timestamp(last))) for first, last in _begun(wanted, start)]
    return _longest_unread_first(newest, left, start, end) + again


def _begun(slices: Iterable[SliceReading], start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """From where until where attempts that ended early have read."""
    for one in slices:
        if one.resume_from and _moment(one.resume_from) > start:
            yield max(start, _moment(one.start)), _moment(one.resume_from)


def plan_deep(record: CoverageRecord, window: Window, deep_hours: float) -> list[Segment]:
    """The slices before the window that are due to be read again, those that were not read for longest first.

    Each is once a day, and for the last time when all of it is `deep_hours` old: so an evaluation that comes no later
    than that after its span is found within a day. What no run has read yet is due at once. Nothing is read of the
    time before anything was asked for.
    """
    now, deep = _moment(window.end), timedelta(hours=deep_hours)
    if not deep:
        return []

    def is_due(one: SliceReading) -> bool:
        if one.read_at is None or not _is_whole(one):
            return True
        read_at, last = _moment(one.read_at), _moment(one.end) + deep
        return read_at < last and (now >= last or now - read_at >= DAY)

    due = [
        one
        for one in record.slices
        if is_cut(record, _moment(one.start), window) and _moment(one.end) > now - deep - DAY and is_due(one)
    ]
    due.sort(key=lambda one: one.start, reverse=True)
    return _longest_unread_first([], due, _moment(record.since), now)


def is_cut(record: CoverageRecord, start: datetime, window: Window) -> bool:
    """Whether a reading of the window leaves out the beginning of this slice: then it reads none of it whole."""
    return max(timestamp(start), record.since) < window.start


def _longest_unread_first(
    newest: Sequence[SliceReading], left: Sequence[SliceReading], start: datetime, end: datetime
) -> list[Segment]:
    ages = sorted({one.read_at or "" for one in left})
    groups = [newest, *([one for one in left if (one.read_at or "") == age] for age in ages)]
    return [_segment(run, start, end) for group in groups for run in _neighbours(group)]


def with_reading(
    record: CoverageRecord,
    slices: Collection[datetime],
    until: datetime,
    *,
    read_at: str,
    spans: Mapping[datetime, int],
) -> CoverageRecord:
    """The record after these slices (their beginnings) were read whole, up to a moment."""

    def told(one: SliceReading) -> SliceReading:
        start, end = _moment(one.start), _moment(one.end)
        return msgspec.structs.replace(
            one,
            until=timestamp(min(end, until)),
            read_at=one.begun_at or read_at,
            reason=None,
            spans=_seen(one, spans.get(start, 0)),
            resume_from=None,
            begun_at=None,
        )

    return _changed(record, slices, told)


def with_attempt(
    record: CoverageRecord, reached: Mapping[datetime, datetime], *, read_at: str, spans: Mapping[datetime, int]
) -> CoverageRecord:
    """The record after an attempt ended early within these slices, each of them read whole up to a moment."""

    def told(one: SliceReading) -> SliceReading:
        start = _moment(one.start)
        resume_from = max(timestamp(reached[start]), one.resume_from or "")
        seen = _seen(one, spans.get(start, 0))
        return msgspec.structs.replace(one, resume_from=resume_from, begun_at=one.begun_at or read_at, spans=seen)

    return _changed(record, reached.keys(), told)


def _seen(one: SliceReading, spans: int) -> int:
    return spans + (one.spans if one.resume_from else 0)


def with_doubt(record: CoverageRecord, slices: Collection[datetime], reason: str) -> CoverageRecord:
    """The record after these slices could not be read whole; what earlier runs read of them stands."""
    return _changed(record, slices, lambda one: msgspec.structs.replace(one, reason=reason))


def with_slices_of(record: CoverageRecord, slices: Collection[datetime], other: CoverageRecord) -> CoverageRecord:
    """The record with these slices as another record of the same slices has them."""
    theirs = {one.start: one for one in other.slices}
    return _changed(record, slices, lambda one: theirs[one.start])


def _changed(
    record: CoverageRecord, slices: Collection[datetime], change: Callable[[SliceReading], SliceReading]
) -> CoverageRecord:
    changed = (change(one) if _moment(one.start) in slices else one for one in record.slices)
    return msgspec.structs.replace(record, slices=tuple(changed))


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


def _by_now(slices: Iterable[SliceReading], now: datetime) -> Iterator[SliceReading]:
    """Those that have begun and are remembered; what a clock that was ahead claims to have read is unread."""
    for one in slices:
        if timestamp(now - REMEMBERED) < one.end and one.start < timestamp(now):
            if was_read_ahead(one, now) or (one.begun_at or "") > timestamp(now):
                yield _unread(one, CLOCK_WAS_AHEAD)
            else:
                yield one


def _unread(one: SliceReading, reason: str) -> SliceReading:
    return SliceReading(start=one.start, end=one.end, reason=reason)


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


def _neighbours(slices: Sequence[SliceReading]) -> Iterator[list[SliceReading]]:
    """Slices, newest first, in runs that adjoin and are few spans together, as far as is known.

    Only the oldest of a run can be gone on with where an attempt stopped.
    """
    run: list[SliceReading] = []
    for one in slices:
        spans = sum(each.spans for each in run) + one.spans
        if run and (run[-1].start != one.end or run[-1].resume_from or spans > SPANS_A_SEARCH):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _segment(group: Iterable[SliceReading], start: datetime, end: datetime) -> Segment:
    slices = sorted(group, key=lambda one: one.start)
    moments = [_moment(one.start) for one in slices]
    first = _moment(slices[0].resume_from or slices[0].start)
    window = Window(start=timestamp(max(start, first)), end=timestamp(min(end, moments[-1] + HOUR)))
    return Segment(slices=tuple(moments), window=window)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
