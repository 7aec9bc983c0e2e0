"""`evalforge backfill`: time past the look-back, read once."""

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from evalforge.common.config import Settings
    from evalforge.models import BackfillRecord

EXIT_CODES = {"complete": 0, "partial": 3, "running": 3}
MOST_TASKS = 10_000
"""Cloud Run takes no more of a job (facts: platform.md §3)."""


def backfill(
    from_: Annotated[str | None, typer.Option("--from", metavar="T", help="From this date (UTC) or time.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="T", help="To this date (UTC) or time.")] = None,
    service: Annotated[str | None, typer.Option("--service", help="Of this service alone.")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Do it, though it takes more than one run may.")] = False,
    show: Annotated[bool, typer.Option("--list", help="List the backfills and how far each has come.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines on a terminal too.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log on a terminal too.")] = False,
) -> int:
    """Read the failed traces of days past from Datadog, once, as far back as Datadog keeps them (15 days).

    It estimates first what that takes, and does nothing that takes more than one run may without --approve. It works
    in turns between the live runs; the same command goes on where it was stopped. Exit codes: 0 complete, 3 partial
    (run it again), 4 keys rejected, 2 it needs --approve or a setting cannot be used.
    """
    from evalforge import wiring
    from evalforge.cli import backfill_texts as texts
    from evalforge.cli import layout
    from evalforge.common.clock import SystemClock
    from evalforge.common.config import read_settings
    from evalforge.common.errors import ConfigurationError

    settings = read_settings()
    as_json = json or not terminal.out_is_terminal()
    if show:
        found = wiring.backfills(settings)
        if as_json:
            for one in found:
                terminal.print_json(one)
        elif found:
            layout.show_list(texts.table(found))
        if not found:
            terminal.note("There were no backfills yet.")
        return 0
    wanted = _wanted(settings, from_, to, service, approve=approve)
    with (
        terminal.stop_on_signal() as stop,
        terminal.log_and_progress(verbose=verbose, label="Backfill", seen="calls") as (log, bar),
    ):
        record = wiring.backfill(settings, wanted, log, _shown(bar), stop.is_set, SystemClock(stop))
    if as_json:
        terminal.print_json(record)
    else:
        terminal.console().print(texts.report(record))
    for note in texts.notes(record):
        terminal.note(note)
    if record.state == "waiting":
        again = [terminal.program(), "backfill", "--from", from_ or "", "--to", to or ""]
        again += ["--service", service] if service is not None else []
        raise ConfigurationError(f"{'; '.join(record.reasons)}. To do it, type: {shlex.join(again)} --approve")
    return EXIT_CODES[record.state]


def _wanted(settings: "Settings", from_: str | None, to: str | None, service: str | None, *, approve: bool) -> Any:
    from evalforge import wiring
    from evalforge.common.config import chosen
    from evalforge.common.errors import ConfigurationError
    from evalforge.common.times import fixed_moment

    if from_ is None or to is None:
        raise ConfigurationError("backfill needs --from and --to: dates or times with a zone, such as 2026-11-23")
    if service is not None and not service.strip():
        raise ConfigurationError("--service is empty: name a service, or leave it out")
    job = chosen("CLOUD_RUN_JOB", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT")
    if "CLOUD_RUN_JOB" in job and settings.firestore is None:
        raise ConfigurationError(
            "EVALFORGE_STORE: an sqlite store in a Cloud Run job is lost with it; set EVALFORGE_STORE=firestore://PROJECT"
        )
    tasks = terminal.whole(job.get("CLOUD_RUN_TASK_COUNT"), "CLOUD_RUN_TASK_COUNT", 1, MOST_TASKS) or 1
    task = terminal.whole(job.get("CLOUD_RUN_TASK_INDEX"), "CLOUD_RUN_TASK_INDEX", 0, tasks - 1) or 0
    return wiring.Wanted(
        start=fixed_moment(from_, "--from"),
        end=fixed_moment(to, "--to"),
        service=service,
        task=task,
        tasks=tasks,
        approver=_who(job.get("CLOUD_RUN_JOB")) if approve else None,
    )


def _who(job: str | None) -> str:
    """Who approves: the job's name on Cloud Run, else the user of the machine."""
    import os
    import pwd

    if job is not None:
        return f"Cloud Run job {job}"
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def _shown(bar: Any) -> Any:
    """What a bar shows of a record: it takes spans and traces of a run, and here calls and captures."""
    from datetime import datetime

    def show(record: "BackfillRecord") -> None:
        start, end, now = (datetime.fromisoformat(one) for one in (record.start, record.end, record.read_until))
        found = record.captures_created + record.captures_updated
        bar(record.calls, found, (now - start) / (end - start))

    return show
