"""The capture law: many readings of a trace's spans, one capture (design, "What the words mean": capture).

Within a run a merge is a join: commutative, associative, idempotent, so any order, split or duplicate of the spans
gives the same capture. Between runs the later reading of a span replaces the earlier one. Signals are never removed.
The backlog's `status` and `processed`, and `fetched_at`, stay as they were first stored.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from evalforge.ingestion.ancestry import by_start, choose_context, is_whole, unknown_parents
from evalforge.ingestion.permalink import trace_url
from evalforge.ingestion.signature import signature
from evalforge.models import (
    FAILURE_TYPES,
    SEVERITIES,
    CapturedSpan,
    ContextReason,
    FailureCapture,
    Model,
    Redaction,
    Signal,
    TracePayload,
)

SPANS_KEPT = 24
"""Failing spans kept of one trace: with 24 KB a span, a capture stays under Firestore's 1 MiB."""
SIGNALS_KEPT = 200

Part = TypeVar("Part", CapturedSpan, Signal)


def merge(
    stored: FailureCapture,
    read: FailureCapture,
    *,
    read_again: Callable[[str], bool] = lambda _: True,
    lacking: ContextReason | None = None,
) -> FailureCapture:
    """One capture of two of the same trace; `read_again` tells which span ids this run had read before.

    What is read for the first time in a run replaces what an earlier run stored of that span. Of two versions read by
    one run (Datadog's pages shift while they are read) the one that failed worse is kept, then the one with the greater
    encoding: an order that depends on nothing but the versions themselves, and is also the order of the caps, so that
    a span that is cut cannot hide a version that would have been kept. `lacking` is why context that is still missing
    is missing, where that is known.
    """
    spans = _united(stored.trace_payload.spans, read.trace_payload.spans, _span_key, _span_rank, read_again)
    signals = _united(stored.signals, read.signals, _signal_key, _signal_rank, read_again)
    kept_spans, kept_signals, cut = keep_strongest(spans, signals)
    around = _united(stored.trace_payload.context, read.trace_payload.context, _span_key, _span_rank, read_again)
    context, context_cut = choose_context(kept_spans, around)
    facts = summarise(kept_spans, kept_signals, context)
    first = _earliest(stored.failed_at, read.failed_at, facts["failed_at"])
    last = _latest(stored.last_failed_at, read.last_failed_at, facts["last_failed_at"])
    facts.update(failed_at=first, last_failed_at=last)
    why = "cut" if context_cut else lacking or _why_lacking(stored, kept_spans, context)
    return msgspec.structs.replace(
        stored,
        **facts,
        **context_standing(kept_spans, context, why),
        schema_version=read.schema_version,
        signals=kept_signals,
        fetched_at=min(stored.fetched_at, read.fetched_at),
        datadog_site=read.datadog_site,
        datadog_url=trace_url(read.datadog_site, stored.trace_id, first, last),
        trace_payload=TracePayload(spans=kept_spans, context=context),
        truncated=cut or context_cut or stored.truncated or read.truncated or any(span.truncated for span in context),
        redaction=Redaction(policy=read.redaction.policy, counts=redaction_counts((*kept_spans, *context))),
    )


def with_context(capture: FailureCapture, found: Sequence[CapturedSpan], lacking: ContextReason) -> FailureCapture:
    """The capture with what of these spans is its context; `lacking` is why the rest, if any, is not there.

    What was found replaces what was stored of the same span, and no other.
    """
    payload = TracePayload(spans=capture.trace_payload.spans, context=tuple(found))
    read = msgspec.structs.replace(capture, trace_payload=payload)
    return merge(capture, read, read_again=lambda _: False, lacking=lacking)


def context_standing(
    spans: Sequence[CapturedSpan], context: Sequence[CapturedSpan], lacking: ContextReason
) -> dict[str, Any]:
    """The capture's fields that say how much of its context is there, and why not more."""
    if is_whole(spans, context):
        return {"context_state": "whole", "context_reason": None}
    return {"context_state": "partial" if context else "none", "context_reason": lacking}


def keep_strongest(
    spans: Iterable[CapturedSpan], signals: Iterable[Signal]
) -> tuple[tuple[CapturedSpan, ...], tuple[Signal, ...], bool]:
    """Spans in order of start, signals strongest first, both cut to their caps; and whether anything was cut.

    The spans kept are those that failed worst, then the earliest, then by span id.
    """
    ordered = sorted(signals, key=_signal_rank)
    spans = tuple(spans)
    if len(spans) == 1:
        return spans, tuple(ordered[:SIGNALS_KEPT]), len(ordered) > SIGNALS_KEPT
    kept = tuple(sorted(sorted(spans, key=_span_rank)[:SPANS_KEPT], key=by_start))
    return kept, tuple(ordered[:SIGNALS_KEPT]), len(spans) > SPANS_KEPT or len(ordered) > SIGNALS_KEPT


