"""`evalforge sanitize`: what the sanitiser makes of spans, to see for oneself."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from evalforge.cli import terminal


def sanitize(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="A file of JSON lines, or - for stdin.")] = "-",
    explain: Annotated[bool, typer.Option("--explain", help="Add to each line what was done, where and why.")] = False,
) -> None:
    """Sanitise spans: Export API `data[]` items as JSON lines in, sanitised JSON lines out, in the same order.

    Needs EVALFORGE_HASH_KEY and nothing else; reads no store and asks nothing of Datadog. A line that cannot be
    decoded comes out as {"dead_letter": ...} without its text.
    """
    from evalforge import wiring
    from evalforge.common.config import read_settings
    from evalforge.common.errors import ConfigurationError

    settings = read_settings()
    settings.required("hash_key")
    try:
        source = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise ConfigurationError(f"FILE={file}: the file cannot be read: {why}") from None
    if file == "-" and sys.stdin.isatty():
        terminal.note("Reading spans as JSON lines from the terminal; end with Ctrl-D.")
    with source:
        for line in wiring.sanitized(settings, source, explain=explain):
            sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
