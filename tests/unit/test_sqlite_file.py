"""The embedded store's file: private, refused politely when it is not ours or newer than the code."""

import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evalforge.common.errors import ConfigurationError, StoreError, StoreNewerThanCode
from evalforge.ports import Batch, CaptureFilter
from evalforge.storage.sqlite import SqliteStore
from evalforge.storage.sqlite_file import SCHEMA_VERSION
from helpers.captures import capture

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_the_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "store.db").close()
    assert stat.S_IMODE((tmp_path / "store.db").stat().st_mode) == 0o600


def test_a_store_of_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreNewerThanCode, match=f"schema version {SCHEMA_VERSION + 1}.*upgrade EvalForge"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    with pytest.raises(ConfigurationError, match="another program"):
        SqliteStore(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and long enough to be looked at by a database engine " * 20)
    with pytest.raises(ConfigurationError, match=r"notes\.txt.*is not an EvalForge store"):
        SqliteStore(path)


@pytest.mark.parametrize("path", ["missing/store.db", "."])
def test_a_path_that_cannot_be_a_file_is_refused_by_name(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigurationError, match="EVALFORGE_STORE"):
        SqliteStore(tmp_path / path)
    assert not (tmp_path / "missing").exists()


def test_a_document_that_cannot_be_read_is_a_store_error_that_shows_nothing_of_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.commit(store.acquire_lease("r1", NOON, 60), Batch(captures=[capture("a1")]))
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("UPDATE captures SET document = '{\"trace_id\": 7}'")
        connection.commit()
    with pytest.raises(StoreError, match="cannot be read"):
        store.captures_of(["a1"])
    store.close()


def test_the_backlogs_fields_survive_a_commit_of_the_same_trace(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    lease = store.acquire_lease("r1", NOON, 60)
    store.commit(lease, Batch(captures=[capture("a1")]))
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("UPDATE captures SET status = 'triaged', processed = 1")
        connection.commit()
    store.commit(lease, Batch(captures=[capture("a1", env="prod")]))
    [found] = store.list_captures(CaptureFilter())
    assert (found.status, found.processed, found.env) == ("triaged", True, "prod")
    store.close()
