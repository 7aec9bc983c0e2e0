"""What was found in a span -> its signals, which name evaluators as the sanitised span shows them."""

from collections import Counter
from collections.abc import Sequence

from evalforge.ingestion.models import Finding, Span
from evalforge.ingestion.pii import checks
from evalforge.ingestion.pii.policy import MAX_LABEL_BYTES
from evalforge.ingestion.pii.walk import Walk
from evalforge.ingestion.span_facts import error_type
from evalforge.models import Signal


def signals_of(
    span: Span, findings: Sequence[Finding], walk: Walk, *, span_id: str, started_at: str | None
) -> tuple[Signal, ...]:
    """One signal per rule and evaluator, strongest first. The walk has gone over the span's attributes."""
    names, shown_error = _evaluator_names(span, walk), error_type(span, walk)
    found = [
        Signal(
            rule=finding.rule,
            type=finding.type,
            severity=finding.severity,
            span_id=span_id,
            evaluator=None if (name := finding.evaluator) is None else names.get(name) or walk.evaluator_name(name),
            error_type=shown_error if name is None else None,
            value=_value(span, name, walk),
            started_at=started_at,
        )
        for finding in findings
    ]
    found.sort(key=lambda signal: signal.strength)
    strongest = {signal.identity: signal for signal in reversed(found)}
    return tuple(signal for signal in found if strongest[signal.identity] is signal)


def _evaluator_names(span: Span, walk: Walk) -> dict[str, str]:
    """Each evaluator of the span as it is shown: the names that the walk gives them in the attributes."""
    names: dict[str, str] = {}
    met: Counter[str] = Counter()
    for name in sorted(span.evaluations):
        names[name] = name if checks.evaluator(name) else walk.evaluator_name(name)
        met[names[name]] += 1
        if met[names[name]] > 1:
            names[name] += f" #{met[names[name]]}"
    return names


def _value(span: Span, evaluator: str | None, walk: Walk) -> float | bool | str | None:
    entry = None if evaluator is None else span.evaluations.get(evaluator)
    value = None if entry is None else entry.get("value")
    if value is None or isinstance(value, bool):
        return value
    kept = checks.evaluation_value(evaluator)(value)
    return float(kept) if checks.is_number(kept) else walk.shown(value, lambda _: kept, MAX_LABEL_BYTES)
