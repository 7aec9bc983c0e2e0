"""What the service refuses: each a problem document that says what is accepted, and a line in the log."""

import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from evalforge.common.errors import LeaseHeld
from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from helpers.fake_datadog import FakeDatadog
from helpers.services import Opener, captures_of, fill, problem_of

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


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:9"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://localhost", "sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_of_another_origin_cannot_start_a_run(
    headers: dict[str, str], client_of: Opener, datadog: FakeDatadog
) -> None:
    client = client_of(datadog.url)
    answer = client.post("/ingestion/run-once", headers={"host": "localhost"} | headers)
    assert "another origin" in problem_of(answer, 403)
    assert datadog.requests == []
    assert client.get("/health", headers=headers).json()["status"] == "never_run"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:8080", "sec-fetch-site": "same-origin"},
        {"origin": "http://LOCALHOST:8080"},
        {"sec-fetch-site": "none"},
    ],
)
def test_a_page_of_the_services_own_and_a_program_can(
    headers: dict[str, str], client_of: Opener, datadog: FakeDatadog
) -> None:
    client = client_of(datadog.url)
    assert client.post("/ingestion/run-once", headers={"host": "localhost:8080"} | headers).status_code == 200


TYPES = "one of guardrail_failure, prompt_injection, toxicity, "
SAID: dict[str, tuple[str, list[str]]] = {
    "an unknown parameter": (
        "/captures?severty=x",
        ["severty: not known in the query; accepted are since, service, type, severity, limit, cursor"],
    ),
    "an unknown parameter that may be anything": ("/captures?jane%40doe.example=x", ["a name: not known in the query"]),
    "no type": ("/captures?type=nope", [f"type=nope: accepted is {TYPES}"]),
    "a type that may be anything": ("/captures?type=jane%40doe.example", [f"type: accepted is {TYPES}"]),
    "no severity": ("/captures?severity=urgent", ["severity=urgent: accepted is one of critical, high, medium, low"]),
    "too large a page": ("/captures?limit=501", ["limit=501: accepted is a whole number from 1 to 500"]),
    "a long service": ("/captures?service=" + "s" * 201, ["service: accepted is a text of at most 200 characters"]),
    "no time": ("/captures?since=yesterday", ["since=yesterday: accepted is 24h, 7d or a time with its zone"]),
    "no id": ("/captures/xyz", ["trace_id=xyz: accepted is 1 to 64 hex or decimal digits"]),
    "several": ("/captures?limit=0&type=x&a=1", ["a: not known", "limit=0: accepted", "type=x: accepted"]),
    "no address": (
        "/",
        ["POST /ingestion/run-once, GET /health, GET /captures, GET /captures/{trace_id}, GET /openapi.json"],
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_a_refusal_names_the_field_its_value_if_plain_and_what_is_accepted(case: str, client: TestClient) -> None:
    address, said = SAID[case]
    detail = problem_of(client.get(address), client.get(address).status_code)
    assert [part for part in said if part not in detail] == []
    assert "jane" not in detail
    assert "literal" not in detail


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"lookback": 7}, "lookback: not known in the body; accepted are lookbackHours, qualityThreshold"),
        ({"jane@doe.example": 7}, "a name: not known in the body; accepted are lookbackHours, qualityThreshold"),
        ({"": 7}, "a name: not known in the body; accepted are lookbackHours, qualityThreshold"),
        ({"lookbackHours": 73}, "lookbackHours=73: accepted is a finite number above 0 and at most 72"),
        ({"lookbackHours": "3"}, 'lookbackHours="3": accepted is a finite number above 0 and at most 72'),
        ({"lookbackHours": {"a": 1}}, "lookbackHours: accepted is a finite number above 0 and at most 72"),
        ({"qualityThreshold": "jane doe"}, "qualityThreshold: accepted is a finite number"),
        ([], "body: accepted is a JSON object, sent as application/json"),
    ],
)
def test_a_refused_body_is_told_what_is_accepted(body: Any, said: str, client: TestClient) -> None:
    assert problem_of(client.post("/ingestion/run-once", json=body), 400) == said


