"""The error of a span, wherever it is."""

from typing import Any

import pytest

from evalforge.ingestion.span_errors import error_message, error_type, status_code
from helpers.spans import make_span
from helpers.time_limits import within


@pytest.mark.parametrize(
    "attributes",
    [
        {"error": {"type": "TimeoutError", "message": "slow"}},
        {"meta": {"error": {"type": "TimeoutError", "message": "slow"}}},
        {"tags": ["error:1", "error_type:TimeoutError", "error_message:slow"]},
        {"metadata": {"error.type": "TimeoutError", "error_message": "slow"}},
        {"metadata": {"error": {"type": "TimeoutError", "message": "slow"}}},
    ],
)
def test_type_and_message_are_found_in_every_place(attributes: dict[str, Any]) -> None:
    span = make_span(**attributes)
    assert (error_type(span), error_message(span)) == ("TimeoutError", "slow")


@pytest.mark.parametrize("error", [None, 1, True, [], {}, {"type": 3, "message": None}])
def test_an_odd_error_is_no_error_text(error: object) -> None:
    span = make_span(error=error)
    assert (error_type(span), error_message(span), status_code(span)) == (None, None, None)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"tags": ["http.status_code:429"]}, 429),
        ({"metadata": {"http.status_code": 503.0}}, 503),
        ({"metadata": {"http": {"response": {"status_code": "404"}}}}, 404),
        ({"http": {"status_code": 200}}, 200),
        ({"status_code": 600}, None),
        ({"status_code": True}, None),
        ({"status_code": "OK", "error": {"message": "HTTP 502"}}, 502),
    ],
)
def test_a_status_code_is_read_from_fields(attributes: dict[str, Any], code: int | None) -> None:
    assert status_code(make_span(**attributes)) == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Error code: 429 - {'error': {}}", 429),
        ("HTTP 503", 503),
        ("HTTP/1.1 502 Bad Gateway", 502),
        ("Request failed with status code 401", 401),
        ("status_code=504", 504),
        ('{"status": 500}', 500),
        ("Client error '404 Not Found' for url", 404),
        ("503 Service Unavailable", 503),
        ("code 4290", None),
        ("zip code 501", None),
        ("took 500 ms", None),
        ("saw 404 items", None),
        ("status 5001", None),
        ("HTTP 200", None),
        ("x" * 4096 + "HTTP 503", None),
    ],
)
def test_a_status_code_is_read_from_the_message_only_where_it_is_clearly_one(message: str, code: int | None) -> None:
    assert status_code(make_span(error={"message": message})) == code


@pytest.mark.parametrize("hostile", ["status ", "http ", "400 ", "error code:\t", "code_code"])
def test_a_hostile_message_takes_no_time(hostile: str) -> None:
    span = make_span(error={"message": hostile * 100_000})
    within(0.1, lambda: status_code(span))
