"""What the headers of a request say of who called and of which trace it is a part: checked, bounded, for the log alone.

Headers: Cloud Run passes `traceparent` (W3C Trace Context) and `X-Cloud-Trace-Context` (`TRACE/SPAN;o=1`, the span in
decimal). Cloud Scheduler sends `X-CloudScheduler`, `-JobName` and `-ScheduleTime`. Anybody can send them: they prove
nothing.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

TRACE, SPAN, SAMPLED = (
    "logging.googleapis.com/trace",
    "logging.googleapis.com/spanId",
    "logging.googleapis.com/trace_sampled",
)
TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?:-.*)?\Z")
CLOUD_TRACE = re.compile(r"(?P<trace>[0-9a-fA-F]{32})(?:/(?P<span>[0-9]{1,20}))?(?:;o=(?P<flags>[0-3]))?\Z")
JOB_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")
SCHEDULE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
NOT_PLAIN = "(not shown)"

Headers = Iterable[tuple[bytes, bytes]]


class Trigger(NamedTuple):
    """Who started a run: `told` is a line of its log, `bound` is on each of its lines."""

    told: dict[str, Any]
    bound: dict[str, Any]


COMMAND = Trigger({"trigger": "command"}, {})


def trace_fields(headers: Headers, project: str | None) -> dict[str, Any]:
    """The trace that the request is a part of, as Cloud Logging has it; empty without one or without a project."""
    told = _first(headers)
    if project is None:
        return {}
    found = TRACEPARENT.match(told.get("traceparent", ""))
    if found and int(found["trace"], 16) and int(found["span"], 16):
        return _fields(project, found["trace"], found["span"], sampled=bool(int(found["flags"], 16) & 1))
    found = CLOUD_TRACE.match(told.get("x-cloud-trace-context", ""))
    if found and int(found["trace"], 16):
        span = int(found["span"] or 0)
        return _fields(
            project, found["trace"].lower(), f"{span:016x}" if 0 < span < 2**64 else None, found["flags"] == "1"
        )
    return {}


def trigger_of(headers: Headers, bound: dict[str, Any]) -> Trigger:
    """Cloud Scheduler with its job and the time it was due, or some other caller over HTTP."""
    told = _first(headers)
    if told.get("x-cloudscheduler", "").lower() != "true":
        return Trigger({"trigger": "http"}, bound)
    job, due = told.get("x-cloudscheduler-jobname"), told.get("x-cloudscheduler-scheduletime")
    return Trigger(
        {"trigger": "cloud-scheduler", "job": _plain(job, JOB_NAME), "due": _plain(due, SCHEDULE_TIME)}, bound
    )


def _fields(project: str, trace: str, span: str | None, sampled: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {TRACE: f"projects/{project}/traces/{trace}", SAMPLED: sampled}
    return fields | ({SPAN: span} if span else {})


def _plain(value: str | None, form: re.Pattern[str]) -> str | None:
    return value if value is None or form.match(value) else NOT_PLAIN


def _first(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())
    return found
