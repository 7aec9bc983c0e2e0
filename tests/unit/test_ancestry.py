"""Which spans are context: ancestors of failing spans and the root, the nearest of them where there are too many."""

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from evalforge.ingestion.ancestry import CONTEXT_KEPT, choose_context, is_whole, unknown_parents
from evalforge.ingestion.merging import settle, unite, with_context
from evalforge.models import CapturedSpan, Model
from helpers.captures import capture, capture_at_every_cap, signal, span

FIRESTORE_DOCUMENT_BYTES = 1_048_576


def chain(length: int) -> list[CapturedSpan]:
    """Spans "0" (the root) to the last, each the child of the one before."""
    return [span(str(n), parent_id=str(n - 1) if n else None, started_at=f"{n:04}") for n in range(length)]


def ids(spans: tuple[CapturedSpan, ...]) -> list[str]:
    return [one.span_id for one in spans]


@st.composite
def forests(draw: st.DrawFn) -> list[CapturedSpan]:
    """Spans whose parents are any span, none, or one that nobody has; rings happen."""
    count = draw(st.integers(1, 10))
    parents = st.sampled_from([None, "missing", *map(str, range(count))])
    return [span(str(n), parent_id=draw(parents), started_at=str(draw(st.integers(0, 3)))) for n in range(count)]


@given(forests(), st.integers(1, 3), st.randoms(use_true_random=False))
def test_context_is_the_same_whatever_the_order_and_chosen_again_from_itself(
    spans: list[CapturedSpan], failing: int, rng: random.Random
) -> None:
    failed, others = spans[:failing], spans[failing:]
    context, cut = choose_context(failed, others)
    shuffled = [*others, *failed]
    rng.shuffle(shuffled)
    assert choose_context(failed, shuffled) == (context, cut)
    assert choose_context(failed, context) == (context, False)
    assert not {one.span_id for one in context} & {one.span_id for one in failed}
    assert list(context) == sorted(context, key=lambda one: (one.started_at, one.span_id))


@given(forests(), st.integers(1, 3))
def test_a_context_that_is_whole_leads_from_every_failing_span_up_to_a_root(
    spans: list[CapturedSpan], failing: int
) -> None:
    failed = spans[:failing]
    context, _ = choose_context(failed, spans[failing:])
    held = {one.span_id: one for one in (*failed, *context)}
    if is_whole(failed, context):
        assert all(one.parent_id is None or one.parent_id in held for one in held.values())
        assert any(one.parent_id is None for one in held.values())


def test_brothers_and_children_are_no_context_and_the_root_of_a_broken_chain_is() -> None:
    spans = [*chain(4), span("brother", parent_id="2"), span("child", parent_id="3")]
    context, _ = choose_context(spans[3:4], spans)
    assert ids(context) == ["0", "1", "2"]
    broken, _ = choose_context(spans[3:4], [one for one in spans if one.span_id != "1"])
    assert ids(broken) == ["0", "2"]
    assert unknown_parents(spans[3:4], broken) == {"1"}


def test_a_chain_longer_than_the_cap_keeps_the_root_and_the_nearest() -> None:
    spans = chain(40)
    context, cut = choose_context(spans[-1:], spans)
    assert cut
    assert ids(context) == ["0", *(str(n) for n in range(39 - CONTEXT_KEPT + 1, 39))]
    assert choose_context(spans[-1:], context) == (context, False)
    assert not is_whole(spans[-1:], context)


def test_a_capture_at_every_cap_stays_below_one_mebibyte() -> None:
    full = capture_at_every_cap()
    assert len(full.trace_payload.context) == CONTEXT_KEPT
    assert (full.context_state, full.context_reason, full.truncated) == ("partial", "cut", True)
    assert len(msgspec.json.encode(full)) < FIRESTORE_DOCUMENT_BYTES


def test_context_tells_who_and_where_if_no_failing_span_does_and_nothing_of_the_failure() -> None:
    failing = span("3", parent_id="2", env=None, ml_app=None, service_name=None)
    made = capture(spans=[failing], signals=[signal("3")])
    around = [
        span("1", started_at="1", user_hash="u1_root", session_hash="s1_root", env="prod", quality_score=0.1),
        span("2", parent_id="1", started_at="2", user_hash="u1_near", model=Model(name="gpt-4o"), status_code=500),
    ]
    around[1] = msgspec.structs.replace(around[1], service_name="agent-api", ml_app="agents", redaction={"HASHED": 2})
    full = with_context(made, around, "not_found")
    assert (full.user_hash, full.session_hash, full.env) == ("u1_root", "s1_root", "prod")
    assert (full.service_name, full.ml_app, full.model.name) == ("agent-api", "agents", "gpt-4o")
    assert full.redaction.counts == {"HASHED": 2}
    for field in ("failure_type", "severity", "signals", "signature", "origin_span_id", "failed_at", "last_failed_at"):
        assert getattr(full, field) == getattr(made, field)
    assert (full.quality_score, full.status_code) == (None, None)
    assert with_context(capture(spans=[span("3", parent_id="2", env="dev")]), around, "not_found").env == "dev"


def test_context_that_fails_later_moves_to_the_failing_spans() -> None:
    root, child = span("1", user_hash="u1_a"), span("2", parent_id="1")
    full = with_context(capture(spans=[child], signals=[signal("2")]), [root], "not_found")
    merged = settle(unite(full, capture(spans=[root], signals=[signal("1")]), lambda _: "unread"), full)
    assert (ids(merged.trace_payload.spans), merged.trace_payload.context) == (["1", "2"], ())
    assert (merged.context_state, merged.user_hash) == ("whole", "u1_a")


def test_a_merge_keeps_the_context_that_is_there_and_why_the_rest_is_not() -> None:
    child = capture(spans=[span("3", parent_id="2")], signals=[signal("3")])
    stored = with_context(child, [span("1", started_at="1")], "not_found")
    assert (stored.context_state, stored.context_reason) == ("partial", "not_found")
    assert settle(unite(stored, child, lambda _: "unread"), stored) == stored
    other = capture(spans=[span("5", parent_id="4")], signals=[signal("5")])
    merged = settle(unite(stored, other, lambda _: "unread"), stored)
    assert (ids(merged.trace_payload.context), merged.context_reason) == (["1"], "not_read")
