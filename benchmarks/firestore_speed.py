"""Captures a second into the real Firestore emulator, and a service over it: `python -m benchmarks.firestore_speed`.

The floor is what no store on the official client can do without: the same documents, whole as one text each, in batches
of the same size, with no fence and no look at what is there. Prints one JSON object; `{}` where no emulator can start.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import msgspec
from google.cloud.firestore import Client

from benchmarks.http_speed import median_until_ready
from evalforge.models import FailureCapture
from evalforge.ports import Batch, CaptureFilter
from evalforge.storage.firestore import FirestoreStore
from evalforge.storage.firestore_connection import WRITES_A_COMMIT
from helpers.captures import capture, span
from helpers.firestore_emulator import NoEmulator, new_project, running_emulator

CAPTURES, BYTES_A_CAPTURE, ROUNDS = 10_000, 5_000, 3


def main() -> None:
    """Measure and print."""
    try:
        with running_emulator():
            print(json.dumps(figures()))
    except NoEmulator as error:
        print(f"no Firestore emulator can be started: {error}", file=sys.stderr)
        print("{}")


def figures() -> dict[str, float]:
    """The median of some rounds, each into a project of its own."""
    ready = median_until_ready(lambda: f"firestore://{new_project()}")
    made = [made_capture(number) for number in range(CAPTURES)]
    written(made[:1000])
    rates = [len(made) / written(made) for _ in range(ROUNDS)]
    least = [len(made) / floor(made) for _ in range(ROUNDS)]
    return {
        "firestore_ready_seconds": ready,
        "firestore_captures": len(made),
        "firestore_capture_bytes": sum(len(msgspec.json.encode(one)) for one in made) // len(made),
        "firestore_captures_per_second": round(statistics.median(rates)),
        "firestore_floor_per_second": round(statistics.median(least)),
    }


def made_capture(number: int) -> FailureCapture:
    """About 5 KB of a failed LLM call."""
    texts = {f"part {part}": f"{number} " + "the order was placed " * 20 for part in range(9)}
    return capture(f"{number:032x}", [span(str(number), user_hash=f"u1_{number % 97:040x}", attributes=texts)])


def written(made: list[FailureCapture]) -> float:
    """Seconds to commit them, as a run does."""
    store = FirestoreStore(new_project(), "(default)", "evalforge_")
    lease = store.acquire_lease("bench", datetime(2026, 11, 23, tzinfo=UTC), 600)
    start = time.perf_counter()
    for some in chunks(made):
        store.commit(lease, Batch(captures=some))
    seconds = time.perf_counter() - start
    assert store.count_captures(CaptureFilter()) == len(made)
    store.close()
    return seconds


def floor(made: list[FailureCapture]) -> float:
    """Seconds to write the same as plain documents."""
    client = Client(project=new_project())
    start = time.perf_counter()
    for some in chunks(made):
        batch = client.batch()
        for one in some:
            batch.set(client.document(f"plain/{one.trace_id}"), {"document": msgspec.json.encode(one).decode()})
        batch.commit()
    seconds = time.perf_counter() - start
    client.close()  # type: ignore[no-untyped-call]
    return seconds


def chunks(made: list[FailureCapture]) -> Iterator[list[FailureCapture]]:
    """As many as a run commits at once."""
    left = iter(made)
    while some := list(islice(left, WRITES_A_COMMIT)):
        yield some


if __name__ == "__main__":
    main()
