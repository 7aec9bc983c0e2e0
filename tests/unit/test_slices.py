"""Which slices the deep pass reads, and what a reading that leaves out the beginning of a slice may claim."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from evalforge.common.clock import timestamp
from evalforge.ingestion.run_coverage import RunCoverage
from evalforge.ingestion.segment_reading import PartReading
from evalforge.ingestion.slices import (
    HOUR,
    Segment,
    compacted,
    hour_of,
    record_for,
    window_of,
    with_attempt,
    with_reading,
)
from evalforge.models import NOT_REACHED, CoverageRecord, SliceReading, covered

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEEP = 72.0


def coverage_at(
    now: datetime, record: CoverageRecord | None, deep_hours: float = DEEP, asked: str = "a"
) -> RunCoverage:
    window = window_of(now, 24)
    return RunCoverage(record, asked=asked, window=window, deep_hours=deep_hours, read_at=timestamp(now))


def after_a_run(now: datetime, record: CoverageRecord | None, deep_hours: float = DEEP) -> CoverageRecord:
    """A run in which all that is planned is read whole."""
    coverage = coverage_at(now, record, deep_hours)
    for deep, segments in ((False, coverage.segments), (True, coverage.deep_segments)):
        for segment in segments:
            reading_of(coverage, segment, deep=deep).ended(None)
    return coverage.unsaved() or record or CoverageRecord(asked="a", since="")


def reading_of(coverage: RunCoverage, segment: Segment, *, deep: bool = False) -> PartReading:
    """The reading of a segment by one search, which has begun."""
    reading = coverage.reading(segment, deep=deep)
    reading.begun = True
    part = PartReading(reading, segment.window)
    reading.add(part)
    return part


@pytest.mark.parametrize("minutes", [15, 50, 60])
def test_every_hour_is_read_again_each_day_until_all_of_it_is_as_old_as_the_deep_pass_reaches(minutes: int) -> None:
    record, readings = None, defaultdict[str, set[str]](set)
    for number in range(6 * 24 * 60 // minutes):
        record = after_a_run(NOON + number * timedelta(minutes=minutes), record)
        for one in record.slices:
            readings[one.start].add(one.read_at or "")
    for start in (NOON + number * HOUR for number in range(24)):
        moments = [datetime.fromisoformat(one) for one in sorted(readings[timestamp(start)]) if one]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        assert max(gaps) <= timedelta(hours=24, minutes=minutes)
        assert moments[-1] >= start + HOUR + timedelta(hours=DEEP)
        assert len([one for one in moments if one > start + timedelta(hours=25)]) <= 3


def test_the_last_reading_of_an_hour_comes_once_all_of_it_is_old_enough_however_fresh_the_one_before() -> None:
    old = NOON + timedelta(hours=DEEP)
    before = SliceReading(
        start=timestamp(NOON - HOUR),
        end=timestamp(NOON),
        until=timestamp(NOON),
        read_at=timestamp(old - timedelta(minutes=1)),
    )
    record = CoverageRecord(asked="a", since=before.start, slices=(before,))

    def is_due(now: datetime, record: CoverageRecord) -> bool:
        return any(NOON - HOUR in segment.slices for segment in coverage_at(now, record).deep_segments)

    assert not is_due(old - timedelta(seconds=1), record)
    assert is_due(old, record)
    assert not is_due(old + timedelta(hours=23), after_a_run(old, record))


def test_a_reading_that_leaves_out_the_beginning_of_an_hour_does_not_claim_to_have_read_it_again() -> None:
    first = after_a_run(NOON, None, 0)
    again = after_a_run(NOON + timedelta(hours=3, minutes=30), first, 0)
    cut = next(one for one in again.slices if one.start == timestamp(NOON - timedelta(hours=21)))
    assert cut.read_at == timestamp(NOON)


def test_after_an_outage_the_deep_pass_reads_at_once_what_no_run_had_read() -> None:
    record = after_a_run(NOON, None)
    later = coverage_at(NOON + timedelta(hours=60), record)
    due = {start for segment in later.deep_segments for start in segment.slices}
    assert {NOON + number * HOUR for number in range(36)} <= due


def test_the_deep_pass_reads_nothing_of_the_time_before_anything_was_asked_for() -> None:
    assert coverage_at(NOON + timedelta(minutes=20), None).deep_segments == ()
    short = RunCoverage(None, asked="a", window=window_of(NOON, 1), deep_hours=DEEP, read_at=timestamp(NOON))
    assert short.deep_segments == ()


def test_without_a_deep_look_back_nothing_is_due() -> None:
    record = after_a_run(NOON, None, 0)
    assert coverage_at(NOON + timedelta(hours=60.5), record, 0).deep_segments == ()


def test_a_deep_pass_that_is_cut_short_takes_nothing_from_what_was_read_and_the_next_run_goes_on() -> None:
    record = after_a_run(NOON, None)
    later = NOON + timedelta(hours=26)
    record = after_a_run(later, record, 0)
    first = coverage_at(later, record)
    assert first.deep_due > 0
    before = first.stretches()
    reading_of(first, first.deep_segments[0], deep=True)
    first.interrupted("the deadline")
    assert first.deep_read == 0
    assert first.stretches() == before
    assert coverage_at(later, first.unsaved() or record).deep_due == first.deep_due


def test_what_a_run_with_a_clock_that_was_ahead_read_is_not_read_once_the_clock_is_right_again() -> None:
    ahead = NOON + timedelta(days=3650)
    record = record_for(None, "a", window_of(ahead, 24))
    hours = [datetime.fromisoformat(one.start) for one in record.slices]
    record = with_reading(record, hours, ahead, read_at=timestamp(ahead), spans={})
    again = record_for(compacted(record, ahead), "a", window_of(NOON, 24))
    assert all(one.until is None and one.reason == NOT_REACHED for one in again.slices)
    assert len(again.slices) == 24
    assert datetime.fromisoformat(again.slices[-1].end) - NOON <= timedelta(hours=1)


def test_an_hour_that_was_read_by_a_clock_a_little_ahead_is_unread_too() -> None:
    ahead = NOON + timedelta(hours=3)
    record = record_for(None, "a", window_of(ahead, 24))
    hours = [datetime.fromisoformat(one.start) for one in record.slices]
    record = with_reading(record, hours, ahead, read_at=timestamp(ahead), spans={})
    assert {one.state for one in covered(record, NOON)} == {"partial"}
    again = record_for(record, "a", window_of(NOON, 24))
    assert {one.until for one in again.slices} == {None}
    later = with_reading(again, [NOON - timedelta(hours=1)], NOON, read_at=timestamp(NOON), spans={})
    assert [one.state for one in covered(later, NOON)].count("complete") == 1


def hours_read(coverage: RunCoverage, now: datetime) -> list[tuple[str, str]]:
    record = coverage.unsaved() or coverage.stored
    return [(one.start, one.end) for one in covered(record, now) if one.state == "complete"]


@pytest.mark.parametrize("odd", ["2026-11-23T13", "2031-01-01T00", "2026-11-22T10", "1970-01-01T00"])
def test_a_span_that_began_outside_of_what_was_asked_for_says_nothing_of_what_was_read(odd: str) -> None:
    coverage = coverage_at(NOON, None)
    part = reading_of(coverage, coverage.segments[-1])
    part.saw([odd], sure=True)
    coverage.interrupted("the deadline")
    assert hours_read(coverage, NOON) == []
    coverage = coverage_at(NOON, None)
    part = reading_of(coverage, coverage.segments[-1])
    part.saw(["2026-11-22T14", odd, "2026-11-22T15"], sure=True)
    coverage.interrupted("the deadline")
    assert hours_read(coverage, NOON) == [(timestamp(NOON - 24 * HOUR), timestamp(NOON - 21 * HOUR))]


def test_pages_that_turn_out_not_to_be_in_order_take_back_what_was_taken_for_read() -> None:
    coverage = coverage_at(NOON, None)
    part = reading_of(coverage, coverage.segments[-1])
    part.saw(["2026-11-22T20", "2026-11-22T22"], sure=True)
    assert hours_read(coverage, NOON) == [(timestamp(NOON - 24 * HOUR), timestamp(NOON - 14 * HOUR))]
    part.saw(["2026-11-22T20"], sure=True)
    coverage.interrupted("the deadline")
    assert coverage.unsaved() is not None, "what was committed is taken back"
    assert hours_read(coverage, NOON) == []


def test_the_next_run_goes_on_within_the_hour_where_an_attempt_stopped() -> None:
    record = after_a_run(NOON, None, 0.0)
    later = NOON + timedelta(minutes=15)
    stopped = coverage_at(later, record, 0.0)
    segment = next(one for one in stopped.segments if NOON - 3 * HOUR in one.slices)
    part = reading_of(stopped, segment)
    reached = datetime.fromisoformat(segment.window.start) + timedelta(minutes=100)
    part.saw([f"{reached:%Y-%m-%dT%H}"], sure=True, first=reached, last=reached)
    stopped.interrupted("the call budget")
    record = stopped.unsaved()
    assert record is not None
    third = coverage_at(later + timedelta(minutes=15), record, 0.0)
    again = next(one for one in third.segments if one.slices[:1] == (hour_of(reached),))
    assert again.window.start == timestamp(reached - timedelta(seconds=1))
    last = third.segments[-1]
    assert (last.slices, last.window.start, last.window.end) == ((), timestamp(hour_of(reached)), again.window.start)
    reading_of(third, again).ended(None)
    told = {one.start: one for one in (third.unsaved() or record).slices}[timestamp(hour_of(reached))]
    assert (told.reason, told.resume_from, told.begun_at) == (None, None, None)
    assert told.read_at == timestamp(later)


def test_what_an_attempt_of_a_clock_that_was_ahead_left_is_not_gone_on_with() -> None:
    record = record_for(None, "a", window_of(NOON, 24))
    hour = NOON - 2 * HOUR
    ahead = with_attempt(record, {hour: hour + HOUR / 2}, read_at=timestamp(NOON + HOUR), spans={})
    again = record_for(ahead, "a", window_of(NOON, 24))
    assert {one.resume_from for one in again.slices} == {None}
