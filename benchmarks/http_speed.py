"""The HTTP service over 100,000 captures: how long a page takes, and how long until a new process answers.

Run as `python -m benchmarks.http_speed`; prints one JSON object. Each capture is about 5 KB; one in a thousand is of
`rare-api`. `captures_page_p95_ms` is that of the slowest of the questions asked.
"""

import http.client
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from threading import Thread

import msgspec

from evalforge.backlog.cursor import to_cursor
from evalforge.common.clock import SystemClock, timestamp
from evalforge.models import CapturedSpan, FailureCapture, Redaction, Signal, TracePayload
from evalforge.ports import Batch, Position
from evalforge.storage.sqlite import SqliteStore
from helpers.firestore_emulator import HOST_VARIABLE

CAPTURES, CAPTURES_A_COMMIT, RARE_EVERY, STARTS, TIMES_ASKED = 100_000, 5_000, 1_000, 7, 100
NEWEST = datetime(2026, 11, 23, 12, tzinfo=UTC)
FILLER = {f"field_{number}": "[WITHHELD chars=120]" for number in range(105)}


def main() -> None:
    """Fill, measure, print."""
    with tempfile.TemporaryDirectory() as folder:
        ready = median_until_ready(lambda: f"sqlite://{folder}/empty.db")
        store = Path(folder) / "full.db"
        size = fill(store)
        middle = to_cursor(Position(last_failed_at=moment_of(CAPTURES // 2), trace_id="f" * 32))
        questions = {
            "newest": "",
            "deep": f"cursor={middle}",
            "severity": "severity=medium",
            "rare": "service=rare-api",
            "none": "service=nobody",
            "no_such_type": "type=toxicity",
            "since": f"type=llm_error&since={moment_of(CAPTURES // 2)}",
        }
        with serving(f"sqlite://{store}") as port:
            pages = {name: p95_ms(port, f"/captures?{asked}") for name, asked in questions.items()}
            health = p95_ms(port, "/health")
    figures = {f"captures_{name}_p95_ms": taken for name, taken in pages.items()}
    figures |= {"health_p95_ms": health, "http_ready_seconds": ready, "http_capture_bytes": size}
    print(json.dumps(figures | {"captures_page_p95_ms": max(pages.values())}))


def moment_of(number: int) -> str:
    """When the capture with this number failed last: one a second, back from the newest."""
    return timestamp(NEWEST - timedelta(seconds=number))


def one(number: int) -> FailureCapture:
    """A capture of a trace with one failing span."""
    service = "rare-api" if number % RARE_EVERY == 0 else "bench-api"
    span = CapturedSpan(span_id=str(number), started_at=moment_of(number), service_name=service, attributes=FILLER)
    signal = Signal(rule="span_error", type="llm_error", severity="medium", span_id=span.span_id)
    return FailureCapture(
        trace_id=f"{number:032x}",
        service_name=service,
        failure_type="llm_error",
        severity="medium",
        signals=(signal,),
        signature="v1:0123456789abcdef",
        last_failed_at=moment_of(number),
        fetched_at=moment_of(0),
        trace_payload=TracePayload(spans=(span,)),
        datadog_site="datadoghq.com",
        datadog_url="app.datadoghq.com",
        redaction=Redaction(policy="bench"),
    )


def fill(path: Path) -> int:
    """Write the captures; the bytes of one."""
    store, clock = SqliteStore(path), SystemClock()
    lease = store.acquire_lease("bench", clock.now(), 3600)
    for first in range(0, CAPTURES, CAPTURES_A_COMMIT):
        store.commit(lease, Batch(captures=[one(first + number) for number in range(CAPTURES_A_COMMIT)]))
    store.release_lease(lease)
    store.close()
    return len(msgspec.json.encode(one(1)))


@contextmanager
def serving(store: str) -> Iterator[int]:
    """The port of a service over this store, which may be in the emulator that the environment names."""
    env = {name: os.environ[name] for name in ("PATH", HOST_VARIABLE) if name in os.environ}
    env["EVALFORGE_STORE"] = store
    command = [sys.executable, "-m", "evalforge", "serve", "--port", "0"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            port = int(json.loads(process.stderr.readline())["url"].rpartition(":")[2])
            Thread(target=process.stderr.read, daemon=True).start()  # a pipe that nobody reads would stop the service
            yield port
        finally:
            process.terminate()


def median_until_ready(new_store: Callable[[], str]) -> float:
    """The median of several starts, each over what `new_store` gives."""
    return round(median(seconds_until_ready(new_store()) for _ in range(STARTS)), 2)


def seconds_until_ready(store: str) -> float:
    """From the start of the process to its first answer."""
    start = time.perf_counter()
    with serving(store) as port:
        ask(http.client.HTTPConnection("127.0.0.1", port), "/health")
        return time.perf_counter() - start


def p95_ms(port: int, address: str) -> float:
    """Of so many answers over one connection, the time within which 95 % came whole."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    taken = []
    for _ in range(TIMES_ASKED):
        start = time.perf_counter()
        ask(connection, address)
        taken.append(time.perf_counter() - start)
    connection.close()
    return round(1000 * sorted(taken)[math.ceil(0.95 * TIMES_ASKED) - 1], 1)


def ask(connection: http.client.HTTPConnection, address: str) -> None:
    """One whole answer."""
    connection.request("GET", address)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()


if __name__ == "__main__":
    main()
