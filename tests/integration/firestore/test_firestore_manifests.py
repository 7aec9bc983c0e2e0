"""What manifests and coverage cost in Firestore, and in which order a batch of many commits tells what was read."""

from itertools import pairwise

import pytest

pytest.importorskip("google.cloud.firestore")

from google.cloud.firestore import Client

from evalforge.common.errors import StoreError, StoreNewerThanCode
from evalforge.models import CAPTURE_SCHEMA_VERSION, Lease
from evalforge.ports import Batch, CaptureFilter
from evalforge.storage.firestore import FirestoreStore
from evalforge.storage.firestore_connection import WRITES_A_COMMIT
from evalforge.storage.firestore_items import BYTES_A_COMMIT
from evalforge.storage.firestore_manifests import BYTES_A_SHARD
from helpers.captures import capture, coverage, dead_letter, manifest, span
from helpers.firestore_server import PREFIX, TOO_LARGE, Tally

HOURS = ["2026-11-22T23", *(manifest(hour).hour for hour in range(24))]


# Cost


def test_the_manifests_of_25_hours_are_25_reads(store: FirestoreStore, lease: Lease, tally: Tally) -> None:
    tally.clear()
    assert store.manifests(HOURS) == {}
    assert dict(tally.read) == {f"{PREFIX}manifests": 25}
    made = [manifest(hour) for hour in range(24)]
    store.commit(lease, Batch(manifests=made))
    tally.clear()
    assert len(store.manifests([one.hour for one in made])) == 24
    assert dict(tally.read) == {f"{PREFIX}manifests": 24}
    assert tally.commits == []


def test_a_further_shard_is_a_further_read(store: FirestoreStore, lease: Lease, tally: Tally) -> None:
    store.commit(lease, Batch(manifests=[manifest(10, bytes(2 * BYTES_A_SHARD + 1)), manifest(11)]))
    tally.clear()
    assert len(store.manifests([manifest(10).hour, manifest(11).hour])) == 2
    assert tally.read.total() == 4


def test_a_commit_of_nothing_but_coverage_is_two_writes_and_one_read(
    store: FirestoreStore, lease: Lease, tally: Tally
) -> None:
    tally.clear()
    store.commit(lease, Batch(coverage=coverage()))
    assert dict(tally.written) == {f"{PREFIX}leases": 1, f"{PREFIX}state": 1}
    assert dict(tally.read) == {f"{PREFIX}leases": 1}
    tally.clear()
    assert store.coverage() == coverage()
    assert dict(tally.read) == {f"{PREFIX}state": 1}


def test_forgetting_reads_what_goes_and_no_more(store: FirestoreStore, lease: Lease, tally: Tally) -> None:
    store.commit(lease, Batch(manifests=[manifest(hour) for hour in range(24)]))
    tally.clear()
    assert store.forget_manifests(manifest(5).hour) == 5
    assert (dict(tally.read), dict(tally.deleted)) == ({f"{PREFIX}manifests": 5}, {f"{PREFIX}manifests": 5})
    tally.clear()
    assert store.forget_manifests(manifest(5).hour) == 0
    assert (tally.read.total(), tally.commits) == (1, [])


def test_a_full_commit_takes_what_tells_of_it_along(store: FirestoreStore, lease: Lease, tally: Tally) -> None:
    captures = [capture(f"{number:x}") for number in range(WRITES_A_COMMIT)]
    tally.clear()
    store.commit(lease, Batch(captures=captures, manifests=[manifest(hour) for hour in range(24)], coverage=coverage()))
    assert [writes for writes, _ in tally.commits] == [WRITES_A_COMMIT + 24 + 2]
    assert tally.read.total() == WRITES_A_COMMIT + 1


# Order


def test_wherever_a_batch_is_cut_nothing_is_told_as_read_before_it_is_there(
    store: FirestoreStore, lease: Lease, tally: Tally, project: str
) -> None:
    """Before each commit of the batch, and at its end, another reader looks."""
    reader = FirestoreStore(project, "(default)", PREFIX)
    captures = [capture(f"a{number}", [span("1", error_message="x" * 400_000)]) for number in range(18)]
    letters = [dead_letter(f"d{number}") for number in range(700)]
    manifests = [manifest(hour, bytes(BYTES_A_SHARD * 2)) for hour in range(4)]
    seen: list[tuple[bool, int, bool]] = []

    def look() -> None:
        there = reader.count_captures(CaptureFilter()) + reader.count_dead_letters()
        told = reader.manifests([one.hour for one in manifests])
        assert all(told[one.hour] == one for one in manifests if one.hour in told)
        seen.append((there == len(captures) + len(letters), len(told), reader.coverage() is not None))

    tally.before_next_commit = look
    store.commit(lease, Batch(captures=captures, dead_letters=letters, manifests=manifests, coverage=coverage()))
    tally.before_next_commit = None
    look()
    assert len(tally.commits) >= 5
    assert all(size <= BYTES_A_COMMIT + 5_000 for _, size in tally.commits)
    assert all(everything for everything, told, read in seen if told or read)
    assert all(told == len(manifests) for _, told, read in seen if read)
    assert all(one <= other for one, other in pairwise(told for _, told, _ in seen))
    assert seen[0] == (False, 0, False)
    assert seen[-1] == (True, len(manifests), True)
    reader.close()


