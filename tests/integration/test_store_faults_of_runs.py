"""A run whose store fails, at every call there is: it ends soon with one clear line, and the next one makes all whole.

The stores are real: SQLite's file with real faults in `test_store_faults_of_commands`, and here the emulator, before
which a proxy answers a call with a status of its own, once or from then on, before the work is done or after.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

pytest.importorskip("google.cloud.firestore")

import grpc

from evalforge.common.errors import StoreError
from evalforge.models import IngestionRun
from evalforge.ports import CaptureFilter
from evalforge.storage.firestore import FirestoreStore
from helpers.clocks import FakeClock
from helpers.exported import failed, judged
from helpers.firestore_emulator import HOST_VARIABLE, new_project
from helpers.firestore_proxy import Proxy, proxy_before
from helpers.runs import TraceStore, pipeline

CODES = grpc.StatusCode
START_MS = 1_795_423_310_000
ROOT = "14624140233640368325"
SPANS = [
    *(failed(number, trace=f"{number:032x}", start_ns=START_MS + number) for number in range(2, 5)),
    judged("tone", 9, trace=f"{2:032x}", start_ns=START_MS + 9, parent_id="7"),
    failed(8, trace="no id at all", start_ns=START_MS + 8),
]
HOURS = [f"2026-11-{day}T{hour:02}" for day in (22, 23) for hour in range(24)]
HALF_PAST = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
LEASE_SECONDS = 60
IMPATIENT = 0.15
TRANSIENT = [
    CODES.UNAVAILABLE,
    CODES.ABORTED,
    CODES.DEADLINE_EXCEEDED,
    CODES.RESOURCE_EXHAUSTED,
    CODES.INTERNAL,
    CODES.UNKNOWN,
    CODES.CANCELLED,
]
"""What passes by itself. The last two are what a connection looks like that was cut in the middle of an answer."""


@pytest.fixture
def proxy(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxy_before(firestore_emulator) as made:
        monkeypatch.setenv(HOST_VARIABLE, made.host)
        yield made


def opened(project: str, patience_seconds: float = 10) -> FirestoreStore:
    return FirestoreStore(project, "(default)", "evalforge_", patience_seconds=patience_seconds)


def run(store: FirestoreStore, clock: FakeClock) -> IngestionRun:
    """A run with a commit for every two traces, dead letters and context."""
    given: dict[str, Any] = {"traces_a_commit": 2, "lease_seconds": LEASE_SECONDS, "run_id": f"r{clock.now():%H%M%S}"}
    source = TraceStore(SPANS)
    source._pages = [source._pages[0][at : at + 2] for at in range(0, len(SPANS), 2)]
    return pipeline(store, source, clock, **given).run()


def settled(store: FirestoreStore) -> tuple[Any, ...]:
    """All that is there, but for when and by whom it was first met."""
    captures = [msgspec.structs.replace(one, fetched_at="") for one in store.list_captures(CaptureFilter())]
    letters = [msgspec.structs.replace(one, first_seen_at="", run_id="") for one in store.list_dead_letters()]
    record = store.coverage()
    assert record is not None
    read = [(one.start, one.end, one.until, one.reason) for one in record.slices[1:]]  # the first leaves the window
    return captures, letters, store.manifests(HOURS), read, store.known_evaluators()


@pytest.fixture
def undisturbed(proxy: Proxy) -> tuple[Any, ...]:
    """What two runs make that nothing befalls, and how many calls the first takes."""
    store, clock = opened(new_project()), FakeClock(HALF_PAST)
    proxy.fail(None, 0, 0)
    assert run(store, clock).outcome == "complete"
    calls = proxy.calls
    clock.advance(LEASE_SECONDS + 1)
    assert run(store, clock).outcome == "complete"
    made = settled(store)
    store.close()
    return made, calls


def test_a_run_goes_on_after_any_one_call_that_failed_and_stores_the_same(
    proxy: Proxy, undisturbed: tuple[Any, ...]
) -> None:
    expected, calls = undisturbed
    cases = [(number, TRANSIENT[number % len(TRANSIENT)], number % 4 > 0) for number in range(calls)]
    for number, status, lost in cases:
        store, clock = opened(new_project()), FakeClock(HALF_PAST)
        proxy.fail(status, number, number, answer_lost=lost)
        first = run(store, clock)
        assert (first.outcome, proxy.failed) == ("complete", 1), (number, status, lost)
        clock.advance(LEASE_SECONDS + 1)
        proxy.fail(None, 0, 0)
        again = run(store, clock)
        assert again.tally.captures_created == again.tally.captures_updated == 0, (number, status, lost)
        assert settled(store) == expected, (number, status, lost)
        store.close()


def test_a_run_ends_soon_wherever_the_store_fails_for_good_and_the_next_makes_all_whole(
    proxy: Proxy, undisturbed: tuple[Any, ...]
) -> None:
    expected, calls = undisturbed
    cases = [(number, TRANSIENT[number % len(TRANSIENT)], number % 2 == 0) for number in range(calls)]
    for number, status, lost in cases:
        project = new_project()
        store, clock = opened(project, IMPATIENT), FakeClock(HALF_PAST)
        proxy.fail(status, number, float("inf"), answer_lost=lost)
        started = time.monotonic()
        with pytest.raises(StoreError) as caught:
            run(store, clock)
        assert time.monotonic() - started < 3 * IMPATIENT + 1, (number, status, lost)
        line = str(caught.value)
        assert "\n" not in line
        assert "; " in line, line
        assert "EVALFORGE_STORE=firestore://" in line
        store.close()
        proxy.fail(None, 0, 0)
        clock.advance(LEASE_SECONDS + 1)
        store = opened(project)
        assert run(store, clock).outcome == "complete", (number, status, lost)
        assert settled(store) == expected, (number, status, lost)
        store.close()
