"""The truth: what a reader that misses nothing would have stored of the traffic.

Perfect means: the same sanitiser, rules and merge over all spans in their last version, and all of a trace's spans as
candidates for its context. Where an evaluation was taken back (a failing version is followed by one that fails for
fewer reasons), what is stored hangs on when it was read, as signals are never removed: there the reasons must lie
between those of the last version and those of all versions. Context is read when its trace changes, and no more: it
may be in any version that ever was, and where it came after what failed, the capture may say that it was not found.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property, reduce

import msgspec

from evalforge.ingestion.decoding import decode_span
from evalforge.ingestion.failure_rules import RuleSet
from evalforge.ingestion.merging import merge, with_context
from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.models import CapturedSpan, FailureCapture
from helpers.simulation.traffic import APP, SimulatedSpan, Traffic, Version

FETCHED = "2026-01-01T00:00:00.000Z"


class Oracle:
    """Asked once nothing changes any more."""

    def __init__(self, traffic: Traffic, rules: RuleSet, sanitizer: Sanitizer) -> None:
        self._traffic, self._rules, self._sanitizer = traffic, rules, sanitizer
        self._captures: dict[int, FailureCapture] = {}
        self._contexts: dict[int, tuple[CapturedSpan, tuple[str, ...]]] = {}

    @cached_property
    def traces(self) -> dict[str, list[SimulatedSpan]]:
        """All decodable spans by trace."""
        found: dict[str, list[SimulatedSpan]] = defaultdict(list)
        for span in self._traffic.spans:
            if not span.undecodable:
                found[span.trace_id].append(span)
        return found

    def differences(self, stored: dict[str, FailureCapture], dead_letters: Iterable[str]) -> list[str]:
        """What is wrong with these captures, by trace, and these ids of dead letters."""
        found = self._different_letters(set(dead_letters))
        for trace_id, spans in self.traces.items():
            capture = stored.get(trace_id)
            must = any(span.last.reasons for span in spans)
            may = any(version.reasons for span in spans for version in span.versions)
            if capture is None and must:
                found.append(f"missing: {trace_id}")
            if capture is not None and not may:
                found.append(f"spurious: {trace_id}")
            elif capture is not None:
                found += [f"payload: {trace_id}: {why}" for why in self._different(capture, spans)]
        return found + [f"spurious: {trace_id}" for trace_id in stored.keys() - self.traces.keys()]

    def captured(self, version: Version) -> FailureCapture:
        """The capture of one failing version alone."""
        key = id(version)
        if key not in self._captures:
            span = decode_span(version.raw)
            self._captures[key] = self._sanitizer.capture(span, self._rules.findings(span), fetched_at=FETCHED)
        return self._captures[key]

    def _perfect(self, spans: list[SimulatedSpan], capture: FailureCapture) -> FailureCapture:
        failing = [self.captured(span.last) for span in spans if span.last.reasons]
        whole = reduce(merge, failing[1:], failing[0])
        whole = self._sanitizer.with_known_names(whole)
        held = {span.span_id: span for span in capture.trace_payload.context}
        context, names = [], set[str]()
        for span in spans:
            clean, told = self._context(span, held.get(span.span_id))
            context.append(clean)
            names.update(told)
        return with_context(
            whole, context, "not_found", names, lambda found: self._sanitizer.with_known_names(found, whole)
        )

    def _context(self, span: SimulatedSpan, held: CapturedSpan | None) -> tuple[CapturedSpan, tuple[str, ...]]:
        """The version of it that is held as context, if that is one of its versions, else the last."""
        versions = [self._as_context(version) for version in span.versions]
        same = (one for one in versions if held is not None and _is_like(one[0], held))
        return next(same, versions[-1])

    def _as_context(self, version: Version) -> tuple[CapturedSpan, tuple[str, ...]]:
        key = id(version)
        if key not in self._contexts:
            self._contexts[key] = self._sanitizer.context(decode_span(version.raw))
        return self._contexts[key]

    def _different(self, capture: FailureCapture, spans: list[SimulatedSpan]) -> list[str]:
        wrong = self._wrong_reasons(capture, spans)
        if wrong or any(_was_taken_back(span) for span in spans):
            return wrong
        if any(version.attributes.get("ml_app") != APP for span in spans for version in span.versions):
            return ["of another app"]
        perfect = self._perfect(spans, capture)
        parts = ("signals", "signature", "failure_type", "severity", "failed_at", "last_failed_at", "origin_span_id")
        wrong = [part for part in parts if getattr(capture, part) != getattr(perfect, part)]
        if _attributes(capture) != _attributes(perfect):
            wrong.append("spans")
        if capture.context_reason != "not_found" or not _context_came_late(spans):
            like = msgspec.structs.replace(
                perfect, fetched_at=capture.fetched_at, status=capture.status, processed=capture.processed
            )
            wrong += [name for name in capture.__struct_fields__ if getattr(capture, name) != getattr(like, name)]
        return wrong

    @staticmethod
    def _wrong_reasons(capture: FailureCapture, spans: list[SimulatedSpan]) -> list[str]:
        has = {(signal.span_id, signal.evaluator or "") for signal in capture.signals}
        must = {(span.span_id, reason) for span in spans for reason in span.last.reasons}
        may = {(span.span_id, reason) for span in spans for version in span.versions for reason in version.reasons}
        lacking = [f"lacks {span}/{reason}" for span, reason in sorted(must - has)]
        return lacking + [f"never failed: {span}/{reason}" for span, reason in sorted(has - may)]

    def _different_letters(self, stored: set[str]) -> list[str]:
        poison = (span.last.raw for span in self._traffic.spans if span.undecodable)
        wanted = {self._sanitizer.pseudonym(raw, "dead-letter") for raw in poison}
        missing = [f"missing: dead letter {one}" for one in wanted - stored]
        return missing + [f"spurious: dead letter {one}" for one in stored - wanted]


def _is_like(span: CapturedSpan, held: CapturedSpan) -> bool:
    return span == held if held.content_hash is None else span.content_hash == held.content_hash


def _attributes(capture: FailureCapture) -> list[object]:
    return [span.attributes for span in capture.trace_payload.spans]


def _was_taken_back(span: SimulatedSpan) -> bool:
    return any(version.reasons - span.last.reasons for version in span.versions)


def _context_came_late(spans: list[SimulatedSpan]) -> bool:
    """Whether a span came after another of its trace had failed: the root, or a parent in between."""
    failed = [version.visible_at for span in spans for version in span.versions if version.reasons]
    return bool(failed) and any(span.versions[0].visible_at > min(failed) for span in spans)
