"""Sanitised nouns for tests of what lies past the sanitiser."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from evalforge.ingestion.merging import (
    SIGNALS_KEPT,
    SPANS_KEPT,
    context_standing,
    keep_strongest,
    with_context,
)
from evalforge.ingestion.permalink import trace_url
from evalforge.ingestion.pii.policy import MAX_SPAN_BYTES, MAX_USERS
from evalforge.ingestion.summary import redaction_counts, summarise
from evalforge.models import (
    CapturedSpan,
    Coverage,
    CoverageRecord,
    DeadLetter,
    FailureCapture,
    IngestionRun,
    Redaction,
    Signal,
    SliceReading,
    TracePayload,
    Window,
)
from evalforge.ports import Manifest

START = "2026-11-23T10:00:00.000Z"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def user(name: str) -> str:
    """A hash such as the sanitiser makes of a user's id."""
    return "u1_" + hashlib.sha256(name.encode()).hexdigest()[:40]


def span(span_id: str = "1", **fields: Any) -> CapturedSpan:
    return CapturedSpan(
        **({"span_id": span_id, "started_at": START, "ml_app": "shop", "service_name": "shop-api"} | fields)
    )


def signal(span_id: str = "1", **fields: Any) -> Signal:
    given = {"rule": "llm-error", "type": "llm_error", "severity": "medium", "span_id": span_id, "started_at": START}
    return Signal(**(given | fields))


def capture(
    trace_id: str = "a1",
    spans: Sequence[CapturedSpan] = (),
    signals: Sequence[Signal] = (),
    fetched_at: str = "2026-11-23T11:00:00.000Z",
    **fields: Any,
) -> FailureCapture:
    given = sorted(signals or [signal()], key=lambda one: one.strength)
    worst = {one.span_id: one for one in reversed(given)}
    judged = [
        msgspec.structs.replace(one, failure_type=worst[one.span_id].type, severity=worst[one.span_id].severity)
        if one.span_id in worst
        else one
        for one in spans or [span()]
    ]
    kept, strongest, cut = keep_strongest(judged, given)
    facts = summarise(kept, strongest)
    made = {
        **facts,
        **context_standing(kept, (), "not_read"),
        "trace_id": trace_id,
        "signals": strongest,
        "fetched_at": fetched_at,
        "trace_payload": TracePayload(spans=kept),
        "datadog_site": "datadoghq.com",
        "datadog_url": trace_url("datadoghq.com", trace_id, facts["failed_at"], facts["last_failed_at"]),
        "truncated": cut,
        "redaction": Redaction(policy="test", counts=redaction_counts(kept)),
    }
    return FailureCapture(**(made | fields))


def capture_at_every_cap() -> FailureCapture:
    """As many spans, signals, context and users as are kept, each as large as it may be, and more of each than that."""

    def largest(span_id: str, **fields: str) -> CapturedSpan:
        users = {"u": [user(f"{span_id} {n}") for n in range(MAX_USERS)]}
        made = span(span_id, attributes=users, **fields)
        room = MAX_SPAN_BYTES - len(msgspec.json.encode(made))
        return msgspec.structs.replace(made, attributes=users | {"v": "x" * (room - 7)})

    long = "[WITHHELD chars=100000]" + "x" * 77
    spans = [largest(f"{n:064x}", parent_id=f"{1000 + n:064x}") for n in range(SPANS_KEPT + 5)]
    signals = [
        signal(spans[n % SPANS_KEPT].span_id, rule=f"{n:0100}", evaluator=long, error_type=long, value=long)
        for n in range(SIGNALS_KEPT + 5)
    ]
    made = capture("f" * 64, spans, signals)
    return with_context(made, [largest(f"{1000 + n:064x}") for n in range(SPANS_KEPT + 5)], "not_found")


def dead_letter(letter_id: str = "d1", **fields: Any) -> DeadLetter:
    given = {"dead_letter_id": letter_id, "reason": "not JSON", "shape": "17 bytes", "first_seen_at": START}
    return DeadLetter(**(given | {"run_id": "r1"} | fields))


def run(run_id: str = "r1", **fields: Any) -> IngestionRun:
    given = {
        "run_id": run_id,
        "outcome": "complete",
        "started_at": START,
        "window": Window(start=START, end=START),
        "coverage": Coverage(state="complete"),
    }
    return IngestionRun(**(given | fields))


def manifest(hour: int = 10, entries: bytes = b"x" * 24, salt: str = "salt") -> Manifest:
    return Manifest(hour=f"2026-11-23T{hour:02}", salt=salt, entries=entries)


def coverage(until: str | None = START, **fields: Any) -> CoverageRecord:
    """A record with one slice, read up to there."""
    hour = SliceReading(start=START, end="2026-11-23T11:00:00.000Z", until=until, read_at=until, spans=7)
    return CoverageRecord(**({"asked": "digest", "since": START, "slices": (hour,)} | fields))
