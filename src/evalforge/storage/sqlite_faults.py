"""What SQLite says when the disk or another process is in the way: what to try again, and the line for a person.

A transaction that failed was rolled back whole, so that it can be tried again whole.
"""

import sqlite3
from pathlib import Path

from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

from evalforge.common.errors import StoreError

TRANSIENT = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""What may pass by itself. For a lock SQLite itself waits (`sqlite3.connect`, timeout), but for some it does not."""
SECONDS_BEFORE_ANOTHER_ATTEMPT, MOST_SECONDS_BEFORE_ANOTHER_ATTEMPT = 0.1, 2.0
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


def patiently(seconds: float) -> Retrying:
    """Calls again what failed and may pass by itself, after jittered pauses, until these seconds are over."""
    return Retrying(
        retry=retry_if_exception(lambda error: primary_code(error) in TRANSIENT),
        stop=stop_before_delay(seconds),
        wait=wait_random_exponential(SECONDS_BEFORE_ANOTHER_ATTEMPT, MOST_SECONDS_BEFORE_ANOTHER_ATTEMPT),
        reraise=True,
    )


def explained(error: sqlite3.Error, path: Path | None) -> StoreError:
    """The line for a person; the words in it are SQLite's own, not those of a document (as `sqlite3` has some)."""
    code = primary_code(error)
    words = type(error).__name__ if code is None else str(error)
    advice = ADVICE.get(code or sqlite3.SQLITE_OK, "nothing more was written")
    folder = path.parent if path is not None else "the temporary files"
    return StoreError(f"the store {path} could not be used ({words}): {advice.format(folder=folder)}")
