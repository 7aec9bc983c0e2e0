"""`evalforge doctor`: is everything in place, and what to do where it is not."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from evalforge.doctor.findings import Finding

COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing of Datadog.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, also on a terminal.")] = False,
) -> int:
    """Look whether everything is in place: settings, keys, rules, store, what reads texts, and Datadog.

    A line for each: ok, warning or problem, and what to do. Asks Datadog for one page of one minute, unless --offline,
    and makes no store. Then it says plainly what in texts is not found and therefore kept.

    Exit code 0 where nothing is a problem (warnings alone are none), 4 where Datadog rejected the keys, 1 where the
    store cannot be read, else 2.
    """
    from evalforge import wiring
    from evalforge.common.clock import SystemClock
    from evalforge.common.config import read_settings
    from evalforge.common.errors import EvalForgeError
    from evalforge.doctor.checks import checks
    from evalforge.doctor.findings import examine, exit_code, problem
    from evalforge.ingestion.pii.not_covered import not_covered

    try:
        settings = wiring.with_secrets(read_settings())
    except EvalForgeError as error:
        findings = [problem("settings", str(error), "nothing else was looked at: correct it and run doctor again")]
        kept: Sequence[str] = ()
    else:
        findings = list(examine(checks(settings, SystemClock(), online=not offline)))
        kept = () if settings.text == "withhold" else not_covered(names=settings.ner == "on")
    if as_json or not terminal.out_is_terminal():
        terminal.print_json({"findings": findings, "not_covered": kept})
    else:
        _show(findings, kept)
    return exit_code(findings)


def _show(findings: "Sequence[Finding]", kept: Sequence[str]) -> None:
    from rich.text import Text

    from evalforge.cli import layout

    table = layout.grid(None, "State", "Check", "Found, and what to do", folds="Found, and what to do")
    for one in findings:
        what = Text(one.found)
        if one.advice:
            what.append(f"\n-> {one.advice}", "bold")
        table.add_row(Text(one.state, COLOURS[one.state]), one.check, what)
    layout.show_list(table)
    screen = terminal.console()
    if kept:
        screen.print("\nNot covered: of what is in texts, these are not found and therefore kept:")
        for line in kept:
            for printed in layout.hanging([Text(f"- {line}")], screen.width):
                screen.print(printed)
    number = sum(one.state == "problem" for one in findings)
    screen.print(f"\n{terminal.counted(number, 'problem') if number else 'No problems.'}")
