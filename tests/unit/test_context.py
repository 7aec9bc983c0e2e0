"""The context of captures over whole runs: what is asked and when, and what is kept when it cannot be had."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalforge.cli import show
from evalforge.common.clock import timestamp
from evalforge.common.errors import CredentialsRejected
from evalforge.ingestion.context import PARENTS_A_CALL, ROOTS_KEPT, TRACES_A_CALL, context_query
from evalforge.ingestion.models import Page
from evalforge.ingestion.search.errors import SearchInterrupted, SearchRefused
from evalforge.models import FailureCapture, IngestionRun, Window
from evalforge.ports import CaptureFilter
from evalforge.storage.sqlite import SqliteStore
from helpers.clocks import FakeClock
from helpers.exported import failed, item
from helpers.runs import Lines, TraceStore, pipeline, stored

NOON_MS = 1_795_435_200_000
"""The clock's start, 2026-11-23T12:00Z; every span starts hours before."""
TRACE = f"{1:032x}"
VERDICT = ("failure_type", "severity", "signals", "signature", "origin_span_id", "quality_score", "failed_at")


def at(number: int, parent: int | None, *, minutes_ago: float = 180, fails: bool = False, **attributes: Any) -> Any:
    """A span of one trace, named by number; each starts a millisecond after the one before."""
    make = failed if fails else item
    given = {
        "trace": TRACE,
        "span_id": str(number),
        "parent_id": "undefined" if parent is None else str(parent),
        "start_ns": NOON_MS - int(minutes_ago * 60_000) + number,
    }
    return make(number, **(given | attributes))


ROOT = at(1, None, span_kind="workflow", tags=["service:shop-api", "user_id:jane", "session_id:s1"])
AGENT, TOOL = at(2, 1, span_kind="agent"), at(3, 2, fails=True, span_kind="tool", tags=["service:shop-api"])
WHOLE_TRACE = [ROOT, AGENT, TOOL, at(4, 2), at(5, 3)]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    opened = SqliteStore(None)
    yield opened
    opened.close()


def run(store: SqliteStore, source: TraceStore, clock: FakeClock | None = None, **options: Any) -> IngestionRun:
    return pipeline(store, source, clock or FakeClock(), **options).run()


def only(store: SqliteStore) -> FailureCapture:
    [one] = store.list_captures(CaptureFilter())
    return one


def around(capture: FailureCapture) -> list[str]:
    return [span.span_id for span in capture.trace_payload.context]


def test_a_capture_holds_the_root_and_the_parents_of_what_failed_and_no_other_span(store: SqliteStore) -> None:
    report = run(store, TraceStore(WHOLE_TRACE))
    one = only(store)
    assert [span.span_id for span in one.trace_payload.spans] == ["3"]
    assert (around(one), one.context_state, one.context_reason) == (["1", "2"], "whole", None)
    assert one.trace_payload.context[0].attributes["input"]["messages"][0]["content"] == "[WITHHELD chars=2]"
    assert one.user_hash is not None
    assert one.session_hash is not None
    tally = report.tally
    assert (report.outcome, tally.context_calls, tally.context_spans, tally.captures_created) == ("complete", 1, 2, 1)
    assert tally.spans_seen == tally.spans_included + sum(tally.spans_excluded.values()) + tally.dead_letters


def test_context_changes_no_verdict_and_may_be_switched_off(store: SqliteStore) -> None:
    plain, source = SqliteStore(None), TraceStore(WHOLE_TRACE)
    run(plain, source, context=False)
    run(store, TraceStore(WHOLE_TRACE))
    without, full = only(plain), only(store)
    plain.close()
    assert (source.contexts, without.context_state, without.context_reason) == ([], "none", "not_read")
    assert without.user_hash is None
    assert {name: getattr(full, name) for name in VERDICT} == {name: getattr(without, name) for name in VERDICT}


def test_a_failing_root_needs_no_call(store: SqliteStore) -> None:
    source = TraceStore([at(1, None, fails=True), at(2, 1, fails=True)])
    assert run(store, source).tally.context_calls == 0
    assert (only(store).context_state, source.contexts) == ("whole", [])


def test_unchanged_data_leaves_every_byte_and_asks_for_no_context(store: SqliteStore) -> None:
    orphan = at(9, 77, fails=True, trace=f"{9:032x}")
    clock = FakeClock()
    run(store, TraceStore([*WHOLE_TRACE, orphan]), clock)
    before = msgspec.json.encode(stored(store))
    clock.advance(900)
    source = TraceStore([*WHOLE_TRACE, orphan])
    again = run(store, source, clock)
    assert (source.contexts, again.tally.captures_unchanged) == ([], 2)
    assert msgspec.json.encode(stored(store)) == before


def test_what_datadog_does_not_have_is_said_and_the_root_is_kept_all_the_same(store: SqliteStore) -> None:
    report = run(store, TraceStore([ROOT, TOOL]))
    one = only(store)
    assert (around(one), one.context_state, one.context_reason) == (["1"], "partial", "not_found")
    assert report.outcome == "complete"


