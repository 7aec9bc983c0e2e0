"""The deep pass within a run: with what the window left over, told in the report, and never at the window's cost."""

from collections.abc import Iterator
from typing import Any

import pytest

from evalforge.ingestion.models import Page
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.slices import window_of
from evalforge.models import IngestionRun, Window
from evalforge.storage.sqlite import SqliteStore
from helpers.clocks import FakeClock
from helpers.runs import GivenPages, pipeline

HOUR = 3600


class EndsInTheDeepPass(GivenPages):
    """A source in which nothing happened, whose searches before a moment end early."""

    def __init__(self, before: str) -> None:
        super().__init__([])
        self._before = before
        self.windows: list[Window] = []

    def search(self, query: str, window: Window) -> Iterator[Page]:
        self.windows.append(window)
        if window.start < self._before:
            raise SearchInterrupted("the deadline of the run is reached")
        yield from super().search(query, window)


@pytest.fixture
def store() -> SqliteStore:
    return SqliteStore(None)


def one_run(store: SqliteStore, clock: FakeClock, source: Any = None, hours: float = 72) -> IngestionRun:
    return pipeline(store, source or GivenPages([]), clock, deep_lookback_hours=hours).run()


def test_a_deep_pass_that_ends_early_leaves_the_run_complete_and_the_next_goes_on(store: SqliteStore) -> None:
    clock = FakeClock()
    one_run(store, clock)
    clock.advance(30 * HOUR)
    cut_short = one_run(store, clock, EndsInTheDeepPass(before=_start_of_window(clock)))
    assert cut_short.outcome == "complete"
    assert cut_short.deep_pass.read == 0 < cut_short.deep_pass.due
    assert cut_short.deep_pass.reasons == ("the deadline of the run is reached",)
    clock.advance(900)
    after = one_run(store, clock)
    assert after.deep_pass.read == after.deep_pass.due >= cut_short.deep_pass.due
    clock.advance(900)
    assert one_run(store, clock).deep_pass.due == 0


def test_a_window_that_ends_early_leaves_nothing_for_the_deep_pass(store: SqliteStore) -> None:
    clock = FakeClock()
    one_run(store, clock)
    clock.advance(30 * HOUR)
    source = EndsInTheDeepPass(before="9")
    ended = one_run(store, clock, source)
    assert (ended.outcome, ended.deep_pass.read) == ("partial", 0)
    assert len(source.windows) == 1


def test_a_deep_look_back_of_0_reads_the_window_alone(store: SqliteStore) -> None:
    clock = FakeClock()
    one_run(store, clock)
    clock.advance(30 * HOUR)
    assert one_run(store, clock, EndsInTheDeepPass(before=_start_of_window(clock)), hours=0).deep_pass.due == 0


def _start_of_window(clock: FakeClock) -> str:
    return window_of(clock.now(), 24).start
