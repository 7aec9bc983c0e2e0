"""Firestore when it fails: at each call of a commit, once or for good, before the work is done or with the answer lost.

The emulator is the real one. A proxy before it answers some calls with a status of its own; or its process is stopped.
"""

import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("google.cloud.firestore")

import grpc

from evalforge.common.errors import LeaseHeld, StoreError
from evalforge.models import Lease
from evalforge.ports import Batch, CaptureFilter
from evalforge.storage.firestore import FirestoreStore
from evalforge.storage.firestore_connection import WRITES_A_COMMIT
from helpers.captures import NOON, capture, coverage, dead_letter, manifest
from helpers.firestore_emulator import HOST_VARIABLE, Emulator, new_project, own_emulator
from helpers.firestore_proxy import Proxy, proxy_before

CODES = grpc.StatusCode
TRANSIENT = {
    CODES.UNAVAILABLE: "no answer from Firestore within 0.8 s; check the network, then try again",
    CODES.DEADLINE_EXCEEDED: "no answer from Firestore within 0.8 s; check the network, then try again",
    CODES.ABORTED: "others write the same documents; find out what does, then try again",
    CODES.RESOURCE_EXHAUSTED: "the quota is used up; wait, or raise it in the Google Cloud console",
    CODES.INTERNAL: "Firestore failed within itself for 0.8 s; try again later",
}
FOREVER = float("inf")
HOURS = [manifest(hour).hour for hour in range(24)]
LETTERS = WRITES_A_COMMIT
BATCH = Batch(
    captures=[capture(f"a{number}") for number in range(4)],
    dead_letters=[dead_letter(f"d{number}") for number in range(LETTERS)],
    evaluators={"tone"},
    manifests=[manifest(10), manifest(11)],
    coverage=coverage(),
)
CALLS = 4
"""That a commit of the batch takes: it is cut in two, each a look and a write."""


