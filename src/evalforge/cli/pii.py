"""`evalforge pii`: looking for what must not be stored."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from evalforge.common.config import Settings
    from evalforge.ingestion.pii.verification import LeakFound

FOUND = 1
SHORTEST_CANARY = 6
LONGEST_CANARY_FILE = 10 * 1024 * 1024

pii = typer.Typer(help="Look for personal data where none may be.", no_args_is_help=True, rich_markup_mode=None)


@pii.callback()
def _group() -> None: ...


@pii.command("verify", short_help="Read the whole store again and say what must not be in it.")
def verify(
    canaries: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Texts that you planted, one a line: none may be found.")
    ] = None,
    log: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Also this file of log lines; may be given again.")
    ] = None,
) -> int:
    """Read every capture, run and dead letter with today's recognizers, and search the bytes for your canaries.

    Prints one JSON object for each finding: where, path and type, never the thing itself. Exit code 1 if there is any.
    """
    from evalforge import wiring
    from evalforge.common.config import read_settings
    from evalforge.common.errors import ConfigurationError

    settings = read_settings()
    if not wiring.store_exists(settings):
        raise ConfigurationError(f"there is no store at {settings.store_name}: check EVALFORGE_STORE")
    planted = list(_lines(canaries, "--canaries")) if canaries else []
    for path in log or ():
        _check_readable(path, f"--log={path}")
    leaks: list[LeakFound] = []
    seen: dict[str, int] = {}
    with terminal.progress_bar("Verifying", "records and lines", "findings") as progress:
        for what, found in wiring.leaks(settings, planted, log or ()):
            leaks += found
            seen[what] = seen.get(what, 0) + 1
            progress(sum(seen.values()), len(leaks), 0.0)
    for leak in leaks:
        terminal.print_json(leak)
    scope = _scope(settings, seen, len(log or ()), len(planted))
    terminal.note(f"{terminal.counted(len(leaks), 'finding')} in {scope}.")
    return FOUND if leaks else 0


def _scope(settings: "Settings", seen: Mapping[str, int], logs: int, planted: int) -> str:
    parts = [f"{terminal.counted(seen.get('record', 0), 'record')} of {settings.store_name}"]
    parts += ["the file's bytes"] if planted and settings.firestore is None else []
    parts += [f"{terminal.counted(seen.get('line', 0), 'log line')}"] if logs else []
    parts += [f"searched for {terminal.counted(planted, 'planted text') if planted else 'no planted text'}"]
    return ", ".join(parts)


def _lines(path: Path, flag: str) -> Iterator[str]:
    from evalforge.common.errors import ConfigurationError

    _check_readable(path, f"{flag}={path}")
    with path.open("rb") as file:
        content = file.read(LONGEST_CANARY_FILE + 1)
    if len(content) > LONGEST_CANARY_FILE:
        raise ConfigurationError(f"{flag}={path}: the file is larger than 10 MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{flag}={path}: the file is not UTF-8 text") from None
    lines = [line.strip() for line in text.splitlines()]
    if not any(lines):
        raise ConfigurationError(f"{flag}={path}: no canary in the file: put one on each line")
    for number, line in enumerate(lines, start=1):
        if line:
            if len(line) < SHORTEST_CANARY:
                why = f"a canary has at least {SHORTEST_CANARY} characters, as shorter ones occur by chance"
                raise ConfigurationError(f"{flag}={path}: line {number}: {why}")
            yield line


def _check_readable(path: Path, named: str) -> None:
    from evalforge.common.errors import ConfigurationError

    try:
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise ConfigurationError(f"{named}: the file cannot be read: {why}") from None
