"""The embedded store: one SQLite file in WAL mode behind `ports.CaptureStore`. Safe to share between threads."""

import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from evalforge.common.clock import timestamp
from evalforge.common.errors import DocumentUnreadable, LeaseHeld, StoreError
from evalforge.models import DeadLetter, Erasure, FailureCapture, IngestionRun, Lease, is_user_hash
from evalforge.ports import Batch, CaptureFilter, Committed, Position
from evalforge.storage import sqlite_erasure as erasure
from evalforge.storage.ids import can_be_an_id
from evalforge.storage.sqlite_erasure import AMONG, listed
from evalforge.storage.sqlite_file import PATIENCE_SECONDS, open_file

ROWS_A_READ = 200

UPSERT_CAPTURE = """
INSERT INTO captures (trace_id, last_failed_at, service_name, failure_type, severity, document)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (trace_id) DO UPDATE SET
  last_failed_at = excluded.last_failed_at, service_name = excluded.service_name,
  failure_type = excluded.failure_type, severity = excluded.severity, document = excluded.document
"""
CONDITIONS = {
    "since": "last_failed_at >= :since",
    "service": "service_name = :service",
    "type": "failure_type = :type",
    "severity": "severity = :severity",
    "status": "status = :status",
    "trace_id": "last_failed_at <= :last_failed_at AND (last_failed_at < :last_failed_at OR trace_id > :trace_id)",
}
"""By the name of what narrows; all are answered from the indexes of schema 2."""

SELECT_PAGE = """
SELECT status, processed, document, last_failed_at, trace_id FROM captures
WHERE {condition} ORDER BY last_failed_at DESC, trace_id
"""
Noun = TypeVar("Noun", bound=msgspec.Struct)


