"""A run whose store fails, at every call there is: it ends soon with one clear line, and the next one makes all whole.

The stores are real: SQLite's file with real faults in `test_sqlite_faults_of_runs`, and here the emulator, before
which a proxy answers a call with a status of its own, once or from then on, before the work is done or after.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("google.cloud.firestore")

import grpc

from evalforge.common.errors import StoreError
from evalforge.storage.firestore import FirestoreStore
from helpers.clocks import FakeClock
from helpers.disturbed import HALF_PAST, LEASE_SECONDS, run, settled
from helpers.firestore_emulator import HOST_VARIABLE, new_project
from helpers.firestore_proxy import Proxy, proxy_before

CODES = grpc.StatusCode
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
