"""What the engine of texts costs a new process: `python -m benchmarks.text_load SPANS` prints one JSON object.

Seconds until it can scan, and the memory that it and the scanning of so many spans add to that of a process which only
decodes spans.
"""

import json
import re
import sys
import time
from pathlib import Path

from benchmarks.text_spans import spans
from evalforge.ingestion.decoding import decode_span
from evalforge.ingestion.pii_sanitizer import Sanitizer

KEY = b"0123456789abcdef0123456789abcdef"


def main() -> None:
    """Measure and print."""
    decoded = [decode_span(raw) for raw in spans(int(sys.argv[1]))]
    withholding = Sanitizer(hash_key=KEY)
    for span in decoded:
        withholding.span(span)
    before = resident_mb()
    start = time.perf_counter()
    from evalforge.ingestion.pii.text.engine import TextEngine

    engine = TextEngine()
    engine.scan("jane@example.org")
    seconds = time.perf_counter() - start
    redacting = Sanitizer(hash_key=KEY, scanner=engine)
    for span in decoded:
        redacting.span(span)
    print(json.dumps({"text_load_seconds": round(seconds, 2), "text_added_mb": round(resident_mb("HWM") - before)}))


def resident_mb(kind: str = "RSS") -> float:
    """Memory of this process, now or (`HWM`) at most so far."""
    found = re.search(rf"Vm{kind}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
