"""What is Firestore's alone: commits cut before the server refuses, the fence, refusals, settings, reads counted."""

import socket
import threading
import time
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("google.cloud.firestore")

import grpc
from google.cloud.firestore import DELETE_FIELD, Client

from evalforge.common.errors import ConfigurationError, LeaseHeld, StoreError, StoreNewerThanCode
from evalforge.models import CAPTURE_SCHEMA_VERSION, Lease
from evalforge.ports import Batch, CaptureFilter, Position
from evalforge.storage.firestore import FirestoreStore
from evalforge.storage.firestore_batches import BYTES_A_COMMIT, REFUSED
from evalforge.storage.firestore_connection import ATTEMPT_SECONDS, PATIENCE_SECONDS, WRITES_A_COMMIT
from helpers.captures import NOON, capture, dead_letter, run, span, user
from helpers.firestore_emulator import HOST_VARIABLE
from helpers.firestore_server import CANARY, PREFIX, TOO_LARGE, Tally, refusing_server

EVERYTHING = CaptureFilter()
ALICE = user("alice")


def large(trace_id: str, characters: int) -> Any:
    return capture(trace_id, [span("1", error_message="x" * characters)])


def ids(store: FirestoreStore) -> list[str]:
    return sorted(one.trace_id for one in store.list_captures(EVERYTHING))


# Commits


def test_what_fits_is_one_commit_and_more_is_cut_by_count(store: FirestoreStore, lease: Lease, tally: Tally) -> None:
    tally.commits.clear()
    store.commit(lease, Batch(captures=[capture(f"{number:x}") for number in range(WRITES_A_COMMIT)], evaluators={"q"}))
    assert [writes for writes, _ in tally.commits] == [WRITES_A_COMMIT + 2]  # with the fence and the evaluators
    tally.commits.clear()
    letters = [dead_letter(f"d{number}") for number in range(WRITES_A_COMMIT)]
    done = store.commit(lease, Batch(captures=[capture("fff1"), capture("fff2")], dead_letters=letters))
    assert done.dead_letters_new == len(letters)
    assert [writes for writes, _ in tally.commits] == [WRITES_A_COMMIT + 1, 3]


def test_a_commit_is_cut_by_bytes_before_the_server_refuses(store: FirestoreStore, lease: Lease, tally: Tally) -> None:
    tally.commits.clear()
    made = [large(f"a{number}", 400_000) for number in range(20)]
    store.commit(lease, Batch(captures=made))
    assert len(tally.commits) == 3
    assert all(BYTES_A_COMMIT / 2 < size <= BYTES_A_COMMIT for _, size in tally.commits[:-1])
    assert len(ids(store)) == 20


def test_bytes_are_counted_and_not_characters(store: FirestoreStore, lease: Lease, tally: Tally) -> None:
    tally.commits.clear()
    made = [capture(f"a{number}", [span("1", error_message="€" * 200_000)]) for number in range(8)]
    store.commit(lease, Batch(captures=made))
    assert all(size <= BYTES_A_COMMIT for _, size in tally.commits)
    assert len(ids(store)) == 8


def test_unchanged_evaluators_and_dead_letters_that_are_there_are_not_written(
    store: FirestoreStore, lease: Lease, tally: Tally
) -> None:
    batch = Batch(dead_letters=[dead_letter("d1")], evaluators={"tone"})
    store.commit(lease, batch)
    tally.commits.clear()
    assert store.commit(lease, batch).dead_letters_new == 0
    assert tally.commits == []


def test_the_backlogs_fields_and_whatever_else_is_there_survive_a_commit(
    store: FirestoreStore, lease: Lease, client: Client
) -> None:
    store.commit(lease, Batch(captures=[capture("a1")]))
    document = client.document(f"{PREFIX}raw_traces/a1")
    assert document.get().to_dict().items() >= {"status": "new", "processed": False}.items()
    document.update({"status": "triaged", "processed": True, "of_the_backlog": 7})
    store.commit(lease, Batch(captures=[capture("a1", env="prod")]))
    [found] = store.list_captures(EVERYTHING)
    assert (found.status, found.processed, found.env) == ("triaged", True, "prod")
    assert document.get().get("of_the_backlog") == 7