def hold_lease(store: Path, seconds: float = 60) -> None:
    """For the run r0, which goes on holding it."""
    with closing(SqliteStore(store)) as other, suppress(LeaseHeld):
        other.acquire_lease("r0", datetime.now(UTC), seconds)


@pytest.mark.parametrize(("seconds", "least", "most"), [(60, 50, 60), (80_000, 3600, 3600)])
def test_a_run_beside_another_is_told_when_to_try_again(
    seconds: float, least: int, most: int, store: Path, client: TestClient
) -> None:
    hold_lease(store, seconds)
    answer = client.post("/ingestion/run-once")
    assert "the run r0 is at work: try again when it is over" in problem_of(answer, 409)
    assert least <= int(answer.headers["retry-after"]) <= most


# The log


Ask = Callable[[Opener, Path], Any]


def beside_another_run(client_of: Opener, store: Path) -> Any:
    hold_lease(store)
    return client_of().post("/ingestion/run-once")


def over_a_broken_store(client_of: Opener, store: Path) -> Any:
    client = client_of()
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("DROP TABLE IF EXISTS runs")
    return client.get("/health")


def with_rejected_keys(client_of: Opener, store: Path) -> Any:
    with FakeDatadog(api_key="another") as server:
        return client_of(server.url).post("/ingestion/run-once")


def with_a_fault_inside(client_of: Opener, store: Path) -> Any:
    client = client_of()
    client.app.add_api_route("/fault", lambda: 1 / 0)
    return client.get("/fault?q=canary")


PROBLEMS: dict[str, tuple[int, str | None, Ask]] = {
    "a bad parameter": (400, "/captures", lambda of, _: of().get("/captures?service=canary&limit=canary%40")),
    "a bad cursor": (400, "/captures", lambda of, _: of().get("/captures?cursor=canary")),
    "a bad body": (400, "/ingestion/run-once", lambda of, _: of().post("/ingestion/run-once", json={"canary@": 1})),
    "a setting that lacks": (400, "/ingestion/run-once", lambda of, _: of(DD_API_KEY="").post("/ingestion/run-once")),
    "a foreign page": (403, None, lambda of, _: of().post("/ingestion/run-once", headers={"origin": "http://canary"})),
    "no address": (404, None, lambda of, _: of().get("/canary")),
    "no capture": (404, "/captures/{trace_id}", lambda of, _: of().get("/captures/abc")),
    "no method": (405, "/captures", lambda of, _: of().request("CANARY", "/captures")),
    "another run": (409, "/ingestion/run-once", beside_another_run),
    "a large body": (413, None, lambda of, _: of().post("/ingestion/run-once", content=b"canary" * 20_000)),
    "another host": (421, None, lambda of, _: of(hosts={"localhost"}).get("/health", headers={"host": "canary"})),
    "a fault": (500, "/fault", with_a_fault_inside),
    "rejected keys": (502, "/ingestion/run-once", with_rejected_keys),
    "a broken store": (503, "/health", over_a_broken_store),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_each_problem_has_an_instance_of_its_own_that_the_log_knows(
    case: str, client_of: Opener, store: Path, log: io.BytesIO
) -> None:
    status, route, ask = PROBLEMS[case]
    answers = [ask(client_of, store) for _ in range(2)]
    for answer in answers:
        problem_of(answer, status)
    lines = [line for line in map(json.loads, log.getvalue().splitlines()) if line["message"] == "served"]
    assert [answer.json()["instance"] for answer in answers] == [
        f"urn:evalforge:request:{line['request_id']}" for line in lines
    ]
    assert len({line["request_id"] for line in lines}) == 2
    assert {(line["status"], line["route"]) for line in lines} == {(status, route)}
    assert {line["severity"] for line in lines} == {"ERROR" if status >= 500 else "WARNING"}
    assert all(line["duration_ms"] >= 0 for line in lines)
    assert "canary" not in json.dumps(lines).lower()


def test_an_answer_that_is_no_problem_has_its_line_too(client: TestClient, log: io.BytesIO) -> None:
    client.get("/captures?service=canary")
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert {name: line[name] for name in ("severity", "message", "method", "route", "status")} == {
        "severity": "INFO",
        "message": "served",
        "method": "GET",
        "route": "/captures",
        "status": 200,
    }
    assert b"canary" not in log.getvalue()
