"""Nouns as tables and sentences for people. Times are UTC and say so."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from evalforge.cli.layout import fits, grid
from evalforge.cli.terminal import counted
from evalforge.models import (
    FAILURE_TYPES,
    SEVERITIES,
    CoveredTime,
    DeadLetter,
    DeepPass,
    FailureCapture,
    IngestionRun,
    Lateness,
    Replayed,
    RulesChange,
    RulesVerdict,
)

COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
STATE_COLOURS = {"complete": "green", "partial": "yellow", "never": "red"}
UNKNOWN = "-"
FREE = "an embedded store and Datadog's search cost nothing a call"
BILLED = "by list prices, before what is free; Datadog's search costs nothing a call"


def when(moment: str | None) -> str:
    """`2026-11-23 10:46:00 UTC`."""
    return UNKNOWN if moment is None else f"{moment[:10]} {moment[11:19]} UTC"


def severity(name: str) -> Text:
    """The severity in its colour."""
    return Text(name, style=COLOURS[name])


CAPTURE_COLUMNS = ("Last failed (UTC)", "Severity", "Type", "Service", "Env", "Signals", "Trace id")
LEFT_OUT_WHEN_NARROW = ("Env", "Service", "Severity", "Signals")


def captures_table(captures: Sequence[FailureCapture]) -> tuple[Table, tuple[str, ...]]:
    """One line a capture, and the columns that had to be left out for it; all of them where a line fits in no way."""
    rows = [_capture_cells(one) for one in captures]
    for number in range(len(LEFT_OUT_WHEN_NARROW) + 1):
        left_out = LEFT_OUT_WHEN_NARROW[:number]
        table = _captures(rows, left_out)
        if fits(table):
            return table, left_out
    return _captures(rows, ()), ()


def _captures(rows: Iterable[dict[str, str]], left_out: Sequence[str]) -> Table:
    columns = [name for name in CAPTURE_COLUMNS if name not in left_out]
    table = grid(None, *columns)
    for row in rows:
        coloured = {"Severity": severity(row["Severity"]), "Type": Text(row["Type"], style=COLOURS[row["Severity"]])}
        table.add_row(*(coloured.get(name, row[name]) for name in columns))
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


def runs_table(runs: Iterable[IngestionRun]) -> Table:
    """One line a run."""
    table = grid(
        None, "Started", "Outcome", "Created", "Updated", "Unchanged", "Dead letters", "Run id", "Why", folds="Why"
    )
    for run in runs:
        tally = run.tally
        others = (tally.captures_updated, tally.captures_unchanged, tally.dead_letters)
        why = next(iter(run.coverage.reasons), "")
        table.add_row(
            when(run.started_at), run.outcome, at_least(tally.captures_created, run), *map(str, others), run.run_id, why
        )
    return table


def coverage_table(stretches: Iterable[CoveredTime]) -> Table:
    """One line a stretch of time, as it is covered."""
    table = grid(None, "State", "From", "To", "Read", "Reason", folds="Reason")
    for one in stretches:
        state = Text(one.state, style=STATE_COLOURS[one.state])
        table.add_row(state, when(one.start), when(one.end), when(one.read_at), one.reason or "")
    return table


def at_least(number: int, run: IngestionRun) -> str:
    """The number, and that it may be too low if the run could not read everything."""
    return f"at least {number:,}" if run.coverage.state == "partial" else f"{number:,}"


def lateness(told: Lateness) -> str:
    """How late failures were seen."""
    if told.p50_hours is None:
        return (
            f"{counted(told.unknown, 'failure')} in time that no run had read before" if told.unknown else "nothing new"
        )
    known = ", ".join(f"{number:,} within {name}" for name, number in told.buckets.items() if name != "longer")
    longer = f", {told.buckets['longer']:,} later" if "longer" in told.buckets else ""
    unknown = f"; {told.unknown:,} in time that no run had read before" if told.unknown else ""
    return f"half within {told.p50_hours:g} h, 99 % within {told.p99_hours:g} h ({known}{longer}{unknown})"


def deep_pass(told: DeepPass) -> str:
    """What became of the deep pass."""
    if not told.due:
        return "nothing was due"
    reasons = "".join(f"; {reason}" for reason in told.reasons)
    return f"{told.read} of {counted(told.due, 'hour')} before the window read again{reasons}"


def cost(run: IngestionRun) -> str:
    """The estimate, and what it is made of."""
    if not run.estimated_cost_usd:
        return f"0 USD ({FREE})"
    return f"{run.estimated_cost_usd:.6f} USD ({BILLED})"


def used(run: IngestionRun) -> str:
    """What the run used besides its calls."""
    usage, store = run.usage, run.usage.store
    told = f"{store.reads:,} reads, {store.writes:,} writes, {store.deletes:,} deletes"
    busy = f", {usage.instance_seconds:,.0f} s of an instance" if usage.instance_seconds else ""
    return f"{usage.bytes_received:,} bytes received; {store.kind}: {told}{busy}"


def run_report(run: IngestionRun) -> Table:
    """A run as a person reads it."""
    tally = run.tally
    excluded = ", ".join(f"{number:,} {reason}" for reason, number in tally.spans_excluded.items())
    asked = ", ".join(run.coverage.evaluators_asked)
    rows = [
        ("Run", f"{run.run_id}: {run.outcome}"),
        ("Window", f"{when(run.window.start)} to {when(run.window.end)}"),
        ("Coverage", run.coverage.state + "".join(f"; {reason}" for reason in run.coverage.reasons)),
        ("Datadog", f"{counted(run.calls, 'call')}, {counted(run.pages, 'page')}, {rate_limit(run)}"),
        ("Spans", f"{tally.spans_seen:,} seen, {tally.spans_included:,} included; excluded: {excluded or 'none'}"),
        (
            "Captures",
            f"{at_least(tally.captures_created, run)} created, {tally.captures_updated} updated, "
            f"{tally.captures_unchanged} unchanged",
        ),
        ("Lateness", lateness(run.lateness)),
        ("Deep pass", deep_pass(run.deep_pass)),
        ("Context", f"{counted(tally.context_calls, 'call')}, {counted(tally.context_spans, 'span')} read"),
        ("Dead letters", f"{tally.dead_letters} ({tally.dead_letters_new} new)"),
        ("Evaluators", asked or "none asked for by name"),
        ("Used", used(run)),
        ("Cost", cost(run)),
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
    table = grid(None, "First seen", "Trace id", "Span id", "Reason", "Shape", folds="Reason")
    for one in letters:
        table.add_row(when(one.first_seen_at), one.trace_id or UNKNOWN, one.span_id or UNKNOWN, one.reason, one.shape)
    return table


def replayed_table(done: Iterable[Replayed]) -> Table:
    """One line a dead letter that was to be read again."""
    table = grid(None, "Trace id", "Span id", "Outcome", "Attempts", "Why kept", folds="Why kept")
    for one in done:
        ids = (one.trace_id or UNKNOWN, one.span_id or UNKNOWN)
        table.add_row(*ids, one.outcome, str(one.attempts), one.reason or UNKNOWN)
    return table


def verdicts_table(title: str, verdicts: Iterable[RulesVerdict]) -> Table:
    """One line a trace that the changed rules judge otherwise."""
    table = grid(title, "Severity", "Type", "Trace id", "Rules", folds="Rules")
    for one in verdicts:
        table.add_row(severity(one.severity), one.failure_type, one.trace_id, ", ".join(one.rules))
    return table


def changes_table(title: str, changes: Iterable[RulesChange]) -> Table:
    """One line a trace that fails under both sets of rules, with another type or severity."""
    table = grid(title, "Trace id", "Now", "Then", "Rules then", folds="Rules then")
    for one in changes:
        now, then = (f"{verdict.severity} {verdict.failure_type}" for verdict in (one.before, one.after))
        table.add_row(one.after.trace_id, now, then, ", ".join(one.after.rules))
    return table
