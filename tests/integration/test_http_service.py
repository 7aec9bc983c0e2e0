"""The HTTP service: outcomes and their statuses, pages, health, and every error a problem document."""

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from evalforge.backlog.api import LARGEST_PAGE_BYTES
from evalforge.ports import Batch
from helpers.captures import capture, signal, span
from helpers.commands import environment, evalforge
from helpers.exported import failed, item
from helpers.fake_datadog import FakeDatadog, reply
from helpers.services import Opener, captures_of, fill, problem_of

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


@pytest.mark.parametrize("service", ["", "nobody"])
def test_a_page_says_what_the_last_run_read_so_that_nothing_is_not_taken_for_health(
    service: str, client_of: Opener, datadog: FakeDatadog
) -> None:
    datadog.script = [reply(503)] * 2
    client = client_of(datadog.url, EVALFORGE_MAX_CALLS="2")
    asked = {"service": service} if service else {}
    nothing = {"items": [], "next_cursor": None, "at_least": False, "last_run": None}
    assert client.get("/captures", params=asked).json() == nothing
    report = client.post("/ingestion/run-once").json()
    assert client.get("/captures", params=asked).json()["at_least"] is True
    assert client.get("/captures", params=asked).json()["last_run"] == {
        "run_id": report["run_id"],
        "outcome": "partial",
        "started_at": report["started_at"],
        "finished_at": report["finished_at"],
        "window": report["window"],
        "state": "partial",
        "reasons": report["coverage"]["reasons"],
    }


def test_an_id_is_found_in_upper_case_too(store: Path, client: TestClient) -> None:
    fill(store, Batch(captures=[capture("abc123")]))
    shown = evalforge("captures", "show", "ABC123", env=environment(store))
    assert client.get("/captures/ABC123").json() == client.get("/captures/abc123").json() == shown.report
