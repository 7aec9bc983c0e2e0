"""Whether the embedded store can be written, read and deleted in, shown on one row of a table of its own.

The table is there only while an examination lasts: whoever finds it from before removes it, for its maker was killed.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from evalforge.ports import MissingIndex
from evalforge.storage.patience import Patience
from evalforge.storage.sqlite_faults import explained, is_lock, may_pass
from evalforge.storage.sqlite_file import open_file

Answer = TypeVar("Answer")


class SqliteExamination:
    """A `ports.StoreExamination` of the file at `path`, which must be there."""

    def __init__(self, path: Path, patience_seconds: float) -> None:
        self._path, self._patience = path, Patience(patience_seconds)
        self._connection = open_file(path, patience_seconds)

    def close(self) -> None:
        self._connection.close()

    def write(self, mark: str) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute("CREATE TABLE IF NOT EXISTS doctor_probe (mark TEXT NOT NULL)")
            connection.execute("DELETE FROM doctor_probe")
            connection.execute("INSERT INTO doctor_probe VALUES (?)", (mark,))

        self._write(write)

    def read(self) -> str | None:
        def read(connection: sqlite3.Connection) -> str | None:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'doctor_probe'").fetchone():
                return None
            row = connection.execute("SELECT mark FROM doctor_probe").fetchone()
            return str(row[0]) if row else None

        return self._do(read)

    def remove(self) -> None:
        def remove(connection: sqlite3.Connection) -> None:
            connection.execute("DROP TABLE IF EXISTS doctor_probe")

        self._write(remove)

    def missing_indexes(self) -> tuple[int, list[MissingIndex]]:
        """The file has its own, made with its tables."""
        return 0, []

    def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        def transaction(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

        self._do(transaction)

    def _do(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        try:
            return self._patience.call(lambda: work(self._connection), may_pass, at_once=is_lock)
        except sqlite3.Error as error:
            raise explained(error, self._path) from error
