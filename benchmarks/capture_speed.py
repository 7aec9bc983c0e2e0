"""Spans a second from page bytes to SQLite, against a floor in the same process; and the peak memory of the run.

The floor is what no capture can do without: parse the same pages (orjson) and put the same bytes into SQLite with the
same PRAGMAs and batch size. Both take turns, the floor three times to a run so that it is measured for about as long,
and the ratio is the median of the turns, so that a machine which is busy for a while slows both. A run that
redacts the texts takes its turn too, after one that fills what is remembered of texts. Run as
`python -m benchmarks.capture_speed URL PAGES`; prints one JSON object.
"""

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

import orjson

from evalforge.common.clock import SystemClock
from evalforge.common.config import read_settings
from evalforge.storage.sqlite_file import open_file
from evalforge.wiring import capture

ROUNDS, FLOORS_A_ROUND, SPANS_A_PAGE = 5, 3, 1000
SEARCH = "/api/v2/llm-obs/v1/spans/events/search"


def main() -> None:
    """Measure and print."""
    url, pages = sys.argv[1], int(sys.argv[2])
    os.sched_setaffinity(0, {0})
    with tempfile.TemporaryDirectory() as folder:
        _, spans = captured(url, Path(folder) / "first.db")
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        captured(url, Path(folder) / "first-redacted.db", "redact")
        bodies = fetched(url, pages)
        rounds = [
            (
                captured(url, Path(folder) / f"run-{number}.db")[0],
                floors(bodies, Path(folder) / f"floor-{number}"),
                captured(url, Path(folder) / f"redacted-{number}.db", "redact")[0],
            )
            for number in range(ROUNDS)
        ]
    end_to_end = statistics.median(seconds for seconds, _, _ in rounds)
    least = statistics.median(seconds for _, seconds, _ in rounds)
    ratio = statistics.median(seconds / least_then for seconds, least_then, _ in rounds)
    redacted = statistics.median(seconds for _, _, seconds in rounds)
    redacted_ratio = statistics.median(seconds / least_then for _, least_then, seconds in rounds)
    print(
        json.dumps(
            {
                "spans": spans,
                "span_bytes": sum(map(len, bodies)) // spans,
                "spans_per_second": round(spans / end_to_end),
                "floor_spans_per_second": round(spans / least),
                "ratio": round(ratio, 2),
                "redacted_spans_per_second": round(spans / redacted),
                "redacted_ratio": round(redacted_ratio, 2),
                "peak_rss_mb": round(peak_mb),
            }
        )
    )


def captured(url: str, path: Path, text: str = "withhold") -> tuple[float, int]:
    """Seconds of one run into a new store, and the captures it made; `text` is what becomes of texts."""
    settings = read_settings(
        {
            "EVALFORGE_DATADOG_URL": url,
            "EVALFORGE_STORE": f"sqlite://{path}",
            "EVALFORGE_HASH_KEY": "0123456789abcdef" * 4,
            "EVALFORGE_TEXT": text,
            "EVALFORGE_PAGE_LIMIT": str(SPANS_A_PAGE),
            "EVALFORGE_REQUESTS_PER_MINUTE": "1e9",
            "DD_API_KEY": "bench",
            "DD_APP_KEY": "bench",
        }
    )
    with Path(os.devnull).open("wb") as log:
        start = time.perf_counter()
        run = capture(settings, log, lambda *_: None, lambda: False, SystemClock())
        seconds = time.perf_counter() - start
    assert run.outcome == "complete", run
    return seconds, run.tally.captures_created


def fetched(url: str, pages: int) -> list[bytes]:
    """The bodies of all pages, already in memory: the floor pays for no network."""
    window = {"from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}
    bodies: list[bytes] = []
    for page in range(pages):
        asked = {"filter": window, "page": {"limit": SPANS_A_PAGE, "cursor": str(page * SPANS_A_PAGE)}}
        body = json.dumps({"data": {"attributes": asked}}).encode()
        with urlopen(Request(url + SEARCH, data=body)) as answer:
            bodies.append(answer.read())
    return bodies


def floors(bodies: list[bytes], folder: Path) -> float:
    """Seconds of one floor, as the mean of several."""
    folder.mkdir()
    return statistics.fmean(floor(bodies, folder / f"{number}.db") for number in range(FLOORS_A_ROUND))


def floor(bodies: list[bytes], path: Path) -> float:
    """Seconds to parse the pages and insert the same bytes, one transaction a page."""
    connection = open_file(path)
    connection.execute("CREATE TABLE spans (id TEXT PRIMARY KEY, document BLOB)")
    start = time.perf_counter()
    for body in bodies:
        items = orjson.loads(body)["data"]
        size = len(body) // len(items)
        rows = [(item["id"], body[number * size : (number + 1) * size]) for number, item in enumerate(items)]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO spans VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - start
    connection.close()
    return seconds


if __name__ == "__main__":
    main()
