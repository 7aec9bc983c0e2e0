"""A failing trace as it is stored, and why it failed."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args

import msgspec

Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""A time as `common.clock.timestamp` writes it."""

CAPTURE_SCHEMA_VERSION = 1

FailureType = Literal[
    "guardrail_failure",
    "prompt_injection",
    "toxicity",
    "hallucination",
    "failure_to_answer",
    "evaluation_failure",
    "quality_degradation",
    "infrastructure_error",
    "client_error",
    "tool_error",
    "llm_error",
]
Severity = Literal["critical", "high", "medium", "low"]
ContextState = Literal["whole", "partial", "none"]
ContextReason = Literal["not_read", "not_found", "cut"]

FAILURE_TYPES: tuple[FailureType, ...] = get_args(FailureType)
"""Strongest first (design, "What the words mean")."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Strongest first."""

ERASED_USERS_KEPT = timedelta(days=15)
"""How long a store remembers that a user was erased: as long as Datadog keeps what it had then ("Data Retention
Periods": traces and spans)."""
USER_HASH = re.compile(rb"u1_[0-9a-f]{40}")
"""As `ingestion.pii.hashing` makes it."""


def is_user_hash(text: str) -> bool:
    """Whether this can be the hash of a user at all."""
    return USER_HASH.fullmatch(text.encode("utf-8", "surrogatepass")) is not None


def named_in(document: bytes) -> frozenset[str]:
    """Every user whose hash stands anywhere in an encoded capture; whom an erasure by user finds."""
    return frozenset(found.decode() for found in USER_HASH.findall(document))


def is_of_erased(capture: "FailureCapture", erased: Mapping[str, str]) -> bool:
    """Whether a span of the capture names one of these users and began before that one was erased, as far as is known.

    `erased` has the moment of each user's erasure. A trace that goes on after it is still a trace of the time before.
    """
    if not named_in(msgspec.json.encode(capture)) & erased.keys():
        return False
    spans = (*capture.trace_payload.spans, *capture.trace_payload.context)
    return any(
        (span.started_at or "") <= erased[user]
        for span in spans
        for user in named_in(msgspec.json.encode(span)) & erased.keys()
    )


class Signal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One reason why a trace failed: a rule that matched a span, over an evaluation or an error."""

    rule: str
    type: FailureType
    severity: Severity
    span_id: str
    evaluator: str | None = None
    error_type: str | None = None
    value: float | bool | str | None = None
    started_at: Moment | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes this reason itself: rule, span and evaluator (empty for an error)."""
        return self.rule, self.span_id, self.evaluator or ""

    @property
    def strength(self) -> tuple[int, int, str, str, str, str]:
        """Sorts strongest first: severity, type, start (unknown last), span id, then rule and evaluator."""
        return (
            SEVERITIES.index(self.severity),
            FAILURE_TYPES.index(self.type),
            self.started_at or "~",
            self.span_id,
            self.rule,
            self.evaluator or "",
        )


class Model(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The language model that a span called."""

    name: str | None = None
    provider: str | None = None


class CapturedSpan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One span, sanitised. `attributes` has Datadog's own shape; the fields beside it are what a capture is made of.

    `failure_type` and `severity` are those of the span's own strongest signal. `content_hash` tells versions of a span
    apart, whatever the rest of the trace lets be known about its texts.
    """

    span_id: str
    parent_id: str | None = None
    failure_type: FailureType | None = None
    severity: Severity | None = None
    name: str | None = None
    span_kind: str | None = None
    status: str | None = None
    started_at: Moment | None = None
    duration_ms: float | None = None
    ml_app: str | None = None
    service_name: str | None = None
    env: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    status_code: int | None = None
    quality_score: float | None = None
    model: Model = Model()
    user_hash: str | None = None
    session_hash: str | None = None
    truncated: bool = False
    redaction: dict[str, int] = {}
    content_hash: str | None = None
    attributes: dict[str, Any] = {}


class TracePayload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The failing spans of a trace; and its root and their other ancestors, none of which failed."""

    spans: tuple[CapturedSpan, ...] = ()
    context: tuple[CapturedSpan, ...] = ()


class Redaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the sanitiser did: the policy's version and how often it acted, by kind of action."""

    policy: str
    counts: dict[str, int] = {}


class FailureCapture(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The record of one failing trace: what failed, why, and its sanitised spans.

    Made new by `ingestion.pii_sanitizer` alone; stores use `from_stored`. Its fields, but for those that say all:

    trace_id: the identity, hex or decimal; one capture a trace.
    service_name: the service tag, else the app.
    env: the env tag.
    failure_type: that of the strongest signal.
    severity: that of the strongest signal.
    signals: every reason why the trace failed, strongest first.
    signature: the same for failures with the same cause.
    origin_span_id: where the failure began: the failing span with no known failing descendant.
    quality_score: the lowest of the spans'.
    status_code: the HTTP status where the failure began, else of another span.
    failed_at: start of the first failing span.
    last_failed_at: start of the last failing span; lists are in its order.
    fetched_at: start of the run that stored it first; never moves.
    model: that of the span where the failure began, else of the nearest that has one.
    user_hash: a keyed hash of the user's id.
    session_hash: a keyed hash of the session's id.
    trace_payload: the failing spans, and as context the root of the trace and their other parents.
    context_state: how much of the root and the parents is there.
    context_reason: why not all of it; null if whole.
    datadog_site: the Datadog site it was read from.
    datadog_url: the trace in Datadog, for as long as Datadog keeps it.
    status: new until the backlog says otherwise; no run touches it.
    processed: belongs to the backlog; no run touches it.
    truncated: whether a cap cut anything.
    redaction: what the sanitiser did, and how often.
    known_names: keyed hashes of names that fields of the trace tell; they are replaced in all its texts.
    """

    schema_version: int = CAPTURE_SCHEMA_VERSION
    trace_id: str
    service_name: str | None = None
    ml_app: str | None = None
    env: str | None = None
    failure_type: FailureType
    severity: Severity
    signals: tuple[Signal, ...]
    signature: str
    origin_span_id: str | None = None
    quality_score: float | None = None
    status_code: int | None = None
    failed_at: Moment | None = None
    last_failed_at: Moment | None = None
    fetched_at: Moment
    model: Model = Model()
    user_hash: str | None = None
    session_hash: str | None = None
    trace_payload: TracePayload
    context_state: ContextState = "none"
    context_reason: ContextReason | None = "not_read"
    datadog_site: str
    datadog_url: str
    status: str = "new"
    processed: bool = False
    truncated: bool = False
    redaction: Redaction
    known_names: tuple[str, ...] = ()

    @classmethod
    def from_stored(cls, document: bytes | str, *, status: str, processed: bool) -> "FailureCapture":
        """A capture as it was stored, with the backlog's two fields from beside it. Raises msgspec.ValidationError."""
        if type(status) is not str or type(processed) is not bool:
            raise msgspec.ValidationError("the backlog's status is no text, or processed is neither true nor false")
        stored = msgspec.json.decode(document, type=cls)
        return msgspec.structs.replace(stored, status=status, processed=processed)
