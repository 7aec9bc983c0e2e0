"""What a person sees of a backfill."""

from collections.abc import Iterable, Iterator

from rich.table import Table

from evalforge.cli.layout import grid
from evalforge.cli.tables import when
from evalforge.models import BackfillRecord


def table(records: Iterable[BackfillRecord]) -> Table:
    """One line a backfill, and how far it has come."""
    shown = grid(None, "State", "From", "To", "Service", "Read until", "Calls", "Captures", "Reason", folds="Reason")
    for one in records:
        captures = f"{one.captures_created + one.captures_updated:,}"
        part = f" ({one.task + 1}/{one.tasks})" if one.tasks > 1 else ""
        cells = (when(one.start) + part, when(one.end), one.service or "", when(one.read_until))
        shown.add_row(one.state, *cells, f"{one.calls:,}", captures, "; ".join(one.reasons))
    return shown


def report(record: BackfillRecord) -> str:
    """How far it has come, and what the estimate was."""
    lines = [f"Backfill {record.backfill_id}: {record.state}"]
    lines.append(f"  range     {when(record.start)} to {when(record.end)}, read until {when(record.read_until)}")
    if (told := record.estimate) is not None:
        lines.append(
            f"  estimate  {told.calls:,} calls (up to {told.calls_most:,}), {told.minutes:g} minutes, "
            f"{told.captures:,} captures, {told.dollars:.2f} USD; from {told.searches} pages"
        )
    lines.append(
        f"  so far    {record.calls:,} calls, {record.captures_created:,} captures created, "
        f"{record.captures_updated:,} updated, {record.captures_unchanged:,} unchanged, "
        f"{record.dead_letters:,} dead letters"
    )
    if record.approved_by:
        lines.append(f"  approved  by {record.approved_by}, {when(record.approved_at)}")
    return "\n".join(lines)


def notes(record: BackfillRecord) -> Iterator[str]:
    """What to know beside it."""
    for start, end in record.gone:
        yield f"Datadog keeps spans for 15 days: {when(start)} to {when(end)} is gone and was not read."
    if record.state == "partial":
        yield f"It is not complete ({'; '.join(record.reasons)}): the same command goes on where it stopped."
    if record.state == "complete" and not record.calls:
        yield "There was nothing to read."
