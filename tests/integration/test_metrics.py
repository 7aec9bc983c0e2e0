"""Metrics of runs, sent by the real clients to a real HTTP server; and runs that go on whatever becomes of them."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v2.model.metric_payload import MetricPayload
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from evalforge import __version__
from evalforge.common.clock import SystemClock
from evalforge.metrics.measures import ABOUT, PREFIX
from evalforge.storage.sqlite import SqliteStore
from evalforge.wiring.telemetry import SECONDS
from helpers.commands import API_KEY, APP_KEY, HASH_KEY, Result, environment, evalforge
from helpers.exported import failed, item
from helpers.fake_datadog import Answer, FakeDatadog, Request, hang_up_at_once, reply, silence, slow_body, slow_headers
from helpers.official import unknown_in
from helpers.serving import serving

SERIES, OTLP = "/api/v2/series", "/v1/metrics"
ACCEPTED = reply(202, {"errors": []})
LEEWAY = 2.0
"""Seconds for a machine that does much else."""
SPANS = [failed(1), failed(2, trace="no id at all"), item(3)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def captured(store: Path, answers: dict[str, Answer], **settings: str) -> tuple[Result, list[Request]]:
    """A run, and what was sent to the paths of these answers. `{url}` in a setting is the server's."""
    with FakeDatadog(spans=SPANS, also=answers) as server:
        given = {name: value.format(url=server.url) for name, value in settings.items()}
        done = evalforge("capture", env=environment(store, server.url, **given))
        return done, [request for request in server.requests if request.path in answers]


def payload_of(request: Request) -> MetricPayload:
    """The body in the official client's models, which must know all of it."""
    with ApiClient(Configuration()) as client:
        payload = client.deserialize(request.body.decode(), (MetricPayload,), check_type=True)
    assert unknown_in(payload, json.loads(request.body)) == []
    return payload


def series_of(payload: MetricPayload) -> dict[tuple[str, frozenset[str]], float]:
    found = {(one.metric, frozenset(one.tags)): one.points[0].value for one in payload.series}
    assert len(found) == len(payload.series)
    return found


def told(done: Result) -> list[dict[str, Any]]:
    return [line for line in done.log if line["message"] == "metrics not sent"]


def test_a_run_sends_its_numbers_to_datadog_in_one_request_that_the_official_models_know(store: Path) -> None:
    done, [request] = captured(store, {SERIES: ACCEPTED}, EVALFORGE_METRICS="datadog", DD_ENV="Staging EU")
    assert (done.code, told(done)) == (0, [])
    assert request.headers["dd-api-key"] == API_KEY
    assert APP_KEY not in str(request.headers)
    report, payload = done.report, payload_of(request)
    common = {"service:evalforge", f"version:{__version__}", "env:staging_eu", "outcome:complete"}
    assert all(common <= set(one.tags) for one in payload.series)
    assert {one.metric for one in payload.series} == {PREFIX + name for name in ABOUT} - {PREFIX + "lateness"}
    sums: dict[str, float] = {}
    for (name, _), value in series_of(payload).items():
        sums[name.removeprefix(PREFIX)] = sums.get(name.removeprefix(PREFIX), 0) + value
    tally = report["tally"]
    assert sums["spans"] == tally["spans_seen"] == 3
    assert (sums["calls"], sums["written"], sums["dead_letters"]) == (report["calls"], 1, 1)
    assert (sums["succeeded"], sums["coverage"], sums["pii_failures"]) == (1, 1, 0)
    assert sums["bytes_received"] == report["usage"]["bytes_received"] > 1000
    assert abs(sums["last_success"] - time.time()) < 60
    kinds = {one.metric: one.type.value for one in payload.series}
    assert {name: {"count": 1, "gauge": 3}[about.kind] for name, about in ABOUT.items() if name != "lateness"} == {
        name.removeprefix(PREFIX): kind for name, kind in kinds.items()
    }


