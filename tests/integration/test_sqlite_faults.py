"""The embedded store when the disk is full or fails, another process holds the file, or the file is damaged.

The faults are real: SQLite's own limit of pages, the kernel's limit of a file's size, a full file system, a process
with a lock, bytes overwritten.
"""

import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from evalforge.common.errors import ConfigurationError, StoreError
from evalforge.models import Lease
from evalforge.ports import Batch, CaptureFilter
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import NOON, capture, coverage, dead_letter, manifest, span

HOURS = [manifest(hour).hour for hour in range(24)]
PAGE = 4096
BATCH = Batch(
    captures=[capture(f"a{number}", [span(error_message="x" * 5000)]) for number in range(10)],
    dead_letters=[dead_letter()],
    evaluators={"tone"},
    manifests=[manifest(10, bytes(range(250)) * 40), manifest(11)],
    coverage=coverage(),
)
Opened = tuple[SqliteStore, Lease]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def opened(path: Path, patience_seconds: float) -> Opened:
    store = SqliteStore(path, patience_seconds)
    return store, store.acquire_lease("r1", NOON, 60)


def told(path: Path) -> tuple[int, ...]:
    """How much of the batch another reader finds."""
    with closing(SqliteStore(path)) as store:
        return (
            store.count_captures(CaptureFilter()),
            store.count_dead_letters(),
            len(store.known_evaluators()),
            len(store.manifests(HOURS)),
            int(store.coverage() is not None),
        )


NOTHING, EVERYTHING = (0, 0, 0, 0, 0), (10, 1, 1, 2, 1)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel lets nobody in this process write a file beyond this size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Another process writes to the store for so long."""
    script = (
        "import sqlite3, sys, time\nconnection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\nprint('locked', flush=True)\ntime.sleep(float(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", script, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield
        process.kill()


def refused(store: SqliteStore, lease: Lease) -> str | None:
    """What the store says when the batch is committed; nothing if it is."""
    try:
        store.commit(lease, BATCH)
    except StoreError as error:
        return str(error)
    return None


def test_wherever_there_is_no_room_left_a_commit_is_nothing_and_can_be_repeated(path: Path) -> None:
    store, lease = opened(path, patience_seconds=0.02)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    failed = 0
    while True:
        store._connection.execute(f"PRAGMA max_page_count = {pages + failed}")
        trouble = refused(store, lease)
        if trouble is None:
            break
        assert "there is no room left for it; free some on the disk of" in trouble
        assert told(path) == NOTHING
        failed += 1
    assert failed > 10
    assert told(path) == EVERYTHING
    store.commit(lease, BATCH)
    assert told(path) == EVERYTHING
    store.close()


def test_wherever_the_disk_fails_a_commit_is_nothing_and_can_be_repeated(path: Path) -> None:
    store, lease = opened(path, patience_seconds=0.02)
    log = path.with_name("store.db-wal")
    size, failed = log.stat().st_size, 0
    while True:
        with largest_file(size + failed * PAGE):
            trouble = refused(store, lease)
        if trouble is None:
            break
        assert f"the disk of {path.parent} failed; see that it is well" in trouble
        assert told(path) == NOTHING
        failed += 1
    assert failed > 10
    assert told(path) == EVERYTHING
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()


def test_a_fault_that_passes_within_the_patience_costs_nothing_but_time(path: Path) -> None:
    store, lease = opened(path, patience_seconds=8)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    healed = threading.Timer(0.4, resource.setrlimit, (resource.RLIMIT_FSIZE, limit))
    with largest_file(path.with_name("store.db-wal").stat().st_size):
        healed.start()
        started = time.monotonic()
        assert store.commit(lease, BATCH).dead_letters_new == 1
        assert time.monotonic() - started >= 0.4
    assert told(path) == EVERYTHING
    store.close()


@pytest.mark.parametrize("patience", [0.3, 1.0])
def test_a_fault_that_stays_is_told_when_the_patience_is_over(path: Path, patience: float) -> None:
    store, lease = opened(path, patience)
    with largest_file(path.with_name("store.db-wal").stat().st_size):
        started = time.monotonic()
        with pytest.raises(StoreError, match=r"store\.db could not be used \(disk I/O error\)"):
            store.commit(lease, BATCH)
        assert time.monotonic() - started < patience + 0.5
    store.close()


def test_a_store_that_another_process_locks_is_waited_for(path: Path) -> None:
    store, lease = opened(path, patience_seconds=8)
    with locked(path, seconds=0.5):
        store.commit(lease, BATCH)
    assert told(path) == EVERYTHING
    store.close()


def test_a_store_that_another_process_keeps_locked_is_told_when_the_patience_is_over(path: Path) -> None:
    store, lease = opened(path, patience_seconds=0.5)
    with locked(path, seconds=30):
        started = time.monotonic()
        with pytest.raises(StoreError, match="another process keeps it locked; look for a backup or a run that hangs"):
            store.commit(lease, BATCH)
        assert 0.4 < time.monotonic() - started < 2
        assert told(path) == NOTHING, "reading goes on"
    store.commit(lease, BATCH)
    assert told(path) == EVERYTHING
    store.close()


FULL_DISK = """
import sys
from contextlib import suppress
from pathlib import Path
from evalforge.common.errors import StoreError
from test_sqlite_faults import BATCH, EVERYTHING, NOTHING, opened, told

