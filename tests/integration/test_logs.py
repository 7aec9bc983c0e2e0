"""What a run and the service log: who asked, each request, each decision, the end; and unexpected errors, redacted."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from evalforge.app import create_app
from evalforge.common.clock import SystemClock
from evalforge.common.logging import json_logger
from evalforge.storage.sqlite import SqliteStore
from helpers.clocks import FakeClock
from helpers.commands import environment, evalforge
from helpers.exported import failed, item
from helpers.fake_datadog import FakeDatadog, page
from helpers.runs import GivenPages, pipeline
from helpers.services import Opener, problem_of

TRACE_ID, SPAN_ID = "105445aa7843bc8bf206b12000100000", "00000000000000ff"
SCHEDULED = {
    "traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01",
    "X-CloudScheduler": "true",
    "X-CloudScheduler-JobName": "evalforge-run",
    "X-CloudScheduler-ScheduleTime": "2026-11-23T10:45:00Z",
}
CANARY = "canary of jane.doe@example.com"


def lines_of(log: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_run_that_the_scheduler_asks_for_says_so_and_all_its_lines_belong_to_the_trace_of_the_request(
    client_of: Opener, datadog: FakeDatadog, log: io.BytesIO
) -> None:
    datadog.spans = [failed(1)]
    client = client_of(datadog.url, GOOGLE_CLOUD_PROJECT="shop-1")
    report = client.post("/ingestion/run-once", headers=SCHEDULED).json()
    lines = lines_of(log)
    ours = [line for line in lines if line.get("run_id") == report["run_id"]]
    assert ours[0]["message"] == "trigger"
    assert {name: ours[0][name] for name in ("trigger", "job", "due")} == {
        "trigger": "cloud-scheduler",
        "job": "evalforge-run",
        "due": "2026-11-23T10:45:00Z",
    }
    assert ours[-1]["message"] == "report"
    assert [line["message"] for line in lines if line not in ours] == ["served"]
    served = lines[-1]
    for line in lines:
        assert line["logging.googleapis.com/trace"] == f"projects/shop-1/traces/{TRACE_ID}"
        assert line["logging.googleapis.com/spanId"] == SPAN_ID
        assert line["logging.googleapis.com/trace_sampled"] is True
        assert line["logging.googleapis.com/labels"]["request_id"] == served["request_id"]
    assert {line["logging.googleapis.com/labels"].get("run_id") for line in ours} == {report["run_id"]}


@pytest.mark.parametrize("level", ["info", "debug"])
def test_included_traces_are_told_with_rule_reason_and_user_and_excluded_ones_when_asked_for(
    level: str, tmp_path: Path
) -> None:
    with FakeDatadog(spans=[failed(1, tags=["user_id:u-77"]), item(2)]) as server:
        env = environment(tmp_path / "store.db", server.url, EVALFORGE_LOG_LEVEL=level)
        result = evalforge("capture", "--json", env=env)
    told = {line["trace_id"]: line for line in result.log if line["message"] == "decision"}
    included = told[f"{1:032x}"]
    assert (included["severity"], included["included"], included["decision"]) == ("INFO", True, "created")
    assert included["rule"] in included["rules"]
    assert included["reason"]
    assert re.fullmatch("u1_[0-9a-f]{40}", included["user_hash"])
    if level == "info":
        assert len(told) == 1
    else:
        excluded = told[f"{2:032x}"]
        assert (excluded["severity"], excluded["included"], excluded["reason"]) == ("DEBUG", False, "no_failure")


def test_each_request_to_datadog_tells_duration_status_and_rate_limit_and_never_what_was_asked(tmp_path: Path) -> None:
    limit = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "7", "X-RateLimit-Period": "60"}
    with FakeDatadog(script=[page(headers=limit)]) as server:
        scope = "@input.value:canary-word"
        env = environment(tmp_path / "store.db", server.url, EVALFORGE_SCOPE=scope)
        result = evalforge("capture", "--json", env=env)
    requests = [line for line in result.log if line["message"] == "request"]
    searched = next(line for line in requests if line["path"].endswith("/search"))
    assert searched["rate_limit"] == {"limit": 100, "remaining": 7, "period_seconds": 60.0}
    assert (searched["status"], isinstance(searched["elapsed_ms"], int)) == (200, True)
    assert "canary-word" not in json.dumps(requests)


def test_a_level_leaves_out_what_is_below_it(tmp_path: Path) -> None:
    with FakeDatadog(spans=[failed(1)]) as server:
        quiet = environment(tmp_path / "store.db", server.url, EVALFORGE_LOG_LEVEL="error")
        assert evalforge("capture", "--json", env=quiet).err == ""


def test_an_unexpected_error_of_the_service_is_reported_without_what_it_says(store: Path) -> None:
    def run(**_: object) -> Any:
        raise ValueError(CANARY)

    log, clock = io.BytesIO(), SystemClock()
    app = create_app(
        run=run,
        stores=lambda: pytest.fail("not asked"),
        clock=clock,
        log=json_logger(log, clock),
        new_id=lambda: "r-1",
        lookback_hours=24,
        longest_run_seconds=1000,
    )
    answer = TestClient(app, raise_server_exceptions=False).post("/ingestion/run-once")
    assert "unexpected" in problem_of(answer, 500)
    served = lines_of(log)[-1]
    assert (served["severity"], served["error"]) == ("ERROR", "ValueError")
    assert served["@type"].endswith("ReportedErrorEvent")
    assert served["stack_trace"].rstrip().endswith("ValueError: (message not shown)")
    assert 'ingestion/main.py", line' in served["stack_trace"]
    assert "canary" not in log.getvalue().decode() + answer.text


def test_an_unexpected_error_of_a_run_is_reported_without_what_it_says(store: Path) -> None:
    class Broken(GivenPages):
        def evaluator_names(self) -> frozenset[str]:
            raise RuntimeError(CANARY)

    log = io.BytesIO()
    opened = SqliteStore(store)
    clock = FakeClock()
    with pytest.raises(Exception, match="canary"):
        pipeline(opened, Broken([]), clock, log=json_logger(log, clock)).run()
    opened.close()
    ended = next(line for line in lines_of(log) if line["message"] == "run failed")
    assert ended["stack_trace"].rstrip().endswith("RuntimeError: (message not shown)")
    assert ended["serviceContext"]["service"] == "evalforge"
    assert "canary" not in log.getvalue().decode()
    assert b"canary" not in store.read_bytes()
