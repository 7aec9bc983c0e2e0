"""How late failures are seen, and when that is too late for the look-back."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.common.clock import timestamp
from evalforge.ingestion.first_seen import FirstSeen
from evalforge.ingestion.health import health_of
from evalforge.models import Lateness, lateness_of, together
from evalforge.models.lateness import BUCKETS, bucket_of
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import capture, run

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def seen(hours_after: float, *, read: bool = True, twice: bool = False) -> Lateness:
    """The histogram of a run that began so long after the span of a new capture began."""
    one = capture("aa")
    [started] = [span.started_at for span in one.trace_payload.spans]
    log = FirstSeen(datetime.fromisoformat(started or "") + timedelta(hours=hours_after), lambda _: read)
    log.note(one if twice else None, one)
    return log.lateness()


def test_a_failure_counts_in_the_bucket_of_the_time_since_its_span() -> None:
    assert seen(20.5).buckets == {"22h": 1}
    assert seen(0.2).buckets == {"15m": 1}
    assert seen(200).buckets == {"longer": 1}


def test_what_is_stored_already_is_not_seen_first() -> None:
    assert seen(3, twice=True) == Lateness()


def test_a_delay_in_time_that_no_run_had_read_may_be_the_runs_own() -> None:
    assert (seen(20, read=False).buckets, seen(20, read=False).unknown) == ({}, 1)
    assert seen(0.2, read=False).unknown == 0


@given(st.lists(st.floats(0, 500 * 3600), min_size=1, max_size=300))
def test_the_buckets_are_fixed_and_the_quantiles_lie_in_the_bucket_of_the_one_that_they_name(late: list[float]) -> None:
    told = lateness_of(Counter(map(bucket_of, late)))
    assert set(told.buckets) <= {*BUCKETS, "longer"}
    assert sum(told.buckets.values()) == len(late)
    assert told.p50_hours is not None
    assert told.p99_hours is not None
    assert told.p50_hours <= told.p99_hours <= 96
    assert together([told, told]).p99_hours == told.p99_hours


@pytest.mark.parametrize(("late", "lookback", "warned"), [("18h", 24, ""), ("24h", 24, "=30"), ("72h", 72, "cannot")])
def test_health_warns_when_failures_come_later_than_most_of_the_look_back(
    late: str, lookback: float, warned: str
) -> None:
    store = SqliteStore(None)
    store.save_run(run("r1", started_at=timestamp(NOON), lateness=lateness_of(Counter({late: 50, "5m": 100}))))
    health = health_of(store, NOON, lookback_hours=lookback, longest_run_seconds=900)
    reasons = [one for one in health.reasons if "80 %" in one]
    assert [warned in one for one in reasons] == ([True] if warned else [])
    assert health.lateness.buckets == {"5m": 100, late: 50}
