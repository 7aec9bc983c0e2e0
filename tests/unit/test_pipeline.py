"""One run: idempotent over order, split and duplicates; what it counts, decides and leaves alone."""

import random
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalforge.common.errors import CredentialsRejected, LeaseHeld
from evalforge.models import Coverage, Lease
from evalforge.ports import Batch, CaptureFilter, Committed
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import dead_letter
from helpers.clocks import FakeClock
from helpers.exported import failed, item, judged
from helpers.runs import SANITIZER, GivenPages, Lines, pipeline, run, stored

START_MS = 1_795_423_310_000
FIRST_SPAN_ID = 14_624_140_233_640_368_325


def version(draw: st.DrawFn) -> Any:
    """A span of one of three traces, in one of several versions: some fail, some do not, some are odd or broken.

    The parent is a span of the same trace, or of another, or the span itself, or nowhere.
    """
    number = draw(st.integers(1, 6))
    fields: dict[str, Any] = {
        "trace": f"{number % 3:032x}",
        "start_ns": START_MS + number,
        "parent_id": draw(st.sampled_from(["undefined", "1", *(str(FIRST_SPAN_ID + n) for n in range(6))])),
        "status": draw(st.sampled_from(["ok", "error", "error"])),
        "tags": draw(st.sampled_from([["service:a"], ["service:b", "user_id:7"], ["env:dev", "session_id:8"], [1]])),
        "metrics": draw(st.sampled_from([None, {"input_tokens": 3}])),
    }
    if draw(st.booleans()):
        assessment = draw(st.sampled_from(["fail", "pass"]))
        return judged("tone", number, {"value": draw(st.integers(0, 2)), "assessment": assessment}, **fields)
    made = item(number, **fields)
    return draw(st.sampled_from([made, made, made, {**made, "attributes": None}]))


@st.composite
def readings(draw: st.DrawFn) -> list[Any]:
    return [version(draw) for _ in range(draw(st.integers(1, 10)))]


def pages_of(spans: list[Any], rng: random.Random) -> list[list[Any]]:
    """The spans in any order, some of them twice, in pages of any size."""
    shuffled = [*spans, *rng.choices(spans, k=2)]
    rng.shuffle(shuffled)
    pages: list[list[Any]] = [[]]
    for span in shuffled:
        pages[-1].append(span)
        if rng.random() < 0.4:
            pages.append([])
    return pages


commits = pytest.mark.parametrize("traces_a_commit", [1, 450], ids=["a commit a page", "one commit"])


@commits
def test_any_order_split_and_duplicate_of_the_spans_gives_the_same_captures_and_dead_letters(
    traces_a_commit: int,
) -> None:
    @settings(max_examples=60, deadline=None)
    @given(readings(), st.randoms(use_true_random=False))
    def law(spans: list[Any], rng: random.Random) -> None:
        with closing(SqliteStore(None)) as left, closing(SqliteStore(None)) as right:
            run(left, [spans], FakeClock(), traces_a_commit=traces_a_commit)
            run(right, pages_of(spans, rng), FakeClock(), traces_a_commit=traces_a_commit)
            assert stored(left) == stored(right)

    law()


@commits
def test_what_a_later_run_makes_of_new_data_and_of_the_context_that_was_there_hangs_on_no_order(
    traces_a_commit: int,
) -> None:
    @settings(max_examples=60, deadline=None)
    @given(readings(), readings(), st.randoms(use_true_random=False))
    def law(first: list[Any], then: list[Any], rng: random.Random) -> None:
        clock = FakeClock()
        with closing(SqliteStore(None)) as left, closing(SqliteStore(None)) as right:
            for store in (left, right):
                run(store, [first], clock)
            clock.advance(900)
            run(left, [then], clock, traces_a_commit=traces_a_commit)
            run(right, pages_of(then, rng), clock, traces_a_commit=traces_a_commit)
            assert stored(left) == stored(right)

    law()


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_context_that_one_version_of_a_span_does_not_lead_to_is_there_for_the_version_that_is_kept(
    store: SqliteStore, order: list[int]
) -> None:
    trace, clock = f"{1:032x}", FakeClock()
    parent = item(4, trace=trace, start_ns=START_MS, parent_id="1")
    below, astray = (
        failed(1, trace=trace, start_ns=START_MS, parent_id=above, tags=[f"service:{name}"])
        for above, name in ((parent["id"], "b"), ("1", "a"))
    )
    run(store, [[below, parent]], clock)
    clock.advance(900)
    run(store, [[(below, astray)[number]] for number in order], clock, traces_a_commit=1)
    (kept,) = store.list_captures(CaptureFilter())
    assert [span.parent_id for span in kept.trace_payload.spans] == [parent["id"]]
    assert [span.span_id for span in kept.trace_payload.context] == [parent["id"]]


