"""The embedded store's file: private, refused politely when it is not ours or newer than the code."""

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from evalforge.common.errors import ConfigurationError, StoreError, StoreNewerThanCode
from evalforge.models import Erasure
from evalforge.ports import Batch, CaptureFilter
from evalforge.storage.sqlite import SqliteStore
from evalforge.storage.sqlite_file import APPLICATION_ID, SCHEMA_VERSION
from helpers.captures import capture, dead_letter, span, user

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE = user("alice")


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


def version_1(path: Path) -> None:
    """A store as the first version of EvalForge made it, with what it put into it."""
    one, letter = capture("a1", [span(user_hash=ALICE)]), dead_letter("d1", trace_id="a1")
    script = files("evalforge.storage").joinpath("schema_1.sql").read_text()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(script)
        row = ("a1", one.last_failed_at, one.service_name, one.failure_type, one.severity, msgspec.json.encode(one))
        connection.execute(
            "INSERT INTO captures (trace_id, last_failed_at, service_name, failure_type, severity, document, status) "
            "VALUES (?, ?, ?, ?, ?, ?, 'triaged')",
            row,
        )
        letters = ("d1", letter.first_seen_at, msgspec.json.encode(letter))
        connection.execute("INSERT INTO dead_letters VALUES (?, ?, ?)", letters)
        connection.execute("INSERT INTO evaluators VALUES ('tone')")
        connection.execute("UPDATE lease SET fence = 41")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")


def schema_of(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def test_a_store_of_version_1_keeps_what_it_holds_and_gains_erasure(tmp_path: Path) -> None:
    version_1(tmp_path / "old.db")
    store = SqliteStore(tmp_path / "old.db")
    [found] = store.list_captures(CaptureFilter())
    assert (found.trace_id, found.status) == ("a1", "triaged")
    assert store.count_dead_letters() == 1
    assert store.known_evaluators() == {"tone"}
    assert store.acquire_lease("r1", NOON, 60).fence == 42
    assert store.erase_user(ALICE, NOON) == Erasure(trace_ids=("a1",), dead_letters=1)
    store.close()
    SqliteStore(tmp_path / "new.db").close()
    assert schema_of(tmp_path / "old.db") == schema_of(tmp_path / "new.db")


def test_of_many_that_open_an_old_store_at_once_all_find_it_upgraded(tmp_path: Path) -> None:
    version_1(tmp_path / "old.db")
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: SqliteStore(tmp_path / "old.db"), range(8)))
    assert [store.erased_among(["a1"]) for store in stores] == [frozenset()] * 8
    for store in stores:
        store.close()


def test_an_upgrade_that_fails_leaves_the_store_at_its_version(tmp_path: Path) -> None:
    version_1(tmp_path / "old.db")
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("DROP INDEX captures_newest_first")
    with pytest.raises(StoreError):
        SqliteStore(tmp_path / "old.db")
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'erased'").fetchone() is None


def test_what_was_erased_is_not_left_in_any_file(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    lease = store.acquire_lease("r1", NOON, 60)
    for version in range(3):
        one = capture("a1", [span(user_hash=ALICE, error_message=f"CANARY {version}" * 3000)])
        store.commit(lease, Batch(captures=[one, capture("b2")]))
    assert where(b"CANARY", tmp_path)
    store.erase_user(ALICE, NOON)
    assert not where(b"CANARY", tmp_path)
    store.close()


@pytest.mark.parametrize("by_user", [True, False])
def test_bytes_that_another_reader_keeps_on_the_disk_are_told_and_go_with_the_next_erasure(
    tmp_path: Path, by_user: bool
) -> None:
    store = SqliteStore(tmp_path / "store.db", patience_seconds=0.1)
    lease = store.acquire_lease("r1", NOON, 60)
    store.commit(lease, Batch(captures=[capture("a1", [span(user_hash=ALICE, error_message="CANARY")]), capture("b2")]))

    def erase() -> Erasure:
        return store.erase_user(ALICE, NOON) if by_user else store.erase_trace("a1")

    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM captures").fetchone()
        with pytest.raises(StoreError, match=r"gone from the store.*store\.db-wal while.*erase it again once"):
            erase()
        assert [one.trace_id for one in store.list_captures(CaptureFilter())] == ["b2"]
        assert where(b"CANARY", tmp_path)
    assert erase() == Erasure()
    assert not where(b"CANARY", tmp_path)
    store.close()


def where(text: bytes, folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if text in file.read_bytes()]
