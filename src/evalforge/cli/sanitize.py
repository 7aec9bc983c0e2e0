"""`evalforge sanitize`: what the sanitiser makes of spans, to see for oneself."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from evalforge.cli import terminal
from evalforge.common.errors import ConfigurationError


def sanitize(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="A file of JSON lines, or - for stdin.")] = "-",
    explain: Annotated[bool, typer.Option("--explain", help="Add to each line what was done, where and why.")] = False,
) -> None:
    """Sanitise spans: Export API `data[]` items as JSON lines in, sanitised JSON lines out, in the same order.

    Needs EVALFORGE_HASH_KEY and nothing else; reads no store and asks nothing of Datadog. Give the spans of a trace
    together: a name that one tells is replaced in the others. Each line has one answer;
    that to a line which is blank, is no span or cannot be sanitised is {"withheld": reason}, without its text.
    In a path that --explain gives, card* stands for any key that begins with card: such a key is not shown.
    """
    from evalforge import wiring
    from evalforge.common.config import read_settings

    settings = read_settings()
    settings.required("hash_key")
    try:
        source = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        raise ConfigurationError(_unreadable(file, error)) from None
    if file == "-" and sys.stdin.isatty():
        terminal.note("Reading spans as JSON lines from the terminal; end with Ctrl-D.")
    with source:
        for line in _told(file, wiring.sanitized(settings, source, explain=explain)):
            sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _told(file: str, answers: Iterator[bytes]) -> Iterator[bytes]:
    """The answers; raises ConfigurationError where the file cannot be read on."""
    try:
        yield from answers
    except OSError as error:
        raise ConfigurationError(_unreadable(file, error)) from None


def _unreadable(file: str, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) else "no path"
    return f"FILE={file}: the file cannot be read: {why}"
