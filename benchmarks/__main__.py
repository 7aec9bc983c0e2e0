"""`make bench`: each figure against its bound. Exit code 1 when one is missed."""

import json
import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks import costs
from benchmarks.capture_speed import SPANS_A_PAGE
from benchmarks.pages import serving

PAGES = 12
AT_MOST = {"ratio": 5.0, "peak_rss_mb": 200.0, "help_seconds": 0.3, "list_p95_ms": 50.0}
AT_MOST |= {"captures_page_p95_ms": 50.0, "http_ready_seconds": 1.0, "firestore_ready_seconds": 1.5}
AT_MOST |= {"memory_sqlite_mb": 512.0, "memory_firestore_mb": 512.0}
AT_MOST |= {
    "rescan_ratio": 2.5,
    "rescan_writes_of_data": 0,
    "rescan_bookkeeping_writes": 6,
    "rescan_document_reads": 32,
}
AT_MOST |= {
    "text_200kb_scan_ms": 100.0,
    "text_200kb_redact_ms": 100.0,
    "text_load_seconds": 1.0,
    "text_added_mb": 150.0,
}
AT_LEAST = {"firestore_captures_per_second": 1500.0, "text_spans_per_second": 3000.0, "text_times_presidio": 10.0}
AT_LEAST |= {"rescan_spans_per_second": 50_000.0}
PRESIDIO = ".venv-bench/bin/python"
"""A Python that has what texts are compared with; `make bench` makes it."""
STARTS = 11


def main() -> None:
    """Run every benchmark and say what was met."""
    figures = capture_figures() | help_figures()
    figures |= told("benchmarks.text_speed", PRESIDIO)
    for module in ("rescan", "list_speed", "http_speed", "firestore_speed", "memory"):
        figures |= told(f"benchmarks.{module}")
    missed = False
    for name, value in figures.items():
        verdict = ""
        for bounds, words, sign in ((AT_MOST, "at most", 1), (AT_LEAST, "at least", -1)):
            if name in bounds:
                met = value * sign <= bounds[name] * sign
                missed |= not met
                verdict = f"  ({words} {bounds[name]:g}: {'met' if met else 'MISSED'})"
        shown = f"{value:,}" if isinstance(value, int | float) else value
        print(f"{name:32} {shown:>10}{verdict}")
    print(f"\n{costs.table()}")
    sys.exit(missed)


def capture_figures() -> dict[str, Any]:
    """Speed and memory of a capture, with the pages served by another process."""
    with serving(PAGES * SPANS_A_PAGE) as url:
        return told("benchmarks.capture_speed", url, str(PAGES))


def told(module: str, *arguments: str) -> dict[str, Any]:
    """The figures of a benchmark that is a program of its own."""
    return last_line([sys.executable, "-m", module, *arguments])


def last_line(command: list[str]) -> dict[str, Any]:
    """The JSON object on the last line that it prints."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def help_figures() -> dict[str, Any]:
    """How long `evalforge --help` takes, and how many bare interpreter starts that is."""
    shown, bare = seconds("-m", "evalforge", "--help"), seconds("-c", "pass")
    return {"help_seconds": round(shown, 3), "help_over_bare_python": round(shown / bare, 1)}


def seconds(*arguments: str) -> float:
    """The median of several starts."""
    taken = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
