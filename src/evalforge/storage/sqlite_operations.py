"""A connection that counts the rows it reads, writes and removes.

A statement that reads says nothing of how many rows it had; so they are counted as they are fetched.
"""

import sqlite3
from typing import Any, Self

from evalforge.models import StoreOperations
from evalforge.storage.operations import Counter


class CountingCursor(sqlite3.Cursor):
    """Tells its connection what it did."""

    connection: "CountingConnection"
    _deletes = False

    def execute(self, statement: str, values: Any = ()) -> Self:
        super().execute(statement, values)
        self._changed(statement)
        return self

    def executemany(self, statement: str, values: Any) -> Self:
        super().executemany(statement, values)
        self._changed(statement)
        return self

    def fetchone(self) -> Any:
        row = super().fetchone()
        self._fetched(row is not None)
        return row

    def fetchall(self) -> list[Any]:
        rows = super().fetchall()
        self._fetched(len(rows))
        return rows

    def __iter__(self) -> Any:
        rows = 0
        try:
            for row in iter(super().fetchone, None):
                rows += 1
                yield row
        finally:
            self._fetched(rows)

    def _changed(self, statement: str) -> None:
        """`rowcount` tells nothing where rows are given back, removed ones too (Python, `sqlite3.Cursor.rowcount`)."""
        self._deletes = statement.lstrip()[:6].upper() == "DELETE"
        if self.rowcount > 0:
            self.connection.counter.add(**{"deletes" if self._deletes else "writes": self.rowcount})

    def _fetched(self, rows: int) -> None:
        self.connection.counter.add(**{"deletes" if self._deletes else "reads": rows})


class CountingConnection(sqlite3.Connection):
    """A connection of `sqlite3`, with `operations` since it was opened."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.counter = Counter("sqlite")

    def cursor(self, factory: Any = CountingCursor) -> Any:
        """One that counts."""
        return super().cursor(factory)

    def execute(self, statement: str, values: Any = ()) -> Any:
        """As of the cursor; that of `sqlite3` makes one that does not count."""
        return self.cursor().execute(statement, values)

    def executemany(self, statement: str, values: Any) -> Any:
        """Likewise."""
        return self.cursor().executemany(statement, values)

    @property
    def operations(self) -> StoreOperations:
        """All until now."""
        return self.counter.operations
