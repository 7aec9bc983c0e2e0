"""What every store promises (ports.CaptureStore). One suite, run over each of them."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import msgspec
import pytest

from evalforge.common.errors import LeaseHeld
from evalforge.ingestion.ancestry import CONTEXT_KEPT
from evalforge.ingestion.merging import SPANS_KEPT
from evalforge.ingestion.pii.policy import MAX_USERS
from evalforge.models import CapturedSpan, Erasure, Lease, TracePayload, named_in
from evalforge.ports import Batch, CaptureFilter, CaptureStore, Position
from helpers.captures import NOON, capture, capture_at_every_cap, dead_letter, run, signal, span, user

EVERYTHING = CaptureFilter()
ALICE, BOB = user("alice"), user("bob")
BEFORE, AFTER = "2026-11-23T11:59:59.999Z", "2026-11-23T12:00:00.001Z"
"""Around NOON, when users are erased here."""


def ids(store: CaptureStore, limit: int | None = None, **wanted: str) -> list[str]:
    return [one.trace_id for one in store.list_captures(CaptureFilter(**wanted), limit)]


def failed(trace_id: str, moment: str | None, spans: Sequence[CapturedSpan] = (), **fields: object):
    return capture(trace_id, spans, last_failed_at=moment, **fields)


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
    assert store.commit(lease, Batch(dead_letters=[first])).dead_letters_new == 1
    assert (
        store.commit(
            lease, Batch(dead_letters=[dead_letter("d1", reason="second"), dead_letter("d2")])
        ).dead_letters_new
        == 1
    )
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
    assert store.count_runs() == 2
    found = store.run("r1")
    assert found is not None
    assert found.outcome == "partial"
    assert store.run("r3") is None


def test_the_lease_is_held_by_one_and_told_to_the_other(store, lease, open_store):
    with pytest.raises(LeaseHeld, match=r"r1.*2026-11-23T12:01:00"):
        open_store().acquire_lease("r2", NOON + timedelta(seconds=59), 60)


def test_a_lease_that_only_a_clock_far_ahead_can_have_given_holds_nobody_up(open_store):
    store, ahead = open_store(), NOON + timedelta(days=365)
    left = store.acquire_lease("ahead", ahead, 60)
    with pytest.raises(LeaseHeld):
        store.acquire_lease("r2", ahead, 60)
    taken = store.acquire_lease("r2", NOON, 60)
    assert (taken.fence > left.fence, taken.taken_from) == (True, "ahead")
    with pytest.raises(LeaseHeld):
        store.commit(left, Batch(captures=[capture("a1")]))


def test_a_lease_that_ran_out_goes_to_the_next_with_a_higher_fence(store, lease):
    taken = store.acquire_lease("r2", NOON + timedelta(seconds=60), 60)
    assert taken.fence > lease.fence


def test_a_lease_tells_whose_ran_out_without_being_given_back(store, lease):
    assert lease.taken_from is None
    taken = store.acquire_lease("r2", NOON + timedelta(seconds=60), 60)
    assert taken.taken_from == "r1"
    store.release_lease(taken)
    assert store.acquire_lease("r3", NOON + timedelta(minutes=9), 60).taken_from is None


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


def test_each_page_begins_after_the_last_of_the_one_before(store, lease):
    moments = ["2026-11-23T01:00:00.000Z", "2026-11-23T02:00:00.000Z", None]
    store.commit(lease, Batch(captures=[failed(f"{number:02x}", moments[number % 3]) for number in range(14)]))
    everything = list(store.list_captures(EVERYTHING))
    paged, after = [], None
    for size in (3, 3, 3, 3, 2, 0):
        page = list(store.list_captures(EVERYTHING, 3, after))
        assert len(page) == size
        paged += page
        after = Position(last_failed_at=paged[-1].last_failed_at or "", trace_id=paged[-1].trace_id)
    assert paged == everything
    beyond = Position(last_failed_at="", trace_id="0")
    assert not list(store.list_captures(CaptureFilter(since=moments[0]), 3, beyond))


def test_a_page_keeps_to_its_filter_and_to_what_comes_after(store, lease):
    made = [
        failed(f"{number:x}", f"2026-11-23T0{number}:00:00.000Z", service_name="xy"[number % 2]) for number in range(8)
    ]
    store.commit(lease, Batch(captures=made))
    place = Position(last_failed_at=made[5].last_failed_at, trace_id="5")
    wanted = CaptureFilter(service="y", since=made[2].last_failed_at)
    assert [one.trace_id for one in store.list_captures(wanted, after=place)] == ["3"]


def test_an_erased_trace_is_gone_with_its_dead_letters_and_no_commit_brings_it_back(store, lease, open_store):
    letters = [dead_letter("d1", trace_id="a1"), dead_letter("d2", trace_id="b2"), dead_letter("d3")]
    store.commit(lease, Batch(captures=[capture("a1"), capture("b2")], dead_letters=letters))
    assert store.erase_trace("a1") == Erasure(trace_ids=("a1",), dead_letters=1)
    again = Batch(captures=[capture("a1"), capture("c3")], dead_letters=[letters[0], dead_letter("d4")])
    done = open_store().commit(lease, again)
    assert (done.dead_letters_new, set(done.erased)) == (1, {"a1"})
    assert sorted(ids(store)) == ["b2", "c3"]
    assert {one.dead_letter_id for one in store.list_dead_letters()} == {"d2", "d3", "d4"}
    assert store.erased_among(["a1", "b2", "zz"]) == {"a1"}
    assert store.erase_trace("a1") == Erasure()


def test_a_trace_can_be_erased_before_it_was_ever_captured(store, lease):
    assert store.erase_trace("a1") == Erasure()
    store.commit(lease, Batch(captures=[capture("a1")]))
    assert ids(store) == []


def test_a_users_traces_go_wherever_in_the_capture_the_user_is_named(store, lease):
    batch = [
        capture("a1", [span("1", user_hash=ALICE)]),
        capture("b2", [span("1", user_hash=BOB), span("2", user_hash=ALICE)]),
        capture("c3", [span("1", user_hash=BOB)]),
        capture("d4", [span(user_hash=BOB, attributes={"tags": [f"user_id:{BOB}", f"usr.id:{ALICE}"]})]),
        capture("e5", [span(user_hash=BOB, attributes={"metadata": {"deep": [{"customer_id": ALICE}]}})]),
    ]
    assert batch[1].user_hash == BOB
    store.commit(lease, Batch(captures=batch, dead_letters=[dead_letter("d1", trace_id="b2")]))
    assert store.erase_user(ALICE, NOON) == Erasure(trace_ids=("a1", "b2", "d4", "e5"), dead_letters=1)
    assert ids(store) == ["c3"]
    assert store.erased_among(["a1", "b2", "c3", "d4", "e5"]) == {"a1", "b2", "d4", "e5"}


@pytest.mark.parametrize(
    "nobody", ["u1_nobody", "u1_", BOB[:-1], BOB.upper(), "", '"', "a/b", "%", "x" * 3000, "\ud800"]
)
def test_what_is_no_users_hash_finds_nothing(store, lease, nobody):
    store.commit(lease, Batch(captures=[capture("a1", [span(user_hash=BOB)])]))
    assert store.erase_user(nobody, NOON) == Erasure()
    assert ids(store) == ["a1"]


def test_a_user_added_by_a_later_commit_is_found_and_one_taken_away_is_not(store, lease):
    store.commit(lease, Batch(captures=[capture("a1", [span(user_hash=ALICE)]), capture("b2")]))
    store.commit(lease, Batch(captures=[capture("a1"), capture("b2", [span(user_hash=ALICE)])]))
    assert store.erase_user(ALICE, NOON).trace_ids == ("b2",)


def test_what_an_erased_user_did_before_is_never_written_and_its_trace_is_erased(store, lease, open_store):
    """A run learns who the user was from the context, which may come after the erasure."""
    early = failed("a1", BEFORE)
    store.commit(lease, Batch(captures=[early, failed("b2", BEFORE)], dead_letters=[dead_letter("d1", trace_id="a1")]))
    assert store.erase_user(ALICE, NOON) == Erasure()
    named = [failed(trace_id, when, spans=[span(user_hash=ALICE)]) for trace_id, when in (("a1", BEFORE), ("c3", None))]
    letters = [dead_letter("d2", trace_id="c3"), dead_letter("d3", trace_id="b2")]
    again = open_store()
    done = again.commit(lease, Batch(captures=[*named, failed("b2", BEFORE, env="prod")], dead_letters=letters))
    assert set(done.erased) == {"a1", "c3"}
    assert ids(store) == ["b2"]
    assert [one.dead_letter_id for one in store.list_dead_letters()] == ["d3"]
    assert store.erased_among(["a1", "b2", "c3"]) == {"a1", "c3"}
    again.commit(lease, Batch(captures=[early]))
    assert ids(store) == ["b2"]


def test_what_an_erased_user_does_later_is_captured(store, lease):
    store.erase_user(ALICE, NOON)
    after = failed("a1", AFTER, spans=[span(user_hash=ALICE, started_at=AFTER)])
    batch = [after, failed("b2", BEFORE, spans=[span(user_hash=BOB)])]
    store.commit(lease, Batch(captures=batch))
    assert sorted(ids(store)) == ["a1", "b2"]
    assert store.erase_user(ALICE, NOON + timedelta(seconds=1)).trace_ids == ("a1",)


def test_an_erased_user_is_forgotten_once_datadog_has_nothing_left_of_then(store, lease):
    store.erase_user(ALICE, NOON)
    store.erase_user(BOB, NOON + timedelta(days=14))
    store.commit(lease, Batch(captures=[failed("a1", BEFORE, spans=[span(user_hash=ALICE)])]))
    assert ids(store) == []
    store.erase_user(BOB, NOON + timedelta(days=15, seconds=1))
    store.commit(
        lease, Batch(captures=[failed(n, BEFORE, spans=[span(user_hash=u)]) for n, u in (("b2", ALICE), ("c3", BOB))])
    )
    assert ids(store) == ["b2"]


@pytest.mark.parametrize("odd", ["a/b", "a/b/c", "/", "..", ".", "", "__x__", "x" * 2000, "\0", "é"])
def test_an_id_that_nothing_can_have_finds_nothing(store, lease, odd):
    store.commit(lease, Batch(captures=[capture("a1")]))
    assert store.captures_of([odd, "a1"]).keys() == {"a1"}
    assert store.erase_trace(odd) == Erasure()
    assert store.erased_among([odd, "a1"]) == frozenset()
    assert store.run(odd) is None
    assert ids(store) == ["a1"]


def test_an_erasure_between_two_commits_of_a_run_leaves_the_run_its_lease(store, lease):
    store.erase_trace("ffff")
    store.commit(lease, Batch(captures=[capture("a1")]))
    store.renew_lease(lease, NOON, 60)
    store.commit(lease, Batch(captures=[capture("b2")]))
    assert sorted(ids(store)) == ["a1", "b2"]


def test_a_store_in_which_only_something_was_erased_gives_its_first_lease(open_store):
    store = open_store()
    store.erase_trace("a1")
    assert store.acquire_lease("r1", NOON, 60).fence == 1


def test_an_empty_commit_still_needs_the_lease(store, lease):
    assert store.commit(lease, Batch()).dead_letters_new == 0
    store.release_lease(lease)
    with pytest.raises(LeaseHeld):
        store.commit(lease, Batch())


def test_everything_a_capture_can_hold_comes_back_as_it_was(store, lease):
    odd = {"": [[1, [2]], {"__x__": None}], "big": 2**63, "text": "\u2028 é 𝔘", "1.5": 1.5, "a.b/c`": {}}
    spans = [span("1", attributes=odd, quality_score=1.0, status_code=503), span("2", error_message="x")]
    one = capture(
        "a1", spans, [signal(value=1.0), signal("2", value="fail", evaluator="tone"), signal("3", value=True)]
    )
    store.commit(lease, Batch(captures=[one]))
    assert store.captures_of(["a1"]) == {"a1": one}
    assert list(store.list_captures(EVERYTHING)) == [one]


def test_a_capture_at_every_cap_is_stored_whole(store, lease):
    largest = capture_at_every_cap()
    store.commit(lease, Batch(captures=[largest]))
    assert store.captures_of([largest.trace_id]) == {largest.trace_id: largest}
    assert store.count_dead_letters() == 0
    assert len(named_in(msgspec.json.encode(largest))) == (SPANS_KEPT + CONTEXT_KEPT) * MAX_USERS
    [one, *_] = largest.trace_payload.context
    assert store.erase_user(one.attributes["u"][-1], NOON).trace_ids == (largest.trace_id,)


def test_a_user_whom_only_the_context_names_is_erased_too(store, lease):
    failing, root = span("2", parent_id="1"), span("1", user_hash=ALICE)
    made = capture("a1", [failing], [signal("2")], trace_payload=TracePayload(spans=(failing,), context=(root,)))
    assert made.user_hash is None
    store.commit(lease, Batch(captures=[made, capture("b2")]))
    assert store.erase_user(ALICE, NOON).trace_ids == ("a1",)
    assert ids(store) == ["b2"]
