"""A run whose file cannot be written any more, from any moment on: it ends soon with one clear line, and the next run
makes all whole. The faults are real, as in `test_sqlite_faults`.
"""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from evalforge.common.errors import StoreError
from evalforge.storage.sqlite import SqliteStore
from helpers.clocks import FakeClock
from helpers.commands import environment, evalforge
from helpers.disturbed import HALF_PAST, LEASE_SECONDS, Disturbed, run, settled
from helpers.exported import failed
from helpers.fake_datadog import Connection, FakeDatadog, page

IMPATIENT = 0.3


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def disk_failing(path: Path) -> Iterator[None]:
    """The kernel lets this process write no file beyond the size that the log has now."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("store.db-wal").stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


FAULTS = {"locked; look for a backup": locked, "failed; see that it is well": disk_failing}


def opened(path: Path, patience_seconds: float = 10) -> SqliteStore:
    return SqliteStore(path, patience_seconds)


@pytest.fixture
def undisturbed(tmp_path: Path) -> tuple[Any, ...]:
    """What two runs make that nothing befalls, and at how many moments something could befall the first."""
    with closing(opened(tmp_path / "whole.db")) as store:
        clock, source = FakeClock(HALF_PAST), Disturbed()
        assert run(store, clock, source).outcome == "complete"
        clock.advance(LEASE_SECONDS + 1)
        assert run(store, clock).outcome == "complete"
        return settled(store), source.moments


def healed(path: Path, clock: FakeClock) -> tuple[Any, ...]:
    """What the next run makes of it."""
    clock.advance(LEASE_SECONDS + 1)
    with closing(opened(path)) as store:
        assert run(store, clock).outcome == "complete"
        assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return settled(store)


@pytest.mark.parametrize("words", FAULTS)
def test_wherever_the_file_cannot_be_written_a_run_ends_soon_and_the_next_makes_all_whole(
    tmp_path: Path, undisturbed: tuple[Any, ...], words: str
) -> None:
    expected, moments = undisturbed
    for moment in range(moments):
        path, clock = tmp_path / f"{moment}" / "store.db", FakeClock(HALF_PAST)
        path.parent.mkdir()
        store = opened(path, IMPATIENT)
        with ExitStack() as stack:
            begin = FAULTS[words](path)
            source = Disturbed(moment, lambda begin=begin, stack=stack: stack.enter_context(begin))
            started = time.monotonic()
            with pytest.raises(StoreError, match=words) as caught:
                run(store, clock, source)
            assert time.monotonic() - started < 6 * IMPATIENT + 1, moment
            assert "\n" not in str(caught.value)
        store.close()
        assert healed(path, clock) == expected, moment


def test_wherever_there_is_no_room_a_run_ends_soon_and_the_next_makes_all_whole(
    tmp_path: Path, undisturbed: tuple[Any, ...]
) -> None:
    """What is left to do towards the end may fit into the pages that there are."""
    expected, moments = undisturbed
    told = []
    for moment in range(moments):
        path, clock = tmp_path / f"{moment}.db", FakeClock(HALF_PAST)
        store = opened(path, IMPATIENT)
        try:
            run(store, clock, Disturbed(moment, lambda store=store: leave_no_room(store._connection)))
        except StoreError as error:
            told.append(str(error))
        store.close()
        assert healed(path, clock) == expected, moment
    assert len(told) >= 3
    assert all("no room left for it; free some on the disk of" in line for line in told)


def leave_no_room(connection: sqlite3.Connection) -> None:
    """SQLite's own limit: the file may not grow by a page."""
    connection.execute("PRAGMA max_page_count = 1")


def test_a_lock_that_is_let_go_of_within_the_patience_costs_nothing_but_time(
    tmp_path: Path, undisturbed: tuple[Any, ...]
) -> None:
    path, clock = tmp_path / "store.db", FakeClock(HALF_PAST)
    with closing(opened(path)) as store:
        waiting = [sys.executable, "-c", LOCK_FOR_A_SECOND, str(path)]
        with subprocess.Popen(waiting, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            assert run(store, clock).outcome == "complete"
    assert healed(path, clock) == undisturbed[0]


LOCK_FOR_A_SECOND = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute('BEGIN IMMEDIATE')
print('locked', flush=True)
time.sleep(1)
"""


# A file that is no longer the one that was opened


def delete(path: Path) -> None:
    for one in path.parent.glob("store.db*"):
        one.unlink()


def replace(path: Path) -> None:
    """As a backup is put back: the file alone, and not what SQLite keeps beside it."""
    shutil.copy(path, path.with_name("backup"))
    delete(path)
    path.with_name("backup").rename(path)


@pytest.mark.parametrize(("befall", "told"), [(delete, "was deleted"), (replace, "was replaced by another")])
def test_a_run_whose_file_is_deleted_or_replaced_says_so_and_the_next_makes_all_whole(
    tmp_path: Path, undisturbed: tuple[Any, ...], befall: Callable[[Path], None], told: str
) -> None:
    """SQLite itself goes on writing to what nobody can find."""
    expected, moments = undisturbed
    for moment in range(moments):
        path, clock = tmp_path / f"{moment}" / "store.db", FakeClock(HALF_PAST)
        path.parent.mkdir()
        store = opened(path, IMPATIENT)
        with pytest.raises(StoreError, match=rf"store\.db {told}.*run again when it is in its place"):
            run(store, clock, Disturbed(moment, lambda path=path: befall(path)))
        store.close()
        assert healed(path, clock) == expected, moment


def test_a_command_whose_file_is_deleted_ends_with_one_line_and_exit_1(tmp_path: Path) -> None:
    store = tmp_path / "store.db"

    def answer(connection: Connection) -> None:
        delete(store)
        page([failed(1)])(connection)

    with FakeDatadog(spans=[failed(1)], script=[answer]) as server:
        env = environment(store, server.url)
        done, again = evalforge("capture", env=env), evalforge("capture", "--json", env=env)
    assert (done.code, done.out) == (1, "")
    [line] = [line for line in done.err.splitlines() if not line.startswith("{")]
    assert f"the store {store} was deleted" in line
    assert "Traceback" not in done.err
    assert (again.code, again.report["tally"]["captures_created"]) == (0, 1)


GONE = """
import subprocess, sys
from contextlib import closing
from pathlib import Path
from evalforge.common.errors import ConfigurationError, StoreError
from evalforge.storage.sqlite import SqliteStore
from helpers.clocks import FakeClock
from helpers.disturbed import Disturbed, run

folder = Path(sys.argv[1])
store = SqliteStore(folder / "store.db", 0.2)
gone = lambda: subprocess.run(["umount", "--lazy", folder], check=True)
try:
    run(store, FakeClock(), Disturbed(3, gone))
except StoreError as error:
    assert "was deleted, or its disk is gone" in str(error), error
else:
    raise AssertionError("the disk was there")
store.close()
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
SqliteStore(folder / "store.db").close()
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
try:
    SqliteStore(folder / "store.db")
except ConfigurationError as error:
    assert "cannot be written: Read-only file system" in str(error), error
else:
    raise AssertionError("the disk could be written")
print("good")
"""


def test_a_disk_that_goes_away_or_may_only_be_read_is_told(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    namespace = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*namespace, mount, "sh", str(tmp_path), "true"]).returncode:
        pytest.skip("no file system of its own can be mounted here")
    done = subprocess.run(
        [*namespace, mount, "sh", str(tmp_path), sys.executable, GONE],
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "good\n", done.stderr
