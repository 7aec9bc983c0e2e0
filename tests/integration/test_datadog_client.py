"""The search against a server of the documented API: what is asked, where the data ends, and what must never leak."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from evalforge.common.errors import ConfigurationError, CredentialsRejected, PartialRun
from evalforge.ingestion.models import TraceSource
from evalforge.ingestion.search.errors import SearchInterrupted, SearchRefused
from evalforge.models import RateLimit
from helpers import fake_datadog as fake
from helpers.clocks import FakeClock
from helpers.datadog_searches import API_KEY, APP_KEY, WINDOW, client_of, collect, spans
from helpers.fake_datadog import FakeDatadog

# The request


def test_the_client_is_a_trace_source() -> None:
    with client_of("http://127.0.0.1:9") as client:
        source: TraceSource = client
        assert (source.calls, source.rate_limit) == (0, RateLimit())


def test_each_request_is_as_documented() -> None:
    with FakeDatadog() as server, client_of(server, page_limit=5000) as client:
        assert collect(client) == (0, None)
    [request] = server.searches
    assert request.body == (
        b'{"data":{"type":"spans","attributes":{"filter":{"from":"2026-11-22T12:00:00.000Z",'
        b'"to":"2026-11-23T12:00:00.000Z","query":"@status:error"},"page":{"limit":5000},"sort":"timestamp"}}}'
    )
    assert (request.headers["dd-api-key"], request.headers["dd-application-key"]) == (API_KEY, APP_KEY)
    assert request.headers["content-type"] == "application/json"


def test_a_page_says_whether_more_follow() -> None:
    with FakeDatadog(spans=spans(250)) as server, client_of(server) as client:
        assert [page.more for page in client.search("q", WINDOW)] == [True, True, False]


def test_every_page_is_read_once_and_asked_for_alike() -> None:
    with FakeDatadog(spans=spans(250)) as server, client_of(server) as client:
        pages = list(client.search("q", WINDOW))
    assert [len(page.items) for page in pages] == [100, 100, 50]
    assert len({item for page in pages for item in page.items}) == 250
    asked = [request.attributes for request in server.searches]
    cursors = [attributes["page"].pop("cursor", None) for attributes in asked]
    assert asked[0] == asked[1] == asked[2]
    assert cursors[0] is None
    assert len(set(cursors)) == 3
    assert client.calls == 3


def test_a_base_url_may_have_a_path_and_a_slash_at_its_end() -> None:
    with FakeDatadog() as server, client_of(f"{server.url}/proxy/") as client:
        collect(client)
    assert server.requests[0].path == f"/proxy{fake.SEARCH}"


# The end of the data


@pytest.mark.parametrize("last_page", fake.LAST_PAGES)
def test_the_data_ends_in_each_documented_form(last_page: str) -> None:
    with FakeDatadog(spans=spans(150), last_page=last_page) as server, client_of(server) as client:
        assert collect(client) == (150, None)


def test_an_answer_without_meta_is_the_last_page() -> None:
    with FakeDatadog(script=[fake.page(spans(3))]) as server, client_of(server) as client:
        assert collect(client) == (3, None)


def test_an_empty_page_with_a_cursor_is_not_the_end() -> None:
    script = [fake.page([], {"page": {"after": "a"}}), fake.page(spans(2), {"page": None})]
    with FakeDatadog(script=script) as server, client_of(server) as client:
        assert collect(client) == (2, None)


def test_a_repeated_cursor_ends_the_search_as_partial() -> None:
    loop = [fake.page(spans(1), {"page": {"after": cursor}}) for cursor in "abababab"]
    with FakeDatadog(script=loop) as server, client_of(server) as client:
        count, error = collect(client)
    assert (count, client.calls) == (3, 3)
    assert isinstance(error, SearchInterrupted)
    assert "same cursor" in error.reason


def test_a_cursor_that_is_no_text_keeps_its_page_and_ends_as_partial() -> None:
    with (
        FakeDatadog(script=[fake.page(spans(4), {"page": {"after": {"x": 1}}})]) as server,
        client_of(server) as client,
    ):
        count, error = collect(client)
    assert count == 4
    assert isinstance(error, SearchInterrupted)


def test_a_timeout_of_the_search_is_told_and_the_search_goes_on() -> None:
    script = [
        fake.page(spans(2), {"status": "timeout", "page": {"after": "a"}}),
        fake.page(spans(1), {"status": "done"}),
    ]
    with FakeDatadog(script=script) as server, client_of(server) as client:
        pages = list(client.search("q", WINDOW))
    assert [page.in_part for page in pages] == ["timeout", None]


@pytest.mark.parametrize(("status", "told"), [("partial", "partial"), ("a b <script>", "of a form that is not known")])
def test_a_status_that_nobody_knows_is_taken_for_an_answer_that_may_lack_spans(status: str, told: str) -> None:
    with FakeDatadog(script=[fake.page(spans(2), {"status": status})]) as server, client_of(server) as client:
        assert [page.in_part for page in client.search("q", WINDOW)] == [told]


@pytest.mark.parametrize("meta", [{"status": "done"}, {"status": "DONE"}, {"status": None}, {}])
def test_an_answer_that_is_done_or_says_nothing_is_whole(meta: dict[str, object]) -> None:
    with FakeDatadog(script=[fake.page(spans(2), meta)]) as server, client_of(server) as client:
        assert [page.in_part for page in client.search("q", WINDOW)] == [None]


def test_an_org_without_data_is_empty_and_no_outage() -> None:
    with FakeDatadog(script=[fake.EMPTY_ORG]) as server, client_of(server) as client:
        assert collect(client) == (0, None)
    assert client.calls == 1


def test_one_poisonous_span_harms_no_other() -> None:
    items = [
        *spans(50),
        b'{"id":"x","attributes":{"name":"\\ud800"}}',
        b'{"a": oops}',
        b"[" * 3000 + b"]" * 3000,
        *spans(48),
    ]
    with FakeDatadog(script=[fake.page(items, {"page": None})]) as server, client_of(server) as client:
        assert collect(client) == (101, None)


# Refusals


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_keys_stop_at_once_with_one_line_that_says_what_to_check(status: int) -> None:
    with FakeDatadog(script=[fake.reply(status, {"errors": [API_KEY]})]) as server, client_of(server) as client:
        _, error = collect(client)
    assert isinstance(error, CredentialsRejected)
    assert (error.exit_code, len(server.requests)) == (4, 1)
    for told in ("DD_API_KEY", "DD_APP_KEY", "llm_observability_read", server.url, str(status)):
        assert told in str(error)
    assert "\n" not in str(error)


def test_keys_of_another_account_are_rejected() -> None:
    with FakeDatadog(api_key="another") as server, client_of(server) as client:
        assert isinstance(collect(client)[1], CredentialsRejected)


@pytest.mark.parametrize("status", [301, 302, 304, 307, 400, 402, 404, 405, 409, 413, 415, 422])
def test_another_refusal_is_not_retried_and_no_redirect_is_followed(status: int) -> None:
    answer = fake.reply(status, b"" if status == 304 else {"errors": ["x"]}, {"Location": "/elsewhere"})
    with FakeDatadog(script=[answer]) as server, client_of(server) as client:
        _, error = collect(client)
    assert isinstance(error, SearchRefused)
    assert isinstance(error, PartialRun)
    assert (error.status, len(server.requests)) == (status, 1)


def test_a_cursor_that_expired_ends_the_search_as_partial() -> None:
    script = [fake.page(spans(2), {"page": {"after": "old"}}), fake.reply(400)]
    with FakeDatadog(script=script) as server, client_of(server) as client:
        count, error = collect(client)
    assert (count, client.calls) == (2, 2)
    assert isinstance(error, SearchInterrupted)


# The list of evaluators


def test_the_custom_evaluators_are_named() -> None:
    with FakeDatadog(evaluators=["goal", "tone check"]) as server, client_of(server) as client:
        assert client.evaluator_names() == {"goal", "tone check"}
    assert (server.requests[0].method, client.calls) == ("GET", 1)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"data": []}, set()),
        (
            {"data": [{"attributes": {"name": "a"}}, {"eval_name": "b"}, {"id": "c"}, {"id": 5}, None, "x", {}]},
            {"a", "b", "c"},
        ),
        ([{"name": "a"}], {"a"}),
        ({"data": [{"id": "c", "attributes": {"eval_name": 7}}]}, {"c"}),
    ],
)
def test_the_list_of_evaluators_is_read_tolerantly(body: Any, names: set[str]) -> None:
    with FakeDatadog(evaluators_script=[fake.reply(200, body)]) as server, client_of(server) as client:
        assert client.evaluator_names() == names


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refused_list_of_evaluators_is_the_callers_to_tolerate(status: int) -> None:
    script = [fake.reply(status)]
    with (
        FakeDatadog(evaluators_script=script) as server,
        client_of(server) as client,
        pytest.raises(SearchRefused) as refused,
    ):
        client.evaluator_names()
    assert (refused.value.status, client.calls) == (status, 1)


def test_keys_rejected_at_the_list_of_evaluators_are_rejected() -> None:
    script = [fake.reply(401)]
    with (
        FakeDatadog(evaluators_script=script) as server,
        client_of(server) as client,
        pytest.raises(CredentialsRejected),
    ):
        client.evaluator_names()


def test_a_broken_list_of_evaluators_is_retried_and_then_given_up() -> None:
    script = [fake.html, fake.reply(200, {}), fake.reply(503)]
    with (
        FakeDatadog(evaluators_script=script) as server,
        client_of(server) as client,
        pytest.raises(SearchInterrupted),
    ):
        client.evaluator_names()
    assert len(server.requests) == 3


def test_the_limit_of_the_evaluators_endpoint_does_not_slow_the_search() -> None:
    clock = FakeClock()
    limited = fake.reply(200, {"data": []}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3000"})
    with FakeDatadog(evaluators_script=[limited]) as server, client_of(server, clock) as client:
        client.evaluator_names()
        assert collect(client) == (0, None)
    assert sum(clock.sleeps) < 0.01


# What is told, and what never is


def test_each_attempt_is_told_once_with_names_and_numbers() -> None:
    events: list[dict[str, Any]] = []
    script = [fake.reply(503), fake.html]
    with FakeDatadog(spans=spans(2), script=script) as server, client_of(server, on_request=events.append) as client:
        collect(client)
    assert [(event["status"], event["attempt"], event["spans"]) for event in events] == [
        (503, 1, 0),
        (200, 2, 0),
        (200, 3, 2),
    ]
    assert events[1]["wait"] == pytest.approx(0.5, abs=0.01)
    for event in events:
        assert event.keys() == {
            *("method", "path", "attempt", "wait", "status", "problem", "spans", "bytes", "rate_limit", "elapsed_ms"),
        }


class _Masked:
    def __init__(self, key: str) -> None:
        self._key = key

    def get_secret_value(self) -> str:
        return self._key


def test_a_secret_object_is_taken_as_a_key() -> None:
    keys = {"api_key": _Masked("a1"), "app_key": _Masked("b2")}
    with FakeDatadog(api_key="a1", app_key="b2") as server, client_of(server, **keys) as client:
        assert collect(client) == (0, None)


@pytest.mark.parametrize("key", ["", "canary\n", "canary key", "canary\0", "cänary", "canary\r\nX-Injected: 1"])
@pytest.mark.parametrize("name", ["api_key", "app_key"])
def test_a_key_that_no_header_can_hold_is_refused_by_the_settings_name(name: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused, client_of("http://127.0.0.1:9", **{name: key}):
        pass
    assert str(refused.value).startswith(f"DD_{name.upper()} ")
    assert "canary" not in str(refused.value)


LEAKS: Mapping[str, list[fake.Answer]] = {
    "echoed in an error": [fake.reply(400, {"errors": [API_KEY, APP_KEY]})],
    "echoed in a refusal": [fake.reply(403, {"errors": [API_KEY, APP_KEY]})],
    "echoed in broken bodies": [fake.reply(200, f"<p>{API_KEY} {APP_KEY}".encode())] * 3,
    "echoed in server errors": [fake.reply(500, {"errors": [API_KEY, APP_KEY]})] * 3,
    "echoed in headers": [fake.reply(429, {}, {"Retry-After": APP_KEY, "X-RateLimit-Name": "n"})] * 3,
    "connection broken": [fake.reset_mid_body, fake.garbage, fake.hang_up_at_once],
    "broken gzip": [fake.truncated_gzip] * 3,
}


@pytest.mark.parametrize("script", LEAKS.values(), ids=LEAKS.keys())
def test_keys_are_in_no_repr_event_log_error_or_chain_of_errors(
    script: list[fake.Answer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[dict[str, Any]] = []
    with FakeDatadog(script=list(script)) as server, client_of(server, on_request=events.append) as client:
        _, error = collect(client)
        told = [repr(client), str(client), repr(events), caplog.text]
    assert error is not None
    chained: BaseException | None = error
    while chained is not None:
        told += [repr(chained), str(chained), repr(vars(chained)), repr(chained.args)]
        assert type(chained).__module__.startswith(("evalforge.", "builtins"))
        chained = chained.__cause__ or chained.__context__
    assert not any(key in text for key in (API_KEY, APP_KEY) for text in told)


def test_credentials_in_the_base_url_are_not_told() -> None:
    with (
        FakeDatadog(script=[fake.reply(403)]) as server,
        client_of(server.url.replace("http://", "http://user:hunter2@")) as client,
    ):
        _, error = collect(client)
    assert "hunter2" not in str(error)