@pytest.fixture
def proxy(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxy_before(firestore_emulator) as made:
        monkeypatch.setenv(HOST_VARIABLE, made.host)
        yield made


@pytest.fixture
def project() -> str:
    return new_project()


def opened(project: str, patience_seconds: float) -> tuple[FirestoreStore, Lease]:
    store = FirestoreStore(project, "(default)", "evalforge_", patience_seconds=patience_seconds)
    return store, store.acquire_lease("r1", NOON, 60)


def told(store: FirestoreStore) -> tuple[int, ...]:
    """How much of the batch there is, that last which was asked first."""
    read, hours = int(store.coverage() is not None), len(store.manifests(HOURS))
    names, letters = len(store.known_evaluators()), store.count_dead_letters()
    return store.count_captures(CaptureFilter()), letters, names, hours, read


NOTHING, FIRST_COMMIT, EVERYTHING = (0, 0, 0, 0, 0), (4, LETTERS - 4, 1, 0, 0), (4, LETTERS, 1, 2, 1)


def calls_to_fail(status: grpc.StatusCode) -> range:
    """Every call with one status, and with the others the first that writes."""
    return range(CALLS) if status is CODES.UNAVAILABLE else range(1, 2)


def test_the_batch_is_two_commits_of_two_calls(proxy: Proxy, project: str) -> None:
    store, lease = opened(project, 5)
    proxy.fail(CODES.UNAVAILABLE, 1000, FOREVER)
    store.commit(lease, BATCH)
    assert proxy.calls == CALLS
    assert told(store) == EVERYTHING
    store.close()


@pytest.mark.parametrize("answer_lost", [False, True])
@pytest.mark.parametrize("status", TRANSIENT, ids=lambda status: status.name)
def test_a_fault_at_any_call_of_a_commit_costs_nothing_but_a_retry(
    proxy: Proxy, status: grpc.StatusCode, answer_lost: bool
) -> None:
    for number in calls_to_fail(status):
        store, lease = opened(new_project(), 5)
        proxy.fail(status, number, number, answer_lost=answer_lost)
        assert store.commit(lease, BATCH).dead_letters_new == LETTERS
        assert proxy.failed == 1
        assert told(store) == EVERYTHING
        store.close()


@pytest.mark.parametrize("answer_lost", [False, True])
@pytest.mark.parametrize("status", TRANSIENT, ids=lambda status: status.name)
def test_a_fault_that_stays_ends_within_the_patience_and_tells_nothing_as_read_that_is_not_there(
    proxy: Proxy, status: grpc.StatusCode, answer_lost: bool
) -> None:
    for number in calls_to_fail(status):
        store, lease = opened(new_project(), 0.8)
        proxy.fail(status, number, FOREVER, answer_lost=answer_lost)
        started = time.monotonic()
        with pytest.raises(StoreError, match=TRANSIENT[status]):
            store.commit(lease, BATCH)
        assert time.monotonic() - started < 3
        assert proxy.failed >= 1
        proxy.fail(None, 0, 0)
        written = number + answer_lost
        assert told(store) == (NOTHING if written < 2 else FIRST_COMMIT if written < 4 else EVERYTHING)
        store.commit(lease, BATCH)
        assert told(store) == EVERYTHING
        store.close()


@pytest.mark.parametrize("status", TRANSIENT, ids=lambda status: status.name)
def test_reading_what_was_read_goes_on_after_a_fault_and_ends_with_one_that_stays(
    proxy: Proxy, project: str, status: grpc.StatusCode
) -> None:
    store, lease = opened(project, 0.8)
    store.commit(lease, BATCH)
    for attempt in (lambda: len(store.manifests(HOURS)), lambda: store.coverage() and 2):
        proxy.fail(status, 0, 0)
        assert attempt() == 2
        assert proxy.failed == 1
        proxy.fail(status, 0, FOREVER)
        with pytest.raises(StoreError, match=TRANSIENT[status]):
            attempt()
    store.close()


@pytest.mark.parametrize("answer_lost", [False, True])
def test_a_run_that_loses_its_lease_while_it_tries_again_writes_nothing_more(
    proxy: Proxy, project: str, answer_lost: bool
) -> None:
    store, lease = opened(project, 5)
    other = FirestoreStore(project, "(default)", "evalforge_")
    proxy.fail(CODES.UNAVAILABLE, 1, FOREVER, answer_lost=answer_lost)

    def take() -> None:
        proxy.fail(None, 0, 0)
        other.acquire_lease("r2", NOON.replace(hour=13), 60)

    taken = threading.Timer(0.5, take)
    taken.start()
    with pytest.raises(LeaseHeld):
        store.commit(lease, BATCH)
    taken.join()
    assert told(store) == (FIRST_COMMIT if answer_lost else NOTHING)
    other.close()
    store.close()


# A server that hangs


@pytest.fixture(scope="module")
def hanging(firestore_emulator: str) -> Iterator[Emulator]:
    """An emulator that no other test needs, and that has begun to answer fast."""
    with own_emulator() as emulator, pytest.MonkeyPatch.context() as changed:
        changed.setenv(HOST_VARIABLE, emulator.host)
        store, lease = opened(new_project(), 10)
        store.commit(lease, BATCH)
        store.close()
        changed.undo()
        yield emulator


@pytest.mark.parametrize("call", [0, 1, 2, 3])
def test_a_server_that_hangs_in_the_middle_of_a_commit_is_told_and_the_commit_repeated(
    hanging: Emulator, project: str, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """When it goes on it may still do what it was asked; that is whole, and no harm."""
    with proxy_before(hanging.host) as proxy:
        monkeypatch.setenv(HOST_VARIABLE, proxy.host)
        store, lease = opened(project, 1)
        proxy.before(call, hanging.pause)
        started = time.monotonic()
        try:
            with pytest.raises(StoreError, match="no answer from Firestore within 1 s"):
                store.commit(lease, BATCH)
            assert 0.5 < time.monotonic() - started < 3
            assert proxy.work == {}, "the server hung"
        finally:
            hanging.resume()
        patient = FirestoreStore(project, "(default)", "evalforge_")
        *written, hours, read = told(patient)
        assert hours == 2 if read else True
        assert tuple(written) == EVERYTHING[:3] if hours else True
        patient.commit(lease, BATCH)
        assert told(patient) == EVERYTHING
        patient.close()
        store.close()


def test_a_server_that_hangs_for_less_than_the_patience_is_waited_for(
    hanging: Emulator, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_before(hanging.host) as proxy:
        monkeypatch.setenv(HOST_VARIABLE, proxy.host)
        store, lease = opened(project, 8)
        resumed = threading.Timer(1.0, hanging.resume)
        proxy.before(1, lambda: (hanging.pause(), resumed.start()))
        store.commit(lease, BATCH)
        resumed.join()
        assert told(store) == EVERYTHING
        store.close()