class SqliteStore:
    """Captures, dead letters, runs and the lease in one file; `path=None` gives an empty store in memory."""

    def __init__(self, path: Path | None, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.path = path
        self._connection = open_file(path, patience_seconds)
        self._lock = threading.RLock()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def acquire_lease(self, holder: str, now: datetime, seconds: float) -> Lease:
        end = timestamp(now + timedelta(seconds=seconds))
        with self._transaction() as connection:
            held_by, fence, expires_at = connection.execute("SELECT holder, fence, expires_at FROM lease").fetchone()
            if held_by is not None and expires_at > timestamp(now):
                raise LeaseHeld.by(held_by, expires_at)
            connection.execute("UPDATE lease SET holder = ?, fence = ?, expires_at = ?", (holder, fence + 1, end))
        return Lease(holder=holder, fence=fence + 1, expires_at=end, taken_from=held_by)

    def renew_lease(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        end = timestamp(now + timedelta(seconds=seconds))
        with self._transaction() as connection:
            self._require(connection, lease)
            connection.execute("UPDATE lease SET expires_at = ?", (end,))
        return msgspec.structs.replace(lease, expires_at=end)

    def release_lease(self, lease: Lease) -> None:
        with self._transaction() as connection:
            connection.execute(
                "UPDATE lease SET holder = NULL WHERE holder = ? AND fence = ?", (lease.holder, lease.fence)
            )

    def captures_of(self, trace_ids: Collection[str]) -> Mapping[str, FailureCapture]:
        query = f"SELECT status, processed, document FROM captures WHERE trace_id IN {AMONG}"  # noqa: S608
        with self._reading() as connection:
            found = [_capture(*row) for row in connection.execute(query, (listed(trace_ids),))]
        return {capture.trace_id: capture for capture in found}

    def commit(self, lease: Lease, batch: Batch) -> Committed:
        rows = [_row(capture) for capture in batch.captures]
        letters = [
            (one.trace_id, one.dead_letter_id, one.first_seen_at, msgspec.json.encode(one))
            for one in batch.dead_letters
        ]
        traces = [one.trace_id for one in batch.captures] + [one.trace_id or "" for one in batch.dead_letters]
        with self._transaction() as connection:
            self._require(connection, lease)
            erasure.erase_of_erased_users(connection, batch.captures)
            erased = erasure.erased_among(connection, traces)
            connection.executemany(UPSERT_CAPTURE, [row for row in rows if row[0] not in erased])
            connection.executemany(
                "INSERT OR IGNORE INTO evaluators VALUES (?)", [(name,) for name in batch.evaluators]
            )
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?)",
                [letter[1:] for letter in letters if letter[0] not in erased],
            )
            return Committed(dead_letters_new=connection.total_changes - before, erased=erased)

    def list_captures(
        self, wanted: CaptureFilter, limit: int | None = None, after: Position | None = None
    ) -> Iterator[FailureCapture]:
        left = limit
        while left is None or left > 0:
            rows = ROWS_A_READ if left is None else min(left, ROWS_A_READ)
            condition, values = _narrowed(wanted, after)
            query = f"{SELECT_PAGE.format(condition=condition)} LIMIT {rows}"
            with self._reading() as connection:
                found = connection.execute(query, values).fetchall()
                captures = [_capture(*row[:3]) for row in found]
            yield from captures
            if len(found) < rows:
                return
            after = Position(last_failed_at=found[-1][3], trace_id=found[-1][4])
            left = None if left is None else left - rows

    def count_captures(self, wanted: CaptureFilter) -> int:
        condition, values = _narrowed(wanted)
        with self._reading() as connection:
            query = f"SELECT count(*) FROM captures WHERE {condition}"  # noqa: S608
            return int(connection.execute(query, values).fetchone()[0])

    def list_dead_letters(self, limit: int | None = None) -> Iterator[DeadLetter]:
        return self._documents(DeadLetter, "dead_letters ORDER BY first_seen_at DESC, dead_letter_id", limit)

    def count_dead_letters(self) -> int:
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM dead_letters").fetchone()[0])

    def known_evaluators(self) -> frozenset[str]:
        with self._reading() as connection:
            return frozenset(name for (name,) in connection.execute("SELECT name FROM evaluators"))

    def erase_trace(self, trace_id: str) -> Erasure:
        if not can_be_an_id(trace_id):
            return Erasure()
        with self._transaction() as connection:
            erased = erasure.erase_traces(connection, [trace_id])
        self._forget()
        return erased

    def erase_user(self, user_hash: str, now: datetime) -> Erasure:
        if not is_user_hash(user_hash):
            return Erasure()
        with self._transaction() as connection:
            erased = erasure.erase_user(connection, user_hash, now)
        self._forget()
        return erased

    def erased_among(self, trace_ids: Collection[str]) -> frozenset[str]:
        with self._reading() as connection:
            return erasure.erased_among(connection, trace_ids)

    def save_run(self, run: IngestionRun) -> None:
        with self._transaction() as connection:
            row = (run.run_id, run.started_at, msgspec.json.encode(run))
            connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", row)

    def count_runs(self) -> int:
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])

    def list_runs(self, limit: int | None = None) -> Iterator[IngestionRun]:
        return self._documents(IngestionRun, "runs ORDER BY started_at DESC, run_id DESC", limit)

    def run(self, run_id: str) -> IngestionRun | None:
        with self._reading() as connection:
            row = connection.execute("SELECT document FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return msgspec.json.decode(row[0], type=IngestionRun) if row else None

    def _documents(self, noun: type[Noun], source: str, limit: int | None) -> Iterator[Noun]:
        query = f"SELECT document FROM {source} LIMIT ?"  # noqa: S608
        with self._reading() as connection:
            rows = connection.execute(query, (-1 if limit is None else limit,)).fetchall()
            return iter([msgspec.json.decode(document, type=noun) for (document,) in rows])

    def _forget(self) -> None:
        """Empty the write-ahead log, so that what was erased is gone from the disk too; waits for readers, briefly."""
        with self._reading() as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreError(
                f"what was to be erased is gone from the store {self.path}, but its bytes stay in {self.path}-wal "
                "while another process reads the store: erase it again once that process has ended"
            )

    @staticmethod
    def _require(connection: sqlite3.Connection, lease: Lease) -> None:
        query = "SELECT 1 FROM lease WHERE holder = ? AND fence = ?"
        if connection.execute(query, (lease.holder, lease.fence)).fetchone() is None:
            raise LeaseHeld(f"the run {lease.holder} lost its lease to another; nothing more was written")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise StoreError(f"the store {self.path} could not be used: {error}") from error
            except msgspec.MsgspecError as error:
                raise DocumentUnreadable(f"a document in the store {self.path} cannot be read: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def _row(capture: FailureCapture) -> Sequence[str | bytes | None]:
    if capture.status != "new" or capture.processed:
        capture = msgspec.structs.replace(capture, status="new", processed=False)
    document = msgspec.json.encode(capture)
    return (
        capture.trace_id,
        capture.last_failed_at or "",
        capture.service_name,
        capture.failure_type,
        capture.severity,
        document,
    )


def _capture(status: str, processed: int, document: bytes) -> FailureCapture:
    return FailureCapture.from_stored(document, status=status, processed=bool(processed))


def _narrowed(wanted: CaptureFilter, after: Position | None = None) -> tuple[str, dict[str, str]]:
    """The condition and its values; only what narrows is in it, so that SQLite can seek in the index."""
    given = msgspec.structs.asdict(wanted) | (msgspec.structs.asdict(after) if after else {})
    values = {name: value for name, value in given.items() if value is not None}
    conditions = [condition for name, condition in CONDITIONS.items() if name in values]
    return " AND ".join(f"({condition})" for condition in conditions) or "TRUE", values
