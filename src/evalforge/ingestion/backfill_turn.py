"""One turn of a backfill: a window that is read by the same steps as a run and under its lease.

It leaves no record of a run, and what that of coverage says of time stays as it is; it remembers how many calls the
turn took, so that whoever comes next keeps the pace.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import msgspec

from evalforge.common.clock import Clock, timestamp
from evalforge.common.errors import EvalForgeError
from evalforge.ingestion.earlier_runs import close_abandoned, with_calls_outside
from evalforge.ingestion.heartbeat import Heartbeat
from evalforge.ingestion.parts import Parts, Remembered
from evalforge.ingestion.run import Run
from evalforge.ingestion.searches import Searcher, SearchPlan
from evalforge.ingestion.waiting import acquire
from evalforge.models import IngestionRun, Window
from evalforge.ports import Batch, CaptureStore

Answer = TypeVar("Answer")
CLOCKS_APART = timedelta(hours=1)
"""How far the clocks of an app's parts may be apart: the root of a failing span may have begun later than it."""


Opened = Callable[[], AbstractContextManager[Parts]]


def in_turn(waiting: "Waiting", opened: Opened, window: Window, work: "Callable[[Turn], Answer]") -> Answer:
    """What comes of the work under the lease; `opened` gives its parts once the lease is had, for its time counts from
    then. Raises LeaseHeld."""
    store, clock, holder, lease_seconds, waits = waiting
    lease = acquire(store, holder, clock, lease_seconds, waits=waits, for_whom=lambda _: True)
    with Heartbeat(store, lease, clock, lease_seconds) as heartbeat, opened() as parts:
        started = clock.now()
        close_abandoned(store, lease, timestamp(started))
        turn = Turn(parts, lease, started, heartbeat, Remembered.of(store), window)
        with turn.paced():
            return work(turn)


class Waiting(NamedTuple):
    """Who waits for the lease, and for how many seconds."""

    store: CaptureStore
    clock: Clock
    holder: str
    lease_seconds: float
    waits: float


class Turn(Run):
    """What is done of a backfill at one time."""

    @property
    def parts(self) -> Parts:
        """What it is made of."""
        return self._parts

    @contextmanager
    def paced(self) -> Iterator[None]:
        """Keep the pace of whoever was before, and remember the calls for whoever comes next, also if this fails."""
        record = self._coverage.stored
        self._coverage.unsaved()  # a backfill tells nothing of coverage
        self._announce()
        try:
            yield
        finally:
            if self._parts.source.calls:
                told = with_calls_outside(record, self._parts.source.calls, self._parts.clock.now())
                with suppress(EvalForgeError):  # what ended the turn is to be told, if anything did
                    self._parts.store.commit(self._lease, Batch(coverage=told))

    def read(self) -> IngestionRun:
        """Read the window; the report, which is not stored. It is complete if all of the window was read."""
        parts = self._parts
        self._manifests.load(parts.store.manifests(self._manifests.hours))
        self._context_window = msgspec.structs.replace(self._window, end=self._latest_context())
        searcher = self.searcher()
        self._read_within_budget(lambda: self._read_pages(searcher))
        self._close_decisions()
        return self._report("partial" if self._journal.reasons else "complete", finished=True)

    def searcher(self) -> Searcher:
        """What asks Datadog about the window."""
        parts = self._parts
        plan = SearchPlan(
            window=self._window,
            ml_apps=parts.ml_apps,
            scope=parts.scope,
            scan_all=parts.scan_all,
            evaluators=parts.evaluators | self._evaluators,
        )
        return Searcher(parts.source, parts.rules, plan, self._journal, self._reader)

    def _read_pages(self, searcher: Searcher) -> None:
        for page in searcher.pages():
            self._take(page)

    def _save_now_and_then(self) -> None:
        """There is no record of a run to save."""

    def _latest_context(self) -> str:
        return timestamp(min(datetime.fromisoformat(self._window.end) + CLOCKS_APART, self._started))
