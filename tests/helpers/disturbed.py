"""A run over a few failing traces that something befalls at one of its requests, and what stays of it in the store."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from evalforge.ingestion.models import Page
from evalforge.models import IngestionRun, Window
from evalforge.ports import CaptureFilter, CaptureStore
from helpers.clocks import FakeClock
from helpers.exported import failed, judged
from helpers.runs import TraceStore, pipeline

START_MS = 1_795_423_310_000
SPANS = [
    *(failed(number, trace=f"{number:032x}", start_ns=START_MS + number) for number in range(2, 5)),
    judged("tone", 9, trace=f"{2:032x}", start_ns=START_MS + 9, parent_id="7"),
    failed(8, trace="no id at all", start_ns=START_MS + 8),
]
HOURS = [f"2026-11-{day}T{hour:02}" for day in (22, 23) for hour in range(24)]
HALF_PAST = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
LEASE_SECONDS = 60


class Disturbed(TraceStore):
    """A TraceSource of pages of two; `befall` is done just before the search or page of that number (from 0)."""

    def __init__(self, moment: int = -1, befall: Callable[[], Any] = lambda: None) -> None:
        super().__init__(SPANS)
        self._pages = [self._pages[0][at : at + 2] for at in range(0, len(SPANS), 2)]
        self._left, self._befall = moment, befall
        self.moments = 0

    def search(self, query: str, window: Window) -> Iterator[Page]:
        self._reach()
        for page in super().search(query, window):
            self._reach()
            yield page

    def _reach(self) -> None:
        if self.moments == self._left:
            self._befall()
        self.moments += 1


def run(store: CaptureStore, clock: FakeClock, source: TraceStore | None = None) -> IngestionRun:
    """A run with a commit for every two traces, a dead letter, and context."""
    given: dict[str, Any] = {"traces_a_commit": 2, "lease_seconds": LEASE_SECONDS, "run_id": f"r{clock.now():%H%M%S}"}
    return pipeline(store, source or Disturbed(), clock, **given).run()  # type: ignore[arg-type]


def settled(store: CaptureStore) -> tuple[Any, ...]:
    """All that is there, but for when and by whom it was first met."""
    captures = [msgspec.structs.replace(one, fetched_at="") for one in store.list_captures(CaptureFilter())]
    letters = [msgspec.structs.replace(one, first_seen_at="", run_id="") for one in store.list_dead_letters()]
    record = store.coverage()
    assert record is not None
    read = [(one.start, one.end, one.until, one.reason) for one in record.slices[1:]]  # the first leaves the window
    return captures, letters, store.manifests(HOURS), read, store.known_evaluators()
