"""`evalforge captures`, `runs` and `dead-letters`: what the store holds. They need the store and nothing else."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from rich.table import Table

    from evalforge.common.config import Settings
    from evalforge.ports import CaptureStore

ROWS_ON_A_TERMINAL = 50
MOST_ROWS = 1_000_000_000
Noun = TypeVar("Noun")

captures = typer.Typer(help="The captures: one for each failing trace.", no_args_is_help=True, rich_markup_mode=None)
runs = typer.Typer(help="The runs: what each read, decided and wrote.", no_args_is_help=True, rich_markup_mode=None)
dead_letters = typer.Typer(help="Spans that could not be captured.", no_args_is_help=True, rich_markup_mode=None)


FORMATS = ("table", "jsonl")
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="table|jsonl", help="Default: table on a terminal, jsonl in a pipe."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on a terminal too.")]
LimitOption = Annotated[
    str | None,
    typer.Option(metavar="N", help=f"At most this many. Default: {ROWS_ON_A_TERMINAL} in a table, all as jsonl."),
]


@captures.command("list", short_help="List captures, newest failure first.")
def list_captures(
    format: FormatOption = None,  # noqa: A002 - the flag's name is a contract
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Failed since: 24h, 7d or 2026-11-23T10:00:00Z.")
    ] = None,
    service: Annotated[str | None, typer.Option(metavar="NAME", help="Only this service.")] = None,
    type: Annotated[  # noqa: A002
        str | None, typer.Option(metavar="TYPE", help="Only this failure type, such as hallucination or tool_error.")
    ] = None,
    severity: Annotated[
        str | None, typer.Option(metavar="SEVERITY", help="Only this one: critical, high, medium or low.")
    ] = None,
    limit: LimitOption = None,
) -> None:
    """List captures, newest failure first."""
    from evalforge.cli import layout, tables
    from evalforge.common.clock import SystemClock, timestamp
    from evalforge.common.times import moment
    from evalforge.models import FAILURE_TYPES, SEVERITIES, may_lack
    from evalforge.ports import CaptureFilter

    _one_of("--type", type, FAILURE_TYPES)
    _one_of("--severity", severity, SEVERITIES)
    start = timestamp(moment(since, "--since", SystemClock().now())) if since is not None else None
    wanted = CaptureFilter(since=start, service=service, type=type, severity=severity)
    with _store() as (store, settings):
        if _as_json(format):
            for one in store.list_captures(wanted, _rows(limit)):
                terminal.print_json(one)
            return
        shown = list(store.list_captures(wanted, _rows(limit) or ROWS_ON_A_TERMINAL))
        left_out: tuple[str, ...] = ()
        if shown:
            table, left_out = tables.captures_table(shown)
            layout.show_list(table)
        newest = next(store.list_runs(1), None)
        since_moment = datetime.fromisoformat(start) if start is not None else None
        _footer(
            len(shown),
            store.count_captures(wanted),
            "capture",
            of_all=store.count_captures(CaptureFilter()),
            at_least=may_lack(store.coverage(), newest, SystemClock().now(), since_moment),
        )
        if left_out:
            terminal.note(f"Left out at this width: {', '.join(left_out)}; widen the terminal, or --format jsonl.")
        terminal.note(_how_sure(store, settings))


@captures.command("show", short_help="Show one: what failed, why, and its link.")
def show_capture(
    trace_id: Annotated[str, typer.Argument(metavar="TRACE_ID", help="The id of the trace.")],
    json: JsonOption = False,
) -> None:
    """Show one capture: what failed, why, and the link to the trace in Datadog. JSON in a pipe."""
    from evalforge.cli import show
    from evalforge.common.errors import ConfigurationError
    from evalforge.common.ids import stored_id
    from evalforge.ports import CaptureFilter

    with _store() as (store, settings):
        found = next(iter(store.captures_of([stored_id(trace_id)]).values()), None)
        if found is None:
            stored = store.count_captures(CaptureFilter())
            raise ConfigurationError(
                f"TRACE_ID={trace_id[:80]}: no such capture among the {stored} in {settings.store_name}; "
                "see evalforge captures list"
            )
    if json or not terminal.out_is_terminal():
        terminal.print_json(found)
        return
    show.show(found)
    terminal.note(f"\nThe whole capture: {terminal.program()} captures show {trace_id} --json")


@runs.command("list")
def list_runs(format: FormatOption = None, limit: LimitOption = None) -> None:  # noqa: A002
    """List runs, newest first."""
    from evalforge.cli import tables

    with _store() as (store, settings):
        shown = _shown(store.list_runs, tables.runs_table, format, limit)
        if shown is not None:
            _footer(shown, store.count_runs(), "run")
        if shown == 0:
            terminal.note(_how_sure(store, settings))


@runs.command("show")
def show_run(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="The id of the run.")], json: JsonOption = False
) -> None:
    """Show the report of one run. JSON in a pipe."""
    from evalforge.cli import tables
    from evalforge.common.errors import ConfigurationError

    with _store() as (store, settings):
        run = store.run(run_id)
    if run is None:
        raise ConfigurationError(f"RUN_ID={run_id[:80]}: no such run in {settings.store_name}; see evalforge runs list")
    if json or not terminal.out_is_terminal():
        terminal.print_json(run)
    else:
        terminal.console().print(tables.run_report(run))


def coverage(format: FormatOption = None) -> None:  # noqa: A002
    """Show which time was read whole, which in part and why, and which can never be read; newest first.

    What was captured is all there is only of time that is complete.
    """
    from evalforge.cli import layout, tables
    from evalforge.common.clock import SystemClock
    from evalforge.models import covered

    with _store() as (store, settings):
        stretches = covered(store.coverage(), SystemClock().now())[::-1]
        if _as_json(format):
            for one in stretches:
                terminal.print_json(one)
            return
        if stretches:
            layout.show_list(tables.coverage_table(stretches))
            if any(one.state == "partial" for one in stretches):
                terminal.note(
                    f"\nThe next run reads what is partial, as far back as its look-back and deep pass reach: "
                    f"{terminal.program()} capture"
                )
        terminal.note(_how_sure(store, settings))


@dead_letters.command("list", short_help="List them: ids, reason and shape, never text.")
def list_dead_letters(format: FormatOption = None, limit: LimitOption = None) -> None:  # noqa: A002
    """List the spans that could not be captured: ids, reason and shape, never their text."""
    from evalforge.cli import tables

    with _store() as (store, settings):
        shown = _shown(store.list_dead_letters, tables.dead_letters_table, format, limit)
        if shown is not None:
            _footer(shown, store.count_dead_letters(), "dead letter")
        if shown == 0:
            terminal.note(_how_sure(store, settings))


@contextmanager
def _store() -> Iterator[tuple["CaptureStore", "Settings"]]:
    from evalforge import wiring
    from evalforge.common.config import read_settings

    settings = read_settings()
    store = wiring.open_store_to_read(settings)
    if not wiring.store_exists(settings) and not terminal.out_is_terminal():
        terminal.note(_how_sure(store, settings))
    try:
        yield store, settings
    finally:
        store.close()


def _shown(
    read: Callable[[int | None], Iterable[Noun]],
    table: Callable[[Sequence[Noun]], "Table"],
    wanted: str | None,
    limit: str | None,
) -> int | None:
    """Print the rows; how many they were in a table, or None as JSON lines."""
    from evalforge.cli import layout

    if _as_json(wanted):
        for one in read(_rows(limit)):
            terminal.print_json(one)
        return None
    shown = list(read(_rows(limit) or ROWS_ON_A_TERMINAL))
    if shown:
        layout.show_list(table(shown))
    return len(shown)


def _as_json(wanted: str | None) -> bool:
    _one_of("--format", wanted, FORMATS)
    return wanted == "jsonl" or (wanted is None and not terminal.out_is_terminal())


def _rows(limit: str | None) -> int | None:
    return terminal.whole(limit, "--limit", 1, MOST_ROWS)


def _one_of(flag: str, value: str | None, accepted: Any) -> None:
    from evalforge.common.errors import ConfigurationError

    if value is not None and value not in accepted:
        raise ConfigurationError(f"{flag}={value}: accepted is one of {', '.join(accepted)}")


def _footer(shown: int, total: int, noun: str, of_all: int | None = None, *, at_least: bool = False) -> None:
    plural = noun if total == 1 else f"{noun}s"
    match = f" of {of_all:,} match" if of_all is not None and of_all != total else ""
    rest = f" (the first {shown}; more with --limit)" if shown < total else ""
    sure = "At least " if at_least else ""
    terminal.note(f"\n{sure}{total:,}{match or f' {plural}'}{rest}.")


def _how_sure(store: "CaptureStore", settings: "Settings") -> str:
    """What the last run read, so that an empty list is not taken for a healthy app."""
    from evalforge import wiring
    from evalforge.cli import tables

    if not wiring.store_exists(settings):
        demo = settings.store_path.with_name("demo.db")
        if settings.store is None and demo.exists():
            return (
                f"There is no store at {settings.store_name} yet: run evalforge capture. "
                f"To look at the demo's: export EVALFORGE_STORE=sqlite://{demo}"
            )
        return f"There is no store at {settings.store_name} yet: run evalforge capture, or evalforge demo."
    last = next(store.list_runs(1), None)
    if last is None:
        return "Nothing was captured yet: run evalforge capture."
    window = f"{tables.when(last.window.start)} to {tables.when(last.window.end)}"
    reasons = "".join(f"; {reason}" for reason in last.coverage.reasons)
    return f"The last run read {window}: {last.outcome}{reasons}."
