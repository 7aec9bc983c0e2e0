"""Slices read at once, over real HTTP and in real threads, from a Datadog that answers slowly."""

import signal
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from evalforge.common.clock import SystemClock
from evalforge.common.errors import CredentialsRejected
from evalforge.common.threads import SystemThreads
from evalforge.models import IngestionRun
from evalforge.ports import CaptureFilter
from evalforge.storage.sqlite import SqliteStore
from helpers import fake_datadog as fake
from helpers.commands import environment
from helpers.datadog_searches import client_of
from helpers.fake_datadog import Connection, FakeDatadog, Request
from helpers.runs import pipeline

HOURS = 12


class SlowDatadog(FakeDatadog):
    """Answers each request after so many seconds."""

    seconds = 0.3

    def handle(self, handler: object, request: Request) -> None:
        """As of FakeDatadog."""
        with self._lock:
            self.requests.append(request)
            answer = self._answer(request)
        time.sleep(self.seconds)
        answer(Connection(handler, request, self._ended))  # type: ignore[arg-type]


def failing(count: int, filler: str = "") -> list[dict[str, object]]:
    """Spans that failed, evenly over the last hours."""
    end = int(time.time() * 1000) - 1000
    step = HOURS * 3_600_000 // count
    return [
        {
            "id": str(number),
            "type": "span",
            "attributes": {
                "trace_id": f"{number:032x}",
                "span_id": str(number + 1),
                "parent_id": "undefined",
                "start_ns": end - (count - number) * step,
                "status": "error",
                "name": filler,
            },
        }
        for number in range(count)
    ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "s.db")
    yield opened
    opened.close()


def run(server: FakeDatadog, store: SqliteStore, **options: object) -> IngestionRun:
    clock = SystemClock()
    with client_of(server, clock, **{"page_limit": 10, "rate": 1000, **options}) as client:
        return pipeline(store, client, clock, threads=SystemThreads(), run_id="run").run()  # type: ignore[arg-type]


def most_within(arrivals: list[float], seconds: float) -> int:
    """The most requests that came within so many seconds."""
    return max(bisect_right(arrivals, at + seconds) - place for place, at in enumerate(arrivals))


def test_a_slow_datadog_is_asked_at_95_percent_of_the_rate_and_never_more(store: SqliteStore) -> None:
    """Judged by the best eight seconds, as a busy machine may hold up any others."""
    rate, seconds = 600, 8
    with SlowDatadog(spans=failing(2000)) as server:
        server.seconds = 0.5
        report = run(server, store, rate=rate)
    arrivals = sorted(request.at for request in server.requests)
    allowed = rate / 60 * seconds
    assert report.outcome == "complete"
    assert report.calls == len(arrivals) <= 240
    assert store.count_captures(CaptureFilter()) == 2000
    assert 0.95 * allowed <= most_within(arrivals, seconds) <= allowed + rate / 60


def test_the_call_budget_is_spent_to_the_last_call_and_no_further(store: SqliteStore) -> None:
    with SlowDatadog(spans=failing(1500)) as server:
        report = run(server, store, max_calls=40)
    assert report.outcome == "partial"
    assert report.calls == len(server.requests) == 40
    assert store.count_captures(CaptureFilter()) >= 300


def test_a_run_that_has_cost_enough_ends_all_searches_with_those_that_are_under_way(store: SqliteStore) -> None:
    def used_up() -> str | None:
        return "it costs too much" if len(server.requests) >= 40 else None

    with SlowDatadog(spans=failing(1500)) as server:
        report = run(server, store, used_up=used_up)
        time.sleep(0.5)
    several = len({request.attributes["filter"]["from"] for request in server.searches[-8:]})
    assert several >= 3
    assert report.outcome == "partial"
    assert report.coverage.reasons == ("it costs too much",)
    assert report.calls == len(server.requests) <= 42
    assert store.count_captures(CaptureFilter()) >= 300


def test_throttling_of_one_search_holds_back_all(store: SqliteStore) -> None:
    with SlowDatadog(spans=failing(800)) as server:
        stop = threading.Timer(2.0, lambda: server.script.append(fake.reply(429, headers={"Retry-After": "2"})))
        stop.start()
        report = run(server, store)
    arrivals = sorted(request.at for request in server.requests)
    assert report.outcome == "complete"
    assert max(later - earlier for earlier, later in pairwise(arrivals)) >= 1.7


def test_a_signal_ends_all_searches_within_a_second(store: SqliteStore) -> None:
    with SlowDatadog(spans=failing(1500)) as server:
        ends = time.monotonic() + 3
        report = run(server, store, stop=lambda: time.monotonic() >= ends)
        took = time.monotonic() - ends
    assert report.outcome == "partial"
    assert took < 1.5
    assert max(request.at for request in server.requests) < ends + 0.1


def test_rejected_keys_end_all_searches_and_nothing_is_asked_after_the_report(store: SqliteStore) -> None:
    with SlowDatadog(spans=failing(1500)) as server:
        threading.Timer(2.0, lambda: server.script.extend([fake.reply(403)])).start()
        with pytest.raises(CredentialsRejected):
            run(server, store)
        (report,) = store.list_runs(1)
        time.sleep(0.5)
    assert report.calls == len(server.requests)


def test_sigterm_ends_a_run_with_several_searches_open_and_asks_for_nothing_more(tmp_path: Path) -> None:
    with SlowDatadog(spans=failing(3000)) as server:
        server.seconds = 0.8
        env = environment(tmp_path / "s.db", server.url, EVALFORGE_PAGE_LIMIT="10", EVALFORGE_REQUESTS_PER_MINUTE="600")
        command = [sys.executable, "-m", "evalforge", "capture", "--json"]
        run = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while len(server.requests) < 40:
            time.sleep(0.02)
        several = len({request.attributes["filter"]["from"] for request in server.searches[-8:]})
        told = time.monotonic()
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=20)
        took = time.monotonic() - told
    assert several >= 3
    assert run.returncode == 3, err
    assert b"stopped by a signal" in out
    assert took < 8
    assert max(request.at for request in server.requests) < told + 1
