"""A run over 10,000 failing traces that are stored as they are, spread over the day: what it writes, reads and takes.

Speed is of whole runs over a store in SQLite, on one core, from the bodies of the answers on; its floor is to split the
same bodies and to hash each span, which no run can do without. They take turns in one process, and the ratio is the
median of the turns. Operations are counted on their way to the real Firestore emulator, as Firestore bills them.
Run as `python -m benchmarks.rescan`; prints one JSON object.
"""

import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import costs
from benchmarks.pages import span
from evalforge.common.clock import SystemClock, timestamp
from evalforge.common.garbage import collecting_rarely
from evalforge.common.logging import json_logger
from evalforge.ingestion.failure_rules import load_rules
from evalforge.ingestion.models import Page
from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.ingestion.pipeline import Pipeline
from evalforge.ingestion.search.pages import split_page
from evalforge.models import IngestionRun, RateLimit, Window
from evalforge.ports import CaptureStore
from evalforge.storage.sqlite import SqliteStore
from helpers.firestore_emulator import NoEmulator, new_project, running_emulator
from helpers.firestore_server import Tally, counting

SPANS, SPANS_A_PAGE, SPANS_LEARNED_FROM, ROUNDS = 10_000, 1000, 100, 9
HOURS_BACK = 22
DATA = ("evalforge_raw_traces", "evalforge_dead_letters", "evalforge_manifests")
KEY = b"0123456789abcdef" * 2


class Answers:
    """A TraceSource that answers each search with the bodies of its pages; `prepared_seconds` were spent on making
    those bodies and are no part of a run."""

    rate_limit = RateLimit()

    def __init__(self) -> None:
        first = datetime.now(UTC) - timedelta(hours=HOURS_BACK)
        apart = int(timedelta(hours=HOURS_BACK).total_seconds() * 1000 / SPANS) - 1
        start_ms = int(first.timestamp() * 1000)
        made = [span(number, start_ms + number * apart) for number in range(SPANS)]
        self._items = [(one["attributes"]["start_ns"], json.dumps(one, separators=(",", ":")).encode()) for one in made]
        self.calls, self.prepared_seconds = 0, 0.0

    def resume(self, seconds_ago: float, calls: int) -> None:
        """There is no pace."""

    def searches_at_once(self) -> int:
        return 1

    def halt(self) -> None:
        """Nothing is under way."""

    def evaluator_names(self) -> frozenset[str]:
        """The org has none."""
        return frozenset()

    def search(self, query: str, window: Window) -> Iterator[Page]:
        """What began in the window; for the unfiltered search that teaches names, a page of the usual size."""
        before = time.perf_counter()
        bodies = self.bodies(window)
        self.prepared_seconds += time.perf_counter() - before
        for number, body in enumerate(bodies, 1):
            self.calls += 1
            items = split_page(body).items
            yield Page(items=items[:SPANS_LEARNED_FROM] if query == "*" else items, more=number < len(bodies))

    def bodies(self, window: Window) -> list[bytes]:
        """The answers to a search of the window, one a page."""
        start, end = (1000 * datetime.fromisoformat(moment).timestamp() for moment in (window.start, window.end))
        items = [raw for began, raw in self._items if start <= began < end]
        pages = [items[first : first + SPANS_A_PAGE] for first in range(0, len(items), SPANS_A_PAGE)]
        return [b'{"data":[' + b",".join(page) + b'],"meta":{"status":"done","page":null}}' for page in pages]


def main() -> None:
    """Measure and print."""
    os.sched_setaffinity(0, {0})
    answers = Answers()
    figures = speed(answers)
    try:
        with running_emulator(), counting() as tally:
            figures |= operations(answers, tally)
    except NoEmulator as error:
        print(f"no Firestore emulator can be started: {error}", file=sys.stderr)
    print(json.dumps(figures))


