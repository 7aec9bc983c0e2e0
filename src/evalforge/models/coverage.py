"""How sure the store is of what it holds: which time was read whole, in part, or can never be read."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

import msgspec

from evalforge.common.clock import timestamp
from evalforge.models.captures import Moment

RETENTION = timedelta(days=15)
"""Datadog docs, "Data Retention Periods": traces and spans. What was not read by then can never be."""
NOT_REACHED = "not reached"
CLOCK_WAS_AHEAD = "read by a run whose clock was ahead"
PAST_RETENTION = "past retention: Datadog keeps spans for 15 days"


class CoveredTime(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time that is covered in one way.

    state: complete if everything was read; partial if not, or if the last attempt failed; never if it is too late.
    reason: why not everything was read; null if it was.
    start: its beginning.
    end: its end.
    read_at: start of the run that read it whole last; the earliest of them where there are several; null if none did.
    """

    state: Literal["complete", "partial", "never"]
    reason: str | None
    start: Moment
    end: Moment
    read_at: Moment | None


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How sure a run is of what it read: `partial` with reasons, or `complete`; and which evaluators it asked for.

    slices: what all runs had read when this one ended, oldest first, of late; empty while it runs and if it failed.
    """

    state: Literal["complete", "partial"]
    reasons: tuple[str, ...] = ()
    evaluators_asked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    slices: tuple[CoveredTime, ...] = ()


class SliceReading(msgspec.Struct, frozen=True, kw_only=True):
    """How far a slice of time has been read: whole up to `until`, unless `reason` says why the last attempt was not.

    start: the beginning of the slice, a whole hour in UTC; adjoining slices that will not be read again may be one.
    end: the end of the slice, a whole hour too.
    until: everything that began before was read whole by one reading; null if nothing ever was.
    read_at: start of the run that did; null if none did.
    reason: why the last attempt could not read all of it; null if it did.
    spans: matching spans that the last whole reading saw, from which the next one is planned; with those of an attempt
        that ended early within the slice.
    resume_from: everything that began before was read whole by an attempt that ended early, and the next attempt goes
        on there; null where none did.
    begun_at: start of the run that began that attempt; null with resume_from.
    """

    start: Moment
    end: Moment
    until: Moment | None = None
    read_at: Moment | None = None
    reason: str | None = None
    spans: int = 0
    resume_from: Moment | None = None
    begun_at: Moment | None = None


class CoverageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What all runs together have read, kept in the store and committed with what they found.

    asked: a digest of what was asked for (apps, scope, rules); what was read under another counts as unread.
    since: nothing before this moment was ever asked for.
    slices: oldest first, without gaps or overlaps.
    outside_at: when calls outside of runs were made last, by a replay of dead letters or a backfill; null if never.
    outside_calls: HTTP attempts of those of late, so that the pace of requests goes on from them.
    """

    asked: str
    since: Moment
    slices: tuple[SliceReading, ...] = ()
    outside_at: Moment | None = None
    outside_calls: int = 0


def is_sound(record: CoverageRecord) -> bool:
    """Whether the record can be of our making: moments as we write them, slices without gaps or overlaps."""
    slices = record.slices
    moments = [record.since, record.outside_at or record.since]
    moments += [moment for one in slices for moment in _moments(one) if moment]
    try:
        as_written = all(timestamp(datetime.fromisoformat(moment)) == moment for moment in moments)
    except (ValueError, OverflowError):
        return False
    adjoining = all(one.end == following.start for one, following in pairwise(slices))
    return as_written and adjoining and all(one.start < one.end for one in slices)


def _moments(one: SliceReading) -> tuple[Moment | None, ...]:
    return one.start, one.end, one.until, one.read_at, one.resume_from, one.begun_at


def was_read_ahead(one: SliceReading, now: datetime) -> bool:
    """Whether the run that read it took it to be later than it is now: what it read is not what there will be."""
    return one.read_at is not None and one.read_at > timestamp(now)


def covered(record: CoverageRecord | None, now: datetime) -> tuple[CoveredTime, ...]:
    """What the record says, oldest first; what adjoins and is covered alike, for the same reason, is one stretch."""
    found: list[CoveredTime] = []
    for one in _stretches(record, now) if record is not None else ():
        last = found[-1] if found else None
        if last is not None and (last.state, last.reason, last.end) == (one.state, one.reason, one.start):
            read_at = None if None in (last.read_at, one.read_at) else min(last.read_at or "", one.read_at or "")
            found[-1] = msgspec.structs.replace(last, end=one.end, read_at=read_at)
        else:
            found.append(one)
    return tuple(found)


def _stretches(record: CoverageRecord, now: datetime) -> Iterator[CoveredTime]:
    """Each slice, or its part that was read and the part that was not."""
    lost, present = timestamp(now - RETENTION), timestamp(now)
    for one in record.slices:
        start, end = max(one.start, record.since), min(one.end, present)
        if was_read_ahead(one, now):
            one = msgspec.structs.replace(one, until=None, read_at=None, reason=CLOCK_WAS_AHEAD)
        until = min(one.until, end) if one.until is not None else None
        if one.reason is None and until is not None and until > start:
            yield CoveredTime(state="complete", reason=None, start=start, end=until, read_at=one.read_at)
            start = until
            if one is record.slices[-1]:
                continue
        if start >= end:
            continue
        if end <= lost and (until is None or start == until):
            yield CoveredTime(state="never", reason=PAST_RETENTION, start=start, end=end, read_at=None)
        else:
            read_at = one.read_at if one.reason is not None else None
            yield CoveredTime(state="partial", reason=one.reason or NOT_REACHED, start=start, end=end, read_at=read_at)
