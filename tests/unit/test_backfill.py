"""How a backfill goes about its turns: width, failures, permission, the lease; with a clock that tests move."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from evalforge.common.errors import LeaseHeld
from evalforge.ingestion.backfill import Backfill, Bounds, asked_for
from evalforge.ingestion.backfill_turn import Waiting
from evalforge.ingestion.models import Page
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.waiting import acquire
from evalforge.models import BackfillRecord, RateLimit, Window
from evalforge.ports import CaptureFilter
from evalforge.storage.sqlite import SqliteStore
from helpers.clocks import FakeClock
from helpers.exported import failed
from helpers.runs import Lines, pipeline, run

FILTER = CaptureFilter()
CLOCK_START = datetime.fromisoformat("2026-11-23T12:00:00+00:00")
START, END = CLOCK_START - timedelta(days=10), CLOCK_START - timedelta(days=7)


class Traffic:
    """A TraceSource of one failing span each `every`, a hundred a page, each page taking `page_seconds`."""

    def __init__(self, clock: FakeClock, every: timedelta, page_seconds: float, calls: int, seconds: float) -> None:
        self._clock, self._every, self._page_seconds = clock, every, page_seconds
        self._deadline, self._most = clock.monotonic() + seconds, calls
        self.calls, self.rate_limit = 0, RateLimit()
        self.resumed: tuple[float, int] | None = None
        self.seen: Callable[[], None] = lambda: None

    def resume(self, seconds_ago: float, calls: int) -> None:
        self.resumed = (seconds_ago, calls)

    def evaluator_names(self) -> frozenset[str]:
        return frozenset()

    def searches_at_once(self) -> int:
        return 1

    def halt(self) -> None:
        """Nothing is under way."""

    def search(self, query: str, window: Window) -> Iterator[Page]:
        start, end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
        first = -(-(start - START) // self._every)
        last = (end - START) // self._every
        numbers = list(range(first, last + 1)) if "@trace_id:" not in query else []
        for at in range(0, max(1, len(numbers)), 100):
            if self.calls >= self._most:
                raise SearchInterrupted("the call budget is used up", ends_run=True)
            if self._clock.monotonic() + self._page_seconds > self._deadline:
                raise SearchInterrupted("the deadline", ends_run=True)
            self.calls += 1
            self.seen()
            self._clock.advance(self._page_seconds)
            some = numbers[at : at + 100]
            yield Page(items=tuple(map(self._span, some)), more=at + 100 < len(numbers))

    def _span(self, number: int) -> bytes:
        start = int((START + number * self._every).timestamp() * 1000)
        return json.dumps(failed(1, trace=f"{number + 1:032x}", span_id=str(number + 1), start_ns=start)).encode()


class Setting:
    """A store, a clock and traffic; `windows` are those of the turns."""

    def __init__(self, every: timedelta = timedelta(minutes=30), page_seconds: float = 0.3) -> None:
        self.clock, self.store, self.stopped = FakeClock(), SqliteStore(None), threading.Event()
        self.every, self.page_seconds = every, page_seconds
        self.sources: list[Traffic] = []
        self.told: list[BackfillRecord] = []
        self.coverages: list[Any] = []

    def backfill(self, *, calls_a_run: int = 2500, approver: str | None = None, stop_after: int | None = None) -> Any:
        clock, store = self.clock, self.store

        def opened(calls: int, seconds: float) -> Any:
            @contextmanager
            def parts() -> Iterator[Any]:
                self.sources.append(Traffic(clock, self.every, self.page_seconds, calls, seconds))
                self.sources[-1].seen = lambda: self.coverages.append(store.coverage())
                options = {"run_id": "backfill-x", "context": False, "traces_a_commit": 20}
                yield pipeline(store, self.sources[-1], clock, **options)

            return parts

        def progress(record: BackfillRecord) -> None:
            self.told.append(record)
            if stop_after is not None and len(self.told) > stop_after:
                self.stopped.set()

        self.stopped.clear()
        self.told.clear()
        record = asked_for(START, END, None, 0, 1, "2026-11-23T12:00:00.000Z")
        waiting = Waiting(store, clock, "backfill-x", 120.0, 900.0)
        bounds = Bounds(calls_a_run=calls_a_run, dollars_a_run=0.1, calls_a_minute=200.0, page_spans=100)
        return Backfill(
            record,
            waiting,
            opened,
            bounds,
            approver=approver,
            stop=self.stopped.is_set,
            progress=progress,
            log=Lines(),
        ).run()


def test_every_failure_of_the_range_is_captured_once_and_no_run_is_recorded():
    setting = Setting()
    record = setting.backfill()
    assert (record.state, record.captures_created) == ("complete", 3 * 48 + 1)
    assert record.calls == sum(source.calls for source in setting.sources)
    assert setting.store.count_runs() == 0


def test_dense_traffic_is_read_in_turns_that_end_in_time_and_lose_nothing():
    setting = Setting(every=timedelta(seconds=20), page_seconds=1.5)
    record = setting.backfill(approver="ada")
    assert (record.state, record.captures_created) == ("complete", 3 * 24 * 180 + 1)
    assert len(setting.sources) > 8
    assert all(source.resumed is not None for source in setting.sources)
    assert [source.resumed[1] > 0 for source in setting.sources[1:]] == [True] * (len(setting.sources) - 1), "paced"


def test_the_estimate_of_even_traffic_is_close_to_what_it_takes():
    setting = Setting(every=timedelta(seconds=20))
    record = setting.backfill(approver="ada")
    assert record.estimate is not None
    assert 0.9 < record.estimate.captures / record.captures_created < 1.1
    assert 0.5 < record.estimate.calls / record.calls < 2
    assert record.estimate.searches == 12


def test_coverage_says_of_time_what_it_said_before_at_every_moment():
    setting = Setting(every=timedelta(seconds=200))
    run(setting.store, [[]], setting.clock)
    before = setting.store.coverage()
    setting.clock.advance(60)
    setting.backfill()
    after = setting.store.coverage()
    assert before is not None
    assert after is not None
    for one in (*setting.coverages, after):
        assert (one.asked, one.since, one.slices) == (before.asked, before.since, before.slices)
    assert after.outside_calls > 0


def test_what_spends_twice_what_was_approved_asks_anew():
    setting = Setting(every=timedelta(seconds=60), page_seconds=0.3)
    waiting = setting.backfill(calls_a_run=20)
    assert (waiting.state, waiting.captures_created) == ("waiting", 0)
    asked = waiting.estimate
    setting.every = timedelta(seconds=8)  # seven times as much as the sample said
    spent = setting.backfill(calls_a_run=20, approver="ada")
    assert spent.state == "waiting"
    assert spent.approved_by == "ada"
    assert 0 < spent.captures_created < 3 * 24 * 450
    assert spent.calls <= waiting.calls + 2 * asked.calls + 50
    assert setting.backfill(calls_a_run=20).state == "waiting", "approved once is not approved for ever"
    while (spent := setting.backfill(calls_a_run=20, approver="ada")).state == "waiting":
        pass
    assert spent.state == "complete"
    assert sum(1 for _ in setting.store.list_captures(FILTER)) == 3 * 24 * 450 + 1


def test_what_was_stopped_goes_on_from_where_it_was():
    setting = Setting()
    stopped = setting.backfill(stop_after=1)
    assert stopped.state == "partial"
    assert stopped.start < stopped.read_until < stopped.end
    done = setting.backfill()
    assert (done.state, done.captures_created) == ("complete", 145)
    assert setting.backfill().calls == done.calls, "complete is complete"


def test_a_pause_is_left_after_each_turn():
    setting = Setting()
    setting.backfill()
    assert setting.clock.sleeps.count(5.0) == len(setting.sources) - 2, "but after the estimate and the last"


def test_a_live_run_waits_a_minute_for_a_backfill_and_not_at_all_for_another_run():
    clock, store = FakeClock(), SqliteStore(None)
    for holder, waited in (("backfill-x", 60), ("20261123T120000Z-1", 0)):
        lease = store.acquire_lease(holder, clock.now(), 600)
        began = clock.monotonic()
        with pytest.raises(LeaseHeld):
            acquire(store, "live", clock, 120)
        assert clock.monotonic() - began == waited
        store.release_lease(lease)
    assert acquire(store, "live", clock, 120).holder == "live"


def test_a_wait_that_is_cut_short_by_a_signal_is_the_last():
    class Stopped(FakeClock):
        def sleep(self, seconds: float) -> None:
            self.sleeps.append(seconds)

    clock, store = Stopped(), SqliteStore(None)
    store.acquire_lease("backfill-x", clock.now(), 600)
    with pytest.raises(LeaseHeld):
        acquire(store, "live", clock, 120)
    assert len(clock.sleeps) == 1
