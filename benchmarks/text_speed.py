"""Redaction of texts: spans a second beside Presidio in the same run, the slowest of texts made to be slow, and what
loading costs. `python -m benchmarks.text_speed [PYTHON]` prints one JSON object; PYTHON is one that has Presidio.

Speeds are in seconds of CPU on one core, and each span comes once, so that nothing is remembered of it. Both sides take
turns over the same spans, so that a machine which is busy for a while slows both; figures are medians of the turns.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.text_load import KEY
from benchmarks.text_spans import model_calls, spans
from evalforge.common.garbage import collecting_rarely
from evalforge.ingestion.decoding import decode_span
from evalforge.ingestion.pii.names import Names
from evalforge.ingestion.pii.placeholders import Placeholders
from evalforge.ingestion.pii.redactor import Redactor, Remembering
from evalforge.ingestion.pii.text.engine import TextEngine
from evalforge.ingestion.pii.text.hits import Unscannable
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.hard_texts import UNITS, hard_text

TURNS, SPANS_A_TURN, BASELINE_SPANS, WARM_UP = 15, 400, 40, 2_000
STARTS, TIMES = 5, 3
NAMED = {"user_name": "Jane Doe", "email": "jane@example.com", "phone": "+1 415 555 0132", "user_handle": "a.a"}
"""Known of the trace of the texts that are made to be slow."""


def main() -> None:
    """Measure and print."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {0})
    engine = TextEngine()
    figures = loading() | slowest(engine)
    with baseline(sys.argv[1] if len(sys.argv) > 1 else "") as presidio:
        figures |= turns(engine, presidio)
    print(json.dumps(figures))


def turns(engine: TextEngine, presidio: Any) -> dict[str, Any]:
    """Speed from bytes to the sanitised item, and how many times Presidio's it is."""
    sanitizer = Sanitizer(hash_key=KEY, scanner=engine)
    raw = list(spans(WARM_UP + TURNS * SPANS_A_TURN))
    seconds(sanitizer, raw[:WARM_UP])
    ours, theirs, calls = [], [], []
    for turn in range(TURNS):
        some = raw[WARM_UP + turn * SPANS_A_TURN :][:SPANS_A_TURN]
        ours.append(len(some) / seconds(sanitizer, some))
        asked_of_models = model_calls(list(spans(SPANS_A_TURN, seed=turn + 5)))
        calls.append(len(asked_of_models) / seconds(sanitizer, asked_of_models))
        if presidio is not None:
            theirs.append(BASELINE_SPANS / asked(presidio, some[:BASELINE_SPANS]))
    figures = {
        "text_spans_per_second": round(statistics.median(ours)),
        "text_model_calls_per_second": round(statistics.median(calls)),
        "text_span_bytes": sum(map(len, raw)) // len(raw),
    }
    if theirs:
        figures["presidio_spans_per_second"] = round(statistics.median(theirs))
        ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        figures["text_times_presidio"] = round(statistics.median(ratios), 1)  # type: ignore[assignment]
    return figures


def seconds(sanitizer: Sanitizer, raw: list[bytes]) -> float:
    """Of CPU to decode and sanitise."""
    with collecting_rarely():  # as runs do
        start = time.process_time()
        for one in raw:
            sanitizer.item(decode_span(one))
        return time.process_time() - start


@contextlib.contextmanager
def baseline(python: str) -> Iterator[Any]:
    """A process with Presidio loaded and warm; None without a Python that has it."""
    if not python:
        yield None
        return
    command = [python, "benchmarks/presidio_baseline.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert int(process.stdout.readline()) > 0, "Presidio has no recognizers"
            asked(process, list(spans(BASELINE_SPANS, seed=1)))
            yield process
        finally:
            process.terminate()


def asked(process: Any, raw: list[bytes]) -> float:
    """Seconds of CPU that Presidio took over these spans."""
    process.stdin.write("[" + ",".join(one.decode() for one in raw) + "]\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def slowest(engine: TextEngine) -> dict[str, Any]:
    """Milliseconds of CPU for the slowest text of 200 KB: scanned whole, and redacted as a span's text is."""
    names = Names()
    names.learn(NAMED, lambda _: None)
    redactor = Redactor(Remembering(engine), Placeholders(KEY), names)
    scanned = {name: milliseconds(engine.scan, hard_text(unit)) for name, unit in UNITS.items()}
    redacted = {name: milliseconds(redactor.redact, hard_text(unit)) for name, unit in UNITS.items()}
    worst, worst_redacted = max(scanned, key=scanned.__getitem__), max(redacted, key=redacted.__getitem__)
    return {
        "text_200kb_scan_ms": scanned[worst],
        "text_200kb_scan_slowest": worst,
        "text_200kb_redact_ms": redacted[worst_redacted],
        "text_200kb_redact_slowest": worst_redacted,
    }


def milliseconds(read: Any, text: str) -> float:
    """Of CPU, the least of some times; a text that is withheld counts like any other."""
    taken = []
    for _ in range(TIMES):
        start = time.process_time()
        with contextlib.suppress(Unscannable):
            read(text)
        taken.append((time.process_time() - start) * 1000)
    return round(min(taken), 1)


def loading() -> dict[str, Any]:
    """In new processes: the median of some, and one where Kingfisher has not stored its compiled rules yet."""
    found = [loaded() for _ in range(STARTS)]
    with tempfile.TemporaryDirectory() as folder:
        first = loaded({"KF_RULE_CACHE_DIR": folder})
    return {
        "text_load_seconds": statistics.median(one["text_load_seconds"] for one in found),
        "text_first_load_seconds": first["text_load_seconds"],
        "text_added_mb": max(one["text_added_mb"] for one in found),
    }


def loaded(more: dict[str, str] | None = None) -> dict[str, Any]:
    """What `text_load` says of a new process."""
    command = [sys.executable, "-m", "benchmarks.text_load", str(WARM_UP)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | (more or {}))
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    main()
