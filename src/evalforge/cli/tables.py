"""Nouns as tables and sentences for people. Times are UTC and say so."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from evalforge.models import (
    FAILURE_TYPES,
    SEVERITIES,
    DeadLetter,
    FailureCapture,
    IngestionRun,
    RulesChange,
    RulesVerdict,
    Signal,
)

COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
UNKNOWN = "-"


def grid(title: str | None, *columns: str) -> Table:
    """An empty table with these headings; ids and times never wrap."""
    table = Table(
        title=title, title_justify="left", header_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for column in columns:
        table.add_column(column, no_wrap=True, justify="right" if column in ("Traces", "Signals") else "left")
    return table


def when(moment: str | None) -> str:
    """`2026-11-23 10:46:00 UTC`."""
    return UNKNOWN if moment is None else f"{moment[:10]} {moment[11:19]} UTC"


def severity(name: str) -> Text:
    """The severity in its colour."""
    return Text(name, style=COLOURS[name])


CAPTURE_COLUMNS = ("Last failed (UTC)", "Severity", "Type", "Service", "Env", "Signals", "Trace id")
LEFT_OUT_WHEN_NARROW = ("Env", "Signals", "Service")


def captures_table(captures: Sequence[FailureCapture], width: int) -> Table:
    """One line a capture; what matters least is left out until a line fits the width."""
    left_out: list[str] = []
    while True:
        columns = [name for name in CAPTURE_COLUMNS if name not in left_out]
        rows = [[_capture_cells(one)[name] for name in columns] for one in captures]
        needed = sum(max(len(row[place]) for row in [columns, *rows]) + 1 for place in range(len(columns))) - 1
        if needed <= width or len(left_out) == len(LEFT_OUT_WHEN_NARROW):
            break
        left_out.append(LEFT_OUT_WHEN_NARROW[len(left_out)])
    table = grid(None, *columns)
    for row in rows:
        table.add_row(*(severity(cell) if cell in COLOURS else cell for cell in row))
    return table


def _capture_cells(one: FailureCapture) -> dict[str, str]:
    failed = one.last_failed_at
    return {
        "Last failed (UTC)": UNKNOWN if failed is None else f"{failed[:10]} {failed[11:16]}",
        "Severity": one.severity,
        "Type": one.failure_type,
        "Service": one.service_name or UNKNOWN,
        "Env": one.env or UNKNOWN,
        "Signals": str(len(one.signals)),
        "Trace id": one.trace_id,
    }


def summary_table(captures: Sequence[FailureCapture]) -> Table:
    """How many traces failed by type, severity and service; strongest first."""
    found = Counter((one.failure_type, one.severity, one.service_name or UNKNOWN) for one in captures)
    table = grid(None, "Type", "Severity", "Service", "Traces")
    for (kind, level, service), number in sorted(
        found.items(), key=lambda row: (SEVERITIES.index(row[0][1]), FAILURE_TYPES.index(row[0][0]), row[0][2])
    ):
        table.add_row(kind, severity(level), service, str(number))
    return table


def pairs(rows: Iterable[tuple[str, Any]]) -> Table:
    """Name and value, a line each."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value if isinstance(value, Text) else str(UNKNOWN if value is None else value))
    return table


def capture_details(one: FailureCapture) -> list[Table]:
    """A capture as a person reads it: what failed, why, and where it began."""
    redaction = ", ".join(f"{kind.lower()} {number}" for kind, number in one.redaction.counts.items())
    failed = when(one.failed_at)
    if one.last_failed_at != one.failed_at:
        failed += f" to {when(one.last_failed_at)}"
    model = one.model.name and f"{one.model.name} ({one.model.provider or UNKNOWN})"
    facts = pairs(
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
            ("Redaction", f"policy {one.redaction.policy}: {redaction or 'nothing to redact'}"),
        ]
    )
    return [facts, signals_table(one.signals), spans_table(one)]


def context(one: FailureCapture) -> str:
    """How much of the root and of the parents of the failing spans is there, and why not more."""
    why = "" if one.context_reason is None else f", the rest was {one.context_reason.replace('_', ' ')}"
    return f"{one.context_state}: {len(one.trace_payload.context)} spans{why}"


