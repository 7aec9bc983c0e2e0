"""Raw span -> what may be stored: the only maker of a new FailureCapture (design, "The house").

An allow list of field and type is kept, ids become keyed hashes, named identifiers are dropped. All other text is
redacted by a scanner (`[EMAIL_3f9a2c]`), or without one withheld (`[WITHHELD chars=N]`). It fails closed: whatever goes
wrong, nothing of the span comes out.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from evalforge.common.errors import ConfigurationError, EvalForgeError
from evalforge.ingestion import span_errors, span_facts
from evalforge.ingestion.merging import context_standing, keep_strongest
from evalforge.ingestion.models import Finding, Span, plain_id
from evalforge.ingestion.permalink import trace_url
from evalforge.ingestion.pii import checks, words
from evalforge.ingestion.pii.custom import NO_CUSTOM_RULES, CustomRules
from evalforge.ingestion.pii.hashing import Pseudonyms, id_text
from evalforge.ingestion.pii.policy import MAX_LABEL_BYTES, POLICY_VERSION, policy_version
from evalforge.ingestion.pii.text.hits import TextScanner
from evalforge.ingestion.pii.walk import Walk
from evalforge.ingestion.renaming import is_to_be_renamed, renamed
from evalforge.ingestion.signals import signals_of
from evalforge.ingestion.span_ids import SpanIds
from evalforge.ingestion.summary import redaction_counts, summarise
from evalforge.ingestion.walks import Walks
from evalforge.models import (
    FAILURE_TYPES,
    SEVERITIES,
    CapturedSpan,
    FailureCapture,
    Model,
    Redaction,
    Signal,
    TracePayload,
)

ITEM_TYPE = checks.one_of(words.ITEM_TYPES)
KEY_ID_CHARACTERS = 15
"""Enough to tell two keys apart, by the prefix and 12 hex digits of a hash under the key."""
CONTENT_CHARACTERS = 19
"""The prefix and 16 hex digits: enough to tell the versions of one span apart."""
Result = TypeVar("Result")


class SanitizationFailed(EvalForgeError):
    """A span could not be sanitised. Neither the message nor any chained error holds text of the span."""


class Sanitizer:
    """Makes clean copies of raw spans under one hash key. Safe to share between threads.

    `scanner` reads free text, which is withheld without one; it finds what the `custom` rules look for, and the keys
    that they allow are allowed here. `scanner_parts` say what else it has, for the version of the policy. Of
    `quality_evaluators`, the names of score evaluations (higher is better), the lowest value is a span's quality score.
    """

    def __init__(
        self,
        *,
        hash_key: bytes,
        quality_evaluators: Sequence[str] = ("quality", "quality_score"),
        datadog_site: str = "datadoghq.com",
        scanner: TextScanner | None = None,
        custom: CustomRules = NO_CUSTOM_RULES,
        scanner_parts: Sequence[str] = (),
    ) -> None:
        if not hash_key:
            raise ConfigurationError("the hash key is empty: set EVALFORGE_HASH_KEY to at least 32 random bytes")
        self._pseudonyms = Pseudonyms(hash_key)
        self.key_id = self._pseudonyms.other(b"", "key-id")[:KEY_ID_CHARACTERS]
        self._ids = SpanIds(self._pseudonyms)
        self._quality_evaluators = tuple(quality_evaluators)
        self._site = datadog_site
        self._reads = scanner is not None
        self._walks = Walks(self._pseudonyms, scanner, custom.keys)
        self.policy = POLICY_VERSION if scanner is None else policy_version(*scanner_parts, *custom.parts)

    def capture(self, span: Span, findings: Sequence[Finding], *, fetched_at: str) -> FailureCapture:
        """The capture of a trace as seen through this one failing span. Raises SanitizationFailed."""
        if plain_id(span.trace_id) is None:
            raise SanitizationFailed("the trace has no hex or decimal id")
        return _closed(lambda: self._capture(str(span.trace_id), span, findings, fetched_at))

    def span(self, span: Span) -> CapturedSpan:
        """The span, sanitised. Raises SanitizationFailed."""
        return _closed(lambda: self._span(span, self._walks.over(span)))

    def context(self, span: Span) -> tuple[CapturedSpan, tuple[str, ...]]:
        """The span, sanitised, and the names that it tells of its trace, keyed. Raises SanitizationFailed."""

        def make() -> tuple[CapturedSpan, tuple[str, ...]]:
            walk = self._walks.over(span)
            return self._span(span, walk), walk.known_names

        return _closed(make)

    def with_known_names(self, capture: FailureCapture, stored: FailureCapture | None = None) -> FailureCapture:
        """The capture with every name that it knows replaced in the texts of all its spans, whichever span told it.

        What is `stored` with the same names needs no second look. Raises SanitizationFailed.
        """
        if not self._reads or not is_to_be_renamed(capture, stored):
            return capture
        return _closed(
            lambda: renamed(capture, stored, lambda: self._walks.renaming(capture.trace_id, capture.known_names))
        )

    def signals(self, span: Span, findings: Sequence[Finding]) -> tuple[Signal, ...]:
        """One signal per rule and evaluator, strongest first. Raises SanitizationFailed."""

        def make() -> tuple[Signal, ...]:
            walk = self._walks.over(span)
            _attributes(walk, span)
            return signals_of(span, findings, walk, span_id=self._ids.of(span), started_at=span_facts.started_at(span))

        return _closed(make)

    def item(self, span: Span, explain: list[dict[str, str]] | None = None) -> dict[str, Any]:
        """The span as an item of the Export API, sanitised; its top-level fields keep their keys.

        `explain` receives one record per act: path (as shown, never a withheld key), action and reason.
        Raises SanitizationFailed.
        """
        return self.item_and_names(span, explain)[0]

    def item_and_names(
        self, span: Span, explain: list[dict[str, str]] | None = None
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """As `item`, and the names that the span tells of its trace, keyed. Raises SanitizationFailed."""

        def make() -> tuple[dict[str, Any], tuple[str, ...]]:
            walk = self._walks.over(span, explain)
            return self._item(span, walk), walk.known_names

        return _closed(make)

    def item_with_names(
        self, item: dict[str, Any], trace_id: str, names: Sequence[str], explain: list[dict[str, str]] | None = None
    ) -> dict[str, Any]:
        """What `item` gave, with these names of its trace replaced too, also in what it explained.

        Raises SanitizationFailed.
        """
        walk = self._walks.renaming(trace_id, names, explain)
        for act in explain or ():
            act["path"] = walk.place(act["path"])
        return _closed(lambda: item | {"attributes": walk.attributes(item["attributes"])})

    def key_for(self, purpose: str, *parts: str) -> bytes:
        """A key of 32 bytes of its own for a purpose; another under another policy, or with other parts."""
        return self._pseudonyms.key_for(purpose, (self.policy, *self._quality_evaluators, "", *parts))

    def pseudonym(self, raw: bytes | str, purpose: str) -> str:
        """A keyed hash of anything that must be told apart without being shown; other purposes, other hashes."""
        return self._pseudonyms.other(raw, purpose)

    def user_hash(self, user_id: str) -> str | None:
        """What captures show as `user_hash` of the user with this id; None if it is no id."""
        text = id_text(user_id)
        return self._pseudonyms.user(text) if text else None

    def _capture(self, trace_id: str, span: Span, findings: Sequence[Finding], fetched_at: str) -> FailureCapture:
        walk = self._walks.over(span)
        captured = self._span(span, walk, min(findings, key=_severity_and_type))
        found = signals_of(span, findings, walk, span_id=captured.span_id, started_at=captured.started_at)
        spans, signals, cut = keep_strongest((captured,), found)
        facts = summarise(spans, signals)
        return FailureCapture(
            trace_id=trace_id,
            signals=signals,
            fetched_at=fetched_at,
            trace_payload=TracePayload(spans=spans),
            datadog_site=self._site,
            datadog_url=trace_url(self._site, trace_id, facts["failed_at"], facts["last_failed_at"]),
            truncated=cut or captured.truncated,
            redaction=Redaction(policy=self.policy, counts=redaction_counts(spans)),
            known_names=walk.known_names,
            **context_standing(spans, (), "not_read"),
            **facts,
        )

    def _span(self, span: Span, walk: Walk, worst: Finding | None = None) -> CapturedSpan:
        attributes = _attributes(walk, span)
        ml_app = walk.label(attributes.get("ml_app")) or walk.shown(
            span.tag("ml_app"), checks.identifier, MAX_LABEL_BYTES
        )
        service = walk.shown(span.tag("service"), checks.identifier, MAX_LABEL_BYTES)
        captured = CapturedSpan(
            span_id=self._ids.of(span),
            parent_id=self._ids.parent(span),
            failure_type=worst.type if worst else None,
            severity=worst.severity if worst else None,
            name=walk.label(attributes.get("name")),
            span_kind=walk.label(attributes.get("span_kind")),
            status=walk.label(attributes.get("status")),
            started_at=span_facts.started_at(span),
            duration_ms=span_facts.duration_ms(span),
            ml_app=ml_app,
            service_name=service or ml_app,
            env=walk.shown(span.tag("env"), checks.identifier, MAX_LABEL_BYTES),
            error_type=span_facts.error_type(span, walk),
            error_message=walk.shown(span_errors.error_message(span), _never, key="message"),
            status_code=checks.status_code(span_errors.status_code(span)),
            quality_score=span_facts.quality_score(span, self._quality_evaluators),
            model=Model(
                name=walk.label(attributes.get("model_name")), provider=walk.label(attributes.get("model_provider"))
            ),
            user_hash=min(walk.users)[2] if walk.users else None,
            session_hash=min(walk.sessions)[2] if walk.sessions else None,
            truncated=walk.truncated > 0,
            redaction=walk.counts,
            attributes=attributes,
        )
        if not self._reads:
            return captured
        content = self.pseudonym(msgspec.json.encode(captured), "span content")
        return msgspec.structs.replace(captured, content_hash=content[:CONTENT_CHARACTERS])

    def _item(self, span: Span, walk: Walk) -> dict[str, Any]:
        attributes = _attributes(walk, span)
        shown = {
            "id": self._ids.any(span.item.get("id"), span) if "id" in span.item else self._ids.of(span),
            "type": walk.shown(span.item.get("type", "span"), ITEM_TYPE, MAX_LABEL_BYTES),
            "attributes": attributes,
        }
        rest = {key: value for key, value in span.item.items() if key not in shown}
        return {**shown, **walk.any(rest, (), depth=0)} if rest else shown


def _closed(make: Callable[[], Result]) -> Result:
    """What `make` gives; raises SanitizationFailed, chained to nothing, if it raises anything."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - fails closed: no kind of failure may let raw text through
        kind = type(error).__name__
    raise SanitizationFailed(f"a span could not be sanitised ({kind}); nothing of it is kept")


def _severity_and_type(finding: Finding) -> tuple[int, int]:
    return SEVERITIES.index(finding.severity), FAILURE_TYPES.index(finding.type)


def _never(_: Any) -> None:
    """The check of free text: nothing is kept."""


def _attributes(walk: Walk, span: Span) -> dict[str, Any]:
    """The attributes, sanitised. Start and duration are judged in ns: their unit is known only together."""
    times = (("start_ns", checks.start(span.start_ns)), ("duration", checks.duration(span.duration_ns)))
    return walk.attributes(span.attributes, withhold=[name for name, time in times if time is None])
