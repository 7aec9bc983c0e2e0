"""`evalforge erase`: captures and dead letters removed, and kept away."""

from typing import TYPE_CHECKING, Annotated

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from evalforge.models import Erasure

TRACES_SHOWN = 20


def erase(
    trace_id: Annotated[str | None, typer.Option(metavar="ID", help="Remove this trace.")] = None,
    user_hash: Annotated[str | None, typer.Option(metavar="HASH", help="Remove every trace of this user.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask on a terminal.")] = False,
) -> None:
    """Remove captures and dead letters for good: of one trace, or of every trace that names a user.

    No later run brings an erased trace back. Exactly one of --trace-id and --user-hash; the hash is what captures show
    as user_hash. What was removed is printed, as JSON in a pipe. Finding nothing is no error.
    """
    from evalforge import wiring
    from evalforge.common.config import read_settings
    from evalforge.common.errors import ConfigurationError

    given = [value.strip() for value in (trace_id, user_hash) if value is not None]
    if len(given) != 1 or not given[0]:
        raise ConfigurationError("erase takes exactly one of --trace-id ID and --user-hash HASH, and not an empty one")
    settings = read_settings()
    what = f"the trace {given[0]}" if user_hash is None else f"every trace of the user {given[0]}"
    if terminal.asks() and not yes:
        typer.confirm(f"Remove {what} from {settings.store_name} for good?", abort=True, err=True)
    store = wiring.open_store(settings)
    try:
        erasure = (
            store.erase_trace(given[0])
            if user_hash is None
            else store.erase_user(given[0], wiring.system_clock().now())
        )
    finally:
        store.close()
    if not terminal.out_is_terminal():
        terminal.print_json(erasure)
    if erasure.trace_ids or erasure.dead_letters:
        terminal.note(f"Removed {_counted(erasure)} of {what}{'' if trace_id else _listed(erasure.trace_ids)}.")
    else:
        terminal.note(f"Nothing of {what} is in {settings.store_name}: nothing was removed.")


def _counted(erasure: "Erasure") -> str:
    numbers = ((len(erasure.trace_ids), "capture"), (erasure.dead_letters, "dead letter"))
    return " and ".join(f"{number:,} {noun}{'' if number == 1 else 's'}" for number, noun in numbers)


def _listed(trace_ids: tuple[str, ...]) -> str:
    return f": {', '.join(trace_ids[:TRACES_SHOWN])}{', ...' if len(trace_ids) > TRACES_SHOWN else ''}"