def test_a_document_is_scalars_and_its_payload_one_text(store: FirestoreStore, lease: Lease, client: Client) -> None:
    store.commit(lease, Batch(captures=[capture("a1", [span(user_hash=ALICE)])]))
    fields = client.document(f"{PREFIX}raw_traces/a1").get().to_dict()
    assert fields["trace_payload"].startswith('{"spans":[{"span_id":"1"')
    assert fields.pop("user_hashes") == [ALICE]
    assert {type(value) for value in fields.values()} <= {str, int, float, bool, type(None)}
    assert fields["schema_version"] == CAPTURE_SCHEMA_VERSION


# The fence


def test_a_paused_run_whose_lease_was_taken_writes_nothing_of_a_batch_of_many_commits(
    store: FirestoreStore, lease: Lease
) -> None:
    store.acquire_lease("r2", NOON + timedelta(minutes=5), 60)
    with pytest.raises(LeaseHeld, match="r1 lost its lease"):
        store.commit(lease, Batch(captures=[capture(f"{number:x}") for number in range(1000)]))
    assert ids(store) == []


def test_the_fence_is_in_the_commit_itself(store: FirestoreStore, lease: Lease, client: Client, tally: Tally) -> None:
    """The lease goes between the look and the commit; only a precondition in the commit can see that."""
    document = client.document(f"{PREFIX}leases/run")
    tally.before_next_commit = lambda: tally.quietly(lambda: document.update({"holder": "r2", "fence": 2}))
    with pytest.raises(LeaseHeld):
        store.commit(lease, Batch(captures=[capture("a1")]))
    assert tally.before_next_commit is None
    assert ids(store) == []


def test_an_erasure_between_look_and_commit_is_obeyed(store: FirestoreStore, lease: Lease, tally: Tally) -> None:
    tally.before_next_commit = lambda: tally.quietly(lambda: store.erase_trace("a1"))
    store.commit(lease, Batch(captures=[capture("a1"), capture("b2")]))
    assert ids(store) == ["b2"]


def test_the_erasure_of_a_user_between_look_and_commit_is_obeyed(
    store: FirestoreStore, lease: Lease, tally: Tally
) -> None:
    named = [capture(trace_id, [span(user_hash=ALICE)]) for trace_id in ("a1", "b2")]
    tally.before_next_commit = lambda: tally.quietly(lambda: store.erase_user(ALICE, NOON))
    letters = [dead_letter("d1", trace_id="a1"), dead_letter("d2")]
    store.commit(lease, Batch(captures=[*named, capture("c3")], dead_letters=letters))
    assert ids(store) == ["c3"]
    assert [one.dead_letter_id for one in store.list_dead_letters()] == ["d2"]
    assert store.erased_among(["a1", "b2", "c3"]) == {"a1", "b2"}


def test_an_erasure_ends_while_a_run_goes_on_with_that_users_traces(
    store: FirestoreStore, lease: Lease, tally: Tally, project: str
) -> None:
    """Each time that the eraser is about to write, the run has added more than a page, behind the eraser's place."""
    writer = FirestoreStore(project, "(default)", PREFIX)
    rounds: list[list[str]] = []

    def made(first: int, count: int, moment: str) -> list[Any]:
        return [
            capture(f"{number:04x}", [span(user_hash=ALICE, started_at=moment)], last_failed_at=moment)
            for number in range(first, first + count)
        ]

    def add() -> None:
        tally.before_next_commit = None
        first = 10_000 + 1000 * len(rounds)
        batch = [*made(first, 1, "2026-11-23T10:00:00.000Z"), *made(first + 1, 250, "2026-11-23T13:00:00.000Z")]
        writer.commit(lease, Batch(captures=batch))
        rounds.append([one.trace_id for one in batch])
        tally.before_next_commit = add if len(rounds) < 12 else None

    writer.commit(lease, Batch(captures=made(0, 450, "2026-11-23T10:00:00.000Z")))
    tally.before_next_commit = add
    erased = store.erase_user(ALICE, NOON).trace_ids
    tally.before_next_commit = None
    assert len(rounds) == 5, "the user is marked; twice, traces are marked and removed"
    assert set(erased) == {f"{number:04x}" for number in range(450)} | set(rounds[0])
    later = {trace_id for batch in rounds[1:] for trace_id in batch[1:]}
    assert set(ids(store)) == later, "what failed after the erasure and was committed after the mark"
    assert store.erased_among([*later, *(batch[0] for batch in rounds)]) == {batch[0] for batch in rounds}
    writer.close()


