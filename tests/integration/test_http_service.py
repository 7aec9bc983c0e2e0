"""The HTTP service: outcomes and their statuses, pages, health, and every error a problem document."""

import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from evalforge.backlog.api import LARGEST_PAGE_BYTES
from evalforge.common.clock import timestamp
from evalforge.models import Coverage
from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import capture, dead_letter, run, signal, span
from helpers.commands import API_KEY, APP_KEY, HASH_KEY, environment, evalforge
from helpers.exported import failed, item
from helpers.fake_datadog import FakeDatadog, reply
from helpers.services import app_over, captures_of, fill, settings_for

Opener = Callable[..., TestClient]
CANARIES = (API_KEY, APP_KEY, HASH_KEY, "canary", "Traceback", ".py", "sqlite")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def log() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def client_of(store: Path, log: io.BytesIO) -> Opener:
    def opener(url: str = "http://127.0.0.1:9", hosts: set[str] | None = None, **more: str) -> TestClient:
        return TestClient(app_over(settings_for(store, url, **more), log, hosts=hosts))

    return opener


@pytest.fixture
def client(client_of: Opener) -> TestClient:
    return client_of()


@pytest.fixture
def datadog() -> Iterator[FakeDatadog]:
    with FakeDatadog() as server:
        yield server


def problem_of(answer: Any, status: int) -> str:
    """The detail of a problem document that is whole and gives nothing away."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    found = answer.json()
    assert list(found) == ["type", "title", "status", "detail", "instance"]
    assert found["status"] == status
    assert not [canary for canary in CANARIES if canary in answer.text]
    return str(found["detail"])


# Runs


def test_a_run_answers_with_the_report_that_the_command_stores(
    store: Path, client_of: Opener, datadog: FakeDatadog
) -> None:
    datadog.spans = [failed(1), item(2)]
    answer = client_of(datadog.url).post("/ingestion/run-once")
    assert answer.status_code == 200
    report = answer.json()
    assert (report["outcome"], report["tally"]["captures_created"]) == ("complete", 1)
    assert evalforge("runs", "show", report["run_id"], env=environment(store)).report == report


def test_a_run_that_was_cut_short_is_partial_and_no_error(client_of: Opener, datadog: FakeDatadog) -> None:
    datadog.script = [reply(500)] * 3
    answer = client_of(datadog.url, EVALFORGE_MAX_CALLS="2").post("/ingestion/run-once")
    assert (answer.status_code, answer.json()["outcome"]) == (200, "partial")


def test_rejected_keys_are_a_bad_gateway(client_of: Opener) -> None:
    with FakeDatadog(api_key="another") as server:
        assert "Datadog rejected" in problem_of(client_of(server.url).post("/ingestion/run-once"), 502)


def test_a_run_beside_another_is_a_conflict(store: Path, client: TestClient) -> None:
    other = SqliteStore(store)
    other.acquire_lease("r0", datetime.now(UTC), 60)
    other.close()
    assert "r0" in problem_of(client.post("/ingestion/run-once"), 409)


def test_a_service_without_keys_reads_captures_and_names_the_setting_that_a_run_lacks(
    client_of: Opener, log: io.BytesIO
) -> None:
    client = client_of(DD_APP_KEY="")
    assert client.get("/captures").status_code == 200
    assert "DD_APP_KEY" in problem_of(client.post("/ingestion/run-once"), 400)
    assert b"DD_APP_KEY is not set" in log.getvalue()


def test_what_a_body_sets_holds_for_that_run_alone(client_of: Opener, datadog: FakeDatadog) -> None:
    scored = {"quality": {"eval_metric_type": "score", "value": 0.8}}
    datadog.spans = [item(1, evaluation=scored)]
    client = client_of(datadog.url)
    given = client.post("/ingestion/run-once", json={"lookbackHours": 2.5, "qualityThreshold": 0.9}).json()
    usual = client.post("/ingestion/run-once", json={}).json()
    assert [hours_of(report["window"]) for report in (given, usual)] == [2.5, 24]
    assert [report["tally"]["spans_included"] for report in (given, usual)] == [1, 0]


def hours_of(window: dict[str, str]) -> float:
    start, end = (datetime.fromisoformat(window[edge]) for edge in ("start", "end"))
    return (end - start) / timedelta(hours=1)


def test_a_look_back_shorter_than_a_millisecond_is_an_empty_run(client_of: Opener, datadog: FakeDatadog) -> None:
    datadog.spans = [{"id": "1", "type": "span", "attributes": {}}]
    answer = client_of(datadog.url).post("/ingestion/run-once", json={"lookbackHours": 5e-324})
    assert (answer.status_code, answer.json()["outcome"]) == (200, "complete")


BAD_BODIES: dict[str, bytes] = {
    "not JSON": b"{",
    "no object": b"[]",
    "no UTF-8": b'{"\xff": 1}',
    "an unknown field": b'{"lookback": 3}',
    "an unknown field that is no text": b'{"\\ud800": 1}',
    "a text for a number": b'{"lookbackHours": "3"}',
    "a truth for a number": b'{"lookbackHours": true}',
    "no time": b'{"lookbackHours": 0}',
    "less than no time": b'{"lookbackHours": -1}',
    "too long a time": b'{"lookbackHours": 72.01}',
    "no number": b'{"lookbackHours": NaN}',
    "no finite number": b'{"qualityThreshold": 1e999}',
    "a number of 5,000 digits": b'{"qualityThreshold": ' + b"9" * 5_000 + b"}",
    "a deep nest": b"[" * 60_000,
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_body_that_cannot_be_used_is_refused_before_anything_is_read(
    case: str, client_of: Opener, datadog: FakeDatadog
) -> None:
    client = client_of(datadog.url)
    answer = client.post("/ingestion/run-once", content=BAD_BODIES[case], headers={"content-type": "application/json"})
    problem_of(answer, 400)
    assert datadog.requests == []
    assert client.get("/health").json()["status"] == "never_run"


def test_a_body_that_is_not_said_to_be_json_is_told_how_to_be(client: TestClient) -> None:
    assert "application/json" in problem_of(client.post("/ingestion/run-once", content=b"{}"), 400)


@pytest.mark.parametrize("size", [64 * 1024 + 1, 10_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused(size: int, chunked: bool, client: TestClient) -> None:
    pieces = (b" " * 50_000 for _ in range(size // 50_000 + 1))
    answer = client.post("/ingestion/run-once", content=pieces if chunked else b" " * size)
    assert "65536" in problem_of(answer, 413)


# Captures


def test_pages_hold_every_capture_once_newest_first(store: Path, client: TestClient) -> None:
    kept = captures_of(60)
    tied = [capture(f"{number:x}", last_failed_at=kept[30].last_failed_at) for number in (0xFFF, 0xAAA)]
    undated = capture("eee", last_failed_at=None)
    fill(store, Batch(captures=[*kept, *tied, undated]))
    for limit in (1, 7, 62, 63, 500):
        seen = [one["trace_id"] for page in pages(client, limit) for one in page]
        assert seen == [one.trace_id for one in [*kept[:31], tied[1], tied[0], *kept[31:], undated]]


def pages(client: TestClient, limit: int) -> Iterator[list[dict[str, Any]]]:
    asked: dict[str, Any] = {"limit": limit}
    while True:
        page = client.get("/captures", params=asked).json()
        assert len(page["items"]) <= limit
        yield page["items"]
        if page["next_cursor"] is None:
            return
        asked["cursor"] = page["next_cursor"]


def test_a_page_has_fifty_captures_unless_asked_otherwise(store: Path, client: TestClient) -> None:
    fill(store, Batch(captures=captures_of(60)))
    assert len(client.get("/captures").json()["items"]) == 50


def test_a_page_of_large_captures_ends_early_and_the_next_goes_on(store: Path, client: TestClient) -> None:
    large = span(attributes={"filler": "x" * (LARGEST_PAGE_BYTES // 8)})
    fill(store, Batch(captures=[capture(f"{number:x}", [large]) for number in range(10)]))
    assert [len(page) for page in pages(client, 50)] == [8, 2]


def test_the_filters_are_those_of_the_command_line(store: Path, client: TestClient) -> None:
    shop = captures_of(3)
    toxic = signal(type="toxicity", severity="high")
    other = capture("abc", [span(service_name="other")], [toxic], last_failed_at="2026-11-20T00:00:00.000Z")
    fill(store, Batch(captures=[*shop, other]))

    def listed(**params: str) -> list[str]:
        return [one["trace_id"] for one in client.get("/captures", params=params).json()["items"]]

    assert listed(service="other") == listed(type="toxicity") == listed(severity="high") == ["abc"]
    assert listed(service="shop-api", since="2026-11-23T11:59:58+01:00") == [one.trace_id for one in shop[:2]]
    assert listed(since=shop[1].last_failed_at or "") == [one.trace_id for one in shop[:2]]
    assert listed(since="99999d") == [*(one.trace_id for one in shop), "abc"]
    assert listed(service="nobody") == []


def test_a_capture_over_http_is_the_capture_that_the_command_shows(store: Path, client: TestClient) -> None:
    one = captures_of(1)[0]
    fill(store, Batch(captures=[one]))
    answer = client.get(f"/captures/{one.trace_id}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == evalforge("captures", "show", one.trace_id, env=environment(store)).report
    assert client.get("/captures").json()["items"] == [answer.json()]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/captures/abc", 404),
        ("/captures/a%2Fb", 404),
        ("/captures/..%2F..%2Fetc%2Fpasswd", 404),
        ("/captures/%00", 400),
        ("/captures/__id__", 400),
        ("/captures/" + "a" * 65, 400),
        ("/captures/" + "a" * 5_000, 400),
        ("/captures/caf%C3%A9", 400),
        ("/captures/%FF", 400),
        ("/captures/", 404),
        ("/nowhere", 404),
        ("/docs", 404),
        ("/captures?limit=0", 400),
        ("/captures?limit=501", 400),
        ("/captures?limit=ten", 400),
        ("/captures?limit=" + "9" * 5_000, 400),
        ("/captures?type=bug", 400),
        ("/captures?severity=", 400),
        ("/captures?since=yesterday", 400),
        ("/captures?since=2026-11-23T10:00:00", 400),
        ("/captures?since=999999d", 400),
        ("/captures?since=0001-01-01T00:00:00%2B14:00", 400),
        ("/captures?servise=shop", 400),
        ("/captures?cursor=", 400),
        ("/captures?cursor=abc", 400),
        ("/captures?cursor=%C3%A9", 400),
        ("/captures?cursor=eyJhIjoxfQ", 400),
        ("/captures?cursor=" + "e" * 2_000, 400),
        # {"last_failed_at":"\ud800","trace_id":""}: no text that a database could take
        ("/captures?cursor=eyJsYXN0X2ZhaWxlZF9hdCI6Ilx1ZDgwMCIsInRyYWNlX2lkIjoiIn0", 400),
    ],
)
def test_an_address_that_leads_nowhere_is_a_problem_and_never_a_fault(
    address: str, status: int, client: TestClient
) -> None:
    problem_of(client.get(address), status)


def test_a_method_that_is_not_served_is_refused_with_those_that_are(client: TestClient) -> None:
    answer = client.delete("/captures")
    problem_of(answer, 405)
    assert answer.headers["allow"] == "GET"


# Health


def test_a_store_without_a_run_has_never_run(client: TestClient) -> None:
    assert client.get("/health").json() == {
        "status": "never_run",
        "reasons": [],
        "last_run": None,
        "coverage": None,
        "rate_limit": None,
        "captures_waiting": 0,
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
        "last_run": {name: report[name] for name in ("run_id", "outcome", "started_at", "finished_at")},
        "coverage": {"state": "complete", "reasons": [], "window": report["window"]},
        "rate_limit": report["rate_limit"],
        "captures_waiting": 2,
        "dead_letters": 0,
    }
    assert answer.json()["rate_limit"]["remaining"] == 98
    assert "canary" not in answer.text


def ago(**span: float) -> str:
    return timestamp(datetime.now(UTC) - timedelta(**span))


PARTIAL = {"outcome": "partial", "coverage": Coverage(state="partial", reasons=("the call budget is used up",))}
DOUBTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "partial": ([PARTIAL | {"started_at": ago(hours=1)}], "partial"),
    "failed": ([{"outcome": "failed", "started_at": ago(hours=1)}], "failed"),
    "overdue": ([{"started_at": ago(hours=30)}], "30 h, longer than the look-back of 24 h"),
    "died": ([{"started_at": ago(hours=2)}, {"outcome": "running", "started_at": ago(hours=1)}], "never ended"),
}


@pytest.mark.parametrize("case", DOUBTS)
def test_health_is_degraded_by_a_run_that_was_not_whole(case: str, store: Path, client: TestClient) -> None:
    runs, said = DOUBTS[case]
    fill(store, Batch(), {str(at): run(f"r{at}", **fields) for at, fields in enumerate(runs)})
    found = client.get("/health").json()
    assert found["status"] == "degraded"
    assert said in found["reasons"][0]


def test_dead_letters_degrade_health(store: Path, client: TestClient) -> None:
    fill(store, Batch(dead_letters=[dead_letter()]), {"r": run(started_at=ago(hours=1))})
    found = client.get("/health").json()
    assert (found["status"], found["reasons"], found["dead_letters"]) == ("degraded", ["1 dead letter"], 1)


def test_a_run_at_work_leaves_health_as_the_last_finished_one_made_it(store: Path, client: TestClient) -> None:
    at_work = run("r2", outcome="running", started_at=ago(seconds=5))
    fill(store, Batch(), {"r1": run("r1", started_at=ago(hours=1)), "r2": at_work})
    found = client.get("/health").json()
    assert (found["status"], found["last_run"]["run_id"]) == ("ok", "r2")


# Faults


def test_a_store_that_cannot_be_used_is_a_problem_everywhere(store: Path, client: TestClient, log: io.BytesIO) -> None:
    for leftover in store.parent.iterdir():
        leftover.unlink()
    store.write_bytes(b"no database " * 1_000)
    assert "store" in problem_of(client.get("/health"), 503)
    assert "store" in problem_of(client.get("/captures"), 503)
    assert "store" in problem_of(client.get("/captures/abc"), 503)
    problem_of(client.post("/ingestion/run-once"), 400)
    assert "not an EvalForge store" in log.getvalue().decode()


def test_a_document_that_cannot_be_read_is_a_problem(store: Path, client: TestClient) -> None:
    fill(store, Batch(captures=captures_of(1)))
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE captures SET document = '{'")
    assert "store" in problem_of(client.get("/captures"), 503)


def test_each_problem_has_an_instance_of_its_own_that_the_log_knows(client_of: Opener, log: io.BytesIO) -> None:
    client = client_of(DD_API_KEY="")
    instances = [client.post("/ingestion/run-once").json()["instance"] for _ in range(2)]
    logged = [json.loads(line)["request_id"] for line in log.getvalue().splitlines()]
    assert instances == [f"urn:evalforge:request:{one}" for one in logged]
    assert len(set(instances)) == 2


def test_a_service_on_loopback_answers_to_its_own_names_only(client_of: Opener) -> None:
    client = client_of(hosts={"localhost", "[::1]"})
    for host in ("localhost", "localhost:8080", "LOCALHOST", "[::1]:8080"):
        assert client.get("/health", headers={"host": host}).status_code == 200
    for host in ("evil.example", "localhost.evil.example:8080", "", "[::1].evil.example"):
        problem_of(client.get("/health", headers={"host": host}), 421)


def test_nothing_that_is_not_asked_for_is_in_a_header(client: TestClient) -> None:
    headers = client.get("/health").headers
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
