"""Whatever ends a run, the next one makes the store whole: kill -9, SIGTERM, and a lease left behind."""

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpers.commands import environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog, slow_body
from helpers.simulation.chaos import folder_in_memory

SPANS = [failed(number, trace=f"{number % 300:032x}") for number in range(1, 901)]
PROCESSES, KILLS, MOST_RUNS = 2, 25, 50
"""Fifty kills in all, in two tests that go on side by side; a run may end before it is killed."""
LONGEST_DELAY_SECONDS = 0.4


def started(env: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "evalforge", "capture", "--json"]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("seed", range(PROCESSES))
def test_runs_killed_at_any_moment_lose_nothing_and_count_nothing_twice(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    with FakeDatadog(spans=SPANS) as server, folder_in_memory() as folder:
        store, whole = folder / "store.db", tmp_path / "whole.db"
        env = environment(store, server.url, EVALFORGE_PAGE_LIMIT="50", EVALFORGE_LEASE_SECONDS="0.1")
        killed = runs = 0
        while killed < KILLS and runs < MOST_RUNS:
            server.spans = SPANS[: len(SPANS) * (killed + 1) // KILLS]
            killed += was_killed(env, server, rng)
            runs += 1
        time.sleep(0.2)
        last = evalforge("capture", "--json", env=environment(store, server.url))
        again = evalforge("capture", "--json", env=environment(store, server.url))
        evalforge("capture", "--json", env=environment(whole, server.url))
        assert (last.code, again.code) == (0, 0), last.err
        assert killed == KILLS
        assert again.report["tally"]["captures_created"] == again.report["tally"]["captures_updated"] == 0
        assert without_fetch_time(store) == without_fetch_time(whole)
        with closing(sqlite3.connect(store)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def was_killed(env: dict[str, str], server: FakeDatadog, rng: random.Random) -> bool:
    """A run, killed while it starts or some time after its first request; whether it was still there to be killed."""
    asked = len(server.requests)
    run = started(env)
    if rng.random() < 0.8:
        while len(server.requests) == asked and run.poll() is None:
            time.sleep(0.002)
    time.sleep(rng.random() ** 2 * LONGEST_DELAY_SECONDS)
    run.kill()
    run.communicate()
    return run.returncode == -signal.SIGKILL


def without_fetch_time(store: Path) -> list[dict[str, object]]:
    lines = evalforge("captures", "list", env=environment(store)).lines
    return [{**line, "fetched_at": None} for line in lines]


def test_sigterm_ends_a_run_soon_keeps_what_was_read_and_gives_the_lease_back(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with FakeDatadog(spans=SPANS) as server:
        env = environment(store, server.url, EVALFORGE_PAGE_LIMIT="10", EVALFORGE_REQUESTS_PER_MINUTE="120")
        run = started(env)
        while len(server.searches) < 4:
            time.sleep(0.02)
        begun = time.monotonic()
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate(timeout=10)
        took = time.monotonic() - begun
        again = evalforge("capture", "--json", env=environment(store, server.url))
    assert run.returncode == 3, err
    assert b"stopped by a signal" in out
    assert took < 8
    assert (again.code, again.report["outcome"]) == (0, "complete")


def test_sigterm_ends_a_run_in_time_also_while_the_store_does_not_answer(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    evalforge("capture", env=environment(store, "http://127.0.0.1:1"))
    with FakeDatadog(spans=SPANS) as server, closing(sqlite3.connect(store, isolation_level=None)) as other:
        env = environment(store, server.url, EVALFORGE_PAGE_LIMIT="10", EVALFORGE_REQUESTS_PER_MINUTE="120")
        run = started(env)
        while len(server.searches) < 4:
            time.sleep(0.02)
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        run.send_signal(signal.SIGTERM)
        _, err = run.communicate(timeout=30)
        took = time.monotonic() - begun
    again = evalforge("capture", "--json", env=env | {"EVALFORGE_LEASE_SECONDS": "1"})
    assert (run.returncode, took < 8) == (1, True), err
    assert b"the next run goes on from there" in err
    assert again.code == 5, "its lease could not be given back"


def test_a_run_beside_another_is_told_so_and_reads_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with FakeDatadog(script=[slow_body(0.2)]) as server:
        first = started(environment(store, server.url))
        while not server.searches:
            time.sleep(0.02)
        second = evalforge("capture", "--json", env=environment(store, server.url))
        asked = len(server.searches)
        os.kill(first.pid, signal.SIGTERM)
        first.communicate(timeout=10)
    assert second.code == 5
    assert "is at work" in second.err
    assert asked == 1


def test_a_killed_runs_lease_runs_out(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with FakeDatadog(script=[slow_body(0.2)]) as server:
        env = environment(store, server.url, EVALFORGE_LEASE_SECONDS="6")
        first = started(env)
        while not server.searches:
            time.sleep(0.02)
        first.kill()
        first.communicate()
        held = evalforge("capture", "--json", env=env)
        told = re.search(r"after (\S+)Z\)", held.err)
        assert told, held.err
        time.sleep(max(0.0, (datetime.fromisoformat(told[1] + "+00:00") - datetime.now(UTC)).total_seconds()))
        free = evalforge("capture", "--json", env=env)
    assert (held.code, free.code) == (5, 0), held.err + free.err