def test_a_commit_whose_answer_is_lost_is_sent_again_and_written_once(
    store: FirestoreStore, lease: Lease, tally: Tally
) -> None:
    tally.lose_answers = 1
    store.commit(lease, Batch(captures=[capture("a1")], dead_letters=[dead_letter()], evaluators={"tone"}))
    tally.lose_answers = 1
    store.commit(lease, Batch(captures=[capture("a1", env="prod")]))
    assert [one.env for one in store.list_captures(EVERYTHING)] == ["prod"]
    assert store.count_dead_letters() == 1
    store.release_lease(lease)
    tally.lose_answers = 1
    taken = store.acquire_lease("r2", NOON, 60)
    assert taken.fence == lease.fence + 1
    store.commit(taken, Batch(captures=[capture("b2")]))


def test_renewals_and_erasures_while_a_run_commits_cost_it_nothing(store: FirestoreStore, lease: Lease) -> None:
    done, troubles = threading.Event(), []

    def disturb() -> None:
        number = 0
        while not done.is_set():
            try:
                store.renew_lease(lease, NOON + timedelta(seconds=number), 60)
                store.erase_trace(f"{number:x}")
            except Exception as error:
                troubles.append(error)
            number += 1
            time.sleep(0.01)

    thread = threading.Thread(target=disturb)
    thread.start()
    for start in range(0, 200, 10):
        store.commit(lease, Batch(captures=[capture(f"{number:x}") for number in range(start, start + 10)]))
    done.set()
    thread.join()
    assert troubles == []
    everything = {f"{number:x}" for number in range(200)}
    assert set(ids(store)) == everything - store.erased_among(everything)


# Refused documents


def test_a_refused_document_is_a_dead_letter_and_the_others_are_written(store: FirestoreStore, lease: Lease) -> None:
    made = [large("bad1", TOO_LARGE) if number == 7 else capture(f"a{number}") for number in range(20)]
    done = store.commit(lease, Batch(captures=made, dead_letters=[dead_letter("d1")], evaluators={"tone"}))
    assert done.dead_letters_new == 2
    assert [letter.trace_id for letter in done.refused] == ["bad1"]
    assert ids(store) == sorted(one.trace_id for one in made if one.trace_id != "bad1")
    [refused] = [one for one in store.list_dead_letters() if one.reason == REFUSED]
    assert (refused.trace_id, refused.run_id) == ("bad1", "r1")
    assert "x" * 10 not in refused.shape
    assert store.known_evaluators() == {"tone"}
    again = store.commit(lease, Batch(captures=[made[7]]))
    assert (again.dead_letters_new, [letter.trace_id for letter in again.refused]) == (0, ["bad1"])


def test_a_document_larger_than_any_message_is_a_dead_letter_at_once(store: FirestoreStore, lease: Lease) -> None:
    started = time.monotonic()
    done = store.commit(lease, Batch(captures=[capture("a1"), large("bad1", 6_000_000), capture("a2")]))
    assert (done.dead_letters_new, len(done.refused)) == (1, 1)
    assert time.monotonic() - started < 5
    assert ids(store) == ["a1", "a2"]


# Versions


def test_a_document_of_a_newer_schema_is_refused_and_left_as_it_is(
    store: FirestoreStore, lease: Lease, client: Client
) -> None:
    store.commit(lease, Batch(captures=[capture("a1")]))
    document = client.document(f"{PREFIX}raw_traces/a1")
    document.update({"schema_version": CAPTURE_SCHEMA_VERSION + 1, "signals": {"of": "the future"}})
    before = document.get().to_dict()
    for attempt in (
        lambda: store.captures_of(["a1"]),
        lambda: list(store.list_captures(EVERYTHING)),
        lambda: store.commit(lease, Batch(captures=[capture("b2"), capture("a1")])),
    ):
        with pytest.raises(StoreNewerThanCode, match=r"raw_traces/a1 has schema version \d+.*upgrade EvalForge"):
            attempt()
    assert document.get().to_dict() == before
    assert not client.document(f"{PREFIX}raw_traces/b2").get().exists


