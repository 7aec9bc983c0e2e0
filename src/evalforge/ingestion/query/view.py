"""What a query sees of a span. The rules see less of its evaluations than the span holds; a plain query sees all."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from evalforge.ingestion.models import Span
from evalforge.ingestion.span_errors import error_message, error_type, status_code

Evaluations: TypeAlias = dict[str, dict[str, Any]]
_DID_NOT_RUN = frozenset({"warn", "error"})


class SpanView:
    """A span as a query reads it."""

    __slots__ = ("attributes", "evaluations", "looked_up", "span")

    def __init__(self, span: Span, evaluations: Evaluations) -> None:
        self.span = span
        self.attributes = span.attributes
        self.evaluations = evaluations
        self.looked_up: dict[str, Iterable[Any]] = {}
        """Values of keys that several rules ask for and that lie in several places; read once."""

    @property
    def status_code(self) -> int | None:
        """The HTTP status, also out of the error message."""
        return status_code(self.span)

    @property
    def error_type(self) -> str | None:
        """The error's type, wherever it is."""
        return error_type(self.span)

    @property
    def error_message(self) -> str | None:
        """The error's message, wherever it is."""
        return error_message(self.span)


def plain_view(span: Span) -> SpanView:
    """The span as it is."""
    return SpanView(span, span.evaluations)


def failure_view(span: Span) -> SpanView:
    """The span as failure rules see it (design, "Failure rules are Datadog queries").

    An evaluation that did not run (its own status is WARN or ERROR) says nothing about the app and is not there.
    One that passed has no value: the assessment wins over the value.
    """
    found = span.attributes.get("evaluation")
    if not isinstance(found, dict) or not found:
        return SpanView(span, {})
    seen: Evaluations = {}
    for name, entry in found.items():
        if not isinstance(entry, dict) or _folded(entry.get("status")) in _DID_NOT_RUN:
            continue
        if _folded(entry.get("assessment")) == "pass":
            entry = {key: value for key, value in entry.items() if key != "value"}
        seen[name] = entry
    return SpanView(span, seen)


def _folded(value: object) -> str | None:
    return value.lower() if isinstance(value, str) else None
