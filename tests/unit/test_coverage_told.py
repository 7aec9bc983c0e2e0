"""What the record of coverage tells people, and when counts are only lower bounds."""

from datetime import UTC, datetime, timedelta

from evalforge.common.clock import timestamp
from evalforge.models import Coverage, CoverageRecord, SliceReading, covered, may_lack
from helpers.captures import run

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
COMPLETE = run("r1", coverage=Coverage(state="complete"))


def at(hours: float) -> str:
    return timestamp(NOON + timedelta(hours=hours))


def record(*slices: SliceReading, since: float = -1000) -> CoverageRecord:
    return CoverageRecord(asked="a", since=at(since), slices=slices)


def whole(hour: float, until: float | None = None, read: float = 0) -> SliceReading:
    return SliceReading(
        start=at(hour), end=at(hour + 1), until=at(hour + 1 if until is None else until), read_at=at(read)
    )


def unread(hour: float, reason: str = "the deadline") -> SliceReading:
    return SliceReading(start=at(hour), end=at(hour + 1), reason=reason)


def told(*slices: SliceReading, since: float = -1000) -> list[tuple[str, str, str]]:
    return [(one.state, one.start, one.end) for one in covered(record(*slices, since=since), NOON)]


def test_hours_covered_alike_are_one_stretch_that_was_read_when_its_earliest_was() -> None:
    [one] = covered(record(whole(-4, read=-1), whole(-3, read=-2), whole(-2)), NOON)
    assert (one.state, one.start, one.end, one.read_at) == ("complete", at(-4), at(-1), at(-2))


def test_what_was_not_read_is_partial_with_the_reason_and_never_once_past_retention() -> None:
    assert told(unread(-400), unread(-300), unread(-2)) == [
        ("never", at(-400), at(-399)),
        ("partial", at(-300), at(-299)),
        ("partial", at(-2), at(-1)),
    ]
    assert [one.reason for one in covered(record(unread(-300)), NOON)] == ["the deadline"]


def test_the_rest_of_an_hour_in_which_the_last_reading_ended_is_not_read_once_there_are_later_hours() -> None:
    assert told(whole(-3, until=-2.5), whole(-2)) == [
        ("complete", at(-3), at(-2.5)),
        ("partial", at(-2.5), at(-2)),
        ("complete", at(-2), at(-1)),
    ]


def test_of_the_newest_hour_only_what_was_read_is_told() -> None:
    [one] = covered(record(whole(-1), whole(0, until=0.25)), NOON + timedelta(minutes=30))
    assert (one.state, one.start, one.end) == ("complete", at(-1), at(0.25))


def test_nothing_is_told_of_the_time_before_anything_was_asked_for() -> None:
    assert told(whole(-2), since=-1.5) == [("complete", at(-1.5), at(-1))]


def test_counts_are_lower_bounds_while_something_of_that_time_was_not_read_whole() -> None:
    gap = record(unread(-5), whole(-4))
    assert may_lack(gap, COMPLETE, NOON)
    assert not may_lack(gap, COMPLETE, NOON, since=NOON - timedelta(hours=4))
    assert not may_lack(record(whole(-4)), COMPLETE, NOON)
    assert may_lack(record(whole(-4)), run("r2", coverage=Coverage(state="partial")), NOON)


def test_nothing_is_claimed_where_nothing_ran_and_nothing_trusted_where_no_coverage_is_known() -> None:
    assert not may_lack(None, None, NOON)
    assert may_lack(None, COMPLETE, NOON)