def summarise(
    spans: Sequence[CapturedSpan], signals: Sequence[Signal], context: Sequence[CapturedSpan] = ()
) -> dict[str, Any]:
    """The fields of a capture that follow from its spans (in order of start) and signals (strongest first).

    Context gives what no failing span tells of where the trace ran and for whom, and nothing else. The latest ancestor
    is the nearest, and knows best what ran; the user and the session are those of the root.
    """
    strongest = signals[0]
    origin = origin_of(spans)
    by_origin = [origin, *(span for span in spans if span is not origin)]
    nearest = [*by_origin, *reversed(context)] if context else by_origin
    cause = next((signal for signal in signals if signal.span_id == origin.span_id), strongest)
    scores = [span.quality_score for span in spans if span.quality_score is not None]
    starts = sorted(signal.started_at for signal in signals if signal.started_at is not None)
    return {
        "service_name": _first(nearest, "service_name"),
        "ml_app": _first(nearest, "ml_app"),
        "env": _first(nearest, "env"),
        "failure_type": strongest.type,
        "severity": strongest.severity,
        "signature": signature(origin, cause),
        "origin_span_id": origin.span_id,
        "quality_score": min(scores, default=None),
        "status_code": _first(by_origin, "status_code"),
        "failed_at": starts[0] if starts else None,
        "last_failed_at": starts[-1] if starts else None,
        "model": next((span.model for span in nearest if span.model.name), origin.model or Model()),
        "user_hash": _first((*spans, *context), "user_hash"),
        "session_hash": _first((*spans, *context), "session_hash"),
    }


def redaction_counts(spans: Iterable[CapturedSpan]) -> dict[str, int]:
    """How often the sanitiser acted over all these spans, by kind, in the order of the kinds' names."""
    total: dict[str, int] = {}
    for span in spans:
        for kind, count in span.redaction.items():
            total[kind] = total.get(kind, 0) + count
    return dict(sorted(total.items()))


def origin_of(spans: Sequence[CapturedSpan]) -> CapturedSpan:
    """The failing span with no known failing descendant; of several, the one that failed worst."""
    if len(spans) == 1:
        return spans[0]
    parents = {span.parent_id for span in spans}
    leaves = [span for span in spans if span.span_id not in parents]
    return min(leaves or spans, key=_span_rank)


def _why_lacking(
    stored: FailureCapture, spans: Sequence[CapturedSpan], context: Sequence[CapturedSpan]
) -> ContextReason:
    """Still why it was lacking, unless more is missing than was missing then."""
    payload = stored.trace_payload
    missed_then = unknown_parents(payload.spans, payload.context)
    known = stored.context_reason if unknown_parents(spans, context) <= missed_then else None
    return known or "not_read"


def _united(
    stored: Iterable[Part],
    read: Iterable[Part],
    key: Callable[[Part], Hashable],
    rank: Callable[[Part], Any],
    read_again: Callable[[str], bool],
) -> list[Part]:
    """Both as one, each key once: the part read, unless this run had read a better version of it before."""

    def is_better(part: Part, known: Part) -> bool:
        if rank(part) != rank(known):
            return bool(rank(part) < rank(known))
        return msgspec.json.encode(part) > msgspec.json.encode(known)

    found = {key(part): part for part in stored}
    for part in read:
        known = found.get(key(part))
        if known is None or not read_again(part.span_id) or is_better(part, known):
            found[key(part)] = part
    return list(found.values())


def _span_key(span: CapturedSpan) -> str:
    return span.span_id


def _span_rank(span: CapturedSpan) -> tuple[int, int, str, str]:
    severity = len(SEVERITIES) if span.severity is None else SEVERITIES.index(span.severity)
    kind = len(FAILURE_TYPES) if span.failure_type is None else FAILURE_TYPES.index(span.failure_type)
    return severity, kind, *by_start(span)


def _signal_key(signal: Signal) -> tuple[str, str, str]:
    return signal.identity


def _signal_rank(signal: Signal) -> tuple[int, int, str, str, str, str]:
    return signal.strength


def _first(spans: Iterable[CapturedSpan], field: str) -> Any:
    for span in spans:
        value = getattr(span, field)
        if value is not None:
            return value
    return None


def _earliest(*moments: str | None) -> str | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _latest(*moments: str | None) -> str | None:
    return max((moment for moment in moments if moment is not None), default=None)
