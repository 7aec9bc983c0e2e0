"""Opening the embedded store's file: created private, refused politely when it is not ours or newer than this code."""

import sqlite3
from importlib.resources import files
from pathlib import Path

from evalforge.common.errors import ConfigurationError, StoreNewerThanCode
from evalforge.storage.sqlite_faults import LOCK_SECONDS, explained, primary_code
from evalforge.storage.sqlite_operations import CountingConnection

SCHEMA_VERSION = 5
"""There is a script `schema_N.sql` for each version; a store takes those that it has not had."""

APPLICATION_ID = 0x45764672
"""'EvFr' in SQLite's header, so that another program's database is never taken for a store."""

PATIENCE_SECONDS = 10.0
"""How long to wait for another process that uses the file."""
IN_MEMORY = ":memory:"


def open_file(path: Path | None, patience_seconds: float = PATIENCE_SECONDS) -> CountingConnection:
    """A connection in WAL mode to the store at `path` (None: an empty one in memory), its schema made if it is new
    and brought to this version if it is older.

    Raises StoreNewerThanCode, ConfigurationError (no such folder, not an EvalForge store) or StoreError.
    """
    if path is not None:
        _make_private(path)
    try:
        connection = sqlite3.connect(
            path or IN_MEMORY,
            timeout=patience_seconds,  # for the making of a file; after that attempts are shorter, and more
            isolation_level=None,
            check_same_thread=False,
            factory=CountingConnection,
        )
    except sqlite3.Error as error:
        raise explained(error, path) from error
    try:
        _prepare(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise _explained(error, path) from error
    except BaseException:
        connection.close()
        raise
    connection.execute(f"PRAGMA busy_timeout = {int(1000 * min(LOCK_SECONDS, patience_seconds))}")
    return connection


def _make_private(path: Path) -> None:
    try:
        _check(path)
    except OSError as error:
        raise ConfigurationError(f"EVALFORGE_STORE: {str(path)[:200]} cannot be used: {error.strerror}") from error


def _check(path: Path) -> None:
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ConfigurationError(f"EVALFORGE_STORE: {path} is no regular file; name another")
    if path.is_dir():
        raise ConfigurationError(f"EVALFORGE_STORE: {path} is a folder; name a file in it, such as {path}/evalforge.db")
    if not path.parent.is_dir():
        raise ConfigurationError(f"EVALFORGE_STORE: the folder {path.parent} does not exist; create it first")
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"EVALFORGE_STORE: {path} cannot be written: {error.strerror}; give this user the right to write it and "
            f"{path.parent}, or name another file"
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path | None) -> None:
    version = _header(connection, "user_version")
    owner = _header(connection, "application_id")
    empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not empty and owner != APPLICATION_ID:
        raise ConfigurationError(f"EVALFORGE_STORE: {path} is a database of another program; name another file")
    if version > SCHEMA_VERSION:
        raise StoreNewerThanCode(
            f"the store {path} has schema version {version} and this EvalForge knows {SCHEMA_VERSION}: "
            "upgrade EvalForge; nothing was changed"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what was erased is not left in the file's free pages
    if version < SCHEMA_VERSION:
        _upgrade(connection)


def _upgrade(connection: sqlite3.Connection) -> None:
    """From whatever version it is to this code's, in one transaction; a new file starts at 0."""
    scripts = files("evalforge.storage")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(_header(connection, "user_version") + 1, SCHEMA_VERSION + 1):
            script = scripts.joinpath(f"schema_{version}.sql").read_text(encoding="utf-8")
            for statement in script.split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _header(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _explained(error: sqlite3.DatabaseError, path: Path | None) -> Exception:
    if primary_code(error) == sqlite3.SQLITE_NOTADB:
        return ConfigurationError(f"EVALFORGE_STORE: {path} is not an EvalForge store ({error}); name another file")
    return explained(error, path)
