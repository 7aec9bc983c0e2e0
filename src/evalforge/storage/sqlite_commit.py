"""What a batch becomes in the embedded store, inside the transaction of whoever commits it."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence

import msgspec

from evalforge.models import DeadLetter, FailureCapture
from evalforge.ports import Batch, Committed
from evalforge.storage import sqlite_erasure as erasure
from evalforge.storage import sqlite_manifests as readings

UPSERT_CAPTURE = """
INSERT INTO captures (trace_id, last_failed_at, service_name, failure_type, severity, document)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (trace_id) DO UPDATE SET
  last_failed_at = excluded.last_failed_at, service_name = excluded.service_name,
  failure_type = excluded.failure_type, severity = excluded.severity, document = excluded.document
"""
INSERT_LETTER = """
INSERT OR IGNORE INTO dead_letters (dead_letter_id, first_seen_at, document)
VALUES (:dead_letter_id, :first_seen_at, :document)
"""
UPDATE_LETTER = """
UPDATE dead_letters SET first_seen_at = :first_seen_at, document = :document WHERE dead_letter_id = :dead_letter_id
"""


def write(connection: sqlite3.Connection, batch: Batch) -> Committed:
    """Write all of it but what is of an erased trace."""
    erasure.erase_of_erased_users(connection, batch.captures)
    letters = [one.trace_id for one in (*batch.dead_letters, *batch.retried) if one.trace_id]
    erased = erasure.erased_among(connection, [*letters, *(one.trace_id for one in batch.captures)])
    connection.executemany(UPSERT_CAPTURE, [_row(one) for one in batch.captures if one.trace_id not in erased])
    connection.executemany("INSERT OR IGNORE INTO evaluators VALUES (?)", [(name,) for name in batch.evaluators])
    before = connection.total_changes
    connection.executemany(INSERT_LETTER, _letters(batch.dead_letters, erased))
    new = connection.total_changes - before
    connection.executemany(UPDATE_LETTER, _letters(batch.retried, erased))
    connection.executemany("DELETE FROM dead_letters WHERE dead_letter_id = ?", [(one,) for one in batch.resolved])
    readings.put_manifests(connection, batch.manifests)
    readings.put_coverage(connection, batch.coverage)
    return Committed(dead_letters_new=new, erased=erased)


def _letters(letters: Iterable[DeadLetter], erased: Collection[str]) -> list[dict[str, str | bytes]]:
    return [
        {
            "dead_letter_id": one.dead_letter_id,
            "first_seen_at": one.first_seen_at,
            "document": msgspec.json.encode(one),
        }
        for one in letters
        if one.trace_id not in erased
    ]


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