@pytest.mark.parametrize("traces_a_commit", [1, 450])
@pytest.mark.parametrize("stored_is_the_worse", [True, False])
def test_a_stored_version_and_another_that_one_run_meets_give_the_same_in_any_order(
    traces_a_commit: int, stored_is_the_worse: bool
) -> None:
    versions = [failed(1, trace=f"{1:032x}", start_ns=START_MS, tags=[f"service:{name}"]) for name in "ab"]
    versions.sort(key=lambda one: one["attributes"]["tags"], reverse=stored_is_the_worse)
    ended = []
    for order in ([0, 1], [1, 0]):
        with closing(SqliteStore(None)) as store:
            clock = FakeClock()
            run(store, [[versions[0]]], clock)
            clock.advance(900)
            run(store, [[versions[number]] for number in order], clock, traces_a_commit=traces_a_commit)
            clock.advance(900)
            ended.append(stored(store))
            again = run(store, [[versions[1]]], clock)
            assert again.tally.spans_unchanged == 0, "which of the two is the later is for this run to see"
            (kept,) = store.list_captures(CaptureFilter())
            assert kept.service_name == versions[1]["attributes"]["tags"][0].partition(":")[2]
    assert ended[0] == ended[1]


@commits
def test_a_second_run_changes_nothing_if_the_data_did_not_whatever_the_order_it_comes_in(traces_a_commit: int) -> None:
    @settings(max_examples=60, deadline=None)
    @given(readings(), st.randoms(use_true_random=False))
    def law(spans: list[Any], rng: random.Random) -> None:
        store, clock = SqliteStore(None), FakeClock()
        try:
            run(store, [spans], clock)
            before = stored(store)
            clock.advance(900)
            again = run(store, pages_of(spans, rng), clock, traces_a_commit=traces_a_commit)
            assert stored(store) == before
            assert (again.tally.captures_created, again.tally.dead_letters_new) == (0, 0)
            if len({one["id"] for one in spans}) == len(spans):
                assert again.tally.context_calls == 0
        finally:
            store.close()

    law()


@pytest.fixture
def store() -> Any:
    opened = SqliteStore(None)
    yield opened
    opened.close()


def test_spans_seen_are_included_excluded_or_dead_letters(store: SqliteStore) -> None:
    spans = [failed(1), failed(1, trace="odd id"), item(2), b"{", failed(3), failed(3)]
    tally = run(store, [spans], FakeClock()).tally
    excluded = sum(tally.spans_excluded.values())
    assert tally.spans_seen == tally.spans_included + excluded + tally.dead_letters == 6
    assert (tally.spans_included, tally.dead_letters) == (2, 2)
    assert tally.spans_excluded == {"duplicate": 1, "no_failure": 1}


def test_a_trace_gets_one_decision_however_many_commits_touch_it(store: SqliteStore) -> None:
    log, trace = Lines(), f"{1:032x}"
    pages = [[failed(1)], [failed(2, trace=trace)], [item(3, trace=trace)], [item(4)]]
    report = run(store, pages, FakeClock(), log=log, traces_a_commit=1)
    decisions = [(fields["trace_id"], fields["decision"]) for event, fields in log.lines if event == "decision"]
    assert decisions == [(trace, "created"), (f"{4:032x}", "excluded")]
    assert (report.tally.captures_created, report.tally.captures_updated) == (1, 0)


def test_an_evaluator_first_seen_while_reading_is_asked_for_in_the_same_run(store: SqliteStore) -> None:
    source = GivenPages([[judged("brand_new", 1)]])
    report = pipeline(store, source, FakeClock()).run()
    assert "@evaluation.brand_new.assessment" in source.queries[-1]
    assert "brand_new" in report.coverage.evaluators_asked
    assert "brand_new" in store.known_evaluators()


def test_a_run_that_fails_is_stored_as_failed_and_gives_its_lease_back(store: SqliteStore) -> None:
    class Rejecting(GivenPages):
        def evaluator_names(self) -> frozenset[str]:
            raise CredentialsRejected("check DD_APP_KEY")

    clock = FakeClock()
    with pytest.raises(CredentialsRejected):
        pipeline(store, Rejecting([]), clock).run()
    [record] = store.list_runs()
    assert (record.outcome, record.errors, record.coverage.state) == ("failed", ("check DD_APP_KEY",), "partial")
    store.acquire_lease("next", clock.now(), 60)


def test_a_run_that_loses_its_lease_writes_nothing_more(store: SqliteStore) -> None:
    clock = FakeClock()

    class Slow(GivenPages):
        def search(self, query: str, window: Any) -> Any:
            clock.advance(3600)
            store.acquire_lease("thief", clock.now(), 600)
            yield from super().search(query, window)

        def evaluator_names(self) -> frozenset[str]:
            return frozenset()

    with pytest.raises(LeaseHeld):
        pipeline(store, Slow([[failed(1)]]), clock, scan_all=True).run()
    assert stored(store) == []


