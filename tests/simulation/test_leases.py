"""One run at a time, in real processes, on both stores: eight at once, a suspended one, and clocks that differ."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from evalforge.common.errors import LeaseHeld
from evalforge.ports import Batch, CaptureFilter, CaptureStore
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import NOON, capture
from helpers.commands import environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import Connection, FakeDatadog, page
from helpers.firestore_emulator import HOST_VARIABLE, new_project

SPANS = [failed(number) for number in range(1, 4)]
COMMAND = [sys.executable, "-m", "evalforge", "capture", "--json"]


@pytest.fixture(params=["sqlite", "firestore"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The settings that name an empty store."""
    if request.param == "sqlite":
        return {"EVALFORGE_STORE": f"sqlite://{tmp_path}/store.db"}
    host = request.getfixturevalue("firestore_emulator")
    return {"EVALFORGE_STORE": f"firestore://{new_project()}", HOST_VARIABLE: host}


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def datadog(gate: threading.Event) -> Iterator[FakeDatadog]:
    """The first search is answered when the gate opens."""

    def later(connection: Connection) -> None:
        gate.wait(60)
        page(SPANS)(connection)

    with FakeDatadog(spans=SPANS, script=[later]) as server:
        yield server
        gate.set()


def started(env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(COMMAND, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.timeout(120)
def test_of_eight_runs_at_once_one_reads_and_seven_say_who_is_at_work(
    place: dict[str, str], datadog: FakeDatadog, gate: threading.Event, tmp_path: Path
) -> None:
    env = environment(tmp_path / "unused.db", datadog.url, EVALFORGE_CONTEXT="none") | place
    runs = [started(env) for _ in range(8)]
    end = time.monotonic() + 60
    while sum(run.poll() is not None for run in runs) < 7 and time.monotonic() < end:
        time.sleep(0.05)
    over = [run for run in runs if run.poll() is not None]
    gate.set()
    told = [run.communicate(timeout=60) for run in runs]
    assert sorted(run.returncode for run in runs) == [0, *[5] * 7], [err for _, err in told]
    assert len(over) == 7
    assert sum("is at work: try again when it is over" in err for _, err in told) == 7
    assert len(evalforge("captures", "list", env=env).lines) == len(SPANS)


@pytest.mark.timeout(120)
def test_a_run_that_was_suspended_past_its_lease_writes_nothing_more_and_says_so(
    place: dict[str, str], datadog: FakeDatadog, gate: threading.Event, tmp_path: Path
) -> None:
    env = environment(tmp_path / "unused.db", datadog.url, EVALFORGE_CONTEXT="none") | place
    suspended = started(env | {"EVALFORGE_LEASE_SECONDS": "2"})
    while not datadog.searches:
        time.sleep(0.02)
    suspended.send_signal(signal.SIGSTOP)
    time.sleep(2.2)
    other = evalforge("capture", "--json", env=env)
    assert other.code == 0, other.err
    before = evalforge("captures", "list", env=env).out
    gate.set()
    suspended.send_signal(signal.SIGCONT)
    _, err = suspended.communicate(timeout=60)
    assert suspended.returncode == 5, err
    assert "lost its lease to another; nothing more was written" in err
    assert evalforge("captures", "list", env=env).out == before
    again = evalforge("capture", "--json", env=env)
    assert (again.code, again.report["tally"]["captures_created"]) == (0, 0), again.err


@pytest.fixture
def stores(place: dict[str, str]) -> Iterator[tuple[CaptureStore, CaptureStore]]:
    """Two runners' views of one store."""
    kind, _, name = place["EVALFORGE_STORE"].partition("://")

    def opened() -> CaptureStore:
        if kind == "sqlite":
            return SqliteStore(Path(name))
        from evalforge.storage.firestore import FirestoreStore

        return FirestoreStore(name, "(default)", "evalforge_")

    pair = opened(), opened()
    yield pair
    for store in pair:
        store.close()


@pytest.mark.parametrize("minutes", [3, 10])
def test_a_runner_whose_clock_is_ahead_may_take_a_lease_but_never_writes_beside_its_holder(
    stores: tuple[CaptureStore, CaptureStore], minutes: int
) -> None:
    """Its clock says that the lease ran out. The fence goes by who took the lease last, whatever the clocks say."""
    one, other = stores
    held = one.acquire_lease("r1", NOON, 120)
    taken = other.acquire_lease("r2", NOON + timedelta(minutes=minutes), 120)
    assert (taken.fence, taken.taken_from) == (held.fence + 1, "r1")
    for attempt in (
        lambda: one.commit(held, Batch(captures=[capture("a1")])),
        lambda: one.renew_lease(held, NOON + timedelta(seconds=30), 120),
    ):
        with pytest.raises(LeaseHeld, match="the run r1 lost its lease to another; nothing more was written"):
            attempt()
    one.release_lease(held)
    other.commit(taken, Batch(captures=[capture("b1")]))
    assert [found.trace_id for found in other.list_captures(CaptureFilter())] == ["b1"]


def test_a_runner_whose_clock_is_behind_waits_longer_for_the_lease_of_one_that_was_killed(
    stores: tuple[CaptureStore, CaptureStore],
) -> None:
    """By as much as it is behind; and its own lease seems to run out earlier, which costs it the run and no more."""
    one, other = stores
    one.acquire_lease("killed", NOON, 120)
    behind = timedelta(minutes=10)
    with pytest.raises(LeaseHeld, match="the run killed is at work"):
        other.acquire_lease("r2", NOON + timedelta(minutes=11) - behind, 120)
    held = other.acquire_lease("r2", NOON + timedelta(minutes=13) - behind, 120)
    taken = one.acquire_lease("r3", NOON + timedelta(minutes=13), 120)
    with pytest.raises(LeaseHeld, match="lost its lease"):
        other.commit(held, Batch(captures=[capture("a1")]))
    assert not one.commit(taken, Batch(captures=[capture("b1")])).refused
