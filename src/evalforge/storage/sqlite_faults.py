"""What SQLite says when the disk or another process is in the way: what to try again, and the line for a person.

A transaction that failed was rolled back whole, so that it can be tried again whole.
"""

import os
import sqlite3
from pathlib import Path

from evalforge.common.errors import StoreError

TRANSIENT = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""What may pass by itself."""
LOCK_SECONDS = 0.5
"""How long SQLite itself waits for a lock (`sqlite3.connect`, timeout) before it says BUSY, which ends no call: a
shorter attempt lets another thread of this process, or a signal, have its turn."""
ADVICE = {
    sqlite3.SQLITE_BUSY: "another process keeps it locked; look for a backup or a run that hangs, then try again",
    sqlite3.SQLITE_FULL: "there is no room left for it; free some on the disk of {folder}, then try again",
    sqlite3.SQLITE_IOERR: "the disk of {folder} failed; see that it is well and has room, then try again",
    sqlite3.SQLITE_CORRUPT: "its file is damaged; put back a copy, or move it away and capture anew",
    sqlite3.SQLITE_NOTADB: "its file is damaged; put back a copy, or move it away and capture anew",
    sqlite3.SQLITE_READONLY: "it may not be written; give this user the right to write the file and {folder}",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened; see that this user may read and write it and {folder}",
}
"""What to do, by SQLite's primary result code ("Result and Error Codes")."""


def primary_code(error: BaseException) -> int | None:
    """SQLite's primary result code; None if the error is not SQLite's own."""
    extended = getattr(error, "sqlite_errorcode", None)
    return extended & 0xFF if isinstance(extended, int) else None


def may_pass(error: BaseException) -> bool:
    """Whether it is worth another attempt."""
    return primary_code(error) in TRANSIENT


def is_lock(error: BaseException) -> bool:
    """Whether another process is in the way, for which SQLite has waited."""
    return primary_code(error) == sqlite3.SQLITE_BUSY


def explained(error: sqlite3.Error, path: Path | None) -> StoreError:
    """The line for a person; the words in it are SQLite's own, not those of a document (as `sqlite3` has some)."""
    code = primary_code(error)
    words = type(error).__name__ if code is None else str(error)
    advice = ADVICE.get(code or sqlite3.SQLITE_OK, "nothing more was written")
    folder = path.parent if path is not None else "the temporary files"
    return StoreError(f"the store {path} could not be used ({words}): {advice.format(folder=folder)}")


def same_file(path: Path | None, opened: os.stat_result | None) -> None:
    """Raises StoreError unless the store's file is still the one that was opened.

    SQLite goes on writing to a file that was deleted or replaced, and nobody would ever find it there (SQLite, "How To
    Corrupt An SQLite Database File", 2.3 and 2.4).
    """
    if path is None or opened is None:
        return
    try:
        found: os.stat_result | None = path.stat()
    except OSError:
        found = None
    if found is None or not os.path.samestat(found, opened):
        what = "deleted, or its disk is gone" if found is None else "replaced by another"
        raise StoreError(
            f"the store {path} was {what} while it was in use, and what was written last may be gone with it: "
            "run again when it is in its place"
        )
