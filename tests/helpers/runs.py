"""One run over given pages, with everything real but Datadog and the clock."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from evalforge.ingestion.failure_rules import load_rules
from evalforge.ingestion.models import Page
from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.ingestion.pipeline import Pipeline
from evalforge.models import IngestionRun, RateLimit, Window
from evalforge.ports import CaptureFilter
from evalforge.storage.sqlite import SqliteStore
from helpers.clocks import FakeClock

RULES = load_rules(None, quality_threshold=0.5, quality_evaluators=("quality",))
SANITIZER = Sanitizer(hash_key=b"k" * 32)


class GivenPages:
    """A TraceSource that gives the same pages for every search but the unfiltered one; items may be raw bytes."""

    def __init__(self, pages: Sequence[Sequence[Any]]) -> None:
        self._pages = [
            tuple(one if isinstance(one, bytes) else json.dumps(one).encode() for one in page) for page in pages
        ]
        self.calls = 0
        self.rate_limit = RateLimit()
        self.queries: list[str] = []

    def search(self, query: str, window: Window) -> Iterator[Page]:
        self.queries.append(query)
        if query == "*":
            return
        for page in self._pages:
            self.calls += 1
            yield Page(items=page)

    def evaluator_names(self) -> frozenset[str]:
        return frozenset()


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    warning = error = info


def run(store: SqliteStore, pages: Sequence[Sequence[Any]], clock: FakeClock, **options: Any) -> IngestionRun:
    """One run over the pages."""
    return pipeline(store, GivenPages(pages), clock, **options).run()


def pipeline(store: SqliteStore, source: Any, clock: FakeClock, **options: Any) -> Pipeline:
    given: dict[str, Any] = {
        "source": source,
        "rules": RULES,
        "sanitizer": SANITIZER,
        "store": store,
        "clock": clock,
        "log": Lines(),
        "run_id": f"run-{clock.now():%H%M%S}",
        "lookback_hours": 24,
        "lease_seconds": 600,
        "progress": lambda *_: None,
    }
    return Pipeline(**(given | options))


def stored(store: SqliteStore) -> list[Any]:
    """All captures and dead letters."""
    letters = sorted(store.list_dead_letters(), key=lambda one: one.dead_letter_id)
    return [*store.list_captures(CaptureFilter()), *letters]
