"""The command tree and its help."""

from typing import Annotated

import typer

from evalforge import __version__
from evalforge.cli import backfill, capture, demo, doctor, erase, pii, probe, replay, rules, sanitize, serve, stored

WIDTH = {"max_content_width": 100}

app = typer.Typer(
    name="evalforge",
    help="Turns failed LLM traces in Datadog into an actionable, PII-free backlog in your own store.",
    epilog="New here? Start with: evalforge demo. Settings come from the environment; the README lists them.",
    context_settings=WIDTH,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"evalforge {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", is_eager=True, callback=_show_version)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback when something fails (any place on the line).")
    ] = False,
) -> None: ...


app.command("demo", short_help="See the loop work on recorded traffic. Needs no account and no keys.")(demo.demo)
app.command("doctor", short_help="Look whether everything is in place, and what to do if not.")(doctor.doctor)
app.command("probe", short_help="Show the shape of what Datadog answers, without content.")(probe.probe)
app.command("capture", short_help="Capture the failed traces of the last hours, once.")(capture.capture)
app.command("backfill", short_help="Capture the failed traces of days past, once.")(backfill.backfill)
app.add_typer(stored.captures, name="captures")
app.add_typer(stored.runs, name="runs")
stored.dead_letters.command("replay", short_help="Read them again after a fix.")(replay.replay)
app.add_typer(stored.dead_letters, name="dead-letters")
app.command("coverage", short_help="Show which time was read whole, and which was not.")(stored.coverage)
app.command("erase", short_help="Remove a trace, or all traces of a user, for good.")(erase.erase)
app.add_typer(pii.pii, name="pii")
app.command("rules", short_help="Show the failure rules, or try changed ones on a window.")(rules.rules)
app.command("sanitize", short_help="See what the sanitiser makes of spans.")(sanitize.sanitize)
app.command("serve", short_help="Serve captures and runs over HTTP.")(serve.serve)
app.command("sandbox", short_help="Run a local stand-in for Datadog.")(demo.sandbox)
