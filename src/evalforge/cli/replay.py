"""`evalforge dead-letters replay`: dead letters read again after what was wrong is mended."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from evalforge.models import Replayed

COMPLETE, PARTIAL = 0, 3


def replay(
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines on a terminal too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be read; ask and write nothing.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log on a terminal too.")] = False,
) -> int:
    """Read the dead letters again from Datadog, exactly those spans, and say what became of each.

    Those that can be captured now are, and leave; those that fail again are kept with one attempt more. Exit codes: 0
    all were read, 3 only in part (run it again), 4 keys rejected, 5 a run is at work, 2 a setting cannot be used.
    """
    from evalforge import wiring
    from evalforge.cli import layout, tables
    from evalforge.common.clock import SystemClock
    from evalforge.common.config import read_settings

    settings = read_settings()
    if dry_run or not wiring.store_exists(settings):
        done = wiring.foreseen_replay(settings, SystemClock())
    else:
        with (
            terminal.stop_on_signal() as stop,
            terminal.log_and_progress(verbose=verbose, label="Reading") as (
                log,
                bar,
            ),
        ):
            done = wiring.replay_dead_letters(settings, log, bar, stop.is_set, SystemClock(stop))
    if json or not terminal.out_is_terminal():
        for one in done:
            terminal.print_json(one)
    elif done:
        layout.show_list(tables.replayed_table(done))
    terminal.note(_told(done))
    return PARTIAL if any(one.outcome == "not_read" for one in done) else COMPLETE


def _told(done: Sequence["Replayed"]) -> str:
    found = ", ".join(f"{number} {name}" for name, number in Counter(one.outcome for one in done).items())
    return f"{terminal.counted(len(done), 'dead letter')}{': ' + found if found else ''}."
