"""Spans for the tests of the sanitiser, and all that it gives for one."""

import json
from typing import Any

import msgspec

from evalforge.ingestion.decoding import decode_span
from evalforge.ingestion.models import Finding, Span
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.scanning import SmallScanner

KEY = b"0123456789abcdef0123456789abcdef"
SANITIZER = Sanitizer(hash_key=KEY)
REDACTING = Sanitizer(hash_key=KEY, scanner=SmallScanner())
"""Reads texts, and finds e-mail addresses and card numbers in them."""
FOUND = Finding(rule="errors", type="llm_error", severity="high")
FETCHED = "2026-11-23T10:46:00.000Z"
TRACE = "6903738200000000af2d3775dfc70530"

KEPT: dict[str, Any] = {
    "span_id": "14624140233640368324",
    "trace_id": TRACE,
    "parent_id": "undefined",
    "span_kind": "llm",
    "status": "error",
    "start_ns": 1761833858897,
    "duration": 83000,
    "ml_app": "support-bot",
    "model_name": "gpt-4o-mini-2024-07-18",
    "model_provider": "openai",
    "metrics": {"input_tokens": 10.0, "output_tokens": 12, "estimated_total_cost": 7500.0, "time_to_first_token": 0.4},
    "metadata": {"temperature": 0.2, "max_tokens": 256, "top_p": 1},
    "tags": ["service:support-api", "env:prod", "error:1", "http.status_code:429", "version:1.4.2", "version:"],
    "error": {"type": "openai.RateLimitError"},
    "output": {
        "messages": [
            {"role": "assistant", "tool_calls": [{"tool_id": "call_a1b2c3d4e5f6g7h8", "type": "function"}]},
        ]
    },
    "evaluation": {
        "failure_to_answer": {
            "eval_metric_type": "categorical",
            "value": "failed to answer",
            "assessment": "fail",
            "status": "OK",
        },
        "helpfulness-check": {"eval_metric_type": "score", "value": 0.25, "assessment": "fail"},
        "quality": {"eval_metric_type": "score", "value": 0.5},
        "refused": {"eval_metric_type": "boolean", "value": True},
    },
}
"""A span of which nothing is withheld."""


def span_of(attributes: dict[str, Any], **item: Any) -> Span:
    return decode_span(json.dumps({"id": "1", "type": "span", **item, "attributes": attributes}).encode())


def with_ids(**attributes: Any) -> Span:
    return span_of({"trace_id": TRACE, "span_id": "12", **attributes})


def sanitized(sanitizer: Sanitizer = SANITIZER, **attributes: Any) -> dict[str, Any]:
    """The attributes beside the ids, as `item` gives them."""
    found = sanitizer.item(with_ids(**attributes))["attributes"]
    return {key: value for key, value in found.items() if key not in ("trace_id", "span_id")}


def everything(span: Span, *findings: Finding, sanitizer: Sanitizer = SANITIZER) -> str:
    """All that ever leaves the sanitiser for this span, as text."""
    explain: list[dict[str, str]] = []
    parts = (
        sanitizer.item(span, explain),
        sanitizer.span(span),
        sanitizer.capture(span, [FOUND, *findings], fetched_at=FETCHED),
    )
    return msgspec.json.encode([*parts, explain]).decode("utf-8")


def user_hash(**attributes: Any) -> str | None:
    return SANITIZER.span(with_ids(**attributes)).user_hash


CANARY = "Zq7jane.doe@example.com"
