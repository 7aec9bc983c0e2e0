"""Requests are evenly spaced and never more than allowed in any 60 seconds, seen from the server."""

import heapq
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.ingestion.search.pacing import Flight, Pacer
from evalforge.models import RateLimit
from helpers.clocks import FakeClock


def drive(pacer: Pacer, clock: FakeClock, trips: list[tuple[float, float]]) -> list[float]:
    """Requests one after another, each as soon as it may; a trip is the way there and the way back. The arrivals."""
    arrivals = []
    for there, back in trips:
        clock.sleep(pacer.wait_needed())
        flight = pacer.started()
        clock.advance(there)
        arrivals.append(clock.monotonic())
        clock.advance(back)
        pacer.finished(flight)
    return arrivals


def drive_at_once(pacer: Pacer, clock: FakeClock, trips: list[tuple[float, float]], most: int) -> list[float]:
    """Requests of which up to `most` are under way, each as soon as it may. The arrivals, in order."""
    arrivals: list[float] = []
    under_way: list[tuple[float, int, Flight]] = []
    for number, (there, back) in enumerate(trips):
        while True:
            wait = pacer.wait_needed() if len(under_way) < most else float("inf")
            if wait <= 0:
                break
            ends = under_way[0][0] - clock.monotonic() if under_way else float("inf")
            clock.advance(max(0.0, min(wait, ends)))
            if ends <= wait:
                pacer.finished(heapq.heappop(under_way)[2])
        arrivals.append(clock.monotonic() + there)
        heapq.heappush(under_way, (clock.monotonic() + there + back, number, pacer.started()))
    return sorted(arrivals)


def most_in_a_window(arrivals: list[float], seconds: float) -> int:
    """The most arrivals in any closed window."""
    return max(sum(start <= moment <= start + seconds for moment in arrivals) for start in arrivals)


TRIPS = st.tuples(st.floats(0, 0.2) | st.floats(0, 30), st.floats(0, 1))


@given(st.integers(1, 40) | st.floats(1, 40), st.lists(TRIPS, min_size=1, max_size=120))
def test_no_window_of_a_minute_ever_sees_more_than_allowed(rate: float, trips: list[tuple[float, float]]) -> None:
    clock = FakeClock()
    assert most_in_a_window(drive(Pacer(clock, rate), clock, trips), 60) <= rate


@given(st.integers(1, 40), st.lists(st.lists(TRIPS, min_size=1, max_size=60), min_size=2, max_size=4), st.floats(0, 90))
def test_no_window_of_a_minute_sees_more_across_runs_either(
    rate: int, runs: list[list[tuple[float, float]]], pause: float
) -> None:
    clock = FakeClock()
    arrivals: list[float] = []
    for trips in runs:
        pacer = Pacer(clock, rate)
        ended = clock.monotonic()
        clock.advance(pause)
        pacer.resume(clock.monotonic() - ended, len(arrivals))
        arrivals += drive(pacer, clock, trips)
    assert most_in_a_window(arrivals, 60) <= rate


@given(st.integers(1, 20), st.integers(2, 8), st.lists(TRIPS, min_size=1, max_size=120))
def test_no_window_of_a_minute_sees_more_of_several_at_once(
    rate: int, most: int, trips: list[tuple[float, float]]
) -> None:
    clock = FakeClock()
    assert most_in_a_window(drive_at_once(Pacer(clock, rate), clock, trips, most), 60) <= rate


def test_one_that_arrives_after_those_that_followed_it_does_not_crowd_those_that_come_later() -> None:
    clock = FakeClock()
    trips = [(0.0, 0.0), (200.0, 0.0), (0.0, 0.0), *[(0.0, 0.0)] * 9]
    assert most_in_a_window(drive_at_once(Pacer(clock, 2), clock, trips, 4), 60) <= 2


def test_several_at_once_use_nearly_all_that_is_allowed_though_each_answer_takes_long() -> None:
    clock = FakeClock()
    arrivals = drive_at_once(Pacer(clock, 200), clock, [(0.75, 0.75)] * 2001, 8)
    assert 0.95 * 200 <= 2000 / (arrivals[-1] - arrivals[0]) * 60 <= 200


