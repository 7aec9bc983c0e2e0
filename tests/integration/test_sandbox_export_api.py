"""The sandbox's Export API over real HTTP: documented defaults, refusals, paging and rate limits."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from evalforge.sandbox.server import RunningSandbox, running
from evalforge.sandbox.settings import SandboxSettings
from helpers.clocks import FakeClock
from helpers.sandbox_api import EVENTS, KEYS, body, every_span, intake_span, metric, search

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
MINUTE_NS = 60 * 10**9


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture(scope="module")
def sandbox(clock: FakeClock) -> Iterator[RunningSandbox]:
    with running(SandboxSettings(rate_limit=10**6), clock) as bound:
        bound.sandbox.ingest_spans(
            intake_span(str(place), start_ns=NOW_NS - place * MINUTE_NS, tags=[f"ml_app:App{place % 2}", "team:Pay"])
            for place in range(1, 31)
        )
        yield bound


def ids(response: httpx2.Response) -> list[int]:
    assert response.status_code == 200, response.text
    return [int(item["id"]) for item in response.json()["data"]]


def post(sandbox: RunningSandbox, document: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
    return httpx2.post(
        f"{sandbox.url}{EVENTS}/search", json=document, headers=KEYS if headers is None else headers, trust_env=False
    )


def get(sandbox: RunningSandbox, **parameters: str) -> httpx2.Response:
    named = {name.replace("__", "[") + "]" * name.count("__"): value for name, value in parameters.items()}
    return httpx2.get(f"{sandbox.url}{EVENTS}", params=named, headers=KEYS, trust_env=False)


def test_without_a_filter_it_is_ten_spans_of_the_last_fifteen_minutes_oldest_first(sandbox: RunningSandbox) -> None:
    response = post(sandbox, {"data": {"type": "spans"}})
    assert ids(response) == list(range(15, 5, -1))
    assert ids(get(sandbox)) == list(range(15, 5, -1))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("now-3m", "now-2m"),
        ("2026-11-23T11:57:30Z", "2026-11-23T12:58:30+01:00"),
        (str((NOW_NS - 3 * MINUTE_NS) // 10**6), str((NOW_NS - 2 * MINUTE_NS) // 10**6)),
    ],
)
def test_a_window_is_told_in_three_ways_and_holds_both_ends(sandbox: RunningSandbox, start: str, end: str) -> None:
    assert ids(post(sandbox, body(start=start, end=end))) == [3, 2]
    assert ids(get(sandbox, filter__from=start, filter__to=end)) == [3, 2]


@pytest.mark.parametrize(
    "document",
    [
        {"data": {"type": "search_request", "attributes": {}}},
        {"data": {"type": "spans", "attributes": {"filter": {"from": 1_761_833_858_897}}}},
        {"data": {"type": "spans", "attributes": {"filter": {"from": "yesterday"}}}},
        {"data": {"type": "spans", "attributes": {"filter": []}}},
        {"data": {"type": "spans", "attributes": {"page": {"limit": 5001}}}},
        {"data": {"type": "spans", "attributes": {"page": {"limit": 0}}}},
        {"data": {"type": "spans", "attributes": {"page": {"limit": "10"}}}},
        {"data": {"type": "spans", "attributes": {"page": {"cursor": "bm90IG91cnM="}}}},
        {"data": {"type": "spans", "attributes": {"sort": "-start_ns"}}},
        {"data": {"type": "spans", "attributes": {"filter": {"query": "(@status:error"}}}},
        {"data": []},
        [],
    ],
)
def test_a_wrong_request_is_refused_with_an_errors_document(sandbox: RunningSandbox, document: Any) -> None:
    response = post(sandbox, document)
    assert response.status_code == 400
    assert response.json()["errors"][0]["detail"]


def test_a_query_wins_over_the_other_filters(sandbox: RunningSandbox) -> None:
    both = body("@span_id:3")
    both["data"]["attributes"]["filter"] |= {"span_id": "4", "ml_app": "App0"}
    assert ids(post(sandbox, both)) == [3]
    assert ids(get(sandbox, filter__from="0", filter__query="@span_id:3", filter__span_id="4")) == [3]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"span_id": "4"}, [4]),
        ({"ml_app": "App0", "span_kind": "llm"}, [30, 28, 26]),
        ({"span_name": "answer", "trace_id": "6903738200000000af2d3775dfc70530"}, [30, 29, 28]),
        ({"span_name": "other"}, []),
    ],
)
def test_without_a_query_the_filters_are_joined_by_and(
    sandbox: RunningSandbox, filters: dict[str, str], expected: list[int]
) -> None:
    document = body(page={"limit": 3})
    document["data"]["attributes"]["filter"] |= filters
    assert ids(post(sandbox, document)) == expected
    named = {f"filter__{name}": value for name, value in filters.items()}
    assert ids(get(sandbox, filter__from="0", page__limit="3", **named)) == expected


def test_a_tag_filter_reads_tags_in_lower_case(sandbox: RunningSandbox) -> None:
    document = body(page={"limit": 1})
    document["data"]["attributes"]["filter"]["tags"] = {"team": "Pay"}
    response = post(sandbox, document)
    assert ids(response) == [30]
    assert response.json()["data"][0]["attributes"]["tags"] == ["ml_app:app0", "team:pay"]
    url = f"{sandbox.url}{EVENTS}"
    none = httpx2.get(url, params={"filter[tag][team]": "x", "filter[from]": "0"}, headers=KEYS, trust_env=False)
    assert ids(none) == []


def test_newest_first_and_every_page_until_the_end(sandbox: RunningSandbox) -> None:
    assert ids(search(sandbox.url, sort="-timestamp", page={"limit": 3})) == [1, 2, 3]
    assert [int(span["span_id"]) for span in every_span(sandbox.url, limit=7)] == list(range(30, 0, -1))


def test_a_span_that_arrives_while_pages_are_read_disturbs_none_of_them(sandbox: RunningSandbox) -> None:
    first = search(sandbox.url, "team:pay", page={"limit": 10}).json()
    sandbox.sandbox.ingest_spans([intake_span("99", start_ns=NOW_NS - 29 * MINUTE_NS, tags=["team:pay"])])
    page = {"limit": 10, "cursor": first["meta"]["page"]["after"]}
    assert ids(search(sandbox.url, "team:pay", page=page)) == list(range(20, 10, -1))


@pytest.mark.parametrize("keys", [{}, {"DD-API-KEY": "an-api-key"}, {**KEYS, "DD-APPLICATION-KEY": "wrong"}])
def test_both_keys_are_needed(keys: dict[str, str]) -> None:
    accepted = SandboxSettings(api_keys=frozenset({"an-api-key"}), app_keys=frozenset({"an-app-key"}))
    with running(accepted) as sandbox:
        sandbox.sandbox.ingest_spans([intake_span("1")])
        response = post(sandbox, body(), keys)
        assert (response.status_code, response.json()) == (403, {"errors": ["Forbidden"]})
        assert post(sandbox, body()).status_code == 200


@pytest.mark.parametrize(
    ("last_page", "expected"), [("null", {"page": None}), ("empty", {"page": {}}), ("absent", {}), ("no_after", None)]
)
def test_the_last_page_is_told_in_the_way_that_was_chosen(last_page: Any, expected: dict[str, Any] | None) -> None:
    with running(SandboxSettings(last_page=last_page)) as sandbox:
        sandbox.sandbox.ingest_spans(intake_span(str(place), start_ns=place) for place in range(1, 4))
        meta = [search(sandbox.url, page={"limit": limit}).json()["meta"] for limit in (2, 3)]
        assert meta[0]["page"]["after"]
        shown = {name: part for name, part in meta[1].items() if name == "page"}
        assert shown == expected if expected is not None else "after" not in shown["page"] and shown["page"]


def test_the_rate_limit_counts_per_calendar_period_and_endpoint() -> None:
    clock = FakeClock(NOW)
    with running(SandboxSettings(rate_limit=2, rate_period_seconds=60), clock) as sandbox:
        sandbox.sandbox.ingest_spans([intake_span("1")])
        answers = [search(sandbox.url) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert answers[2].headers["X-RateLimit-Reset"] == "30"
        assert answers[2].headers["X-RateLimit-Limit"] == "2"
        assert answers[2].headers["X-RateLimit-Period"] == "60"
        assert answers[2].headers["X-RateLimit-Name"]
        assert answers[2].json()["errors"]
        clock.advance(30)
        assert search(sandbox.url).status_code == 200


def test_time_units_errors_and_feedback_can_be_chosen() -> None:
    span = intake_span("1", meta={"error": {"type": "E", "message": "m"}, "input": {"value": "x" * 30_000}})
    plain = SandboxSettings(time_unit="ms", expose_error=False, expose_feedback=False)
    thumbs = metric("thumbs", 0, span_id="1") | {"event_kind": "feedback"}
    for settings, start, shown in (
        (SandboxSettings(), 1_761_833_858_897_000_000, True),
        (plain, 1_761_833_858_897, False),
    ):
        with running(settings) as sandbox:
            sandbox.sandbox.ingest_spans([span])
            sandbox.sandbox.ingest_evaluations([thumbs])
            (attributes,) = every_span(sandbox.url, "@error.type:E @feedback.thumbs.value:0 @duration:83ms")
            assert attributes["start_ns"] == start
            assert attributes["duration"] == (83_000_000 if shown else 83)
            assert ("error" in attributes, "feedback" in attributes) == (shown, shown)
            short = search(sandbox.url, options={"include_attachments": False}).json()["data"][0]["attributes"]
            assert len(short["input"]["value"]) == 25_000
