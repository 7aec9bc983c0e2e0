"""`evalforge backfill` as a user runs it, over both stores, against a server of the documented API."""

import getpass
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from evalforge.storage.sqlite import SqliteStore
from helpers.commands import Result, environment, evalforge, on_a_terminal
from helpers.exported import failed, item
from helpers.fake_datadog import FakeDatadog
from helpers.firestore_emulator import HOST_VARIABLE, new_project

NOW = datetime.now(UTC).replace(microsecond=0)


def at(**ago: float) -> str:
    return (NOW - timedelta(**ago)).isoformat().replace("+00:00", "Z")


DAYS_AGO = ("--from", at(days=10), "--to", at(days=9, hours=12))
SPANS = [failed(number, ago=timedelta(days=10) - timedelta(minutes=7 * number)) for number in range(1, 41)]
HEALTHY = [item(number, ago=timedelta(days=10) - timedelta(minutes=number)) for number in range(100, 160)]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path / "store.db")


@pytest.fixture(params=["sqlite", "firestore"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    given = environment(tmp_path / "store.db")
    if request.param == "firestore":
        host = request.getfixturevalue("firestore_emulator")
        given |= {"EVALFORGE_STORE": f"firestore://{new_project()}", HOST_VARIABLE: host}
    return given


def backfill(env: dict[str, str], server: FakeDatadog, *arguments: str) -> Result:
    return evalforge("backfill", *arguments, env=env | {"EVALFORGE_DATADOG_URL": server.url})


def captures(env: dict[str, str]) -> dict[str, Any]:
    return {one["trace_id"]: one for one in evalforge("captures", "list", env=env).lines}


def told_of_live_runs(env: dict[str, str]) -> tuple[str, str]:
    return evalforge("runs", "list", env=env).out, evalforge("coverage", env=env).out


def test_days_past_are_captured_and_what_live_runs_tell_stays_as_it_was(either):
    recent = failed(999, ago=timedelta(minutes=20))
    with FakeDatadog(spans=[*SPANS, *HEALTHY, recent]) as server:
        assert evalforge("capture", env=either | {"EVALFORGE_DATADOG_URL": server.url}).code == 0
        before = told_of_live_runs(either)
        done = backfill(either, server, *DAYS_AGO)
        assert done.code == 0, done.err
        assert told_of_live_runs(either) == before
    assert len(captures(either)) == 41
    told = done.report
    assert (told["state"], told["captures_created"], told["read_until"]) == ("complete", 40, told["end"])
    assert told["calls"] == len(server.requests) - live_calls(either)
    assert [one["backfill_id"] for one in evalforge("backfill", "--list", env=either).lines] == [told["backfill_id"]]


def live_calls(env: dict[str, str]) -> int:
    return sum(one["calls"] for one in evalforge("runs", "list", env=env).lines)


def test_what_it_captures_is_what_a_live_run_captures_of_the_same_spans(env, tmp_path):
    spans = [failed(number, ago=timedelta(hours=10, minutes=number)) for number in range(1, 30)]
    live = environment(tmp_path / "live.db")
    with FakeDatadog(spans=spans) as server:
        assert evalforge("capture", env=live | {"EVALFORGE_DATADOG_URL": server.url}).code == 0
        assert backfill(env, server, "--from", at(hours=12), "--to", at(hours=9)).code == 0
    wanted, found = captures(live), captures(env)
    for one in (*wanted.values(), *found.values()):
        del one["fetched_at"]
    assert found == wanted
    assert len(found) == 29


def test_what_is_complete_is_not_read_again(env):
    with FakeDatadog(spans=SPANS) as server:
        assert backfill(env, server, *DAYS_AGO).code == 0
        asked = len(server.requests)
        again = backfill(env, server, *DAYS_AGO)
    assert (again.code, again.report["state"], len(server.requests)) == (0, "complete", asked)


def test_nothing_above_the_threshold_is_read_before_somebody_approved(env):
    few = env | {"EVALFORGE_MAX_CALLS": "13"}
    with FakeDatadog(spans=SPANS) as server:
        done = backfill(few, server, *DAYS_AGO)
        assert done.code == 2
        assert done.report["state"] == "waiting"
        assert len(server.requests) <= 12, "the sample alone"
        assert f"--from {at(days=10)} --to {at(days=9, hours=12)} --approve" in done.err
        assert captures(env) == {}
        sampled = len(server.requests)
        assert backfill(few, server, *DAYS_AGO).code == 2
        assert len(server.requests) == sampled, "the estimate stands"
        approved = backfill(few, server, *DAYS_AGO, "--approve")
    assert approved.code == 0, approved.err
    assert approved.report["approved_by"] == getpass.getuser()
    assert approved.report["approved_at"] >= done.report["created_at"]
    assert len(captures(env)) == 40


def test_what_would_cost_more_than_one_run_may_waits_for_approval_too(firestore_emulator: str, env):
    env |= {"EVALFORGE_STORE": f"firestore://{new_project()}", HOST_VARIABLE: firestore_emulator}
    with FakeDatadog(spans=SPANS) as server:
        refused = backfill(env | {"EVALFORGE_MAX_RUN_COST_USD": "0.00002"}, server, *DAYS_AGO)
        assert refused.code == 2
        assert 0.00002 < refused.report["estimate"]["dollars"] < 0.001
        assert "cost 2e-05 USD (EVALFORGE_MAX_RUN_COST_USD)" in refused.err
        assert captures(env) == {}
        done = backfill(env | {"EVALFORGE_MAX_RUN_COST_USD": "0.00002"}, server, *DAYS_AGO, "--approve")
    assert done.code == 0, done.err
    assert len(captures(env)) == len(SPANS)


def test_what_datadog_has_no_longer_is_told_and_the_rest_is_read(env):
    old = failed(77, ago=timedelta(days=16))
    with FakeDatadog(spans=[old, *SPANS[:1]]) as server:
        done = backfill(env, server, "--from", at(days=17), "--to", at(days=16))
        assert (done.code, done.report["calls"]) == (0, 0)
        assert len(done.report["gone"]) == 1
        assert "15 days" in done.err
        assert "There was nothing to read." in done.err
    assert captures(env) == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "2026-01-02", "--to", "2026-01-01"), "is not before"),
        (("--from", "2026-01-01", "--to", "2199-01-01"), "still to come"),
        (("--from", "7d", "--to", "2026-01-01"), "--from=7d: accepted is a date or a time with its zone"),
        (("--from", "2026-01-01T10:00:00", "--to", "2026-01-01"), "accepted is a date"),
        (("--from", "2026-01-01"), "needs --from and --to"),
        ((*DAYS_AGO, "--service", " "), "--service is empty"),
    ],
)
def test_a_range_that_cannot_be_meant_is_refused_in_one_line(env, arguments, said):
    with FakeDatadog() as server:
        done = backfill(env, server, *arguments)
    assert (done.code, len(done.err.splitlines()), server.requests) == (2, 1, [])
    assert said in done.err