def speed(answers: Answers) -> dict[str, float]:
    """Spans a second of a re-scan, and how many times its floor it takes."""
    bodies = answers.bodies(Window(start="2000-01-01T00:00:00.000Z", end="2100-01-01T00:00:00.000Z"))
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "store.db")
        seconds(answers, store)
        turns = [(seconds(answers, store), floor(bodies)) for _ in range(ROUNDS)]
        store.close()
    return {
        "rescan_spans_per_second": round(SPANS / statistics.median(taken for taken, _ in turns)),
        "rescan_floor_spans_per_second": round(SPANS / statistics.median(least for _, least in turns)),
        "rescan_ratio": round(statistics.median(taken / least for taken, least in turns), 2),
    }


def seconds(answers: Answers, store: CaptureStore) -> float:
    """Of one run that finds everything stored, or of the first, which stores it."""
    prepared, begun = answers.prepared_seconds, time.perf_counter()
    scan(answers, store)
    return time.perf_counter() - begun - (answers.prepared_seconds - prepared)


def floor(bodies: list[bytes]) -> float:
    """Seconds to split the same bodies, and to hash each span."""
    begun = time.perf_counter()
    for body in bodies:
        for raw in split_page(body).items:
            hashlib.blake2b(raw, key=KEY, digest_size=12).digest()
    return time.perf_counter() - begun


_numbers = count(1)


def scan(answers: Answers, store: CaptureStore) -> IngestionRun:
    """One run with the real parts."""
    clock, rules = SystemClock(), load_rules(None, quality_threshold=0.5, quality_evaluators=("quality",))
    with Path(os.devnull).open("wb") as log, collecting_rarely():
        run = Pipeline(
            source=answers,
            rules=rules,
            sanitizer=Sanitizer(hash_key=KEY),
            store=store,
            clock=clock,
            log=json_logger(log, clock),
            run_id=f"bench-{next(_numbers):04}",
            lookback_hours=24,
            lease_seconds=600,
            progress=lambda *_: None,
        ).run()
    assert run.outcome == "complete", run
    assert run.tally.captures_created + run.tally.captures_unchanged == SPANS, run.tally
    return run


def operations(answers: Answers, tally: Tally) -> dict[str, Any]:
    """Documents read and written by a re-scan, as Firestore bills them."""
    from evalforge.storage.firestore import FirestoreStore

    store = FirestoreStore(new_project(), "(default)", "evalforge_")
    scan(answers, store)
    new = Counter(tally.read), Counter(tally.written)
    for earlier in store.list_runs():  # as if a timer had waited between them
        long_ago = timestamp(datetime.fromisoformat(earlier.started_at) - timedelta(minutes=30))
        for number in (1, 2):
            store.save_run(
                msgspec.structs.replace(earlier, run_id=f"{number}", started_at=long_ago, finished_at=long_ago)
            )
    tally.clear()
    again = scan(answers, store)
    assert again.tally.captures_unchanged == SPANS, again.tally
    _hold_the_table_true(tally, new)
    written, read, deleted = dict(tally.written), dict(tally.read), dict(tally.deleted)
    store.close()
    return {
        "rescan_writes_of_data": sum(written.get(name, 0) + deleted.get(name, 0) for name in DATA),
        "rescan_bookkeeping_writes": sum(writes for name, writes in written.items() if name not in DATA),
        "rescan_document_reads": sum(read.values()),
        "new_reads_a_trace": new[0]["evalforge_raw_traces"] / SPANS,
        "new_writes_a_trace": new[1]["evalforge_raw_traces"] / SPANS,
    }


def _hold_the_table_true(again: Tally, new: tuple[Counter[str], Counter[str]]) -> None:
    """What was counted is no more than the table of costs is made of."""
    reads, writes = new[0], new[1]
    assert again.read.total() <= costs.RESCAN.reads, again.read
    assert again.written.total() <= costs.RESCAN.writes, again.written
    assert reads["evalforge_raw_traces"] <= SPANS * costs.A_TRACE.reads / 2, reads
    assert writes["evalforge_raw_traces"] <= SPANS * costs.A_TRACE.writes / 2, writes
    commits = -(-SPANS // costs.TRACES_A_COMMIT)
    assert writes["evalforge_leases"] <= costs.RESCAN.writes + commits * costs.A_COMMIT.writes, writes
    assert reads["evalforge_leases"] <= costs.RESCAN.reads + commits * costs.A_COMMIT.reads, reads


if __name__ == "__main__":
    main()
