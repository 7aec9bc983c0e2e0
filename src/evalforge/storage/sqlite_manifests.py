"""Manifests and the record of coverage in the embedded store, each step inside the transaction of whoever asks."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

import msgspec

from evalforge.models import CoverageRecord, is_sound
from evalforge.ports import Manifest
from evalforge.storage.manifests import believed, checksum
from evalforge.storage.sqlite_faults import primary_code

SELECT_MANIFEST = "SELECT CAST(salt AS BLOB), entries, checksum FROM manifests WHERE hour = ?"
"""The salt as bytes, since a text that is no UTF-8 would fail the whole read."""


def put_manifests(connection: sqlite3.Connection, manifests: Iterable[Manifest]) -> None:
    """Replace those of the same hours."""
    rows = [(one.hour, one.salt, one.entries, checksum(one)) for one in manifests]
    connection.executemany("INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?)", rows)


def manifests(connection: sqlite3.Connection, hours: Collection[str]) -> Mapping[str, Manifest]:
    """Those of these hours that can be believed."""
    found = {hour: _manifest(connection, hour) for hour in hours}
    return {hour: manifest for hour, manifest in found.items() if manifest is not None}


def forget_manifests(connection: sqlite3.Connection, before: str) -> int:
    """Remove those of hours before this one; how many there were."""
    return connection.execute("DELETE FROM manifests WHERE hour < ?", (before,)).rowcount


def put_coverage(connection: sqlite3.Connection, coverage: CoverageRecord | None) -> None:
    """Replace the record, unless there is none to put."""
    if coverage is not None:
        connection.execute("INSERT OR REPLACE INTO coverage VALUES (1, ?)", (msgspec.json.encode(coverage),))


def coverage(connection: sqlite3.Connection) -> CoverageRecord | None:
    """The record; None if there is none that can be read."""
    row = connection.execute("SELECT document FROM coverage").fetchone()
    with suppress(msgspec.MsgspecError, TypeError):
        record = msgspec.json.decode(row[0], type=CoverageRecord) if row else None
        return record if record is not None and is_sound(record) else None
    return None


def _manifest(connection: sqlite3.Connection, hour: str) -> Manifest | None:
    try:
        row = connection.execute(SELECT_MANIFEST, (hour,)).fetchone()
    except sqlite3.DatabaseError as error:
        if primary_code(error) == sqlite3.SQLITE_CORRUPT:
            return None
        raise
    if row is None or type(row[0]) is not bytes:
        return None
    return believed(hour, row[0].decode(errors="replace"), row[1], row[2])