def test_a_service_narrows_the_scope_that_is_set(env):
    with FakeDatadog(spans=SPANS) as server:
        done = backfill(env | {"EVALFORGE_SCOPE": "env:prod OR env:eu"}, server, *DAYS_AGO, "--service", 'shop "api"')
    assert done.code == 0, done.err
    queries = {request.attributes["filter"]["query"] for request in server.searches}
    assert all("shop" in query and "prod" in query for query in queries), queries
    assert done.report["service"] == 'shop "api"'


def test_tasks_of_a_cloud_run_job_read_equal_parts_each_with_its_own_record(either):
    job = {"CLOUD_RUN_TASK_COUNT": "3"}
    with FakeDatadog(spans=SPANS) as server:
        told = [
            backfill(either | job | {"CLOUD_RUN_TASK_INDEX": str(index)}, server, *DAYS_AGO).report
            for index in range(3)
        ]
    assert [one["state"] for one in told] == ["complete"] * 3
    assert [one["end"] for one in told[:-1]] == [one["start"] for one in told[1:]]
    assert len({one["backfill_id"] for one in told}) == 3
    assert len(captures(either)) == 40


def test_a_job_on_cloud_run_refuses_a_store_that_is_lost_with_it(env):
    with FakeDatadog() as server:
        done = backfill(env | {"CLOUD_RUN_JOB": "evalforge-backfill"}, server, *DAYS_AGO, "--approve")
    assert done.code == 2
    assert "lost with it" in done.err


