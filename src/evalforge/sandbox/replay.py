"""The recorded day of traffic, sent to a sandbox as if it had just happened.

The recording is made by `scripts/record_demo_traffic.py` from the real ddtrace. Beside it stands what the recorded
apps themselves say about each trace, so that a capture can be held against it.
"""

import gzip
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from itertools import islice
from typing import Any

import httpx2
import msgspec

from evalforge.sandbox.agent_api import EVALUATIONS, PROXIES, SPANS
from evalforge.sandbox.search_request import epoch_ns

BATCH = 200
TIMEOUT_SECONDS = 30.0
END_BEFORE_NOW = timedelta(seconds=5)
NS_PER_MS = 10**6


class ExpectedTrace(msgspec.Struct, frozen=True):
    """What the recorded app says about one of its traces."""

    service: str
    scenario: str
    fails: bool


class ExpectedTraffic(msgspec.Struct, frozen=True):
    """The truth about the recording: its traces by id, and the personal data that was planted in their texts."""

    traces: dict[str, ExpectedTrace]
    planted: tuple[str, ...]

    @property
    def failing(self) -> frozenset[str]:
        """The ids of the traces that fail."""
        return frozenset(trace_id for trace_id, trace in self.traces.items() if trace.fails)


def expected_traffic() -> ExpectedTraffic:
    """The truth about the recording."""
    return msgspec.json.decode(_recorded("traffic_expected.json"), type=ExpectedTraffic)


def replay(url: str, now: datetime, progress: Callable[[int, int], None] = lambda _done, _total: None) -> int:
    """Post the recording to the intake at `url`, shifted to end just before `now`; how many events that were.

    `progress` is told how many events are sent, of how many. Raises httpx2.HTTPError if the sandbox is not there.
    """
    end_ns = epoch_ns(now - END_BEFORE_NOW)
    lines = [msgspec.json.decode(line) for line in gzip.decompress(_recorded("traffic.jsonl.gz")).splitlines()]
    spans = [_shifted_span(line["span"], end_ns) for line in lines if "span" in line]
    metrics = [_shifted_metric(line["evaluation"], end_ns) for line in lines if "evaluation" in line]
    done = 0
    with httpx2.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        for path, body, events in (*_span_posts(spans), *_metric_posts(metrics)):
            client.post(path, content=msgspec.json.encode(body)).raise_for_status()
            done += events
            progress(done, len(lines))
    return done


def _recorded(name: str) -> bytes:
    return files("evalforge.sandbox").joinpath(name).read_bytes()


def _shifted_span(span: dict[str, Any], end_ns: int) -> dict[str, Any]:
    return {**span, "start_ns": end_ns + span["start_ns"]}


def _shifted_metric(metric: dict[str, Any], end_ns: int) -> dict[str, Any]:
    return {**metric, "timestamp_ms": end_ns // NS_PER_MS + metric["timestamp_ms"]}


Post = tuple[str, Any, int]


def _span_posts(spans: Sequence[dict[str, Any]]) -> Iterator[Post]:
    for batch in _batches(spans):
        envelopes = [{"_dd.stage": "raw", "event_type": "span", "spans": [span]} for span in batch]
        yield PROXIES[0] + SPANS, envelopes, len(batch)


def _metric_posts(metrics: Sequence[dict[str, Any]]) -> Iterator[Post]:
    for batch in _batches(metrics):
        body = {"data": {"type": "evaluation_metric", "attributes": {"metrics": batch}}}
        yield PROXIES[0] + EVALUATIONS[1], body, len(batch)


def _batches(events: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rest = iter(events)
    while batch := list(islice(rest, BATCH)):
        yield batch