@pytest.mark.parametrize(
    "broken",
    [
        {"signals": 7},
        {"signals": "["},
        {"failure_type": "none of ours"},
        {"schema_version": "1"},
        {"schema_version": None},
        {"status": 5},
        {"status": None},
        {"processed": "no"},
    ],
)
def test_a_document_that_cannot_be_read_is_named_and_not_shown(
    store: FirestoreStore, lease: Lease, client: Client, broken: dict[str, Any]
) -> None:
    store.commit(lease, Batch(captures=[capture("a1")]))
    client.document(f"{PREFIX}raw_traces/a1").update(broken)
    with pytest.raises(StoreError, match="raw_traces/a1 cannot be read"):
        store.captures_of(["a1"])


@pytest.mark.parametrize(
    ("document", "broken"),
    [
        ("leases/run", {"fence": "x"}),
        ("leases/run", {"expires_at": 5}),
        ("leases/run", {"expires_at": None}),
        ("leases/run", {"holder": 5}),
        ("leases/run", {"erasures": "x"}),
        ("evaluators/known", {"names": DELETE_FIELD}),
        ("evaluators/known", {"names": [1, None]}),
        ("evaluators/known", {"names": "tone"}),
        ("runs/r1", {"schema_version": "1"}),
        ("runs/r1", {"started_at": 5}),
    ],
)
def test_whatever_was_edited_by_hand_is_named_by_what_reads_it(
    store: FirestoreStore, lease: Lease, client: Client, document: str, broken: dict[str, Any]
) -> None:
    store.erase_trace("ffff")
    store.commit(lease, Batch(evaluators={"tone"}))
    store.save_run(run("r1"))
    client.document(f"{PREFIX}{document}").update(broken)
    told = []
    for attempt in (
        lambda: store.acquire_lease("r2", NOON, 60),
        lambda: store.commit(lease, Batch(captures=[capture("a1")], evaluators={"quality"})),
        store.known_evaluators,
        lambda: store.erased_among(["ffff"]),
        lambda: store.run("r1"),
    ):
        try:
            attempt()
        except LeaseHeld:
            continue
        except StoreError as error:
            told.append(str(error))
    assert told
    assert all(f"{PREFIX}{document} cannot be read" in line for line in told)


# Reads


def test_a_page_reads_no_more_than_the_page(store: FirestoreStore, lease: Lease, tally: Tally) -> None:
    moments = [f"2026-11-23T{number // 60:02}:{number % 60:02}:00.000Z" for number in range(500)]
    made = [
        capture(f"{number:x}", last_failed_at=moment, service_name=f"s{number % 2}")
        for number, moment in enumerate(moments)
    ]
    store.commit(lease, Batch(captures=made))
    for wanted in (EVERYTHING, CaptureFilter(service="s1"), CaptureFilter(since=moments[250], service="s0")):
        after = None
        for _ in range(2):
            tally.reads = 0
            page = list(store.list_captures(wanted, 50, after))
            assert (len(page), tally.reads) == (50, 50)
            after = Position(last_failed_at=page[-1].last_failed_at or "", trace_id=page[-1].trace_id)
    tally.reads = 0
    assert store.count_captures(EVERYTHING) == 500
    assert tally.reads == 0


def test_a_run_that_finds_nothing_new_looks_at_the_lease_and_writes_nothing(
    store: FirestoreStore, lease: Lease, tally: Tally
) -> None:
    tally.reads = 0
    tally.commits.clear()
    store.commit(lease, Batch())
    store.erased_among([f"{number:x}" for number in range(450)])
    assert tally.commits == []
    assert tally.reads <= 4


# Settings


def test_two_prefixes_in_one_database_know_nothing_of_each_other(
    store: FirestoreStore, lease: Lease, project: str
) -> None:
    store.commit(lease, Batch(captures=[capture("a1")]))
    other = FirestoreStore(project, "(default)", "staging_")
    assert not list(other.list_captures(EVERYTHING))
    assert other.acquire_lease("r2", NOON, 60).fence == 1
    other.close()


