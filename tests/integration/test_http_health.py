"""Health over HTTP: ok only while everything in the look-back was read whole, and read of late."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from evalforge.common.clock import timestamp
from evalforge.models import Coverage, IngestionRun, Window
from evalforge.ports import Batch
from helpers.captures import dead_letter, run
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog, reply
from helpers.services import Opener, fill


def test_a_store_without_a_run_has_never_run(client: TestClient) -> None:
    assert client.get("/health").json() == {
        "status": "never_run",
        "reasons": [],
        "last_run": None,
        "coverage": None,
        "slices": [],
        "lateness": {"buckets": {}, "unknown": 0, "p50_hours": None, "p99_hours": None},
        "rate_limit": None,
        "captures_waiting": 0,
        "at_least": False,
        "dead_letters": 0,
    }


def test_health_tells_the_last_run_from_the_store(client_of: Opener, datadog: FakeDatadog) -> None:
    datadog.spans = [failed(1, name="canary"), failed(2)]
    datadog.headers = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "98", "X-RateLimit-Period": "60"}
    report = client_of(datadog.url).post("/ingestion/run-once").json()
    answer = client_of().get("/health")
    assert answer.json() == {
        "status": "ok",
        "reasons": [],
        "last_run": {name: report[name] for name in ("run_id", "outcome", "started_at", "finished_at", "window")}
        | {"state": "complete", "reasons": []},
        "coverage": {"state": "complete", "reasons": [], "window": report["window"]},
        "slices": report["coverage"]["slices"],
        "lateness": report["lateness"],
        "rate_limit": report["rate_limit"],
        "captures_waiting": 2,
        "at_least": False,
        "dead_letters": 0,
    }
    assert answer.json()["rate_limit"]["remaining"] == 98
    assert "canary" not in answer.text


def ago(**span: float) -> str:
    return timestamp(datetime.now(UTC) - timedelta(**span))


def read(hours: float, *, minutes_ago: float, **fields: Any) -> IngestionRun:
    """A run that began so long ago and read so many hours back from then."""
    start, end = ago(hours=hours, minutes=minutes_ago), ago(minutes=minutes_ago)
    return run(f"r{minutes_ago}", **({"started_at": end, "window": Window(start=start, end=end)} | fields))


PARTIAL = {"outcome": "partial", "coverage": Coverage(state="partial", reasons=("HTTP 503",))}
TINY = 0.0001


def well() -> dict[str, list[IngestionRun]]:
    """Runs as they lie before now, made when they are asked for: a session of tests lasts minutes."""
    return {
        "the last run read the whole look-back": [read(24, minutes_ago=15)],
        "four runs were missed": [read(24, minutes_ago=74)],
        "a complete run covers what a partial one left": [read(24, minutes_ago=20, **PARTIAL), read(24, minutes_ago=5)],
        "windows overlap to the whole look-back": [
            read(24, minutes_ago=60),
            read(0.5, minutes_ago=35),
            read(1, minutes_ago=1),
        ],
        "one that read all lies beyond many that read little": [
            read(24, minutes_ago=30),
            *(read(1, minutes_ago=29 - number) for number in range(25)),
        ],
        "a run that failed left a record of a clock that was ahead": [
            read(24, minutes_ago=-3000, outcome="failed"),
            read(24, minutes_ago=15),
        ],
        "a run is at work": [read(24, minutes_ago=15), read(24, minutes_ago=1, outcome="running")],
    }


def doubts() -> dict[str, tuple[list[IngestionRun], list[str]]]:
    """Runs as they lie before now, made when they are asked for: a session of tests lasts minutes."""
    return {
        "the first run was partial": (
            [read(24, minutes_ago=10, **PARTIAL)],
            ["the last finished run was partial", "nothing of the last 24 h was read whole"],
        ),
        "the last run was partial": (
            [read(24, minutes_ago=20), read(24, minutes_ago=5, **PARTIAL)],
            ["finished run was partial"],
        ),
        "the last run failed": (
            [read(24, minutes_ago=20), read(24, minutes_ago=5, outcome="failed")],
            ["finished run failed"],
        ),
        "a tiny run followed a partial one": (
            [read(24, minutes_ago=10, **PARTIAL), read(TINY, minutes_ago=1)],
            ["no complete run read", "(24 h)"],
        ),
        "a tiny run left a gap": (
            [read(24, minutes_ago=50), read(TINY, minutes_ago=1)],
            ["no complete run read", "(49 min)"],
        ),
        "several gaps": (
            [read(24, minutes_ago=50), read(TINY, minutes_ago=20), read(TINY, minutes_ago=1)],
            ["(30 min), and 1 more"],
        ),
        "the timer stopped": (
            [read(24, minutes_ago=80)],
            ["nothing was read whole since", "80 min ago", "overdue after 76 min"],
        ),
        "the timer stopped long ago": ([read(24, minutes_ago=23 * 60)], ["nothing was read whole since", "23 h ago"]),
        "nothing ran for longer than the look-back": ([read(24, minutes_ago=30 * 60)], ["nothing of the last 24 h"]),
        "the last run never ended": (
            [read(24, minutes_ago=60), read(24, minutes_ago=30, outcome="running")],
            ["the last run never ended"],
        ),
    }


@pytest.mark.parametrize("case", well())
def test_health_is_ok_while_all_of_the_look_back_was_read_whole_of_late(
    case: str, store: Path, client: TestClient
) -> None:
    runs = well()[case]
    fill(store, Batch(), {one.run_id: one for one in runs})
    found = client.get("/health").json()
    assert (found["status"], found["reasons"]) == ("ok", [])
    assert found["last_run"]["run_id"] == runs[-1].run_id


@pytest.mark.parametrize("case", doubts())
def test_health_is_degraded_by_what_was_not_read_whole(case: str, store: Path, client: TestClient) -> None:
    runs, said = doubts()[case]
    fill(store, Batch(), {one.run_id: one for one in runs})
    found = client.get("/health").json()
    assert found["status"] == "degraded"
    assert [part for part in said if part not in "; ".join(found["reasons"])] == []


def test_a_short_look_back_makes_a_run_overdue_sooner(store: Path, client_of: Opener) -> None:
    client = client_of(EVALFORGE_LOOKBACK_HOURS="0.5")
    fill(store, Batch(), {"r1": read(0.5, minutes_ago=35)})
    assert client.get("/health").json()["reasons"] == ["nothing of the last 30 min was read whole"]
    fill(store, Batch(), {"r2": read(0.5, minutes_ago=25)})
    assert client.get("/health").json()["status"] == "ok"


def test_a_tiny_run_after_one_that_met_an_outage_does_not_make_health_ok(
    client_of: Opener, datadog: FakeDatadog
) -> None:
    datadog.script = [reply(503)] * 2
    client = client_of(datadog.url, EVALFORGE_MAX_CALLS="2")
    assert client.post("/ingestion/run-once").json()["outcome"] == "partial"
    client = client_of(datadog.url)
    assert client.post("/ingestion/run-once", json={"lookbackHours": TINY}).json()["outcome"] == "complete"
    assert client.get("/health").json()["status"] == "degraded"
    assert client.post("/ingestion/run-once").json()["outcome"] == "complete"
    assert client.get("/health").json()["status"] == "ok"


def test_dead_letters_degrade_health_until_no_run_could_read_the_span_again(store: Path, client: TestClient) -> None:
    whole = read(24, minutes_ago=5)
    fill(store, Batch(dead_letters=[dead_letter("d1", first_seen_at=ago(hours=73))]), {"r": whole})
    found = client.get("/health").json()
    assert (found["status"], found["dead_letters"]) == ("ok", 1)
    seen = ago(hours=71)
    fill(store, Batch(dead_letters=[dead_letter("d2", first_seen_at=seen)]))
    found = client.get("/health").json()
    assert (found["status"], found["dead_letters"]) == ("degraded", 2)
    [reason] = found["reasons"]
    assert reason.startswith(f"2 dead letters, the newest first seen {seen}: ")
    assert "`evalforge dead-letters replay`" in reason, "what to do"
