"""The log: one bounded JSON object a line with Cloud Logging's fields, levels, and errors without what they say."""

import io
import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.common.correlation import SAMPLED, SPAN, TRACE, trace_fields, trigger_of
from evalforge.common.errors import StoreError
from evalforge.common.log_lines import LARGEST_LINE_BYTES
from evalforge.common.logging import ServiceContext, json_logger, tell_of_libraries
from helpers.clocks import FakeClock

CANARY = "canary jane.doe@example.com"
TRACE_ID, SPAN_ID = "105445aa7843bc8bf206b12000100000", "00000000000000ff"


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logged(level: str = "info", **bound: Any) -> tuple[io.BytesIO, Any]:
    stream = io.BytesIO()
    return stream, json_logger(stream, FakeClock(), level, ServiceContext("forge", "forge-00001")).bind(**bound)


def test_a_line_has_the_fields_of_cloud_logging_and_the_place_it_was_written_at() -> None:
    stream, log = logged(run_id="r-1")
    log.info("hello", severity="no", time="no", spans=3)
    line = lines(stream)[0]
    assert (line["severity"], line["message"], line["spans"], line["run_id"]) == ("INFO", "hello", 3, "r-1")
    assert datetime.fromisoformat(line["time"]).tzinfo == UTC
    assert line["logging.googleapis.com/labels"] == {"run_id": "r-1"}
    place = line["logging.googleapis.com/sourceLocation"]
    assert place["function"] == "test_a_line_has_the_fields_of_cloud_logging_and_the_place_it_was_written_at"
    assert place["file"].endswith("test_logging.py")
    assert place["line"].isdigit()


@pytest.mark.parametrize(("level", "told"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_a_level_leaves_out_what_is_below_it(level: str, told: int) -> None:
    stream, log = logged(level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("x")
    assert [line["severity"] for line in lines(stream)] == ["DEBUG", "INFO", "WARNING", "ERROR"][-told:]


PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"traceparent": PARENT}, (TRACE_ID, SPAN_ID, True)),
        ({"traceparent": PARENT[:-1] + "0"}, (TRACE_ID, SPAN_ID, False)),
        ({"X-Cloud-Trace-Context": f"{TRACE_ID}/255;o=1"}, (TRACE_ID, SPAN_ID, True)),
        ({"X-Cloud-Trace-Context": TRACE_ID.upper()}, (TRACE_ID, None, False)),
        ({"traceparent": "00-x", "X-Cloud-Trace-Context": f"{TRACE_ID}/0"}, (TRACE_ID, None, False)),
        ({"traceparent": f"00-{'0' * 32}-{SPAN_ID}-01"}, None),
        ({"X-Cloud-Trace-Context": f"{TRACE_ID}/{2**64};o=1"}, (TRACE_ID, None, True)),
        ({"X-Cloud-Trace-Context": CANARY}, None),
        ({"traceparent": PARENT + "\n"}, (TRACE_ID, SPAN_ID, True)),
        ({}, None),
    ],
)
def test_the_trace_of_a_request_is_read_from_either_header(headers: dict[str, str], found: Any) -> None:
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    fields = trace_fields(sent, "shop-1")
    if found is None:
        assert fields == {}
        return
    assert fields[TRACE] == f"projects/shop-1/traces/{found[0]}"
    assert (fields.get(SPAN), fields[SAMPLED]) == found[1:]
    assert trace_fields(sent, None) == {}


@given(st.dictionaries(st.sampled_from(["traceparent", "x-cloud-trace-context", "x-cloudscheduler"]), st.binary()))
def test_no_header_harms_or_gets_through(headers: dict[str, bytes]) -> None:
    sent = [(name.encode(), value) for name, value in headers.items()]
    assert set(trace_fields(sent, "p")) <= {TRACE, SPAN, SAMPLED}
    assert trigger_of(sent, {}).told["trigger"] in ("http", "cloud-scheduler")


def test_the_schedulers_headers_are_told_if_they_are_plain() -> None:
    sent = {"X-CloudScheduler": "true", "X-CloudScheduler-JobName": "evalforge-run"}
    due = {"X-CloudScheduler-ScheduleTime": "2026-11-23T10:45:00Z"}
    plain = trigger_of([(name.encode(), value.encode()) for name, value in (sent | due).items()], {})
    assert plain.told == {"trigger": "cloud-scheduler", "job": "evalforge-run", "due": "2026-11-23T10:45:00Z"}
    sent |= {"X-CloudScheduler-JobName": CANARY, "X-CloudScheduler-ScheduleTime": "x" * 100_000}
    odd = trigger_of([(name.encode(), value.encode()) for name, value in sent.items()], {})
    assert odd.told == {"trigger": "cloud-scheduler", "job": "(not shown)", "due": "(not shown)"}


