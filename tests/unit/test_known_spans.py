"""What a run may skip because a manifest says that it is stored, over whole runs: never what is left to be done."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from evalforge.ingestion.manifests import ENTRY_BYTES, HOUR_FORMAT
from evalforge.ingestion.merging import SPANS_KEPT
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.models import FailureCapture, IngestionRun
from evalforge.ports import Batch, CaptureFilter, Manifest
from evalforge.storage.sqlite import SqliteStore
from helpers.clocks import FakeClock
from helpers.exported import failed, item, judged
from helpers.runs import TraceStore, pipeline

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TRACE = f"{1:032x}"
HOURS = [(NOON - timedelta(hours=number)).strftime(HOUR_FORMAT) for number in range(200)]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    opened = SqliteStore(None)
    yield opened
    opened.close()


def at(hours_ago: float, **attributes: Any) -> dict[str, Any]:
    """Where and when a span of the one trace began; its parent is span 1."""
    start = int((NOON - timedelta(hours=hours_ago)).timestamp() * 1000)
    return {"trace": TRACE, "span_id": "2", "parent_id": "1", "start_ns": start} | attributes


def root(hours_ago: float) -> Any:
    return item(1, **at(hours_ago, span_id="1", parent_id="undefined"))


def run(store: SqliteStore, spans: list[Any], clock: FakeClock, **options: Any) -> IngestionRun:
    clock.advance(900)
    return pipeline(store, TraceStore(spans, options.pop("ends", ())), clock, **options).run()


def only(store: SqliteStore) -> FailureCapture:
    [one] = store.list_captures(CaptureFilter())
    return one


def entries(store: SqliteStore) -> int:
    return sum(len(one.entries) for one in store.manifests(HOURS).values()) // ENTRY_BYTES


def test_a_changed_span_whose_context_could_not_be_read_is_read_again_by_the_next_run(store: SqliteStore) -> None:
    clock, old = FakeClock(), at(3)
    run(store, [failed(2, **old)], clock)
    assert (only(store).context_reason, entries(store)) == ("not_found", 1)
    changed = judged("toxicity", 2, **old, status="error")
    run(store, [root(3), changed], clock, ends=[SearchInterrupted("down")])
    assert only(store).context_reason == "not_read"
    again = run(store, [root(3), changed], clock)
    assert (only(store).context_state, again.tally.spans_unchanged) == ("whole", 0)
    assert run(store, [root(3), changed], clock).tally.spans_unchanged == 1


def test_a_root_that_came_while_no_run_was_made_is_found_by_the_next_run(store: SqliteStore) -> None:
    clock, young = FakeClock(), at(0.1)
    run(store, [failed(2, **young)], clock)
    assert (only(store).context_reason, entries(store)) == ("not_found", 0)
    clock.advance(5 * 3600)
    run(store, [root(0.2), failed(2, **young)], clock)
    assert (only(store).context_state, entries(store)) == ("whole", 1)


def test_a_root_that_never_comes_is_asked_for_once_more_and_then_no_more(store: SqliteStore) -> None:
    clock, young = FakeClock(), failed(2, **at(0.1))
    run(store, [young], clock)
    clock.advance(5 * 3600)
    assert [run(store, [young], clock).tally.context_calls for _ in range(3)] == [1, 0, 0]


def test_a_span_that_is_again_as_it_was_is_no_longer_skipped_once_another_version_was_stored(
    store: SqliteStore,
) -> None:
    clock, first = FakeClock(), failed(2, **at(3))
    run(store, [first], clock)
    run(store, [failed(2, **at(3), name="other")], clock, ends=[SearchInterrupted("down")])
    assert run(store, [first], clock).tally.captures_updated == 1
    assert run(store, [first], clock).tally.captures_unchanged == 1


def test_a_span_that_began_in_another_hour_for_a_while_is_not_skipped_for_what_it_was_before(
    store: SqliteStore,
) -> None:
    """Its entry of the first hour outlives the revision, and tells nothing any more."""
    clock = FakeClock()
    first, second = failed(2, **at(3), duration=1), failed(2, **at(2), duration=2)
    run(store, [root(3), first], clock)
    run(store, [root(3), second], clock)
    run(store, [root(3), first], clock)
    [span] = [one for one in only(store).trace_payload.spans if one.span_id == "2"]
    assert span.started_at == "2026-11-23T09:00:00.000Z"
    again = run(store, [root(3), first], clock)
    assert (again.tally.spans_unchanged, entries(store)) == (1, 1)


def test_context_that_was_switched_off_is_read_once_it_is_on(store: SqliteStore) -> None:
    clock, spans = FakeClock(), [root(3), failed(2, **at(3))]
    run(store, spans, clock, context=False)
    assert (only(store).context_state, entries(store)) == ("none", 1)
    run(store, spans, clock)
    assert only(store).context_state == "whole"


def test_a_trace_that_reached_the_caps_is_skipped_in_no_part(store: SqliteStore) -> None:
    clock, weak = FakeClock(), failed(2, **at(3, span_id="2", parent_id="undefined"))
    run(store, [weak], clock)
    assert entries(store) == 1
    strong = [
        judged("toxicity", number, **at(3, span_id=str(number), parent_id="undefined"))
        for number in range(10, 10 + SPANS_KEPT)
    ]
    run(store, [weak, *strong], clock)
    assert entries(store) == 0
    healed = [failed(10, **at(3, span_id="10", parent_id="undefined", tags=["error:late"])), *strong[1:]]
    run(store, [weak, *healed], clock)
    fresh = SqliteStore(None)
    run(fresh, [weak, *healed], FakeClock())
    spans = {one.span_id for one in only(fresh).trace_payload.spans}
    fresh.close()
    assert {one.span_id for one in only(store).trace_payload.spans} == spans


def test_spans_of_no_hour_of_the_window_are_in_no_manifest(store: SqliteStore) -> None:
    clock = FakeClock()
    strange = [failed(number, **at(3, trace=f"{number:032x}", start_ns=start)) for number, start in ((2, 7), (3, None))]
    run(store, strange, clock)
    assert run(store, strange, clock).tally.spans_unchanged == 0
    assert (entries(store), store.manifests(["1970-01-01T00", "unknown"])) == (0, {})


def test_an_evaluator_whose_name_may_not_be_stored_is_learnt_by_every_run(store: SqliteStore) -> None:
    clock, hidden = FakeClock(), judged("ask jane.roe@example.com", 2, **at(3))
    for _ in range(2):
        source = TraceStore([hidden])
        clock.advance(900)
        pipeline(store, source, clock).run()
        assert any("jane.roe" in query for query in source.queries)


def test_manifests_that_no_run_will_ask_for_again_are_forgotten(store: SqliteStore) -> None:
    clock = FakeClock()
    lease = store.acquire_lease("before", clock.now(), 60)
    old = [Manifest(hour=hour, salt="s", entries=bytes(ENTRY_BYTES)) for hour in (HOURS[90], HOURS[100], HOURS[190])]
    store.commit(lease, Batch(manifests=old))
    store.release_lease(lease)
    run(store, [failed(2, **at(3))], clock)
    assert store.manifests([one.hour for one in old]).keys() == {HOURS[90]}


def test_what_a_manifest_of_other_rules_says_is_replaced(store: SqliteStore) -> None:
    clock, spans = FakeClock(), [root(3), failed(2, **at(3))]
    run(store, spans, clock)
    [stored] = store.manifests(HOURS).values()
    lease = store.acquire_lease("between", clock.now(), 60)
    store.commit(lease, Batch(manifests=[msgspec.structs.replace(stored, salt="other")]))
    store.release_lease(lease)
    again = run(store, spans, clock)
    assert (again.tally.spans_unchanged, again.tally.captures_unchanged) == (0, 1)
    assert list(store.manifests(HOURS).values()) == [stored]