def test_the_root_of_a_trace_that_may_still_run_is_asked_for_again(store: SqliteStore) -> None:
    clock = FakeClock()
    agent, tool = at(2, 1, minutes_ago=20), at(3, 2, minutes_ago=10, fails=True)
    run(store, TraceStore([agent, tool]), clock)
    assert (around(only(store)), only(store).context_reason) == (["2"], "not_found")
    clock.advance(900)
    run(store, TraceStore([at(1, None, minutes_ago=30), agent, tool]), clock)
    assert (around(only(store)), only(store).context_state) == (["1", "2"], "whole")


@pytest.mark.parametrize(
    "error", [SearchInterrupted("the call budget of 4 calls is used up"), SearchRefused(404, "the search")]
)
def test_captures_are_kept_where_their_context_cannot_be_had_and_the_next_run_reads_it(
    store: SqliteStore, error: Exception
) -> None:
    first = run(store, TraceStore(WHOLE_TRACE, ends=[error]))
    assert (first.outcome, first.tally.captures_created) == ("partial", 1)
    assert any("context was not read" in reason for reason in first.coverage.reasons)
    assert (only(store).context_state, only(store).context_reason) == ("none", "not_read")
    second = run(store, TraceStore(WHOLE_TRACE))
    assert (second.outcome, second.tally.captures_updated, only(store).context_state) == ("complete", 1, "whole")


def test_a_chain_of_which_the_next_generation_could_not_be_read_is_read_on_by_the_next_run(store: SqliteStore) -> None:
    spans = [ROOT, AGENT, at(6, 2), at(7, 6, fails=True)]
    run(store, TraceStore(spans, ends=[None, SearchInterrupted("down")]))
    one = only(store)
    assert (around(one), one.context_state, one.context_reason) == (["1", "6"], "partial", "not_read")
    source = TraceStore(spans)
    run(store, source)
    assert (around(only(store)), len(source.contexts)) == (["1", "2", "6"], 1)


def test_a_search_that_ended_early_leaves_the_context_to_the_next_run(store: SqliteStore) -> None:
    class Interrupted(TraceStore):
        def search(self, query: str, window: Window) -> Iterator[Page]:
            yield from super().search(query, window)
            if query != "*":
                raise SearchInterrupted("the deadline has come")

    source = Interrupted(WHOLE_TRACE)
    report = run(store, source)
    assert (source.contexts, only(store).context_reason) == ([], "not_read")
    assert report.coverage.reasons == ("the deadline has come", "the context of 1 captures was not reached")


def test_a_later_run_that_cannot_read_context_loses_none(store: SqliteStore) -> None:
    run(store, TraceStore(WHOLE_TRACE))
    more = [*WHOLE_TRACE, at(6, 5, fails=True)]
    run(store, TraceStore(more, ends=[SearchInterrupted("Datadog is down")]))
    one = only(store)
    assert [span.span_id for span in one.trace_payload.spans] == ["3", "6"]
    assert (around(one), one.context_state, one.context_reason) == (["1", "2"], "partial", "not_read")
    run(store, TraceStore(more))
    assert (around(only(store)), only(store).context_state) == (["1", "2", "5"], "whole")


def test_rejected_keys_cost_no_capture(store: SqliteStore) -> None:
    with pytest.raises(CredentialsRejected):
        run(store, TraceStore(WHOLE_TRACE, ends=[CredentialsRejected("check DD_APP_KEY")]))
    assert only(store).context_reason == "not_read"


def test_a_chain_is_read_generation_by_generation_and_no_further_than_it_is_kept(store: SqliteStore) -> None:
    deep = [at(1, None), *(at(n, n - 1) for n in range(2, 40)), at(40, 39, fails=True)]
    source = TraceStore(deep)
    run(store, source)
    one = only(store)
    assert around(one) == ["1", *map(str, range(29, 40))]
    assert (one.context_state, one.context_reason, one.truncated) == ("partial", "cut", True)
    assert len(source.contexts) == 12


def test_many_traces_share_calls_of_fifty(store: SqliteStore) -> None:
    spans = []
    for number in range(120):
        trace = f"{number + 1:032x}"
        spans += [at(1, None, trace=trace), at(2, 1, trace=trace, fails=True)]
    source = TraceStore(spans)
    report = run(store, source)
    assert [query.count(" OR ") for query, _ in source.contexts] == [TRACES_A_CALL, TRACES_A_CALL, 20]
    assert (report.tally.context_calls, report.tally.captures_created) == (3, 120)
    assert {one.context_state for one in store.list_captures(CaptureFilter())} == {"whole"}


def test_traces_with_many_parents_are_asked_for_in_more_calls(store: SqliteStore) -> None:
    spans = []
    for number in range(30):
        trace = f"{number + 1:032x}"
        spans += [at(100 + n, n + 1, trace=trace, fails=True) for n in range(20)]
        spans += [at(1, None, trace=trace), *(at(n, 1, trace=trace) for n in range(2, 21))]
    source = TraceStore(spans)
    run(store, source)
    assert len(source.contexts) == 30 * 20 // PARENTS_A_CALL