def test_a_run_that_fails_tells_that_too_and_one_that_finds_another_at_work_tells_nothing(store: Path) -> None:
    with FakeDatadog(spans=SPANS, also={SERIES: ACCEPTED}, api_key="another") as server:
        env = environment(store, server.url, EVALFORGE_METRICS="datadog")
        assert evalforge("capture", env=env).code == 4
        [request] = [one for one in server.requests if one.path == SERIES]
        found = series_of(payload_of(request))
        assert {value for (name, _), value in found.items() if name == "evalforge.run.succeeded"} == {0}
        assert all("outcome:failed" in tags for _, tags in found)
        assert not any(name == "evalforge.run.last_success" for name, _ in found)
        with closing(SqliteStore(store)) as held:
            held.acquire_lease("another", SystemClock().now(), 60)
        assert evalforge("capture", env=env).code == 5
        assert len([one for one in server.requests if one.path == SERIES]) == 1


def test_no_metrics_are_sent_unless_asked_for(store: Path) -> None:
    done, sent = captured(store, {SERIES: ACCEPTED})
    assert (done.code, sent) == (0, [])


BAD_ANSWERS: dict[str, tuple[Answer, str]] = {
    "403": (reply(403, {"errors": [API_KEY]}), "HTTP 403: check DD_API_KEY and DD_SITE"),
    "500": (reply(500, {"errors": ["no"]}), "HTTP 500"),
    "429 with a long wait": (reply(429, {}, {"Retry-After": "60", "X-RateLimit-Reset": "60"}), "HTTP 429"),
    "a redirect elsewhere": (reply(307, {}, {"Location": "http://127.0.0.1:9/elsewhere"}), "HTTP 307"),
    "a hang-up": (hang_up_at_once, "no connection"),
    "silence": (silence, "no answer"),
    "a byte now and then in the headers": (slow_headers(), "no answer within 3 s"),
    "a byte now and then in the body": (slow_body(), "no answer within 3 s"),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_whatever_datadog_answers_the_run_is_as_it_was_and_the_log_says_so_once(case: str, store: Path) -> None:
    answer, reason = BAD_ANSWERS[case]
    done, sent = captured(store, {SERIES: answer}, EVALFORGE_METRICS="datadog")
    assert len(sent) == 1
    is_as_without_metrics(done, reason)


def is_as_without_metrics(done: Result, reason: str) -> None:
    assert done.code == 0, done.err
    assert done.report["outcome"] == "complete"
    [line] = told(done)
    assert line["reason"].startswith(reason)
    assert line["severity"] == "WARNING"
    over = next(one["time"] for one in done.log if one["message"] == "report")
    waited = datetime.fromisoformat(line["time"]) - datetime.fromisoformat(over)
    assert waited.total_seconds() < SECONDS + LEEWAY
    assert not [canary for canary in (API_KEY, APP_KEY, HASH_KEY, "Traceback") if canary in done.out + done.err]


def test_a_signal_ends_a_service_in_time_though_datadog_takes_no_metrics(store: Path) -> None:
    spans = [failed(number) for number in range(1, 101)]
    with FakeDatadog(spans=spans, also={SERIES: silence}) as server:
        pace = {"EVALFORGE_PAGE_LIMIT": "10", "EVALFORGE_REQUESTS_PER_MINUTE": "120"}
        with serving(environment(store, server.url, EVALFORGE_METRICS="datadog", **pace)) as served:
            caller = Thread(target=lambda: served.ask("POST", "/ingestion/run-once"))
            caller.start()
            end = time.monotonic() + 20
            while len(server.searches) < 3 and time.monotonic() < end:
                time.sleep(0.05)
            begun = time.monotonic()
            served.process.terminate()
            assert served.process.wait(timeout=10) == 0
            assert time.monotonic() - begun < 8
            caller.join()
        reason = next(line["reason"] for line in served.log if line["message"] == "metrics not sent")
        assert reason.startswith("no answer")


# OTLP


def otlp(**settings: str) -> dict[str, str]:
    return {"EVALFORGE_METRICS": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}", **settings}


def test_a_run_sends_its_numbers_over_otlp_as_deltas_of_this_run_alone(store: Path) -> None:
    settings = otlp(
        OTEL_EXPORTER_OTLP_HEADERS="x-team=evals",
        OTEL_RESOURCE_ATTRIBUTES="team=evals,service.name=ours",
        DD_ENV="prod",
    )
    done, [request] = captured(store, {OTLP: reply(200, b"")}, **settings)
    assert (done.code, told(done)) == (0, [])
    assert (request.headers["content-type"], request.headers["x-team"]) == ("application/x-protobuf", "evals")
    [resource] = ExportMetricsServiceRequest.FromString(request.body).resource_metrics
    attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert attributes["service.version"] == __version__
    assert (attributes["service.name"], attributes["team"]) == ("ours", "evals")
    assert attributes["deployment.environment.name"] == "prod"
    metrics = {one.name.removeprefix(PREFIX): one for one in resource.scope_metrics[0].metrics}
    assert set(metrics) == set(ABOUT) - {"lateness"}
    delta = 1
    for name, metric in metrics.items():
        if ABOUT[name].kind == "count":
            assert (metric.sum.aggregation_temporality, metric.sum.is_monotonic) == (delta, True)
        else:
            assert metric.gauge.data_points
    spans = {
        tuple((one.key, one.value.string_value) for one in point.attributes): point.as_int
        for point in metrics["spans"].sum.data_points
    }
    assert sum(spans.values()) == done.report["tally"]["spans_seen"]
    assert spans[("outcome", "complete"), ("decision", "excluded"), ("reason", "no_failure")] == 1


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that nobody listens at while it is held."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


BAD_COLLECTORS: dict[str, tuple[Answer, str]] = {
    "403": (reply(403, {}), "HTTP 403"),
    "503 time and again": (reply(503, {}), "HTTP 503"),
    "silence": (silence, "no answer"),
    "a byte now and then": (slow_body(), "no answer within 3 s"),
}


@pytest.mark.parametrize("case", BAD_COLLECTORS)
def test_whatever_a_collector_answers_the_run_is_as_it_was_and_the_log_says_so_once(case: str, store: Path) -> None:
    answer, reason = BAD_COLLECTORS[case]
    done, sent = captured(store, {OTLP: answer}, **otlp())
    assert sent
    is_as_without_metrics(done, reason)


def test_a_collector_that_nobody_listens_at_costs_a_run_nothing_but_a_line(store: Path, nowhere: str) -> None:
    done, _ = captured(store, {}, **otlp(OTEL_EXPORTER_OTLP_ENDPOINT=nowhere))
    is_as_without_metrics(done, "nobody takes connections there")


def test_a_collector_whose_name_does_not_resolve_costs_a_run_nothing_but_a_line(store: Path) -> None:
    done, _ = captured(store, {}, **otlp(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.invalid:4318"))
    [line] = told(done)
    assert line["reason"] in ("its name does not resolve", "no answer within 3 s")
    is_as_without_metrics(done, line["reason"])


# What is not installed


@pytest.mark.parametrize(("way", "package"), [("datadog", "datadog_api_client"), ("otlp", "opentelemetry/exporter")])
def test_what_is_missing_is_named_with_what_installs_it_before_anything_is_read(
    way: str, package: str, store: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "site" / package.split("/")[0]
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text(f"raise ModuleNotFoundError('no', name={package.split('/')[0]!r})")
    with FakeDatadog(spans=SPANS) as server:
        env = environment(store, server.url, EVALFORGE_METRICS=way, PYTHONPATH=str(tmp_path / "site"))
        done = evalforge("capture", env=env)
        assert server.requests == []
    assert done.code == 2
    assert done.err.startswith(f"evalforge: EVALFORGE_METRICS={way}: ")
    assert "make metrics" in done.err
    assert not store.exists()


def test_a_variable_that_the_sdk_does_not_accept_is_named_before_anything_is_read(store: Path) -> None:
    with FakeDatadog(spans=SPANS) as server:
        odd = {"EVALFORGE_METRICS": "otlp", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "canary"}
        done = evalforge("capture", env=environment(store, server.url, **odd))
        assert server.requests == []
    assert (done.code, done.err.splitlines()) == (
        2,
        [
            "evalforge: EVALFORGE_METRICS=otlp: OpenTelemetry's SDK does not accept what "
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT holds (value not shown): mend it or unset it"
        ],
    )
