"""Every fault that the sandbox can be told to have, as a client meets it."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from evalforge.sandbox.faults import Fault, FaultKind
from evalforge.sandbox.server import RunningSandbox, running
from evalforge.sandbox.settings import SandboxSettings
from helpers.sandbox_api import body, every_span, intake_span, search


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running() as bound:
        bound.sandbox.ingest_spans(intake_span(str(place), start_ns=place) for place in range(1, 11))
        yield bound


def put(sandbox: RunningSandbox, *faults: dict[str, Any]) -> httpx2.Response:
    return httpx2.put(f"{sandbox.url}/sandbox/faults", json={"faults": faults}, trust_env=False)


def test_an_org_without_spans_answers_500_no_valid_indexes() -> None:
    with running() as empty:
        response = search(empty.url)
        assert response.status_code == 500
        assert response.json()["errors"][0]["detail"] == "No valid indexes specified"


def test_a_burst_of_errors_ends_by_itself(sandbox: RunningSandbox) -> None:
    assert put(sandbox, {"kind": "status", "status": 429, "count": 2, "retry_after": "7"}).status_code == 200
    answers = [search(sandbox.url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["7", "7", None]
    assert all("X-RateLimit-Limit" in answer.headers for answer in answers)


def test_a_timeout_is_half_a_page_with_its_status(sandbox: RunningSandbox) -> None:
    sandbox.sandbox.faults.set([Fault(kind=FaultKind.TIMED_OUT)])
    document = search(sandbox.url).json()
    assert (len(document["data"]), document["meta"]["status"]) == (5, "timeout")


def test_broken_bodies_come_with_status_200(sandbox: RunningSandbox) -> None:
    put(sandbox, {"kind": "truncated_body", "count": 1}, {"kind": "html", "count": 1})
    truncated, page = search(sandbox.url), search(sandbox.url)
    assert (truncated.status_code, page.status_code) == (200, 200)
    assert page.headers["content-type"].startswith("text/html")
    for answer in (truncated, page):
        with pytest.raises(ValueError, match=r".*"):
            answer.json()


def test_a_cursor_can_repeat_or_expire_but_only_once_there_is_one(sandbox: RunningSandbox) -> None:
    put(sandbox, {"kind": "repeated_cursor", "count": 1}, {"kind": "expired_cursor", "count": 1})
    cursor = search(sandbox.url, page={"limit": 4}).json()["meta"]["page"]["after"]
    again = search(sandbox.url, page={"limit": 4, "cursor": cursor}).json()
    assert again["meta"]["page"]["after"] == cursor
    assert search(sandbox.url, page={"limit": 4, "cursor": cursor}).status_code == 400
    assert search(sandbox.url, page={"limit": 4, "cursor": cursor}).status_code == 200


def test_an_or_can_be_refused_while_other_queries_go_on(sandbox: RunningSandbox) -> None:
    put(sandbox, {"kind": "refused_or"})
    assert search(sandbox.url, "@status:ok OR @status:error").status_code == 400
    assert search(sandbox.url, '@status:ok -@name:"a OR b"').status_code == 200


def test_a_slow_answer_is_late_and_right(sandbox: RunningSandbox) -> None:
    put(sandbox, {"kind": "slow", "seconds": 0.3, "count": 1})
    with pytest.raises(httpx2.TimeoutException):
        httpx2.post(
            f"{sandbox.url}/api/v2/llm-obs/v1/spans/events/search",
            json=body(),
            headers={"DD-API-KEY": "a", "DD-APPLICATION-KEY": "b"},
            timeout=0.1,
            trust_env=False,
        )
    assert len(every_span(sandbox.url)) == 10


def test_faults_are_listed_replaced_and_taken_away(sandbox: RunningSandbox) -> None:
    url = f"{sandbox.url}/sandbox/faults"
    put(sandbox, {"kind": "no_indexes"})
    assert search(sandbox.url).status_code == 500
    assert httpx2.get(url, trust_env=False).json()["faults"][0]["kind"] == "no_indexes"
    assert put(sandbox, {"kind": "unheard of"}).status_code == 400
    assert httpx2.delete(url, trust_env=False).json() == {"faults": []}
    assert search(sandbox.url).status_code == 200


def test_faults_can_be_there_from_the_start() -> None:
    with running(SandboxSettings(faults=(Fault(kind=FaultKind.STATUS, status=503, count=1),))) as sandbox:
        sandbox.sandbox.ingest_spans([intake_span("1")])
        assert [search(sandbox.url).status_code for _ in range(2)] == [503, 200]
