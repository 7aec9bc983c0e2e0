"""The 95th percentile of a page of 50 captures out of 100,000 in SQLite, over every filter and combination.

Run as `python -m benchmarks.list_speed`; prints one JSON object with the slowest filter's figure, and where it was.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

from evalforge.common.clock import timestamp
from evalforge.models import FAILURE_TYPES, SEVERITIES, FailureCapture
from evalforge.ports import Batch, CaptureFilter, Position
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import capture, span

CAPTURES, ROWS, TIMES = 100_000, 50, 20
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEXT = {"input": "the order was placed " * 190}
COMMIT = 1000


def main() -> None:
    """Fill, measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "store.db")
        lease = store.acquire_lease("bench", NOON, 600)
        for first in range(0, CAPTURES, COMMIT):
            store.commit(lease, Batch(captures=[made_capture(number) for number in range(first, first + COMMIT)]))
        measured = {describe(wanted, after): p95_ms(store, wanted, after) for wanted, after in asked()}
        counted = p95_ms(store, CaptureFilter(service="service-1", severity="low"), None, count=True)
        store.close()
    slowest = max(measured, key=lambda name: measured[name])
    print(json.dumps({"list_p95_ms": measured[slowest], "list_slowest": slowest, "count_p95_ms": counted}))


def made_capture(number: int) -> FailureCapture:
    """About 5 KB; a minute apart, in one of 200 services, the last of which failed once, long ago."""
    service = "service-rare" if number == 7 else f"service-{number % 199}"
    return capture(
        f"{number:032x}",
        [span(str(number), attributes=TEXT)],
        last_failed_at=timestamp(NOON - timedelta(minutes=CAPTURES - number)),
        service_name=service,
        failure_type=FAILURE_TYPES[number % len(FAILURE_TYPES)],
        severity=SEVERITIES[number // 11 % len(SEVERITIES)],
    )


def asked() -> Iterator[tuple[CaptureFilter, Position | None]]:
    """Every combination of filters, common, rare and empty, as a first page and as one in the middle."""
    middle = Position(last_failed_at=timestamp(NOON - timedelta(minutes=CAPTURES // 2)), trace_id="0")
    since = timestamp(NOON - timedelta(minutes=CAPTURES * 3 // 4))
    services, types, severities = (None, "service-1", "service-rare", "nobody"), (None, "toxicity"), (None, "low")
    for start, service, type_, severity in product((None, since), services, types, severities):
        for after in (None, middle):
            yield CaptureFilter(since=start, service=service, type=type_, severity=severity), after


def describe(wanted: CaptureFilter, after: Position | None) -> str:
    """The filter in words."""
    given = (wanted.since and "since", wanted.service, wanted.type, wanted.severity, after and "in the middle")
    return ", ".join(part for part in given if part) or "no filter"


def p95_ms(store: SqliteStore, wanted: CaptureFilter, after: Position | None, *, count: bool = False) -> float:
    """Milliseconds that 19 of 20 pages stay under."""
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        if count:
            store.count_captures(wanted)
        else:
            list(store.list_captures(wanted, ROWS, after))
        taken.append((time.perf_counter() - start) * 1000)
    return round(statistics.quantiles(taken, n=20)[-1], 1)


if __name__ == "__main__":
    main()
