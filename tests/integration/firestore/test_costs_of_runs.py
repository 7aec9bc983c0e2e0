"""How many documents a run reads and writes beyond what it stores: Google bills each."""

from collections import Counter

import pytest

pytest.importorskip("google.cloud.firestore")

from evalforge.storage.firestore import FirestoreStore
from helpers.clocks import FakeClock
from helpers.disturbed import HALF_PAST, LEASE_SECONDS
from helpers.exported import failed
from helpers.firestore_server import PREFIX, Tally
from helpers.runs import TraceStore, pipeline

START_MS = 1_795_423_310_000
TRACES, COMMITS = 12, 4
SPANS = [failed(number, trace=f"{number:032x}", start_ns=START_MS + number) for number in range(TRACES)]


def costs(store: FirestoreStore, tally: Tally, clock: FakeClock) -> tuple[Counter[str], Counter[str]]:
    """Reads and writes of one run by collection; it commits three traces at a time."""
    tally.clear()
    source = TraceStore(SPANS)
    source._pages = [source._pages[0][at : at + 3] for at in range(0, TRACES, 3)]
    options = {"traces_a_commit": 3, "lease_seconds": LEASE_SECONDS, "run_id": f"r{clock.now():%H%M%S}"}
    assert pipeline(store, source, clock, **options).run().outcome == "complete"  # type: ignore[arg-type]
    clock.advance(LEASE_SECONDS + 1)
    return tuple(
        Counter({name.removeprefix(PREFIX): number for name, number in counted.items()})
        for counted in (tally.read, tally.written)
    )  # type: ignore[return-value]


def test_a_new_trace_is_read_once_and_written_once_and_the_lease_once_a_commit(
    store: FirestoreStore, tally: Tally
) -> None:
    read, written = costs(store, tally, FakeClock(HALF_PAST))
    assert (read["raw_traces"], written["raw_traces"]) == (TRACES, TRACES)
    assert read["leases"] <= 1 + COMMITS + 1 + 1, "to take it, for each commit and what is left at the end, to release"
    assert written["leases"] <= 1 + COMMITS + 1 + 1
    assert read["erased"] == 0


def test_an_erased_trace_costs_a_look_at_each_mark_and_no_further_commit(store: FirestoreStore, tally: Tally) -> None:
    clock = FakeClock(HALF_PAST)
    costs(store, tally, clock)
    store.erase_trace(f"{1:032x}")
    read, _ = costs(store, tally, clock)
    assert read["erased"] == TRACES
    read, written = costs(store, tally, clock)
    assert read["erased"] == 1
    assert (read["raw_traces"], written["raw_traces"], written["manifests"]) == (0, 0, 0)


def test_what_was_foreseen_and_is_no_longer_so_is_looked_at_again(store: FirestoreStore, tally: Tally) -> None:
    """Between what a run asks and its commit a trace is erased, and another run's capture is removed."""
    from evalforge.ports import Batch, CaptureFilter
    from helpers.captures import NOON, capture

    lease = store.acquire_lease("r1", NOON, 60)
    store.commit(lease, Batch(captures=[capture("a1"), capture("a2")]))
    asked = ["a1", "a2", "b1", "b2"]
    assert store.erased_among(asked) == frozenset()
    assert store.captures_of(asked).keys() == {"a1", "a2"}
    tally.before_next_commit = lambda: tally.quietly(lambda: (store.erase_trace("a1"), store.erase_trace("b1")))
    done = store.commit(lease, Batch(captures=[capture(one, env="new") for one in asked]))
    assert done.erased == {"a1", "b1"}
    assert sorted(one.trace_id for one in store.list_captures(CaptureFilter())) == ["a2", "b2"]
    assert {one.env for one in store.list_captures(CaptureFilter())} == {"new"}
