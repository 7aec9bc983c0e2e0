"""Erasure in the embedded store, each step inside the transaction of whoever asks."""

import sqlite3
from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec

from evalforge.common.clock import timestamp
from evalforge.models import ERASED_USERS_KEPT, Erasure, FailureCapture, is_of_erased
from evalforge.storage.manifests import AFTER_EVERY_HOUR
from evalforge.storage.sqlite_manifests import forget_manifests

AMONG = "(SELECT value FROM json_each(?))"
LETTERS_OF = f"dead_letters WHERE json_extract(CAST(document AS TEXT), '$.trace_id') IN {AMONG}"
"""As the index `dead_letters_of_trace` has it."""


def erase_traces(connection: sqlite3.Connection, trace_ids: Collection[str]) -> Erasure:
    """Remove what there is of these traces, and remember them."""
    given = (listed(trace_ids),)
    connection.execute("INSERT OR IGNORE INTO erased SELECT value FROM json_each(?)", given)
    gone = connection.execute(f"DELETE FROM captures WHERE trace_id IN {AMONG} RETURNING trace_id", given).fetchall()  # noqa: S608
    letters = connection.execute(f"DELETE FROM {LETTERS_OF}", given).rowcount  # noqa: S608
    return Erasure(trace_ids=tuple(sorted(trace_id for (trace_id,) in gone)), dead_letters=letters)


def erase_trace(connection: sqlite3.Connection, trace_id: str) -> Erasure:
    """The same of one trace, and let the next run read anew which spans are stored."""
    forget_manifests(connection, AFTER_EVERY_HOUR)
    return erase_traces(connection, [trace_id])


def erase_user(connection: sqlite3.Connection, user_hash: str, now: datetime) -> Erasure:
    """The same for every trace that names the user; and remember the user, and no longer those of long ago."""
    connection.execute("INSERT OR REPLACE INTO erased_users VALUES (?, ?)", (user_hash, timestamp(now)))
    connection.execute("DELETE FROM erased_users WHERE erased_at < ?", (timestamp(now - ERASED_USERS_KEPT),))
    named = connection.execute("SELECT trace_id FROM captures WHERE instr(document, ?)", (user_hash.encode(),))
    forget_manifests(connection, AFTER_EVERY_HOUR)
    return erase_traces(connection, [trace_id for (trace_id,) in named.fetchall()])


def erased_among(connection: sqlite3.Connection, trace_ids: Collection[str]) -> frozenset[str]:
    """Which of the traces are erased."""
    rows = connection.execute(f"SELECT trace_id FROM erased WHERE trace_id IN {AMONG}", (listed(trace_ids),))  # noqa: S608
    return frozenset(trace_id for (trace_id,) in rows)


def erase_of_erased_users(connection: sqlite3.Connection, captures: Iterable[FailureCapture]) -> None:
    """Erase the traces of those captures that hold what an erased user did before the erasure."""
    users: dict[str, str] = dict(connection.execute("SELECT user_hash, erased_at FROM erased_users").fetchall())
    if not users:
        return
    doomed = [capture.trace_id for capture in captures if is_of_erased(capture, users)]
    if doomed:
        erase_traces(connection, doomed)


def listed(trace_ids: Collection[str]) -> str:
    """The ids as `AMONG` takes them."""
    return msgspec.json.encode(list(trace_ids)).decode()
