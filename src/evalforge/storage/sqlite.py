"""The embedded store: one SQLite file in WAL mode behind `ports.CaptureStore`. Safe to share between threads."""

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from evalforge.common.clock import timestamp
from evalforge.common.errors import DocumentUnreadable, LeaseHeld, StoreError
from evalforge.models import (
    BackfillRecord,
    CoverageRecord,
    DeadLetter,
    Erasure,
    FailureCapture,
    IngestionRun,
    Lease,
    StoreOperations,
    is_user_hash,
    lease_holds,
)
from evalforge.ports import Batch, CaptureFilter, Committed, Manifest, Position
from evalforge.storage import sqlite_commit
from evalforge.storage import sqlite_erasure as erasure
from evalforge.storage import sqlite_manifests as readings
from evalforge.storage.ids import can_be_an_id
from evalforge.storage.patience import Patience
from evalforge.storage.sqlite_erasure import AMONG, listed
from evalforge.storage.sqlite_faults import explained, is_lock, may_pass, same_file
from evalforge.storage.sqlite_file import PATIENCE_SECONDS, open_file

ROWS_A_READ = 200
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
Answer = TypeVar("Answer")


class SqliteStore:
    """Captures, dead letters, runs and the lease in one file; `path=None` gives an empty store in memory."""

    def __init__(
        self, path: Path | None, patience_seconds: float = PATIENCE_SECONDS, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """`stop` tells when the process must end soon, and every call with it."""
        self.path = path
        self._connection = open_file(path, patience_seconds)
        self._opened = path.stat() if path is not None else None
        self._patience = Patience(patience_seconds, stop)
        self._lock = threading.RLock()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @property
    def operations(self) -> StoreOperations:
        return self._connection.operations

    def acquire_lease(self, holder: str, now: datetime, seconds: float) -> Lease:
        end = timestamp(now + timedelta(seconds=seconds))

        def acquire(connection: sqlite3.Connection) -> Lease:
            held_by, fence, expires_at = connection.execute("SELECT holder, fence, expires_at FROM lease").fetchone()
            if held_by is not None and lease_holds(expires_at, now):
                raise LeaseHeld.by(held_by, expires_at)
            connection.execute("UPDATE lease SET holder = ?, fence = ?, expires_at = ?", (holder, fence + 1, end))
            return Lease(holder=holder, fence=fence + 1, expires_at=end, taken_from=held_by)

        return self._write(acquire)

    def renew_lease(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        end = timestamp(now + timedelta(seconds=seconds))

        def renew(connection: sqlite3.Connection) -> Lease:
            self._require(connection, lease)
            connection.execute("UPDATE lease SET expires_at = ?", (end,))
            return msgspec.structs.replace(lease, expires_at=end)

        return self._write(renew)

    def release_lease(self, lease: Lease) -> None:
        release = "UPDATE lease SET holder = NULL WHERE holder = ? AND fence = ?"
        self._write(lambda connection: connection.execute(release, (lease.holder, lease.fence)))

    def captures_of(self, trace_ids: Collection[str]) -> Mapping[str, FailureCapture]:
        query = f"SELECT status, processed, document FROM captures WHERE trace_id IN {AMONG}"  # noqa: S608
        found = self._read(
            lambda connection: [_capture(*row) for row in connection.execute(query, (listed(trace_ids),))]
        )
        return {capture.trace_id: capture for capture in found}

    def commit(self, lease: Lease, batch: Batch) -> Committed:
        def commit(connection: sqlite3.Connection) -> Committed:
            self._require(connection, lease)
            return sqlite_commit.write(connection, batch)

        return self._write(commit)

    def manifests(self, hours: Collection[str]) -> Mapping[str, Manifest]:
        return self._read(lambda connection: readings.manifests(connection, hours))

    def forget_manifests(self, before: str) -> int:
        return self._write(lambda connection: readings.forget_manifests(connection, before))

    def coverage(self) -> CoverageRecord | None:
        return self._read(readings.coverage)

    def list_captures(
        self, wanted: CaptureFilter, limit: int | None = None, after: Position | None = None
    ) -> Iterator[FailureCapture]:
        left = limit
        while left is None or left > 0:
            rows = ROWS_A_READ if left is None else min(left, ROWS_A_READ)
            found = self._page(wanted, rows, after)
            yield from (capture for capture, _ in found)
            if len(found) < rows:
                return
            after = found[-1][1]
            left = None if left is None else left - rows

    def count_captures(self, wanted: CaptureFilter) -> int:
        condition, values = _narrowed(wanted)
        return self._number(f"SELECT count(*) FROM captures WHERE {condition}", values)  # noqa: S608

    def list_dead_letters(self, limit: int | None = None) -> Iterator[DeadLetter]:
        return self._documents(DeadLetter, "dead_letters ORDER BY first_seen_at DESC, dead_letter_id", limit)

    def count_dead_letters(self) -> int:
        return self._number("SELECT count(*) FROM dead_letters")

    def known_evaluators(self) -> frozenset[str]:
        rows = self._read(lambda connection: connection.execute("SELECT name FROM evaluators").fetchall())
        return frozenset(name for (name,) in rows)

    def erase_trace(self, trace_id: str) -> Erasure:
        if not can_be_an_id(trace_id):
            return Erasure()
        erased = self._write(lambda connection: erasure.erase_trace(connection, trace_id))
        self._forget()
        return erased

    def erase_user(self, user_hash: str, now: datetime) -> Erasure:
        if not is_user_hash(user_hash):
            return Erasure()
        erased = self._write(lambda connection: erasure.erase_user(connection, user_hash, now))
        self._forget()
        return erased

    def erased_among(self, trace_ids: Collection[str]) -> frozenset[str]:
        return self._read(lambda connection: erasure.erased_among(connection, trace_ids))

    def save_run(self, run: IngestionRun) -> None:
        row = (run.run_id, run.started_at, msgspec.json.encode(run))
        self._write(lambda connection: connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", row))

    def count_runs(self) -> int:
        return self._number("SELECT count(*) FROM runs")

    def list_runs(self, limit: int | None = None) -> Iterator[IngestionRun]:
        return self._documents(IngestionRun, "runs ORDER BY started_at DESC, run_id DESC", limit)

    def run(self, run_id: str) -> IngestionRun | None:
        query = "SELECT document FROM runs WHERE run_id = ?"
        return next(iter(self._nouns(IngestionRun, query, run_id)), None)

    def save_backfill(self, record: BackfillRecord) -> None:
        row = (record.backfill_id, record.created_at, msgspec.json.encode(record))
        self._write(lambda connection: connection.execute("INSERT OR REPLACE INTO backfills VALUES (?, ?, ?)", row))

    def backfill(self, backfill_id: str) -> BackfillRecord | None:
        query = "SELECT document FROM backfills WHERE backfill_id = ?"
        return next(iter(self._nouns(BackfillRecord, query, backfill_id)), None)

    def list_backfills(self) -> Sequence[BackfillRecord]:
        return list(self._documents(BackfillRecord, "backfills ORDER BY created_at DESC, backfill_id", None))

    def _page(self, wanted: CaptureFilter, rows: int, after: Position | None) -> list[tuple[FailureCapture, Position]]:
        """Captures, and where each stands."""
        condition, values = _narrowed(wanted, after)
        query = f"{SELECT_PAGE.format(condition=condition)} LIMIT {rows}"
        return self._read(
            lambda connection: [
                (_capture(*stored), Position(last_failed_at=moment, trace_id=trace_id))
                for *stored, moment, trace_id in connection.execute(query, values)
            ]
        )

    def _number(self, query: str, values: Mapping[str, str] | None = None) -> int:
        return int(self._read(lambda connection: connection.execute(query, values or {}).fetchone())[0])

    def _documents(self, noun: type[Noun], source: str, limit: int | None) -> Iterator[Noun]:
        return iter(self._nouns(noun, f"SELECT document FROM {source} LIMIT ?", -1 if limit is None else limit))  # noqa: S608

    def _nouns(self, noun: type[Noun], query: str, value: str | int) -> list[Noun]:
        return self._read(
            lambda connection: [
                msgspec.json.decode(document, type=noun) for (document,) in connection.execute(query, (value,))
            ]
        )

    def _forget(self) -> None:
        """Empty the write-ahead log, so that what was erased is gone from the disk too; waits for readers, briefly."""
        busy, *_ = self._read(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
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

    def _write(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What comes of the work in one transaction, which is repeated whole while what failed may pass by itself."""

        def transaction(connection: sqlite3.Connection) -> Answer:
            connection.execute("BEGIN IMMEDIATE")
            try:
                same_file(self.path, self._opened)
                answer = work(connection)
                connection.execute("COMMIT")
                same_file(self.path, self._opened)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return answer

        return self._read(transaction)

    def _read(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """The same without a transaction."""

        def attempt() -> Answer:
            with self._lock:
                return work(self._connection)

        try:
            return self._patience.call(attempt, may_pass, at_once=is_lock)
        except sqlite3.Error as error:
            raise explained(error, self.path) from error
        except msgspec.MsgspecError as error:
            raise DocumentUnreadable(f"a document in the store {self.path} cannot be read: {error}") from error


def _capture(status: str, processed: int, document: bytes) -> FailureCapture:
    return FailureCapture.from_stored(document, status=status, processed=bool(processed))


def _narrowed(wanted: CaptureFilter, after: Position | None = None) -> tuple[str, dict[str, str]]:
    """The condition and its values; only what narrows is in it, so that SQLite can seek in the index."""
    given = msgspec.structs.asdict(wanted) | (msgspec.structs.asdict(after) if after else {})
    values = {name: value for name, value in given.items() if value is not None}
    conditions = [condition for name, condition in CONDITIONS.items() if name in values]
    return " AND ".join(f"({condition})" for condition in conditions) or "TRUE", values
