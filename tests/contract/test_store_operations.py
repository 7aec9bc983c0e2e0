"""What both stores tell of what was asked of them; Firestore's held against what goes over its wire."""

from collections.abc import Iterator

import pytest

from evalforge.models import Lease, StoreOperations
from evalforge.ports import Batch, CaptureFilter, CaptureStore
from helpers.captures import capture, dead_letter, manifest
from helpers.clocks import FakeClock
from helpers.exported import failed
from helpers.firestore_emulator import new_project
from helpers.firestore_server import Tally, counting
from helpers.runs import run

TRACES = [f"{number:032x}" for number in range(1, 6)]


def counted(store: CaptureStore, work: object) -> StoreOperations:
    before = store.operations
    assert callable(work)
    work()
    return store.operations.since(before)


def test_captures_that_are_read_are_counted_one_by_one(store: CaptureStore, lease: Lease) -> None:
    store.commit(lease, Batch(captures=[capture(one) for one in TRACES]))
    assert counted(store, lambda: store.captures_of(TRACES)).reads == len(TRACES)
    assert counted(store, lambda: list(store.list_captures(CaptureFilter()))).reads == len(TRACES)


def test_what_a_commit_writes_is_counted_and_the_next_of_the_same_too(store: CaptureStore, lease: Lease) -> None:
    batch = Batch(
        captures=[capture(one) for one in TRACES],
        dead_letters=[dead_letter("d1"), dead_letter("d2")],
        manifests=[manifest()],
    )
    bookkeeping = 1  # Firestore's fence; a row of SQLite is not written for it
    first = counted(store, lambda: store.commit(lease, batch))
    assert 0 <= first.writes - (len(TRACES) + 2 + 1) <= bookkeeping
    assert first.deletes == 0
    again = counted(store, lambda: store.commit(lease, batch))
    assert 0 <= again.writes - (len(TRACES) + 1) <= bookkeeping  # a dead letter that is there stays


def test_what_is_removed_is_counted_apart(store: CaptureStore, lease: Lease) -> None:
    store.commit(lease, Batch(captures=[capture(TRACES[0])], dead_letters=[dead_letter("d1"), dead_letter("d2")]))
    assert counted(store, lambda: store.commit(lease, Batch(resolved=["d1", "d2"]))).deletes == 2
    assert counted(store, lambda: store.erase_trace(TRACES[0])).deletes >= 1


def test_a_store_begins_to_count_when_it_is_opened(open_store: object) -> None:
    assert callable(open_store)
    store = open_store()
    first = store.operations
    assert (first.reads, first.writes, first.deletes) <= (10, 30, 0)  # SQLite makes its schema
    store.count_runs()
    assert store.operations.reads == first.reads + 1


@pytest.fixture
def wire(firestore_emulator: str) -> Iterator[Tally]:
    with counting() as tally:
        yield tally


def test_firestores_counts_are_those_of_the_wire_over_runs_and_an_erasure(wire: Tally) -> None:
    from evalforge.storage.firestore import FirestoreStore

    store, clock = FirestoreStore(new_project(), "(default)", "evalforge_"), FakeClock()
    spans = [failed(number) for number in range(1, 8)]
    for _ in range(2):
        assert run(store, [spans], clock).outcome == "complete"
        clock.sleep(1200)
    store.erase_trace(spans[0]["attributes"]["trace_id"])
    list(store.list_runs())
    store.count_captures(CaptureFilter())
    told = store.operations
    store.close()
    assert told == StoreOperations(
        kind="firestore", reads=wire.read.total(), writes=wire.written.total(), deletes=wire.deleted.total()
    )
    assert min(told.reads, told.writes, told.deletes) > 0
