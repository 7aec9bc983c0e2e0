"""`evalforge capture`: one run."""

from typing import TYPE_CHECKING, Annotated

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from evalforge.common.config import Settings
    from evalforge.models import IngestionRun

EXIT_CODES = {"complete": 0, "partial": 3}


def capture(
    json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object on the last line.")] = False,
    lookback: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How far back to read, and no further: 90m, 24h, 3d; at most 72h. "
            "Default: EVALFORGE_LOOKBACK_HOURS, else 24h.",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log on a terminal too.")] = False,
) -> int:
    """Read the failed traces of the last hours from Datadog, once, and store a PII-free capture of each.

    Needs DD_API_KEY, DD_APP_KEY and EVALFORGE_HASH_KEY. Running it again is safe: what has not changed is left as it
    is. Exit codes: 0 complete, 3 partial (what was read is kept), 4 keys rejected, 5 another run is at work, 2 a
    setting cannot be used.
    """
    from evalforge import wiring
    from evalforge.common.clock import SystemClock
    from evalforge.common.config import read_settings, unknown_names

    settings = read_settings(lookback_hours=hours(lookback), deep_lookback_hours=None if lookback is None else 0.0)
    ignored = unknown_names()
    if terminal.err_is_terminal():
        for name in ignored:
            terminal.note(f"evalforge: {name} is not a setting of this version and is ignored")
    with terminal.stop_on_signal() as stop, terminal.log_and_progress(verbose=verbose, label="Capturing") as (log, bar):
        run = wiring.capture(settings, log, bar, stop.is_set, SystemClock(stop), ignored)
    if json or not terminal.out_is_terminal():
        terminal.print_json(run)
    else:
        _show_report(run, settings)
    return EXIT_CODES[run.outcome]


def hours(lookback: str | None) -> float | None:
    """The flag's hours, checked here so that the message names the flag."""
    from evalforge.common.config import MAX_LOOKBACK_HOURS
    from evalforge.common.errors import ConfigurationError
    from evalforge.common.times import duration

    if lookback is None:
        return None
    found = duration(lookback, "--lookback").total_seconds() / 3600
    if found > MAX_LOOKBACK_HOURS:
        raise ConfigurationError(
            f"--lookback={lookback}: at most 72h can be read back; further back is `evalforge backfill --from T --to T`"
        )
    return found


def _show_report(run: "IngestionRun", settings: "Settings") -> None:
    """The report for a person, and what to do next."""
    from evalforge.cli import tables

    screen = terminal.console()
    screen.print(tables.run_report(run))
    tally = run.tally
    found = tally.captures_created + tally.captures_updated + tally.captures_unchanged
    if not run.pages:
        screen.print(
            f"\nNothing could be read from {settings.base_url}: check EVALFORGE_DATADOG_URL, DD_SITE and the network."
        )
    elif not found:
        sure = "everything was read" if run.coverage.state == "complete" else "the window was read only in part"
        screen.print(f"\nNo failures in this window ({sure}).")
    print(f"\nStore: {settings.store_name}\nNext:  {terminal.program()} captures list")
    if tally.dead_letters:
        print(f"       {terminal.program()} dead-letters list")