def test_a_running_run_is_on_record_and_does_not_claim_to_have_read_everything(store: SqliteStore) -> None:
    seen: list[Any] = []

    class Looking(GivenPages):
        def search(self, query: str, window: Any) -> Any:
            seen.extend(store.list_runs())
            return super().search(query, window)

    pipeline(store, Looking([]), FakeClock()).run()
    assert (seen[0].outcome, seen[0].coverage.state) == ("running", "partial")
    assert seen[0].coverage.reasons == ("the run is not finished",)


def test_a_run_that_was_killed_is_closed_by_the_next_with_what_it_had_committed(store: SqliteStore) -> None:
    clock = FakeClock()

    report = run(store, [[failed(1)]], clock, run_id="first")
    dead = msgspec.structs.replace(
        report, run_id="dead", outcome="running", finished_at=None, coverage=Coverage(state="partial", reasons=("x",))
    )
    store.save_run(dead)
    store.acquire_lease("dead", clock.now(), 60)
    clock.advance(61)
    run(store, [], clock, run_id="next")
    closed = store.run("dead")
    assert closed is not None
    assert (closed.outcome, closed.coverage.state, closed.tally.captures_created) == ("failed", "partial", 1)
    assert "abandoned" in closed.errors[0]


def test_an_erased_trace_is_read_again_and_does_not_come_back(store: SqliteStore) -> None:
    erased, other, broken = failed(1, trace="aa"), failed(2, trace="bb"), {**item(3, trace="aa"), "attributes": None}
    pages = [[erased, failed(4, trace="aa")], [other, erased, broken]]
    first = run(store, pages, FakeClock())
    store.erase_trace("aa")
    clock = FakeClock()
    clock.sleep(60)
    log = Lines()
    second = run(store, pages, clock, log=log)
    assert [one.trace_id for one in store.list_captures(CaptureFilter())] == ["bb"]
    assert first.tally.captures_created == 2
    assert second.tally.captures_created == 0
    assert second.tally.captures_unchanged == 1
    assert second.tally.spans_excluded == {"duplicate": 1, "erased": 2}
    tally = second.tally
    assert tally.spans_seen == tally.spans_included + sum(tally.spans_excluded.values()) + tally.dead_letters
    decisions = {fields["trace_id"]: fields["decision"] for event, fields in log.lines if event == "decision"}
    assert decisions == {"aa": "excluded", "bb": "unchanged"}


def test_a_trace_of_an_erased_user_is_excluded_and_neither_counted_nor_told_as_captured(store: SqliteStore) -> None:
    clock, log = FakeClock(), Lines()
    before = round(clock.now().timestamp() * 1000) - 1
    mine, theirs, also_mine = (
        failed(number, trace=trace, start_ns=before, tags=[f"user_id:{user}"])
        for number, trace, user in ((1, "aa", 7), (2, "bb", 8), (3, "cc", 7))
    )
    run(store, [[mine, theirs]], clock)
    erased = next(one for one in store.list_captures(CaptureFilter()) if one.trace_id == "aa").user_hash
    store.erase_user(str(erased), clock.now())
    clock.advance(1)
    again = run(store, [[also_mine, theirs]], clock, log=log)
    assert (again.tally.captures_created, again.tally.captures_unchanged) == (0, 1)
    assert (again.tally.spans_included, again.tally.spans_excluded) == (1, {"erased": 1})
    decisions = {fields["trace_id"]: fields["decision"] for event, fields in log.lines if event == "decision"}
    assert decisions == {"bb": "unchanged", "cc": "excluded"}  # read again, as the erasure took the manifests


@pytest.mark.parametrize("order", [[[0, 1]], [[0], [1]], [[1], [0]]], ids=["at once", "old first", "new first"])
def test_a_trace_that_began_before_its_user_was_erased_is_erased_in_whatever_order_it_is_read(
    store: SqliteStore, order: list[list[int]]
) -> None:
    clock = FakeClock()
    at = round(clock.now().timestamp() * 1000)
    spans = [
        failed(1, trace="aa", start_ns=at - 600_000, tags=["user_id:7"]),
        failed(2, trace="aa", start_ns=at + 600_000, tags=["user_id:7"]),
    ]
    user_hash = SANITIZER.user_hash("7")
    store.erase_user(str(user_hash), clock.now())
    clock.advance(900)
    report = run(store, [[spans[number] for number in page] for page in order], clock, traces_a_commit=1)
    assert stored(store) == []
    assert store.erased_among(["aa"]) == {"aa"}
    tally = report.tally
    assert tally.spans_seen == tally.spans_included + sum(tally.spans_excluded.values()) + tally.dead_letters


