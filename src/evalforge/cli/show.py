"""A capture as a person reads it: what failed and why, and the way from the root of the trace to it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from evalforge.cli import layout, terminal
from evalforge.cli.show_texts import MARK, paragraphs
from evalforge.cli.tables import UNKNOWN, pairs, severity, when
from evalforge.models import CapturedSpan, FailureCapture, Signal

LISTS = ("messages", "documents")
"""What a span's input or output is made of; `value` beside it repeats one of them."""
ACTS = (
    ("WITHHELD", "text", " withheld whole"),
    ("DROPPED", "value", " dropped under keys that name a person or a secret"),
    ("HASHED", "id", " of users, sessions or odd spans hashed"),
    ("TRUNCATED", "text or list", " cut to the caps"),
)
"""What the sanitiser does besides replacing: as it is counted, and in words."""
STEP = 2
WIDEST_INDENT = 3
"""At most this part of the width: one over it."""


def show(one: FailureCapture) -> None:
    """Print the capture."""
    screen = terminal.console()
    screen.print(_facts(one))
    print(f"In Datadog    {one.datadog_url}\n")
    layout.show_list(_signals(one.signals))
    spans, context = one.trace_payload.spans, one.trace_payload.context
    cut = ", cut to the caps" if one.truncated else ""
    screen.print(
        Text(f"\nFrom the root to what failed ({len(spans)} failing, {len(context)} of context{cut})", "italic")
    )
    for depth, span, has_parent in way((*spans, *context)):
        indent = min(STEP * depth, screen.width // WIDEST_INDENT)
        lines = layout.hanging(_heading(span), screen.width, indent)
        lines += layout.hanging(_details(span, has_parent=has_parent), screen.width, indent + STEP * 2, hang=0)
        for line in (*lines, *paragraphs(span, one.signals, indent + STEP * 2)):
            screen.print(line)


def way(spans: Sequence[CapturedSpan]) -> Iterator[tuple[int, CapturedSpan, bool]]:
    """Each span after its parent, siblings by start: (how far below the top, span, whether its parent is there)."""
    known = {span.span_id for span in spans}
    children: dict[str | None, list[CapturedSpan]] = defaultdict(list)
    ordered = sorted(spans, key=lambda span: (span.started_at or "~", span.span_id))
    for span in ordered:
        children[span.parent_id if span.parent_id in known else None].append(span)
    shown: set[str] = set()
    for top in (*children[None], *ordered):  # the second time for spans that are each other's parents
        waiting = [(0, top)]
        while waiting:
            depth, span = waiting.pop()
            if span.span_id not in shown:
                shown.add(span.span_id)
                yield depth, span, span.parent_id in known
                waiting += [(depth + 1, child) for child in reversed(children[span.span_id])]


def context(one: FailureCapture) -> str:
    """How much of the root and of the parents of the failing spans is there, and why not more."""
    found = terminal.counted(len(one.trace_payload.context), "span")
    reason = (one.context_reason or "not_read").replace("_", " ")
    match one.context_state:
        case "whole":
            return f"whole: {found if one.trace_payload.context else 'the root itself failed'}"
        case "partial":
            return f"partial: {found}, the rest was {reason}"
    return f"none: it was {reason}"


def _facts(one: FailureCapture) -> Table:
    failed = when(one.failed_at)
    if one.last_failed_at != one.failed_at:
        failed += f" to {when(one.last_failed_at)}"
    model = one.model.name and f"{one.model.name} ({one.model.provider or UNKNOWN})"
    return pairs(
        [
            ("Trace", one.trace_id),
            ("Failure", Text.assemble(severity(one.severity), f" {one.failure_type}")),
            ("Service", f"{one.service_name or UNKNOWN} (ml_app {one.ml_app or UNKNOWN}, env {one.env or UNKNOWN})"),
            ("Failed", failed),
            ("Began in", f"span {one.origin_span_id or UNKNOWN}"),
            ("Fetched", when(one.fetched_at)),
            ("Model", model),
            ("HTTP status", one.status_code),
            ("Quality score", one.quality_score),
            ("User", one.user_hash),
            ("Session", one.session_hash),
            ("Signature", one.signature),
            ("Context", context(one)),
            ("Redaction", f"policy {one.redaction.policy}: {_acts(one.redaction.counts) or 'nothing to redact'}"),
        ]
    )


def _acts(counts: Mapping[str, int]) -> str:
    """What was done to the spans, in words; the types of what was replaced in texts after it."""
    acts = [terminal.counted(counts[act], noun) + done for act, noun, done in ACTS if act in counts]
    replaced = [f"{kind} {number}" for kind, number in counts.items() if kind not in {act for act, _, _ in ACTS}]
    return "; ".join([*acts, *(["replaced by placeholders: " + ", ".join(replaced)] if replaced else [])])


def _signals(signals: Sequence[Signal]) -> Table:
    """Why the trace failed, strongest reason first."""
    table = layout.grid("Signals", "Severity", "Type", "Rule", "Evaluator or error", "Value", "Span id")
    for one in signals:
        cause = one.evaluator or one.error_type or UNKNOWN
        table.add_row(severity(one.severity), one.type, one.rule, cause, _value(one.value), one.span_id)
    return table


def _value(value: float | bool | str | None) -> str:
    """As JSON has it, without the quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    return UNKNOWN if value is None else str(value)


def _heading(span: CapturedSpan) -> list[Text]:
    status = Text(span.status or "no status", style="bold red" if span.status == "error" else "")
    kind = Text.assemble((span.span_kind or "span", "bold"), f" {span.name or '(no name)'}")
    return [kind, status, Text(_length(span.duration_ms)), Text(when(span.started_at))]


def _details(span: CapturedSpan, *, has_parent: bool) -> list[Text]:
    found = []
    if span.failure_type is not None and span.severity is not None:
        cause = ", ".join(part for part in (span.error_type, _size("message", span.error_message)) if part)
        found.append(Text.assemble("failed: ", severity(span.severity), f" {span.failure_type} {cause}".rstrip()))
    found.append(Text(f"span {span.span_id}"))
    if span.parent_id is not None and not has_parent:
        found.append(Text(f"its parent {span.parent_id} is not here"))
    found += [Text(size) for name in ("input", "output") if (size := _size(name, span.attributes.get(name)))]
    return found if span.user_hash is None else [*found, Text(f"user {span.user_hash}")]


def _size(name: str, value: Any) -> str | None:
    """How much was there: `input 2 messages, 111 chars withheld`; None where there was nothing to count."""
    counted = ""
    if isinstance(value, dict):
        for kind in LISTS:
            if isinstance(value.get(kind), list) and value[kind]:
                counted, value = f"{terminal.counted(len(value[kind]), kind[:-1])}, ", value[kind]
                break
    chars = _withheld(value)
    if not chars:
        return f"{name} {counted.removesuffix(', ')}" if counted else None
    return f"{name} {counted}{terminal.counted(chars, 'char')} withheld"


def _withheld(value: Any) -> int:
    """How many characters the marks within stand for."""
    if isinstance(value, str):
        return sum(map(int, MARK.findall(value)))
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(_withheld, inner))


def _length(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "no duration"
    return f"{milliseconds:,.3g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:,.2f} s"
