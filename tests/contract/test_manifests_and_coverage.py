"""What every store promises of manifests, the record of coverage and dead letters that were read again."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evalforge.common.errors import LeaseHeld
from evalforge.models import Erasure
from evalforge.ports import Batch, CaptureFilter
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import NOON, capture, coverage, dead_letter, manifest, span, user

ALICE = user("alice")
HOURS = [f"2026-11-23T{hour:02}" for hour in range(24)]
LARGE = bytes(range(256)) * 6000
"""More than one document of Firestore holds."""


def letters(store: Any) -> bytes:
    return msgspec.json.encode(list(store.list_dead_letters()))


def test_what_was_read_is_told_equal_by_whoever_opens_the_store_next(store, lease, open_store):
    made = [manifest(10), manifest(11, bytes(range(240)), "other"), manifest(12, b"")]
    store.commit(lease, Batch(captures=[capture("a1")], manifests=made, coverage=coverage()))
    again = open_store()
    assert again.manifests(HOURS) == {one.hour: one for one in made}
    assert again.manifests([HOURS[10], HOURS[10]]) == {HOURS[10]: made[0]}
    assert again.manifests([]) == {}
    assert again.coverage() == coverage()


def test_a_new_store_has_read_nothing(store):
    assert store.manifests(HOURS) == {}
    assert store.coverage() is None
    assert store.forget_manifests(HOURS[-1]) == 0


def test_a_manifest_replaces_that_of_its_hour_and_coverage_the_record(store, lease):
    store.commit(lease, Batch(manifests=[manifest(10, LARGE), manifest(11)], coverage=coverage(None)))
    store.commit(lease, Batch(manifests=[manifest(10, b"y" * 48, "salt 2")], coverage=coverage()))
    assert store.manifests(HOURS) == {HOURS[10]: manifest(10, b"y" * 48, "salt 2"), HOURS[11]: manifest(11)}
    assert store.coverage() == coverage()
    store.commit(lease, Batch(captures=[capture("a1")]))
    assert len(store.manifests(HOURS)) == 2, "a batch that names none leaves them"
    assert store.coverage() == coverage()


def test_a_large_manifest_comes_back_whole_however_often_it_grows_and_shrinks(store, lease):
    for entries in (LARGE, LARGE * 2, LARGE[:24], LARGE, b""):
        store.commit(lease, Batch(manifests=[manifest(10, entries)]))
        assert store.manifests(HOURS) == {HOURS[10]: manifest(10, entries)}


def test_a_run_that_lost_its_lease_changes_nothing_of_what_is_told_as_read(store, lease):
    store.commit(lease, Batch(dead_letters=[dead_letter("d1"), dead_letter("d2")], coverage=coverage(None)))
    before = letters(store)
    taken = store.acquire_lease("r2", NOON + timedelta(minutes=5), 60)
    for batch in (
        Batch(manifests=[manifest()]),
        Batch(coverage=coverage()),
        Batch(retried=[dead_letter("d1", attempts=2)]),
        Batch(resolved=["d2"]),
    ):
        with pytest.raises(LeaseHeld):
            store.commit(lease, batch)
    assert store.manifests(HOURS) == {}
    assert store.coverage() == coverage(None)
    assert letters(store) == before
    store.commit(taken, Batch(manifests=[manifest()], coverage=coverage(), resolved=["d2"]))
    assert len(store.manifests(HOURS)) == 1


def test_forgetting_removes_what_is_before_the_hour_and_nothing_else(store, lease):
    store.commit(lease, Batch(manifests=[manifest(hour, LARGE if hour == 9 else b"x") for hour in (8, 9, 10, 11)]))
    assert store.forget_manifests(HOURS[10]) == 2
    assert store.manifests(HOURS).keys() == {HOURS[10], HOURS[11]}
    assert store.forget_manifests(HOURS[10]) == 0
    store.commit(lease, Batch(manifests=[manifest(9)]))
    assert store.manifests(HOURS)[HOURS[9]] == manifest(9)


def test_a_dead_letter_that_was_retried_is_replaced_and_one_that_was_resolved_goes(store, lease):
    store.commit(lease, Batch(dead_letters=[dead_letter("d1"), dead_letter("d2"), dead_letter("d3")]))
    retried = dead_letter("d1", attempts=2, reason="still not JSON")
    done = store.commit(lease, Batch(captures=[capture("a1")], retried=[retried], resolved=["d2", "never there"]))
    assert done.dead_letters_new == 0
    assert {one.dead_letter_id: one for one in store.list_dead_letters()} == {"d1": retried, "d3": dead_letter("d3")}
    assert store.count_dead_letters() == 2


def test_a_dead_letter_that_went_meanwhile_is_not_brought_back_by_a_retry(store, lease):
    store.commit(lease, Batch(retried=[dead_letter("d1", attempts=2)]))
    assert store.count_dead_letters() == 0


def test_a_scan_that_meets_a_retried_dead_letter_again_leaves_it_byte_for_byte(store, lease):
    store.commit(lease, Batch(dead_letters=[dead_letter("d1")]))
    store.commit(lease, Batch(retried=[dead_letter("d1", attempts=2)]))
    before = letters(store)
    again = Batch(dead_letters=[dead_letter("d1", run_id="r9", first_seen_at="2026-11-23T23:00:00.000Z")])
    assert store.commit(lease, again).dead_letters_new == 0
    assert letters(store) == before


def test_the_same_commit_twice_is_as_if_it_had_been_once(store, lease):
    """What a run does that never learnt of its first commit."""
    store.commit(lease, Batch(dead_letters=[dead_letter("d1"), dead_letter("d2")]))
    batch = Batch(
        captures=[capture("a1")],
        dead_letters=[dead_letter("d3")],
        evaluators={"tone"},
        manifests=[manifest(10, LARGE), manifest(11)],
        coverage=coverage(),
        retried=[dead_letter("d1", attempts=2)],
        resolved=["d2"],
    )
    told = []
    for _ in range(2):
        store.commit(lease, batch)
        captures = msgspec.json.encode(list(store.list_captures(CaptureFilter())))
        told.append((captures, letters(store), dict(store.manifests(HOURS)), store.coverage()))
    assert told[0] == told[1]


def test_erasure_takes_retried_dead_letters_and_none_comes_back(store, lease):
    named = capture("a1", [span(user_hash=ALICE)])
    store.commit(
        lease, Batch(captures=[named], dead_letters=[dead_letter("d1", trace_id="a1")], manifests=[manifest()])
    )
    store.commit(lease, Batch(retried=[dead_letter("d1", trace_id="a1", attempts=2)]))
    assert store.erase_user(ALICE, NOON) == Erasure(trace_ids=("a1",), dead_letters=1)
    late = Batch(retried=[dead_letter("d1", trace_id="a1", attempts=3)], resolved=["d1"], manifests=[manifest(11)])
    assert store.commit(lease, late).erased == {"a1"}
    assert store.count_dead_letters() == 0
    assert store.manifests(HOURS).keys() == {HOURS[11]}, "only what a run wrote after the erasure"


def test_erasure_has_the_next_run_read_anew_which_spans_are_stored(store, lease):
    for erase in (lambda: store.erase_trace("a1"), lambda: store.erase_user(ALICE, NOON)):
        store.commit(lease, Batch(manifests=[manifest(10), manifest(11, LARGE)], coverage=coverage()))
        erase()
        assert store.manifests(HOURS) == {}
        assert store.coverage() == coverage()


def test_what_is_no_id_of_a_trace_or_a_user_erases_no_manifest(store, lease):
    store.commit(lease, Batch(manifests=[manifest(10)]))
    store.erase_trace("..")
    store.erase_user("alice", NOON)
    assert len(store.manifests(HOURS)) == 1


def test_a_retry_that_learns_that_a_dead_letter_is_of_an_erased_trace_writes_nothing_of_it(store, lease):
    store.commit(lease, Batch(dead_letters=[dead_letter("d1")]))
    store.erase_trace("a1")
    before = letters(store)
    assert store.commit(lease, Batch(retried=[dead_letter("d1", trace_id="a1", attempts=2)])).erased == {"a1"}
    assert letters(store) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("entries", b"y" * 24),
        ("entries", b""),
        ("entries", "x" * 24),
        ("entries", 5),
        ("salt", "other"),
        ("salt", 5),
        ("checksum", b""),
        ("checksum", "x"),
    ],
)
def test_a_manifest_that_is_not_as_it_was_written_is_left_out(store, lease, field, value):
    store.commit(lease, Batch(manifests=[manifest(10), manifest(11)]))
    spoil_manifest(store, field, value)
    assert store.manifests(HOURS) == {HOURS[11]: manifest(11)}
    store.commit(lease, Batch(manifests=[manifest(10)]))
    assert len(store.manifests(HOURS)) == 2


@pytest.mark.parametrize("value", ["[", "{}", 5, '[{"start": 5}]'])
def test_coverage_that_cannot_be_read_is_as_if_nothing_was_recorded(store, lease, value):
    store.commit(lease, Batch(coverage=coverage()))
    if isinstance(store, SqliteStore):
        changed(store.path, "UPDATE coverage SET document = ?", value)
    else:
        document(store, "state/coverage").update({"slices": value})
    assert store.coverage() is None
    store.commit(lease, Batch(coverage=coverage()))
    assert store.coverage() == coverage()


def spoil_manifest(store: Any, field: str, value: Any) -> None:
    """Of 10 o'clock, as a person with an editor would."""
    if isinstance(store, SqliteStore):
        changed(store.path, f"UPDATE manifests SET {field} = ? WHERE hour = '{HOURS[10]}'", value)
    else:
        document(store, f"manifests/{HOURS[10]}").update({field: value})


def changed(path: Path, statement: str, value: Any) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, (value,))
        connection.commit()


def document(store: Any, path: str) -> Any:
    return store._connection.client.document(f"evalforge_{path}")