def test_rejected_keys_end_it_with_exit_code_4(env):
    with FakeDatadog(spans=SPANS, api_key="another") as server:
        assert backfill(env, server, *DAYS_AGO).code == 4


def test_it_goes_on_where_it_was_stopped_by_a_signal(env):
    with FakeDatadog(spans=SPANS) as server:
        command = [sys.executable, "-m", "evalforge", "backfill", "--from", at(days=14), "--to", at(days=8)]
        given = env | {"EVALFORGE_DATADOG_URL": server.url}
        with subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            wait_for(lambda: any(one["read_until"] > one["start"] for one in records(env)))
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 3
            assert time.monotonic() - began < 8
        [stopped] = records(env)
        assert stopped["state"] == "partial"
        done = backfill(env, server, "--from", at(days=14), "--to", at(days=8))
        assert (done.code, done.report["state"]) == (0, "complete"), done.err
    windows = [request.attributes["filter"]["from"] for request in server.searches]
    assert windows.count(stopped["start"]) <= 3, "what was read is not read again"
    assert len(captures(env)) == 40


def test_it_goes_on_after_a_kill(env):
    brief = env | {"EVALFORGE_LEASE_SECONDS": "2"}
    with FakeDatadog(spans=SPANS) as server:
        command = [sys.executable, "-m", "evalforge", "backfill", "--from", at(days=12), "--to", at(days=9)]
        given = brief | {"EVALFORGE_DATADOG_URL": server.url}
        for moment in (0.1, 0.4):
            asked = len(server.requests)
            with subprocess.Popen(command, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                wait_for(lambda asked=asked: len(server.requests) > asked)
                time.sleep(moment)
                process.kill()
        done = backfill(brief, server, "--from", at(days=12), "--to", at(days=9))
        assert (done.code, done.report["state"]) == (0, "complete"), done.err
    assert len(captures(env)) == 40


def test_a_live_run_gets_in_between_and_the_rate_holds_over_both(env):
    paced = env | {"EVALFORGE_REQUESTS_PER_MINUTE": "120"}
    with FakeDatadog(spans=[*SPANS, failed(999, ago=timedelta(minutes=20))]) as server:
        given = paced | {"EVALFORGE_DATADOG_URL": server.url}
        told: list[Result] = []
        backfilling = threading.Thread(
            target=lambda: told.append(evalforge("backfill", "--from", at(days=12), "--to", at(days=9), env=given))
        )
        backfilling.start()
        wait_for(lambda: len(server.requests) > 2)
        live = evalforge("capture", env=given)
        assert live.code == 0, live.err
        assert backfilling.is_alive(), "in between, not after"
        backfilling.join()
        assert told[0].code == 0, told[0].err
    starts = sorted(request.at for request in server.requests)
    nearest = min(after - before for before, after in pairwise(starts))
    assert nearest > 0.4, "half a second apart, over all processes"
    assert len(captures(env)) == 41


def test_a_person_sees_the_estimate_and_what_came_of_it(env):
    with FakeDatadog(spans=SPANS) as server:
        code, seen = on_a_terminal("backfill", *DAYS_AGO, env=env | {"EVALFORGE_DATADOG_URL": server.url})
        assert code == 0, seen
        assert "estimate" in seen
        assert "40 captures created" in seen
    assert "complete" in on_a_terminal("backfill", "--list", env=env)[1]


def test_a_look_back_past_72_hours_is_refused_with_a_hint(env):
    done = evalforge("capture", "--lookback", "4d", env=env)
    assert done.code == 2
    assert "evalforge backfill" in done.err


def records(env: dict[str, str]) -> list[dict[str, Any]]:
    path = Path(env["EVALFORGE_STORE"].removeprefix("sqlite://"))
    try:
        with closing(SqliteStore(path)) as store:
            return [
                {"start": one.start, "read_until": one.read_until, "state": one.state} for one in store.list_backfills()
            ]
    except sqlite3.Error:
        return []


def wait_for(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