def test_a_pause_after_the_runs_before_is_not_waited_for_again() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 30)
    pacer.resume(61 + 2, 30)
    assert pacer.wait_needed() == 0
    pacer = Pacer(clock, 30)
    pacer.resume(0, 30)
    assert 2 <= pacer.wait_needed() < 4.1


@pytest.mark.parametrize("rate", [1, 2, 30])
def test_a_request_that_arrived_late_does_not_crowd_those_after_it(rate: int) -> None:
    clock = FakeClock()
    arrivals = drive(Pacer(clock, rate), clock, [(25, 0), *[(0, 0)] * 3 * rate])
    assert most_in_a_window(arrivals, 60) <= rate


@pytest.mark.parametrize("rate", [1, 7, 200, 300])
def test_a_saturated_pacer_uses_nearly_all_that_is_allowed(rate: int) -> None:
    clock = FakeClock()
    arrivals = drive(Pacer(clock, rate), clock, [(0.02, 0.05)] * (10 * rate + 1))
    per_minute = 10 * rate / (arrivals[-1] - arrivals[0]) * 60
    assert 0.95 * rate <= per_minute <= rate


def test_requests_are_evenly_spaced_without_a_burst() -> None:
    clock = FakeClock()
    arrivals = drive(Pacer(clock, 200), clock, [(0.0, 0.01)] * 500)
    gaps = [later - earlier for earlier, later in pairwise(arrivals)]
    assert min(gaps) >= 0.3
    assert max(gaps) < 0.4


def test_idle_time_is_not_saved_up_for_a_burst() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 60)
    drive(pacer, clock, [(0, 0)])
    clock.advance(600)
    drive(pacer, clock, [(0, 0)])
    assert pacer.wait_needed() >= 1


@pytest.mark.parametrize(("rate", "interval"), [(0.5, 120), (0.1, 600), (1, 60), (1.5, 60)])
def test_rates_of_about_one_a_minute_and_below_are_kept(rate: float, interval: float) -> None:
    clock = FakeClock()
    pacer = Pacer(clock, rate)
    assert pacer.wait_needed() == 0
    drive(pacer, clock, [(0, 0)])
    assert interval < pacer.wait_needed() <= interval * 1.05


@pytest.mark.parametrize("rate", [1e-30, 1e9, 1e300, float("inf")])
def test_any_positive_rate_is_accepted(rate: float) -> None:
    clock = FakeClock()
    pacer = Pacer(clock, rate)
    pacer.finished(pacer.started())
    assert pacer.wait_needed() >= 0


def test_the_limit_and_period_of_the_first_answer_set_the_pace() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 200)
    drive(pacer, clock, [(0, 0.1)])
    pacer.learn(RateLimit(limit=10, period_seconds=60))
    arrivals = drive(pacer, clock, [(0, 0.1)] * 50)
    assert most_in_a_window(arrivals, 60) <= 10
    assert 49 / (arrivals[-1] - arrivals[0]) * 60 >= 0.95 * 10


def test_a_generous_limit_does_not_lift_the_own_rate() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 60)
    pacer.learn(RateLimit(limit=1_000_000, period_seconds=1))
    drive(pacer, clock, [(0, 0)])
    assert pacer.wait_needed() > 1
    assert pacer.told_wait() < 0.01


def test_nothing_remaining_waits_for_the_reset() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 200)
    pacer.learn(RateLimit(remaining=0, reset_seconds=42))
    assert pacer.wait_needed() == pacer.told_wait() == 42
    clock.advance(42)
    assert pacer.wait_needed() == 0


def test_something_remaining_waits_for_nothing() -> None:
    pacer = Pacer(FakeClock(), 200)
    pacer.learn(RateLimit(remaining=1, reset_seconds=42))
    assert pacer.wait_needed() == 0


def test_a_shorter_hold_does_not_shorten_a_longer_one() -> None:
    pacer = Pacer(FakeClock(), 200)
    pacer.hold(30)
    pacer.hold(5)
    assert pacer.told_wait() == 30
