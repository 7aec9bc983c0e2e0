"""The search when the server fails, throttles, stalls or lies: retries, waits, limits and pacing."""

import itertools
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalforge.common.clock import SystemClock
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.models import RateLimit
from helpers import fake_datadog as fake
from helpers.clocks import FakeClock
from helpers.datadog_searches import WINDOW, client_of, collect, spans
from helpers.fake_datadog import FakeDatadog

# Retries

PASSING: dict[str, fake.Answer] = {
    **{f"HTTP {status}": fake.reply(status, {"errors": ["x"]}) for status in (408, 429, 500, 502, 503, 504, 599)},
    "reset mid-body": fake.reset_mid_body,
    "JSON cut short": fake.cut_json,
    "truncated gzip": fake.truncated_gzip,
    "gzip that is none": fake.reply(200, b"plain", {"Content-Encoding": "gzip"}),
    "an encoding not asked for": fake.reply(200, b"plain", {"Content-Encoding": "br"}),
    "HTML": fake.html,
    "an empty body": fake.reply(200, b""),
    "another JSON": fake.reply(200, {"errors": []}),
    "no HTTP": fake.garbage,
    "hung up": fake.hang_up_at_once,
    "no content": fake.reply(200, b"null"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_passing_fault_costs_an_attempt_and_nothing_else(fault: fake.Answer) -> None:
    with FakeDatadog(spans=spans(5), script=[fault, fault]) as server, client_of(server) as client:
        assert collect(client) == (5, None)
    assert len(server.requests) == client.calls == 3


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_lasting_fault_is_given_up_after_three_attempts(fault: fake.Answer) -> None:
    with FakeDatadog(script=[fault] * 9) as server, client_of(server) as client:
        _, error = collect(client)
    assert isinstance(error, SearchInterrupted)
    assert len(server.requests) == client.calls == 3


def test_a_fault_on_a_later_page_keeps_the_pages_before_it() -> None:
    script = [fake.page(spans(7), {"page": {"after": "a"}}), *[fake.reply(503)] * 3]
    with FakeDatadog(script=script) as server, client_of(server) as client:
        count, error = collect(client)
    assert count == 7
    assert isinstance(error, SearchInterrupted)
    assert "503" in error.reason


def test_no_server_at_all_is_a_partial_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid", f"https://127.0.0.1:{port}"):
        with client_of(url) as client:
            _, error = collect(client)
        assert isinstance(error, SearchInterrupted)
        assert client.calls == 3


@pytest.mark.parametrize(("random", "sleeps"), [(0.0, []), (0.5, [0.5, 1.0]), (0.999, [0.999, 1.998])])
def test_without_a_word_a_retry_waits_about_a_second_doubling_and_fully_jittered(
    random: float, sleeps: list[float]
) -> None:
    clock = FakeClock()
    with FakeDatadog(script=[fake.reply(503)] * 3) as server, client_of(server, clock, random=lambda: random) as client:
        collect(client)
    assert [round(seconds, 3) for seconds in clock.sleeps if seconds > 0.01] == sleeps


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "7"}),
        (503, {"Retry-After": "7"}),
        (429, {"Retry-After": "Mon, 23 Nov 2026 12:00:07 GMT"}),
        (429, {"X-RateLimit-Reset": "7"}),
        (429, {"X-RateLimit-Reset": "7", "Retry-After": "NaN"}),
        (429, {"X-RateLimit-Reset": "7", "X-RateLimit-Remaining": "0"}),
    ],
)
def test_a_told_wait_is_obeyed_and_a_little_jitter_comes_after(status: int, headers: dict[str, str]) -> None:
    clock = FakeClock()
    script = [fake.reply(status, {}, headers)]
    with FakeDatadog(script=script) as server, client_of(server, clock) as client:
        assert collect(client) == (0, None)
    assert 7 <= sum(clock.sleeps) <= 7.6


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        *itertools.product(("Retry-After", "X-RateLimit-Reset"), ("61", "3600", "1e30")),
        ("Retry-After", "Fri, 01 Jan 9999 00:00:00 GMT"),
    ],
)
def test_a_wait_beyond_the_bound_ends_the_search_without_another_attempt(header: str, wait: str) -> None:
    clock = FakeClock()
    with FakeDatadog(script=[fake.reply(429, {}, {header: wait})]) as server, client_of(server, clock) as client:
        for _ in range(2):  # a later search of the same run waits no shorter
            _, error = collect(client)
            assert isinstance(error, SearchInterrupted)
    assert (len(server.requests), sum(clock.sleeps)) == (1, 0)


def test_a_wait_past_the_deadline_ends_the_search_without_another_attempt() -> None:
    clock = FakeClock()
    script = [fake.reply(429, {}, {"Retry-After": "30"})]
    with FakeDatadog(script=script) as server, client_of(server, clock, deadline=clock.monotonic() + 20) as client:
        _, error = collect(client)
    assert isinstance(error, SearchInterrupted)
    assert "deadline" in error.reason
    assert (len(server.requests), clock.sleeps) == (1, [])


HOSTILE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=25) | st.sampled_from(
    ["-1", "NaN", "inf", "1e30", "5, 12", "0", "60", "Mon, 31 Feb 2026 12:00:00 GMT"]
)
NAMES = ["Retry-After", *(f"X-RateLimit-{name}" for name in ("Limit", "Period", "Remaining", "Reset", "Name"))]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[FakeDatadog]:
    with FakeDatadog() as server:
        yield server


@settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(NAMES), HOSTILE), max_size=8), st.sampled_from([200, 429, 503]))
def test_hostile_headers_neither_crash_nor_hang(
    shared_server: FakeDatadog, headers: list[tuple[str, str]], status: int
) -> None:
    clock = FakeClock()
    body = fake.page_body([], {"page": {"after": "a"}})
    shared_server.script[:] = [fake.reply(status, body, headers)] * 3
    shared_server.requests.clear()
    with client_of(shared_server, clock) as client:
        _, error = collect(client)
    assert error is None or isinstance(error, SearchInterrupted)
    assert len(shared_server.requests) <= 4
    assert all(seconds <= 61 for seconds in clock.sleeps)


# Limits: budget, deadline, signal, time and size of an attempt


def test_every_attempt_counts_against_the_budget() -> None:
    script = [fake.reply(503), fake.page(spans(1), {"page": {"after": "a"}}), fake.reply(503)]
    with FakeDatadog(spans=spans(9), script=script) as server, client_of(server, max_calls=3) as client:
        count, error = collect(client)
    assert (count, client.calls, len(server.requests)) == (1, 3, 3)
    assert isinstance(error, SearchInterrupted)
    assert "budget of 3 calls" in error.reason


def test_past_the_deadline_nothing_is_asked() -> None:
    clock = FakeClock()
    with FakeDatadog() as server, client_of(server, clock, deadline=clock.monotonic()) as client:
        _, error = collect(client)
    assert isinstance(error, SearchInterrupted)
    assert "deadline" in error.reason
    assert server.requests == []


def test_a_signal_stops_the_search_between_pages() -> None:
    asked: list[bool] = []
    with FakeDatadog(spans=spans(500)) as server, client_of(server, stop=lambda: bool(asked)) as client:
        error = None
        try:
            for _ in client.search("q", WINDOW):
                asked.append(True)
        except SearchInterrupted as interrupted:
            error = interrupted
    assert error is not None
    assert error.reason == "stopped by a signal"
    assert len(server.requests) == 1


def test_a_signal_ends_a_request_under_way() -> None:
    clock = SystemClock()
    begun = clock.monotonic()
    stop: Callable[[], bool] = lambda: clock.monotonic() - begun > 0.3  # noqa: E731
    with FakeDatadog(script=[fake.silence]) as server, client_of(server, clock, stop=stop) as client:
        _, error = collect(client)
    assert isinstance(error, SearchInterrupted)
    assert error.reason == "stopped by a signal"
    assert clock.monotonic() - begun < 2


SLOW = {
    "headers": fake.slow_headers(),
    "body": fake.slow_body(),
    "silence": fake.silence,
}


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW.keys())
def test_a_slow_server_cannot_hold_an_attempt_longer_than_its_time(slow: fake.Answer) -> None:
    script = [slow] * 3
    with FakeDatadog(script=script) as server, client_of(server, attempt_timeout=0.3) as client:
        begun = time.monotonic()
        _, error = collect(client)
        took = time.monotonic() - begun
    assert isinstance(error, SearchInterrupted)
    assert len(server.requests) == 3
    assert 0.9 <= took < 2.5


def test_an_attempt_is_bounded_by_what_is_left_until_the_deadline() -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + 0.4
    with FakeDatadog(script=[fake.slow_headers()] * 3) as server, client_of(server, clock, deadline=deadline) as client:
        _, error = collect(client)
    assert isinstance(error, SearchInterrupted)
    assert "deadline" in error.reason
    assert clock.monotonic() < deadline + 1


def test_an_answer_larger_than_the_bound_is_a_broken_body() -> None:
    with FakeDatadog(script=[fake.gzip_bomb] * 3) as server, client_of(server) as client:
        _, error = collect(client)
    assert isinstance(error, SearchInterrupted)
    assert "larger than 64 MB" in error.reason


# Pacing


def test_requests_arrive_evenly_spaced_at_the_server() -> None:
    clock = SystemClock()
    with (
        FakeDatadog(spans=spans(12)) as server,
        client_of(server, clock, rate=1200, page_limit=1, deadline=clock.monotonic() + 60) as client,
    ):
        assert collect(client) == (12, None)
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(server.searches)]
    assert min(gaps) > 0.03
    assert sum(gaps) / len(gaps) == pytest.approx(60 / 1200, rel=0.15)


def test_the_first_answers_limit_and_period_set_the_pace() -> None:
    clock = FakeClock()
    headers = {"X-RateLimit-Limit": "12", "X-RateLimit-Period": "60"}
    with FakeDatadog(spans=spans(5), headers=headers) as server, client_of(server, clock, page_limit=1) as client:
        assert collect(client) == (5, None)
    assert clock.sleeps == pytest.approx([5.05] * 4, abs=0.01)


def test_nothing_remaining_waits_for_the_reset() -> None:
    clock = FakeClock()
    first = fake.page([], {"page": {"after": "a"}}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "33"})
    with FakeDatadog(script=[first, fake.page()]) as server, client_of(server, clock) as client:
        assert collect(client) == (0, None)
    assert clock.sleeps == pytest.approx([33])


def test_an_own_rate_below_one_a_minute_may_wait_longer_than_the_bound_on_told_waits() -> None:
    clock = FakeClock()
    with FakeDatadog(spans=spans(2)) as server, client_of(server, clock, rate=0.5, page_limit=1) as client:
        assert collect(client) == (2, None)
    assert sum(clock.sleeps) >= 120


def test_the_rate_limit_is_kept_for_the_report() -> None:
    headers = {
        f"X-RateLimit-{name}": value for name, value in zip(["Limit", "Period", "Remaining"], "963", strict=True)
    }
    with FakeDatadog(headers=headers) as server, client_of(server) as client:
        collect(client)
        assert client.rate_limit == RateLimit(limit=9, period_seconds=6, remaining=3)
        server.headers = {}
        collect(client)
        assert client.rate_limit.limit == 9
