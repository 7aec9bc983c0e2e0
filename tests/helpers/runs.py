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
    """A TraceSource that gives the same pages for every search but the unfiltered one; items may be raw bytes.

    A search that ends before others is one over older slices, in which nothing happened.
    """

    def __init__(self, pages: Sequence[Sequence[Any]]) -> None:
        self._pages = [
            tuple(one if isinstance(one, bytes) else json.dumps(one).encode() for one in page) for page in pages
        ]
        self.calls = 0
        self._latest = ""
        self.rate_limit = RateLimit()
        self.queries: list[str] = []
        self.resumed: tuple[float, int] | None = None

    def resume(self, seconds_ago: float, calls: int) -> None:
        self.resumed = (seconds_ago, calls)

    def search(self, query: str, window: Window) -> Iterator[Page]:
        self.queries.append(query)
        self._latest = max(self._latest, window.end)
        if query == "*" or window.end < self._latest:
            return
        for page in self._pages:
            self.calls += 1
            yield Page(items=page)

    def searches_at_once(self) -> int:
        return 1

    def halt(self) -> None:
        """Nothing is under way."""

    def evaluator_names(self) -> frozenset[str]:
        return frozenset()


class TraceStore(GivenPages):
    """A TraceSource that also answers searches for context, giving only what they name.

    `contexts` are those searches with their windows; `ends` holds an error, or None, for each that is to come.
    """

    def __init__(self, spans: Sequence[Any], ends: Sequence[Exception | None] = ()) -> None:
        super().__init__([spans])
        self._spans = list(spans)
        self._ends = list(ends)
        self.contexts: list[tuple[str, Window]] = []

    def search(self, query: str, window: Window) -> Iterator[Page]:
        if "@trace_id:" not in query:
            yield from super().search(query, window)
            return
        self.calls += 1
        self.contexts.append((query, window))
        end = self._ends.pop(0) if self._ends else None
        if end is not None:
            raise end
        asked = [one for one in self._spans if self._is_asked_for(one["attributes"], query)]
        yield Page(items=tuple(json.dumps(one).encode() for one in asked))

    @staticmethod
    def _is_asked_for(attributes: dict[str, Any], query: str) -> bool:
        named = f'"{attributes["span_id"]}"' in query
        return f'"{attributes["trace_id"]}"' in query and (named or attributes["parent_id"] == "undefined")


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
