"""What a raw span says of itself in one value each, checked: when it ran, how it failed, how it was judged."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from evalforge.common.clock import timestamp
from evalforge.ingestion import span_errors
from evalforge.ingestion.models import Span
from evalforge.ingestion.pii import checks
from evalforge.ingestion.pii.policy import MAX_LABEL_BYTES
from evalforge.ingestion.pii.walk import Walk

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NS_PER_US, NS_PER_MS = 1_000, 1_000_000
DID_NOT_RUN = frozenset({"WARN", "ERROR"})
"""An evaluation with this status says nothing of the application (design, "Failure rules")."""


def error_type(span: Span, walk: Walk) -> str | None:
    """The class of its error, as it may be shown."""
    return walk.shown(span_errors.error_type(span), checks.error_type, MAX_LABEL_BYTES)


def started_at(span: Span) -> str | None:
    """UTC, to the microsecond; None if it cannot be."""
    start = checks.start(span.start_ns)
    return None if start is None else timestamp(EPOCH + timedelta(microseconds=start // NS_PER_US))


def duration_ms(span: Span) -> float | None:
    """In ms; None if it cannot be."""
    length = checks.duration(span.duration_ns)
    return None if length is None else length / NS_PER_MS


def quality_score(span: Span, evaluators: Sequence[str]) -> float | None:
    """The lowest value of these score evaluations that ran."""
    evaluations = span.evaluations
    entries = [evaluations[name] for name in evaluators if name in evaluations]
    ran = [entry for entry in entries if str(entry.get("status")).upper() not in DID_NOT_RUN]
    scores = [score for entry in ran if (score := checks.score(entry.get("value"))) is not None]
    return float(min(scores)) if scores else None