folder = Path(sys.argv[1])
store, lease = opened(folder / "store.db", patience_seconds=0.2)
filler = (folder / "filler").open("wb", buffering=0)
with suppress(OSError):
    while True:
        filler.write(bytes(4096))
try:
    store.commit(lease, BATCH)
except StoreError as error:
    assert "there is no room left for it" in str(error) or "failed; see that it is well" in str(error), error
else:
    raise AssertionError("the disk was not full")
filler.truncate(0)
assert told(folder / "store.db") == NOTHING
store.commit(lease, BATCH)
assert told(folder / "store.db") == EVERYTHING
print("good")
"""


def test_a_full_file_system_stops_a_commit_whole_until_there_is_room(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    namespace = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*namespace, mount, "sh", str(tmp_path), "true"]).returncode:
        pytest.skip("no file system of its own can be mounted here")
    places = f"{Path(__file__).parent}:{Path(__file__).parents[1]}"
    done = subprocess.run(
        [*namespace, mount, "sh", str(tmp_path), sys.executable, FULL_DISK],
        env={"PYTHONPATH": places, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "good\n", done.stderr


# Damaged files


NEEDLE = b"NEEDLE" * 6000
"""Takes several pages, of which those in the middle hold nothing else but the number of the next."""


def overwrite(path: Path, offset: int, new: bytes) -> None:
    """Put bytes at an offset of a page in the middle of the needle."""
    content = bytearray(path.read_bytes())
    pages = [at for at in range(0, len(content), PAGE) if content.count(b"NEEDLE", at, at + PAGE) > 600]
    at = pages[len(pages) // 2] + offset
    content[at : at + len(new)] = new
    path.write_bytes(content)


def test_a_manifest_on_a_damaged_page_is_left_out_and_the_others_are_there(path: Path) -> None:
    store, lease = opened(path, patience_seconds=1)
    large = manifest(10, NEEDLE)
    store.commit(lease, Batch(manifests=[large, manifest(11)]))
    store.close()
    overwrite(path, 0, b"\xff" * 4)  # where SQLite has the number of the page that follows
    store = SqliteStore(path)
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        store._connection.execute("SELECT entries FROM manifests").fetchall()
    assert store.manifests(HOURS) == {HOURS[11]: manifest(11)}
    store.close()


def test_a_manifest_of_which_a_bit_flipped_on_the_disk_is_left_out(path: Path) -> None:
    store, lease = opened(path, patience_seconds=1)
    store.commit(lease, Batch(manifests=[manifest(10, NEEDLE), manifest(11)]))
    store.close()
    overwrite(path, 2000, b"\x00")
    store = SqliteStore(path)
    assert store.manifests(HOURS) == {HOURS[11]: manifest(11)}
    store.close()


def test_a_salt_that_is_no_text_any_more_costs_one_manifest(path: Path) -> None:
    store, lease = opened(path, patience_seconds=1)
    store.commit(lease, Batch(manifests=[manifest(10, salt="NEEDLE"), manifest(11)]))
    store.close()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"NEEDLE", b"\xff\xfe\xfd\xfc\xfb\xfa"))
    store = SqliteStore(path)
    assert store.manifests(HOURS) == {HOURS[11]: manifest(11)}
    store.close()


def test_a_damaged_file_is_told_with_what_to_do(path: Path) -> None:
    store, lease = opened(path, patience_seconds=0.2)
    store.commit(lease, Batch(captures=[capture("a1", [span(error_message=NEEDLE.decode())])]))
    store.close()
    overwrite(path, 0, b"\xff" * 4)
    store = SqliteStore(path)
    with pytest.raises(StoreError, match=r"malformed\): its file is damaged; put back a copy, or move it away"):
        store.captures_of(["a1"])
    store.close()


def test_a_file_that_is_damaged_at_its_beginning_is_refused_when_it_is_opened(path: Path) -> None:
    SqliteStore(path).close()
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(PAGE))
    with pytest.raises(StoreError, match="its file is damaged"):
        SqliteStore(path)
    path.write_bytes(bytes(b ^ 0x55 for b in content))
    with pytest.raises(ConfigurationError, match="is not an EvalForge store"):
        SqliteStore(path)


def test_the_message_of_a_fault_holds_no_text_of_a_document(path: Path) -> None:
    store, lease = opened(path, patience_seconds=0.2)
    store.commit(lease, Batch(evaluators={"CANARY"}))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE evaluators SET name = CAST(X'43414e415259ff' AS TEXT)")
        connection.commit()
    with pytest.raises(StoreError) as caught:
        store.known_evaluators()
    assert "CANARY" not in str(caught.value)
    store.close()