def signals_table(signals: Iterable[Signal]) -> Table:
    """Why the trace failed, strongest reason first."""
    table = grid("Signals", "Severity", "Type", "Rule", "Evaluator or error", "Value", "Span id")
    for one in signals:
        cause = one.evaluator or one.error_type or UNKNOWN
        value = UNKNOWN if one.value is None else str(one.value)
        table.add_row(severity(one.severity), one.type, one.rule, cause, value, one.span_id)
    return table


def spans_table(one: FailureCapture) -> Table:
    """The failing spans that were kept, in order of their start."""
    cut = ", cut to the caps" if one.truncated else ""
    table = grid(f"Failing spans ({len(one.trace_payload.spans)}{cut})", "Started", "Kind", "Status", "Span id")
    for span in one.trace_payload.spans:
        table.add_row(when(span.started_at), span.span_kind or UNKNOWN, span.status or UNKNOWN, span.span_id)
    return table


def runs_table(runs: Iterable[IngestionRun]) -> Table:
    """One line a run."""
    table = grid(None, "Started", "Outcome", "Created", "Updated", "Unchanged", "Dead letters", "Run id", "Why")
    for run in runs:
        tally = run.tally
        numbers = (tally.captures_created, tally.captures_updated, tally.captures_unchanged, tally.dead_letters)
        why = next(iter(run.coverage.reasons), "")
        table.add_row(when(run.started_at), run.outcome, *map(str, numbers), run.run_id, why)
    return table


def run_report(run: IngestionRun) -> Table:
    """A run as a person reads it."""
    tally = run.tally
    excluded = ", ".join(f"{number:,} {reason}" for reason, number in tally.spans_excluded.items())
    asked = ", ".join(run.coverage.evaluators_asked)
    rows = [
        ("Run", f"{run.run_id}: {run.outcome}"),
        ("Window", f"{when(run.window.start)} to {when(run.window.end)}"),
        ("Coverage", run.coverage.state + "".join(f"; {reason}" for reason in run.coverage.reasons)),
        ("Datadog", f"{run.calls} calls, {run.pages} pages, {rate_limit(run)}"),
        ("Spans", f"{tally.spans_seen:,} seen, {tally.spans_included:,} included; excluded: {excluded or 'none'}"),
        (
            "Captures",
            f"{tally.captures_created} created, {tally.captures_updated} updated, {tally.captures_unchanged} unchanged",
        ),
        ("Context", f"{tally.context_calls} calls, {tally.context_spans} spans read"),
        ("Dead letters", f"{tally.dead_letters} ({tally.dead_letters_new} new)"),
        ("Evaluators", asked or "none asked for by name"),
        ("Cost", f"{run.estimated_cost_usd:.2f} USD (an embedded store and Datadog's search cost nothing a call)"),
    ]
    rows += [("Note", text) for text in run.coverage.notes] + [("Error", text) for text in run.errors]
    return pairs(rows)


def rate_limit(run: IngestionRun) -> str:
    """The rate limit as Datadog last told it."""
    limit = run.rate_limit
    if limit.limit is None:
        return "no rate limit told"
    left = UNKNOWN if limit.remaining is None else limit.remaining
    return f"rate limit {limit.name or ''} {limit.limit} per {limit.period_seconds or 0:g} s, {left} left".replace(
        "  ", " "
    )


def dead_letters_table(letters: Iterable[DeadLetter]) -> Table:
    """One line a dead letter."""
    table = grid(None, "First seen", "Trace id", "Span id", "Reason", "Shape")
    for one in letters:
        table.add_row(when(one.first_seen_at), one.trace_id or UNKNOWN, one.span_id or UNKNOWN, one.reason, one.shape)
    return table


def verdicts_table(title: str, verdicts: Iterable[RulesVerdict]) -> Table:
    """One line a trace that the changed rules judge otherwise."""
    table = grid(title, "Severity", "Type", "Trace id", "Rules")
    for one in verdicts:
        table.add_row(severity(one.severity), one.failure_type, one.trace_id, ", ".join(one.rules))
    return table


def changes_table(title: str, changes: Iterable[RulesChange]) -> Table:
    """One line a trace that fails under both sets of rules, with another type or severity."""
    table = grid(title, "Trace id", "Now", "Then", "Rules then")
    for one in changes:
        now, then = (f"{verdict.severity} {verdict.failure_type}" for verdict in (one.before, one.after))
        table.add_row(one.after.trace_id, now, then, ", ".join(one.after.rules))
    return table
