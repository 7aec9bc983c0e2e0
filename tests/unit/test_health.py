"""What of a time was not read, as a law."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evalforge.common.clock import timestamp
from evalforge.ingestion.health import unread
from evalforge.models import Window

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTES = st.integers(-20, 120)


@given(st.lists(st.tuples(MINUTES, MINUTES)))
def test_each_minute_is_either_in_a_window_or_in_a_gap(windows: list[tuple[int, int]]) -> None:
    ordered = [(min(pair), max(pair)) for pair in windows]
    given_windows = [Window(start=at(start), end=at(end)) for start, end in ordered]
    gaps = unread(given_windows, NOON, NOON + timedelta(minutes=100))
    for minute in range(100):
        middle = NOON + timedelta(minutes=minute, seconds=30)
        in_a_window = any(start <= minute < end for start, end in ordered)
        assert sum(gap.start <= middle < gap.end for gap in gaps) == (not in_a_window)
    assert all(before.end <= after.start for before, after in pairwise(gaps))


def at(minute: int) -> str:
    return timestamp(NOON + timedelta(minutes=minute))