def test_context_is_asked_for_in_every_app_within_the_scope_and_from_a_day_earlier(store: SqliteStore) -> None:
    source = TraceStore([at(1, None, ml_app="front"), at(2, 1, fails=True)])
    run(store, source, ml_apps=("shop",), scope="env:prod OR env:dev")
    [(query, window)] = source.contexts
    assert query == f"(env:prod OR env:dev) AND {context_query([TRACE], ['1'])}"
    assert (window.start, window.end) == ("2026-11-21T12:00:00.000Z", "2026-11-23T12:00:00.000Z")
    assert around(only(store)) == ["1"]


def test_the_query_names_traces_and_spans_in_quotes_and_leaves_out_ids_that_were_hashed() -> None:
    spans = '(@parent_id:undefined OR @span_id:("1" OR "2"))'
    assert context_query(["a1", "b2"], ["2", "1", "h1_ab"]) == f'@trace_id:("a1" OR "b2") AND {spans}'
    assert context_query(["a1"], ["h1_ab"]) == '@trace_id:("a1") AND @parent_id:undefined'


def test_context_that_cannot_be_decoded_or_was_not_asked_for_is_left_out(store: SqliteStore) -> None:
    class Odd(TraceStore):
        def search(self, query: str, window: Window) -> Iterator[Page]:
            yield from super().search(query, window)
            if "@trace_id:" in query:
                other = msgspec.json.encode(at(1, None, trace=f"{99:032x}"))
                yield Page(items=(b"{", b"[]", other, msgspec.json.encode(at(50, 2))))

    report = run(store, Odd([AGENT, TOOL]))
    assert (around(only(store)), report.tally.dead_letters) == (["2"], 0)


def test_an_answer_that_datadog_gave_in_part_is_asked_for_again_by_the_next_run(store: SqliteStore) -> None:
    class InPart(TraceStore):
        def search(self, query: str, window: Window) -> Iterator[Page]:
            for page in super().search(query, window):
                yield Page(items=(), in_part="timeout") if "@trace_id:" in query else page

    source = InPart(WHOLE_TRACE)
    report = run(store, source)
    assert (report.outcome, len(source.contexts), only(store).context_reason) == ("partial", 1, "not_read")
    run(store, TraceStore(WHOLE_TRACE))
    assert only(store).context_state == "whole"


def test_a_person_is_told_how_much_context_there_is_and_why_not_more(store: SqliteStore) -> None:
    run(store, TraceStore([ROOT, TOOL]))
    assert show.context(only(store)) == "partial: 1 span, the rest was not found"
    run(store, TraceStore([ROOT, TOOL, at(6, 1, fails=True, trace=f"{2:032x}")]))
    captures = {show.context(one) for one in store.list_captures(CaptureFilter())}
    assert captures == {"partial: 1 span, the rest was not found", "none: it was not found"}


def test_a_user_whom_only_the_root_names_and_who_was_erased_before_it_was_read_stays_erased(store: SqliteStore) -> None:
    known, clock = SqliteStore(None), FakeClock()
    run(known, TraceStore(WHOLE_TRACE), clock)
    user_hash = str(only(known).user_hash)
    known.close()
    run(store, TraceStore(WHOLE_TRACE, ends=[SearchInterrupted("down")]), clock)
    assert only(store).user_hash is None
    assert store.erase_user(user_hash, clock.now()).trace_ids == ()
    fresh, log = SqliteStore(None), Lines()
    fresh.erase_user(user_hash, clock.now())
    report = run(fresh, TraceStore(WHOLE_TRACE), clock, log=log)
    assert (report.tally.captures_created, report.tally.spans_included) == (0, 0)
    assert report.tally.spans_excluded["erased"] == 1
    assert [fields["decision"] for event, fields in log.lines if event == "decision"][-1] == "excluded"
    fresh.close()
    run(store, TraceStore(WHOLE_TRACE), clock)
    assert stored(store) == []
    assert store.erased_among([TRACE]) == {TRACE}
    again = run(store, TraceStore(WHOLE_TRACE), clock)
    assert (again.tally.spans_excluded["erased"], again.tally.captures_created) == (1, 0)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(60)))
def test_of_many_roots_the_earliest_and_the_ancestors_are_kept_in_whatever_order_they_come(order: list[int]) -> None:
    """Every root comes in two versions, of which the earlier counts; the parent's parent is a late root."""
    late = 2 * ROOTS_KEPT + 5
    versions = [at(number % 30 + 1, None, minutes_ago=200 - 5 * (number // 30)) for number in range(60)]
    store = SqliteStore(None)
    source = TraceStore([*(versions[number] for number in order), at(90, late), at(91, 90, fails=True)])
    run(store, source)
    one = only(store)
    assert [span.span_id for span in one.trace_payload.context] == ["1", str(late), "90"]
    assert {span.started_at for span in one.trace_payload.context[:2]} == {
        timestamp(datetime.fromtimestamp((NOON_MS - 200 * 60_000 + number) / 1000, UTC)) for number in (1, late)
    }
    assert (one.context_state, len(source.contexts)) == ("whole", 2)
    store.close()
