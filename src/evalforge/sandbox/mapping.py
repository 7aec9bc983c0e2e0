"""From what intake took to what the Export API gives. Pure.

A stored span has everything that can be QUERIED; `exported` leaves out what the documented response does not have.
Sources: Datadog docs, "Export API" (SpanData, SpanEvalMetric) and "Automation Rules" (queryable fields).
"""

from collections.abc import Mapping
from typing import Any

from evalforge.sandbox.settings import SandboxSettings

Attributes = dict[str, Any]

COPIED = ("name", "parent_id", "status", "start_ns", "duration")
COPIED_FROM_META = ("metadata", "model_name", "model_provider", "tool_definitions", "intent", "error")
EXPORTED_IO = ("value", "messages")
ATTACHMENT_CHARS = 25_000
NS_PER_MS = 10**6


def attributes_of(event: Mapping[str, Any]) -> Attributes:
    """The span event of intake as flat attributes, times in ns, tag values in lower case as ingest leaves them."""
    meta, tags = _mapping(event.get("meta")), _texts(event.get("tags"))
    found = {
        "span_id": str(event.get("span_id")),
        "trace_id": str(event.get("trace_id")),
        **{field: event[field] for field in COPIED if field in event},
        "span_kind": _mapping(meta.get("span")).get("kind") or meta.get("span.kind") or meta.get("kind") or "task",
        "ml_app": event.get("ml_app") or _tag(tags, "ml_app") or "",
        "tags": [_lower_cased(tag) for tag in tags],
        **{field: meta[field] for field in COPIED_FROM_META if meta.get(field)},
    }
    for side in ("input", "output"):
        if isinstance(meta.get(side), Mapping):
            found[side] = _with_value(meta[side], side)
    metrics = _mapping(event.get("metrics"))
    if metrics:
        found["metrics"] = {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}
    return found


def entry_of(metric: Mapping[str, Any]) -> Attributes:
    """One evaluation metric of intake as an entry of `evaluation` or `feedback`."""
    kind = metric.get("metric_type") or "categorical"
    value = metric.get(f"{kind}_value", metric.get("numerical_value"))
    entry: Attributes = {
        "eval_metric_type": kind,
        "value": value,
        "status": metric.get("status") or "OK",
        "assessment": metric.get("assessment"),
        "reasoning": metric.get("reasoning"),
        "metadata": metric.get("metadata"),
        "tags": metric.get("tags"),
        "error": metric.get("error"),
    }
    return {name: part for name, part in entry.items() if part is not None}


def exported(attributes: Attributes, settings: SandboxSettings, *, attachments: bool = True) -> Attributes:
    """What the Export API shows of a span."""
    shown = dict(attributes)
    if not settings.expose_error:
        shown.pop("error", None)
    if not settings.expose_feedback:
        shown.pop("feedback", None)
    for side in ("input", "output"):
        taken = shown.pop(side, {})
        parts = {part: taken[part] for part in EXPORTED_IO if part in taken}
        if parts:
            shown[side] = parts if attachments else _shortened(parts)
    if settings.time_unit == "ms":
        shown |= {"start_ns": shown["start_ns"] // NS_PER_MS, "duration": shown["duration"] // NS_PER_MS}
    return shown


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _lower_cased(tag: str) -> str:
    key, colon, value = tag.partition(":")
    return f"{key}{colon}{value.lower()}"


def _tag(tags: list[str], wanted: str) -> str | None:
    return next((tag.partition(":")[2] for tag in tags if tag.startswith(f"{wanted}:")), None)


def _with_value(io: Mapping[str, Any], side: str) -> Attributes:
    """Input or output; where there are only messages, `value` is the last of the user or the first of the answer."""
    messages = io.get("messages")
    if io.get("value") is not None or not messages or not isinstance(messages, list):
        return dict(io)
    shown = messages[-1] if side == "input" else messages[0]
    content = shown.get("content") if isinstance(shown, Mapping) else None
    return {**io, "value": content} if isinstance(content, str) else dict(io)


def _shortened(value: Any) -> Any:
    """The same without attachments: every text is cut where Datadog begins to store it apart."""
    if isinstance(value, str):
        return value[:ATTACHMENT_CHARS]
    if isinstance(value, Mapping):
        return {key: _shortened(part) for key, part in value.items()}
    return [_shortened(part) for part in value] if isinstance(value, list) else value