DEEP: Any = {}
for _ in range(2000):
    DEEP = {"deeper": DEEP}


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "ü" * 1_000_000},
        {"report": {"queries": ["q" * 40_000] * 1000, "reasons": ["r"] * 100_000}},
        {"many": {f"field {number}": "x" * 100 for number in range(100_000)}},
        {"names": ["n" * 200] * 10_000},
        {"deep": DEEP},
        {"deep": [DEEP] * 50, "text": "x" * 1_000_000},
        {"surrogate": "\ud800"},
        {"unknown": object()},
        {"huge": 10**400},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_no_line_is_larger_than_cloud_logging_takes_and_each_is_json(fields: dict[str, Any]) -> None:
    stream, log = logged(run_id="r-1")
    log.info("report", **fields)
    log.info("after")
    written = stream.getvalue().splitlines()
    assert max(map(len, written)) <= LARGEST_LINE_BYTES < 256 * 1024
    first, second = map(json.loads, written)
    assert (first["severity"], first["message"], first["run_id"]) == ("INFO", "report", "r-1")
    if len(written[0]) > 20_000 or "line_cut" in first:
        assert first["line_cut"] is True
    assert second["message"] == "after"


def failing(text: str) -> None:
    secret_local = text
    try:
        raise ValueError(f"cannot read {secret_local}")
    except ValueError as error:
        raise KeyError(text) from error


def test_an_error_is_told_as_error_reporting_groups_it_without_its_message_or_values() -> None:
    stream, log = logged()
    try:
        failing(CANARY)
    except KeyError as error:
        log.error("run failed", exc_info=error)
        log.error("served", exc_info=error)
    told, again = lines(stream)
    assert "canary" not in stream.getvalue().decode()
    assert told["@type"].endswith("ReportedErrorEvent")
    assert told["serviceContext"] == {"service": "forge", "version": "forge-00001"}
    cause, _, error = told["stack_trace"].partition("direct cause of the following exception:")
    assert cause.startswith("Traceback (most recent call last):\n  File ")
    assert "in failing\n    raise ValueError(f" in cause
    assert cause.splitlines()[-3:][0] == "ValueError: (message not shown)"
    assert error.rstrip().endswith("KeyError: (message not shown)")
    assert "stack_trace" not in again  # once is enough for who counts them


def test_an_error_of_ours_has_no_stack_for_its_message_says_it() -> None:
    stream, log = logged()
    log.error("run failed", exc_info=StoreError("the disk is full"))
    assert "stack_trace" not in lines(stream)[0]


def test_code_that_was_made_from_a_text_and_types_named_by_it_are_not_shown() -> None:
    stream, log = logged()
    kind = type(CANARY, (Exception,), {})
    code = compile(f"def f():\n    raise kind()  # {CANARY}\nf()", f"{CANARY}.x", "exec")
    try:
        exec(code, {"kind": kind})
    except kind as error:
        log.error("run failed", exc_info=error)
    assert "canary" not in stream.getvalue().decode()
    assert "Exception: (message not shown)" in lines(stream)[0]["stack_trace"]


def test_an_endless_chain_of_causes_ends() -> None:
    stream, log = logged()
    first, second = ValueError(CANARY), KeyError(CANARY)
    first.__cause__, second.__cause__ = second, first
    log.error("run failed", exc_info=first)
    assert lines(stream)[0]["stack_trace"].count("Traceback") == 2


@pytest.mark.parametrize("propagates", [True, False])
def test_what_a_library_logs_is_told_once_without_its_text(propagates: bool) -> None:
    stream, log = logged()
    logging.getLogger("google").propagate = propagates  # Google's clients turn that off when they are first used
    tell_of_libraries(log)
    tell_of_libraries(log)
    logging.getLogger("google.auth").warning("no project in %s", CANARY)
    logging.getLogger("google.auth").info("nothing")
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("grpc").exception("broken %s", CANARY)
    told = lines(stream)
    assert [(line["severity"], line["logger"]) for line in told] == [("WARNING", "google.auth"), ("ERROR", "grpc")]
    assert told[0]["at"].startswith("test_logging.py:")
    assert "canary" not in stream.getvalue().decode()
