"""What every store promises (ports.CaptureStore). One suite, run over each of them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from evalforge.common.errors import LeaseHeld
from evalforge.models import Lease
from evalforge.ports import Batch, CaptureFilter, CaptureStore
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import capture, dead_letter, run, signal

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVERYTHING = CaptureFilter()

Opener = Callable[[], CaptureStore]


@pytest.fixture(params=["sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    opened: list[CaptureStore] = []

    def opener() -> CaptureStore:
        opened.append(SqliteStore(tmp_path / "store.db"))
        return opened[-1]

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Opener) -> CaptureStore:
    return open_store()


@pytest.fixture
def lease(store: CaptureStore) -> Lease:
    return store.acquire_lease("r1", NOON, 60)


def ids(store: CaptureStore, limit: int | None = None, **wanted: str) -> list[str]:
    return [one.trace_id for one in store.list_captures(CaptureFilter(**wanted), limit)]


def failed(trace_id: str, moment: str | None, **fields: object):
    return capture(trace_id, last_failed_at=moment, **fields)


def test_what_was_committed_is_read_back_equal(store, lease, open_store):
    one = capture("a1")
    store.commit(lease, Batch(captures=[one]))
    assert open_store().captures_of(["a1", "missing"]) == {"a1": one}


def test_a_capture_replaces_what_is_stored_of_its_trace(store, lease):
    store.commit(lease, Batch(captures=[capture("a1")]))
    later = capture("a1", signals=[signal(type="tool_error", severity="high")])
    store.commit(lease, Batch(captures=[later]))
    assert list(store.list_captures(EVERYTHING)) == [later]


def test_captures_come_newest_failure_first_then_by_trace_id_with_unknown_times_last(store, lease):
    early, late = "2026-11-23T01:00:00.000Z", "2026-11-23T02:00:00.000Z"
    batch = [failed("c", early), failed("b", late), failed("z", None), failed("a", late)]
    store.commit(lease, Batch(captures=batch))
    assert ids(store) == ["a", "b", "c", "z"]


def test_a_long_list_has_each_capture_once_whatever_the_page_size_inside(store, lease):
    moments = [f"2026-11-23T{hour:02}:00:00.000Z" for hour in range(3)]
    made = [failed(f"{number:04x}", moments[number % 3]) for number in range(1001)]
    store.commit(lease, Batch(captures=made))
    wanted = [one.trace_id for one in sorted(made, key=lambda one: one.trace_id)]
    wanted.sort(key=lambda trace_id: moments[int(trace_id, 16) % 3], reverse=True)
    assert ids(store) == wanted
    assert ids(store, limit=450) == wanted[:450]


def test_a_filter_narrows_by_time_service_type_and_severity(store, lease):
    batch = [
        failed("a", "2026-11-23T01:00:00.000Z", service_name="x", failure_type="toxicity", severity="high"),
        failed("b", "2026-11-23T02:00:00.000Z", service_name="y", failure_type="toxicity", severity="low"),
        failed("c", "2026-11-23T03:00:00.000Z", service_name="y", failure_type="tool_error", severity="low"),
    ]
    store.commit(lease, Batch(captures=batch))
    assert ids(store, since="2026-11-23T02:00:00.000Z") == ["c", "b"]
    assert ids(store, service="y", type="toxicity") == ["b"]
    assert ids(store, severity="low") == ["c", "b"]
    assert store.count_captures(CaptureFilter(severity="low")) == 2
    assert ids(store, service="nobody") == []


def test_a_dead_letter_that_is_there_stays_as_it_was_first_seen(store, lease):
    first = dead_letter("d1", reason="first")
    assert store.commit(lease, Batch(dead_letters=[first])) == 1
    assert store.commit(lease, Batch(dead_letters=[dead_letter("d1", reason="second"), dead_letter("d2")])) == 1
    assert {one.dead_letter_id: one.reason for one in store.list_dead_letters()} == {"d1": "first", "d2": "not JSON"}
    assert store.count_dead_letters() == 2


def test_evaluator_names_are_remembered(store, lease, open_store):
    store.commit(lease, Batch(evaluators={"tone"}))
    store.commit(lease, Batch(evaluators={"tone", "quality"}))
    assert open_store().known_evaluators() == {"tone", "quality"}


def test_runs_are_listed_newest_first_and_found_by_id(store):
    store.save_run(run("r1", started_at="2026-11-23T01:00:00.000Z"))
    store.save_run(run("r2", started_at="2026-11-23T02:00:00.000Z"))
    store.save_run(run("r1", started_at="2026-11-23T01:00:00.000Z", outcome="partial"))
    assert [one.run_id for one in store.list_runs()] == ["r2", "r1"]
    assert [one.run_id for one in store.list_runs(1)] == ["r2"]
    found = store.run("r1")
    assert found is not None
    assert found.outcome == "partial"
    assert store.run("r3") is None


def test_the_lease_is_held_by_one_and_told_to_the_other(store, lease, open_store):
    with pytest.raises(LeaseHeld, match=r"r1.*2026-11-23T12:01:00"):
        open_store().acquire_lease("r2", NOON + timedelta(seconds=59), 60)


def test_a_lease_that_ran_out_goes_to_the_next_with_a_higher_fence(store, lease):
    taken = store.acquire_lease("r2", NOON + timedelta(seconds=60), 60)
    assert taken.fence > lease.fence


def test_a_released_lease_is_free_at_once_and_its_fence_still_grows(store, lease):
    store.release_lease(lease)
    assert store.acquire_lease("r2", NOON, 60).fence == lease.fence + 1


def test_a_renewed_lease_holds_longer(store, lease):
    store.renew_lease(lease, NOON + timedelta(seconds=30), 60)
    with pytest.raises(LeaseHeld):
        store.acquire_lease("r2", NOON + timedelta(seconds=89), 60)


def test_a_run_that_lost_its_lease_can_neither_commit_nor_renew_nor_release(store, lease):
    taken = store.acquire_lease("r2", NOON + timedelta(minutes=5), 60)
    with pytest.raises(LeaseHeld):
        store.commit(lease, Batch(captures=[capture("a1")], dead_letters=[dead_letter()], evaluators={"tone"}))
    with pytest.raises(LeaseHeld):
        store.renew_lease(lease, NOON + timedelta(minutes=5), 60)
    store.release_lease(lease)
    assert ids(store) == []
    assert store.count_dead_letters() == 0
    assert not store.known_evaluators()
    store.commit(taken, Batch(captures=[capture("a1")]))


def test_of_eight_that_ask_at_once_one_gets_the_lease(open_store):
    stores = [open_store() for _ in range(8)]
    won: list[Lease] = []

    def ask(number: int) -> None:
        with suppress(LeaseHeld):
            won.append(stores[number].acquire_lease(f"r{number}", NOON, 60))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_the_same_commit_twice_leaves_what_is_listed_byte_for_byte(store, lease):
    batch = Batch(captures=[capture("a1"), capture("b2")], dead_letters=[dead_letter()], evaluators={"tone"})
    store.commit(lease, batch)
    before = msgspec.json.encode([list(store.list_captures(EVERYTHING)), list(store.list_dead_letters())])
    store.commit(lease, batch)
    after = msgspec.json.encode([list(store.list_captures(EVERYTHING)), list(store.list_dead_letters())])
    assert after == before
