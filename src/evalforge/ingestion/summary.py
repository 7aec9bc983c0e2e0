"""What a capture says of its trace as a whole: it follows from the spans and signals, and from nothing else."""

from collections.abc import Iterable, Sequence
from typing import Any

from evalforge.ingestion.ancestry import by_start
from evalforge.ingestion.signature import signature
from evalforge.models import FAILURE_TYPES, SEVERITIES, CapturedSpan, Model, Signal


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
    return min(leaves or spans, key=span_rank)


def span_rank(span: CapturedSpan) -> tuple[int, int, str, str]:
    """Sorts what failed worst first, then by start and id."""
    severity = len(SEVERITIES) if span.severity is None else SEVERITIES.index(span.severity)
    kind = len(FAILURE_TYPES) if span.failure_type is None else FAILURE_TYPES.index(span.failure_type)
    return severity, kind, *by_start(span)


def _first(spans: Iterable[CapturedSpan], field: str) -> Any:
    for span in spans:
        value = getattr(span, field)
        if value is not None:
            return value
    return None