API_DISABLED = (
    f"Cloud Firestore API has not been used in project {CANARY} before or it is disabled. Enable it by visiting"
)
REFUSALS = [
    (grpc.StatusCode.PERMISSION_DENIED, CANARY, ConfigurationError, "permission denied.*roles/datastore.user"),
    (grpc.StatusCode.PERMISSION_DENIED, API_DISABLED, ConfigurationError, "gcloud services enable .* --project wrong-"),
    (
        grpc.StatusCode.NOT_FOUND,
        CANARY,
        ConfigurationError,
        "no such project or database.*create --project.*--location",
    ),
    (grpc.StatusCode.UNAUTHENTICATED, CANARY, ConfigurationError, "no usable Google credentials.*gcloud auth"),
    (grpc.StatusCode.FAILED_PRECONDITION, CANARY, ConfigurationError, "not one in Firestore's native mode"),
    (
        grpc.StatusCode.FAILED_PRECONDITION,
        "needs an index",
        ConfigurationError,
        "deploy --only firestore:indexes --project wrong-",
    ),
    (grpc.StatusCode.OUT_OF_RANGE, CANARY, StoreError, "Firestore refused with OutOfRange"),
]


@pytest.mark.parametrize(("status", "text", "kind", "line"), REFUSALS, ids=lambda part: getattr(part, "name", None))
def test_each_refusal_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, status: grpc.StatusCode, text: str, kind: type[Exception], line: str
) -> None:
    with refusing_server(status, text) as host:
        monkeypatch.setenv(HOST_VARIABLE, host)
        store = FirestoreStore("wrong-project", "(default)", PREFIX)
        for attempt in (
            lambda: store.acquire_lease("r1", NOON, 60),
            lambda: list(store.list_captures(EVERYTHING)),
            lambda: store.erase_trace("a1"),
            lambda: store.count_captures(EVERYTHING),
        ):
            with pytest.raises(kind, match=line) as caught:
                attempt()
            assert "\n" not in str(caught.value)
            assert "canary" not in str(caught.value)
            assert "wrong-project" in str(caught.value)
        store.close()


def test_an_address_where_nobody_listens_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOST_VARIABLE, "127.0.0.1:1")
    store = FirestoreStore("some-project", "(default)", PREFIX, emulator="127.0.0.1:1", patience_seconds=1)
    started = time.monotonic()
    with pytest.raises(StoreError, match=r"FIRESTORE_EMULATOR_HOST=127.0.0.1:1 .*: no answer.*start the emulator"):
        store.captures_of(["a1"])
    assert time.monotonic() - started < 3
    assert ATTEMPT_SECONDS + PATIENCE_SECONDS <= 20
    store.close()


def test_a_store_that_is_back_is_found_at_once_however_long_it_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen from a channel that has failed to connect for seconds, and from a new one of the same process."""
    with refusing_server(grpc.StatusCode.PERMISSION_DENIED) as host:
        pass
    monkeypatch.setenv(HOST_VARIABLE, host)
    store = FirestoreStore("some-project", "(default)", PREFIX, emulator=host, patience_seconds=7)
    with pytest.raises(StoreError, match="no answer"):
        store.captures_of(["a1"])
    with refusing_server(grpc.StatusCode.PERMISSION_DENIED, port=int(host.rpartition(":")[2])):
        started = time.monotonic()
        for one in (store, FirestoreStore("some-project", "(default)", PREFIX, emulator=host, patience_seconds=5)):
            with pytest.raises(ConfigurationError, match="permission denied"):
                one.captures_of(["a1"])
            one.close()
        assert time.monotonic() - started < 2


def test_a_store_that_takes_connections_and_says_nothing_is_told_within_the_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv(HOST_VARIABLE, host)
        store = FirestoreStore("some-project", "(default)", PREFIX, emulator=host, patience_seconds=1)
        started = time.monotonic()
        with pytest.raises(StoreError, match="no answer from Firestore within 1 s"):
            store.captures_of(["a1"])
        assert time.monotonic() - started < 2
        store.close()