@pytest.mark.parametrize(("before", "after"), [(0.9, 0.1), (0.1, 0.9)])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_signal_of_an_earlier_run_is_replaced_by_the_later_reading_whatever_else_was_read_of_its_span(
    store: SqliteStore, order: tuple[int, int], before: float, after: float
) -> None:
    clock = FakeClock()
    run(store, [[judged("toxicity_check", 1, {"value": before, "assessment": "fail"})]], clock)
    clock.advance(900)
    versions = [
        judged("toxicity_check", 1, {"value": after, "assessment": "fail"}),
        judged("grounded_check", 1, {"value": 0.2, "assessment": "fail"}),
    ]
    run(store, [[versions[number]] for number in order], clock, traces_a_commit=1)
    (capture,) = store.list_captures(CaptureFilter())
    assert {signal.evaluator: signal.value for signal in capture.signals} == {
        "toxicity_check": after,
        "grounded_check": 0.2,
    }


def test_a_run_takes_up_the_pace_of_the_runs_just_before_it(store: SqliteStore) -> None:
    clock, pages = FakeClock(), [[failed(1)], [failed(2)]]
    first, second, third = GivenPages(pages), GivenPages(pages), GivenPages(pages)
    pipeline(store, first, clock).run()
    clock.advance(7)
    pipeline(store, second, clock).run()
    clock.advance(3600)
    pipeline(store, third, clock).run()
    assert first.resumed == (0, 0)
    assert second.resumed == (7, first.calls)
    assert third.resumed == (0, 0)


def test_what_a_run_with_a_clock_that_was_ahead_made_is_no_call_of_late(store: SqliteStore) -> None:
    ahead, clock = FakeClock(), FakeClock()
    ahead.advance(3600)
    pages = [[failed(1)]]
    pipeline(store, GivenPages(pages), ahead).run()
    source = GivenPages(pages)
    pipeline(store, source, clock).run()
    assert source.resumed == (0, 0)


class RefusingStore(SqliteStore):
    """A store that will not take the captures of some traces, as Firestore will not take what is too large."""

    def __init__(self, *refused: str) -> None:
        super().__init__(None)
        self._refused = refused

    def commit(self, lease: Lease, batch: Batch) -> Committed:
        letters = [
            dead_letter(f"refused-{one.trace_id}", trace_id=one.trace_id)
            for one in batch.captures
            if one.trace_id in self._refused
        ]
        taken = [one for one in batch.captures if one.trace_id not in self._refused]
        written = {"captures": taken, "dead_letters": [*batch.dead_letters, *letters]}
        if letters:
            written["manifests"] = ()
        done = super().commit(lease, msgspec.structs.replace(batch, **written))
        return msgspec.structs.replace(done, refused=letters)


def test_a_capture_that_the_store_refuses_is_counted_and_told_as_a_dead_letter() -> None:
    refusing, clock, log = RefusingStore(f"{1:032x}"), FakeClock(), Lines()
    try:
        began = int((clock.now() - timedelta(hours=3)).timestamp() * 1000)
        spans = [failed(number, trace=f"{number:032x}", start_ns=began) for number in (1, 2)]
        first = run(refusing, [spans], clock, log=log)
        clock.advance(900)
        again = run(refusing, [spans], clock)
    finally:
        refusing.close()
    assert again.tally.spans_unchanged == 1, "the trace that was stored is in its manifest"
    tally = first.tally
    assert (tally.spans_included, tally.captures_created, tally.dead_letters, tally.dead_letters_new) == (1, 1, 1, 1)
    tally = again.tally
    assert (tally.captures_created, tally.captures_unchanged, tally.dead_letters, tally.dead_letters_new) == (
        0,
        1,
        1,
        0,
    )
    assert [fields["trace_id"] for event, fields in log.lines if event == "decision"] == [f"{2:032x}"]
    assert [fields["trace_id"] for event, fields in log.lines if event == "dead letter"] == [f"{1:032x}"]


def test_a_stored_document_that_cannot_be_read_is_a_dead_letter_and_costs_no_other_trace_anything(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "store.db", FakeClock()
    store = SqliteStore(path)
    spans = [failed(number, trace=f"{number:032x}") for number in range(1, 6)]
    try:
        run(store, [spans[:3]], clock)
        broken = f"{2:032x}"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE captures SET document = ? WHERE trace_id = ?", (b'{"signals":7}', broken))
        clock.advance(900)
        again = run(store, [spans], clock)
        assert (again.outcome, again.tally.captures_created, again.tally.captures_unchanged) == ("complete", 2, 2)
        assert [(one.trace_id, one.reason) for one in store.list_dead_letters()] == [
            (broken, "its stored document cannot be read")
        ]
    finally:
        store.close()