def test_a_manifest_may_be_larger_than_a_commit_and_is_absent_until_it_is_whole(
    store: FirestoreStore, lease: Lease, tally: Tally
) -> None:
    small, large = manifest(10), manifest(10, bytes(range(250)) * 20_000)
    store.commit(lease, Batch(manifests=[small]))
    seen: list[object] = []
    tally.clear()
    tally.before_next_commit = lambda: seen.append(store.manifests([small.hour]).get(small.hour))
    store.commit(lease, Batch(manifests=[large]))
    tally.before_next_commit = None
    assert len(tally.commits) > 1
    assert seen == [small, *[None] * (len(tally.commits) - 1)]
    assert store.manifests([small.hour]) == {small.hour: large}


@pytest.mark.parametrize("refused", [0, 7, 19])
def test_where_a_document_is_refused_no_manifest_tells_that_it_is_there(
    store: FirestoreStore, lease: Lease, refused: int
) -> None:
    made = [capture(f"a{number}") for number in range(20)]
    made[refused] = capture("bad1", [span("1", error_message="x" * TOO_LARGE)])
    batch = Batch(captures=made, manifests=[manifest(10), manifest(11)], coverage=coverage(), evaluators={"tone"})
    done = store.commit(lease, batch)
    assert [letter.trace_id for letter in done.refused] == ["bad1"]
    assert store.count_captures(CaptureFilter()) == 19
    assert store.manifests(HOURS) == {}
    assert store.coverage() == coverage(), "a dead letter does not spoil it"
    assert store.known_evaluators() == {"tone"}


def test_a_record_that_is_refused_ends_in_one_clear_line_and_the_captures_stay(
    store: FirestoreStore, lease: Lease
) -> None:
    absurd = coverage(asked="x" * TOO_LARGE)
    with pytest.raises(StoreError, match="Firestore refused with InvalidArgument"):
        store.commit(lease, Batch(captures=[capture("a1"), capture("b2")], coverage=absurd))
    assert store.count_captures(CaptureFilter()) == 2
    assert store.coverage() is None


# Lost answers and edited documents


def test_a_commit_whose_answer_is_lost_counts_its_dead_letters_once(
    store: FirestoreStore, lease: Lease, tally: Tally
) -> None:
    batch = Batch(captures=[capture("a1")], dead_letters=[dead_letter()], manifests=[manifest()], coverage=coverage())
    tally.lose_answers = 1
    assert store.commit(lease, batch).dead_letters_new == 1
    assert (store.count_dead_letters(), store.count_captures(CaptureFilter())) == (1, 1)
    assert store.manifests([manifest().hour]) == {manifest().hour: manifest()}
    tally.lose_answers = 1
    store.commit(lease, Batch(retried=[dead_letter(attempts=2)], resolved=["d9"]))
    assert [one.attempts for one in store.list_dead_letters()] == [2]
    tally.lose_answers = 1
    store.commit(lease, Batch(resolved=["d1"]))
    assert store.count_dead_letters() == 0


@pytest.mark.parametrize("shards", [0, 1, 3, -1, 10**9, "2", None])
def test_a_manifest_with_another_number_of_shards_is_left_out(
    store: FirestoreStore, lease: Lease, client: Client, shards: object
) -> None:
    large = manifest(10, bytes(range(250)) * 4_000)
    store.commit(lease, Batch(manifests=[large]))
    assert len(store.manifests([large.hour])) == 1
    client.document(f"{PREFIX}manifests/{large.hour}").update({"shards": shards})
    assert store.manifests([large.hour]) == {}


def test_a_manifest_that_lost_a_shard_is_left_out(store: FirestoreStore, lease: Lease, client: Client) -> None:
    large = manifest(10, bytes(range(250)) * 4_000)
    store.commit(lease, Batch(manifests=[large]))
    client.document(f"{PREFIX}manifests/{large.hour}.1").delete()
    assert store.manifests([large.hour]) == {}


def test_coverage_of_a_newer_version_is_refused(store: FirestoreStore, lease: Lease, client: Client) -> None:
    store.commit(lease, Batch(coverage=coverage()))
    client.document(f"{PREFIX}state/coverage").update({"schema_version": CAPTURE_SCHEMA_VERSION + 1})
    with pytest.raises(StoreNewerThanCode, match="state/coverage has schema version"):
        store.coverage()


@pytest.mark.parametrize("odd", ["a/b", "..", "", "x" * 2000])
def test_an_hour_that_nothing_can_have_finds_nothing(store: FirestoreStore, odd: str) -> None:
    assert store.manifests([odd]) == {}
    assert store.forget_manifests(odd) == 0
