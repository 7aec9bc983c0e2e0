"""`evalforge erase`: captures and dead letters removed, and kept away."""

import re
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from evalforge.common.config import Settings
    from evalforge.models import Erasure

TRACES_SHOWN = 20
TRACE_ID = re.compile(r"(?:[0-9a-f]{1,64}|h1_[0-9a-f]{40})\Z")
"""As stores hold them: hex or decimal, else, with dead letters, a keyed hash."""
DECLINED = 1
LONGEST_LINE = 4096


def erase(
    trace_id: Annotated[str | None, typer.Option(metavar="ID", help="Remove this trace.")] = None,
    user_hash: Annotated[
        str | None, typer.Option(metavar="HASH", help="Remove every trace of the user with this hash.")
    ] = None,
    user_id: Annotated[
        str | None,
        typer.Option(metavar="-", help="The same by the id that the app sent, read as one line from stdin."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask on a terminal.")] = False,
) -> int:
    """Remove captures and dead letters for good: of one trace, or of every trace that names a user.

    No later run brings an erased trace back. Exactly one of --trace-id, --user-hash (what captures show as user_hash)
    and --user-id -, which needs EVALFORGE_HASH_KEY as it was when the traces were captured. What was removed is
    printed, as JSON in a pipe. Finding nothing is no error; exit code 1: the question was answered with no.
    """
    from evalforge import wiring
    from evalforge.common.config import read_settings
    from evalforge.common.errors import ConfigurationError
    from evalforge.models import Erasure

    if [trace_id, user_hash, user_id].count(None) != 2:
        raise ConfigurationError("erase takes exactly one of --trace-id ID, --user-hash HASH and --user-id -")
    trace, users = _trace(trace_id), _user(user_hash)
    if user_id not in (None, "-"):
        raise ConfigurationError(
            "--user-id takes - alone and reads the id from stdin: arguments are seen in process lists and shell history"
        )
    settings = read_settings()
    if not wiring.store_exists(settings):
        raise ConfigurationError(
            f"there is no store at {settings.store_name}, so nothing was erased: check EVALFORGE_STORE"
        )
    if user_id is not None:
        settings = wiring.with_secrets(settings, "hash_key")
        users = wiring.user_hashes(settings, _line_of_stdin())
    which = f"the user {' and '.join(users)}" if users else f"the trace {trace}"
    if terminal.asks() and not yes:
        question = f"Remove {f'every trace of {which}' if users else which} from {settings.store_name} for good?"
        if not typer.confirm(question, err=True):
            terminal.note("Nothing was erased.")
            return DECLINED
    with closing(wiring.open_store(settings)) as store:
        now = wiring.system_clock().now()
        done = [store.erase_user(user, now) for user in users] if users else [store.erase_trace(str(trace))]
        last = next(store.list_runs(1), None)
    erasure = Erasure(
        trace_ids=tuple(sorted(trace_id for part in done for trace_id in part.trace_ids)),
        dead_letters=sum(part.dead_letters for part in done),
    )
    if not terminal.out_is_terminal():
        terminal.print_json(erasure)
    terminal.note(_told(erasure, which, settings, of_user=bool(users)))
    if user_id is not None and last is not None and last.hash_key_id not in (None, wiring.hash_key_id(settings)):
        terminal.note(
            "EVALFORGE_HASH_KEY is not the key of the last run: what was captured under another key has other hashes "
            "and was not found. Erase with each key that was in use."
        )
    return 0


def _trace(given: str | None) -> str | None:
    """The id as it is stored. Raises ConfigurationError, without the text, which may be anything."""
    from evalforge.common.errors import ConfigurationError
    from evalforge.common.ids import stored_id

    if given is None:
        return None
    trace_id = stored_id(given.strip())
    if not TRACE_ID.match(trace_id):
        raise ConfigurationError(
            "--trace-id: this is no id of a trace, so nothing was erased; accepted is hex or decimal, "
            "or a hash that dead letters show (h1_ and 40 hex digits)"
        )
    return trace_id


def _user(given: str | None) -> list[str]:
    """The hash as it is stored, or none. Raises ConfigurationError, without the text, which may be the raw id."""
    from evalforge.common.errors import ConfigurationError
    from evalforge.models import is_user_hash

    if given is None:
        return []
    user_hash = given.strip().lower()
    if not is_user_hash(user_hash):
        raise ConfigurationError(
            "--user-hash: this is no hash of a user, so nothing was erased; accepted is u1_ and 40 hex digits, as "
            "captures show it; if you have the id that the app sends, use --user-id -"
        )
    return [user_hash]


def _line_of_stdin() -> str:
    from evalforge.common.errors import ConfigurationError

    if sys.stdin.isatty():
        terminal.note("The user's id as the app sends it to Datadog, on one line:")
    try:
        line = sys.stdin.buffer.readline(LONGEST_LINE).decode()
    except UnicodeDecodeError:
        raise ConfigurationError("--user-id -: stdin is not UTF-8 text; nothing was erased") from None
    if not sys.stdin.isatty() and sys.stdin.buffer.read(LONGEST_LINE).strip():
        raise ConfigurationError("--user-id -: stdin has more than one line; erase one user at a time")
    return line


def _told(erasure: "Erasure", which: str, settings: "Settings", *, of_user: bool) -> str:
    if erasure.trace_ids or erasure.dead_letters:
        return f"Removed {_counted(erasure)} of {which}{_listed(erasure.trace_ids) if of_user else ''}."
    nothing = f"Nothing of {which} is in {settings.store_name}: nothing was removed."
    if of_user:
        return f"{nothing} The hash is remembered, so that no later run stores what the user did until now."
    return f"{nothing} Its id is remembered, so that no later run stores it."


def _counted(erasure: "Erasure") -> str:
    numbers = ((len(erasure.trace_ids), "capture"), (erasure.dead_letters, "dead letter"))
    return " and ".join(terminal.counted(number, noun) for number, noun in numbers if number)


def _listed(trace_ids: tuple[str, ...]) -> str:
    return f": {', '.join(trace_ids[:TRACES_SHOWN])}{', ...' if len(trace_ids) > TRACES_SHOWN else ''}"
