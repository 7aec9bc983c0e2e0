"""`evalforge rules`: the failure rules in force, and what a changed file would do."""

from pathlib import Path
from typing import Annotated, Any

import typer

from evalforge.cli import terminal
from evalforge.cli.capture import hours


def rules(
    check: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read a window once more and compare FILE with the rules in force."),
    ] = None,
    lookback: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="The window of --check: 90m, 24h, 3d. Default: EVALFORGE_LOOKBACK_HOURS, else 24h."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log on a terminal too.")] = False,
) -> int:
    """Show the failure rules in force and the queries they compile to.

    A rule is a query in Datadog's own search language with a type and a severity; EVALFORGE_RULES names a TOML file
    that replaces the built-in rules. Recognizers and allowed keys that the file adds are shown too. With --check FILE,
    see which traces a changed file would gain and lose before you use it: it reads Datadog and writes nothing (exit
    code 3: the window was read only in part).
    """
    from evalforge import wiring
    from evalforge.common.config import read_settings
    from evalforge.common.errors import ConfigurationError

    settings = read_settings(lookback_hours=hours(lookback))
    if lookback is not None and check is None:
        raise ConfigurationError(f"--lookback={lookback}: it is the window of --check FILE, which is missing")
    if check is None:
        _show(settings, wiring.rules_in_force(settings), wiring.custom_rules_in_force(settings))
        return 0
    from evalforge.common.clock import SystemClock

    with terminal.stop_on_signal() as stop, terminal.log_and_progress(verbose=verbose, label="Comparing") as (log, bar):
        result = wiring.check(settings, check, log, bar, stop.is_set, SystemClock(stop))
    if terminal.out_is_terminal():
        _show_check(result)
    else:
        terminal.print_json(result)
    return 0 if result.coverage.state == "complete" else 3


def _show(settings: Any, in_force: Any, custom: Any) -> None:
    from evalforge import wiring
    from evalforge.cli import layout, tables

    store = wiring.open_store_to_read(settings)
    try:
        queries = wiring.search_queries(settings, in_force, store.known_evaluators())
    finally:
        store.close()
    if not terminal.out_is_terminal():
        shown = [
            {"name": one.name, "query": one.query, "type": one.type, "severity": one.severity, "server": one.server}
            for one in in_force.rules
        ]
        added = {
            "recognizers": [_recognizer(one) for one in custom.recognizers],
            "allow_keys": sorted(custom.keys.allowed),
        }
        told = {
            "rules": shown,
            "queries": queries,
            "digest": in_force.digest,
            **added,
            "policy": wiring.policy_in_force(settings),
        }
        terminal.print_json(told)
        return
    screen = terminal.console()
    table = layout.grid(None, "Severity", "Type", "Rule", "Sent", "Query", folds="Query")
    for one in in_force.rules:
        sent = "yes" if one.server else "no"
        table.add_row(tables.severity(one.severity), one.type, one.name, sent, " ".join(one.query.split()))
    layout.show_list(table)
    screen.print("\nSent: whether Datadog is asked for it; every rule judges every span that is read.\n")
    for query in queries:
        print(f"Sent as filter.query, with the evaluator names known now:\n  {query}")
    _show_custom(custom, screen)
    screen.print(f"\nPolicy for personal data, as captures store it: {wiring.policy_in_force(settings)}")


def _recognizer(one: Any) -> dict[str, Any]:
    return {
        "name": one.name,
        "type": one.type,
        "pattern": one.pattern.pattern.decode(),
        "check": one.check_name or None,
        "context": list(one.words_before),
        "after": list(one.words_after),
    }


def _show_custom(custom: Any, screen: Any) -> None:
    from evalforge.cli import layout, tables

    if custom.recognizers:
        columns = ("Type", "Recognizer", "Pattern", "Check", "Words before", "Words behind")
        table = layout.grid("\nRecognizers besides the built-in ones", *columns, folds="Pattern")
        for one in map(_recognizer, custom.recognizers):
            words = (", ".join(one[field]) or tables.UNKNOWN for field in ("context", "after"))
            table.add_row(one["type"], one["name"], one["pattern"], one["check"] or tables.UNKNOWN, *words)
        layout.show_list(table)
    if custom.keys.allowed:
        screen.print(f"\nKeys whose identifiers are kept: {', '.join(sorted(custom.keys.allowed))}")


def _show_check(result: Any) -> None:
    from evalforge.cli import layout, tables

    screen = terminal.console()
    for title, verdicts in (("Gained", result.gained), ("Lost", result.lost)):
        if verdicts:
            layout.show_list(tables.verdicts_table(f"{title} ({len(verdicts)})", verdicts))
            screen.print()
    if result.changed:
        layout.show_list(tables.changes_table(f"Changed ({len(result.changed)})", result.changed))
        screen.print()
    span = f"{tables.when(result.window.start)} to {tables.when(result.window.end)}"
    screen.print(
        f"{result.failing_now} traces fail now, {result.failing_then} would fail ({span}). Nothing was written."
    )
    if not (result.gained or result.lost or result.changed):
        screen.print("Both sets of rules judge every trace of this window alike.")
    for reason in result.coverage.reasons:
        screen.print(f"Read only in part: {reason}")
