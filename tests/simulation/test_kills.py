"""Whatever ends a run, the next one makes the store whole: kill -9, SIGTERM, and a lease left behind."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pytest

from helpers.commands import environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog, slow_body
from helpers.simulation.chaos import folder_in_memory

SPANS = [failed(number, trace=f"{number % 300:032x}") for number in range(1, 901)]
PROCESSES, KILLS, MOST_RUNS, LEAST_IN_A_PHASE = 2, 25, 100, 2
"""At least fifty kills in all, in two tests that go on side by side; a run may end before it is killed. A machine may
be too slow or too quick for the phase that was aimed at: more kills follow until each phase had its share."""
PHASES = {"starting": None, "reading": "request", "committing": "request", "ending": "report"}
"""And the line of the log that a run is killed after, some moments later; while it commits, after a burst of bytes."""
PHASE_OF = {"request": "reading", "decision": "committing", "commit": "committing", "report": "ending"}
"""By the last line that a killed run wrote. A commit is told when it is done, and its decisions just before."""
AIMS = ("starting", "reading", "committing", "reading", "committing", "ending")
BURST_BYTES, BURST_SECONDS = 30_000, 0.02
"""More than a renewal of the lease or a line of the log writes in so short a time."""


def started(env: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "evalforge", "capture", "--json"]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("seed", range(PROCESSES))
def test_runs_killed_at_any_moment_lose_nothing_and_count_nothing_twice(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    killed: Counter[str] = Counter()
    with FakeDatadog(spans=SPANS) as server, folder_in_memory() as folder:
        store, whole = folder / "store.db", tmp_path / "whole.db"
        env = environment(store, server.url, EVALFORGE_PAGE_LIMIT="50", EVALFORGE_LEASE_SECONDS="0.1")
        to_start = seconds_to_start(env, server)
        for number in range(MOST_RUNS):
            server.spans = SPANS[: len(SPANS) * min(killed.total() + 1, KILLS) // KILLS]
            rare = [phase for phase in PHASES if killed[phase] < LEAST_IN_A_PHASE]
            if killed.total() >= KILLS and not rare:
                break
            aims = rare if killed.total() >= KILLS else AIMS
            killed.update(phase_of_kill(env, aims[number % len(aims)], rng, to_start))
            assert damage(store, tmp_path / f"{number}") is None
        time.sleep(0.2)
        last = evalforge("capture", "--json", env=environment(store, server.url))
        again = evalforge("capture", "--json", env=environment(store, server.url))
        evalforge("capture", "--json", env=environment(whole, server.url))
        assert (last.code, again.code) == (0, 0), last.err
        assert killed.total() >= KILLS
        assert all(killed[phase] >= LEAST_IN_A_PHASE for phase in PHASES), killed
        assert again.report["tally"]["captures_created"] == again.report["tally"]["captures_updated"] == 0
        assert without_fetch_time(store) == without_fetch_time(whole)
        assert damage(store, tmp_path / "last") is None


def seconds_to_start(env: dict[str, str], server: FakeDatadog) -> float:
    """How long a process takes here from its start to its first request."""
    begun = time.monotonic()
    run = started(env)
    while not server.searches and run.poll() is None:
        time.sleep(0.002)
    took = time.monotonic() - begun
    run.kill()
    run.communicate()
    return took


def phase_of_kill(env: dict[str, str], aimed_at: str, rng: random.Random, to_start: float) -> list[str]:
    """The phase in which a run was killed, aimed at this one; nothing if it was over before."""
    run = started(env)
    assert run.stderr is not None
    line, committing, written = PHASES[aimed_at], False, b""
    if line is None:
        time.sleep(rng.random() * to_start)
    else:
        written = upto(run.stderr, line, after=rng.randrange(12) if aimed_at == "reading" else 0)
        committing = aimed_at == "committing" and is_writing(run)
        time.sleep(rng.random() ** 2 * (0.05 if aimed_at == "reading" else 0.002))
    run.kill()
    written += run.stderr.read()
    run.communicate()
    events = [json.loads(line)["message"] for line in written.splitlines() if line.endswith(b"}")]
    known = ["starting", *(PHASE_OF[event] for event in events if event in PHASE_OF)]
    phase = "committing" if committing and known[-1] == "reading" else known[-1]
    return [phase] if run.returncode == -signal.SIGKILL else []


def is_writing(run: subprocess.Popen[bytes]) -> bool:
    """Wait until the process writes many bytes at once, as only a commit of captures does; or is over."""
    counters = Path(f"/proc/{run.pid}/io")
    since, before = time.monotonic(), bytes_written(counters)
    while run.poll() is None:
        if (now := bytes_written(counters)) - before > BURST_BYTES:
            return True
        if time.monotonic() - since > BURST_SECONDS:
            since, before = time.monotonic(), now
    return False


def bytes_written(counters: Path) -> int:
    with suppress(OSError, ValueError):
        return int(counters.read_text().split("wchar: ")[1].split()[0])
    return 0


def upto(log: IO[bytes], event: str, after: int) -> bytes:
    """Read the log up to the line of this event that comes after so many of them, or to its end."""
    written = b""
    for line in log:
        written += line
        after -= f'"{event}"'.encode() in line
        if after < 0:
            break
    return written


def damage(store: Path, scratch: Path) -> str | None:
    """What SQLite finds wrong with the files as they were left, of which it looks at a copy."""
    scratch.mkdir()
    for name in (store.name, f"{store.name}-wal"):
        if store.with_name(name).exists():
            shutil.copy(store.with_name(name), scratch / name)
    with closing(sqlite3.connect(scratch / store.name)) as connection:
        found = [line for (line,) in connection.execute("PRAGMA integrity_check")]
    return None if found == ["ok"] else str(found)


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


@pytest.mark.parametrize("locked_seconds", [2.5, 60.0])
def test_sigterm_ends_a_run_in_time_also_while_the_store_does_not_answer(tmp_path: Path, locked_seconds: float) -> None:
    """What was not committed is dropped; the lease is given back if the store answers in the time that remains."""
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
        with suppress(subprocess.TimeoutExpired):
            run.wait(timeout=locked_seconds)
        other.execute("ROLLBACK")
        _, err = run.communicate(timeout=30)
        took = time.monotonic() - begun
    again = evalforge("capture", "--json", env=environment(store, server.url, EVALFORGE_LEASE_SECONDS="1"))
    assert (run.returncode, took < 8) == (1, True), err
    assert b"another process keeps it locked" in err
    assert again.code == (5 if locked_seconds > 8 else 3), "Datadog is away by now" if again.code == 3 else again.err


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
