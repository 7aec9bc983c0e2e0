"""From pages of raw spans to captures: decode, drop what was read before, classify, sanitise, gather by trace.

Pure but for what it remembers of its own run: the 12 bytes that tell each span's bytes, so that a span which Datadog's
shifting pages show twice is known again, and what was read of which trace (`Readings`).
"""

from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from evalforge.ingestion.decoding import UndecodableSpan, decode_span, shape_of
from evalforge.ingestion.failure_rules import RuleSet
from evalforge.ingestion.known_spans import READ_AGAIN, KnownSpans
from evalforge.ingestion.merging import merge
from evalforge.ingestion.models import Finding, Page, Span
from evalforge.ingestion.pii.checks import evaluator as is_evaluator_name
from evalforge.ingestion.pii_sanitizer import SanitizationFailed, Sanitizer
from evalforge.ingestion.readings import Readings
from evalforge.ingestion.run_journal import UNSANITISED
from evalforge.models import DeadLetter, FailureCapture

NO_FAILURE = "no_failure"
DUPLICATE = "duplicate"
OTHER_ML_APP = "other_ml_app"
ERASED = "erased"

MOST_EVALUATORS, LONGEST_EVALUATOR_NAME = 1000, 200
"""Of the names that one run learns from spans."""


@dataclass
class Gathered:
    """What was read since the last commit, and the counts of the spans behind it."""

    captures: dict[str, FailureCapture] = field(default_factory=dict)
    dead_letters: dict[str, DeadLetter] = field(default_factory=dict)
    excluded_traces: dict[str, str] = field(default_factory=dict)
    evaluators: set[str] = field(default_factory=set)
    seen: int = 0
    buried: int = 0
    """Spans that ended in a dead letter."""
    included: Counter[str] = field(default_factory=Counter)
    """Spans captured, by trace."""
    excluded: Counter[str] = field(default_factory=Counter)

    @property
    def traces(self) -> set[str]:
        """Every trace that something would be stored of."""
        return set(self.captures) | {one.trace_id for one in self.dead_letters.values() if one.trace_id is not None}

    def leave_out(self, erased: Collection[str]) -> None:
        """Exclude all that was read of these traces."""
        if not erased:
            return
        letters = [key for key, letter in self.dead_letters.items() if letter.trace_id in erased]
        for key in letters:
            del self.dead_letters[key]
        self.buried -= len(letters)
        self.excluded[ERASED] += len(letters)
        for trace_id in erased:
            self.captures.pop(trace_id, None)
            self.excluded[ERASED] += self.included.pop(trace_id, 0)
            self.excluded_traces[trace_id] = ERASED

    def give_up(self, trace_id: str) -> None:
        """The trace cannot be stored: what was read of it ends in a dead letter."""
        self.captures.pop(trace_id, None)
        self.buried += self.included.pop(trace_id, 0)


class PageReader:
    """Reads the pages of one run. `ml_apps` empty means every app."""

    def __init__(
        self,
        *,
        rules: RuleSet,
        sanitizer: Sanitizer,
        ml_apps: Iterable[str],
        run_id: str,
        fetched_at: str,
        known: KnownSpans,
    ) -> None:
        self._rules, self._sanitizer, self._known = rules, sanitizer, known
        self._ml_apps = frozenset(app.casefold() for app in ml_apps)
        self._run_id, self._fetched_at = run_id, fetched_at
        self._contents: set[bytes] = set()
        self._evaluators: set[str] = set()
        self.readings = Readings()
        self.gathered = Gathered()
        self.latest_start_ns: int | None = None

    def read(self, page: Page) -> None:
        """Take in one page; nothing about one span harms another."""
        for raw in page.items:
            self.gathered.seen += 1
            self._read_span(raw)

    def learn(self, page: Page) -> None:
        """Take the evaluators' names from a page that is read for nothing else."""
        for raw in page.items:
            with suppress(UndecodableSpan):
                self._learn_from(decode_span(raw))

    def learned(self) -> frozenset[str]:
        """Every evaluator's name seen so far."""
        return frozenset(self._evaluators)

    def take(self) -> Gathered:
        """What was gathered, for a commit; the reader starts anew but for what it remembers having read."""
        gathered, self.gathered = self.gathered, Gathered()
        return gathered

    def letter_of_unreadable(self, trace_id: str) -> DeadLetter:
        """The dead letter of a trace whose stored document cannot be read."""
        return DeadLetter(
            dead_letter_id=self._sanitizer.pseudonym(trace_id, "unreadable"),
            trace_id=trace_id,
            reason="its stored document cannot be read",
            shape="not what EvalForge wrote; delete that document and replay this dead letter to have it captured anew",
            first_seen_at=self._fetched_at,
            run_id=self._run_id,
        )

    def _read_span(self, raw: bytes) -> None:
        content = self._known.content(raw)
        if content in self._contents:
            self.gathered.excluded[DUPLICATE] += 1
            return
        self._contents.add(content)
        if self._known.is_stored(content):
            return
        try:
            span = decode_span(raw)
        except UndecodableSpan as error:
            self._bury(raw, error.reason, trace_id=error.trace_id, span_id=error.span_id)
            return
        self.latest_start_ns = span.start_ns or self.latest_start_ns
        self._known.began(span.start_ns)
        self._learn_from(span)
        findings = self._rules.findings(span)
        why_not = self._why_excluded(span, findings)
        if why_not is not None:
            self._exclude(span, why_not)
        elif span.trace_id is None:
            odd_id, span_id = self._hashed(span, "trace_id"), span.span_id or self._hashed(span, "span_id")
            self._bury(raw, "its trace id is missing or neither hex nor decimal", trace_id=odd_id, span_id=span_id)
        else:
            self._capture(span, findings, content)

    def _learn_from(self, span: Span) -> None:
        """Every name is asked for; only what may be shown is stored. Both are bounded."""
        if span.evaluations.keys() <= self._evaluators:
            return
        new = [
            name for name in span.evaluations if name not in self._evaluators and len(name) <= LONGEST_EVALUATOR_NAME
        ]
        self._evaluators.update(new[: MOST_EVALUATORS - len(self._evaluators)])
        self.gathered.evaluators.update(name for name in new if name in self._evaluators and is_evaluator_name(name))

    def _why_excluded(self, span: Span, findings: tuple[Finding, ...]) -> str | None:
        app = span.text("ml_app")
        if self._ml_apps and app is not None and app.casefold() not in self._ml_apps:
            return OTHER_ML_APP
        return None if findings else NO_FAILURE

    def _capture(self, span: Span, findings: tuple[Finding, ...], told_by: bytes) -> None:
        try:
            capture = self._sanitizer.capture(span, findings, fetched_at=self._fetched_at)
        except SanitizationFailed:
            self._bury(span.raw, UNSANITISED, trace_id=span.trace_id, span_id=span.span_id)
            return
        self.readings.note(capture)
        if not all(map(is_evaluator_name, span.evaluations)):
            told_by = READ_AGAIN  # a name that may not be stored is learnt from the span itself, by every run
        for captured in capture.trace_payload.spans:
            if self._known.skipped(capture.trace_id, captured.span_id):
                self.readings.met_before(capture)
            self._known.note(capture.trace_id, captured.span_id, span.start_ns, told_by)
        known = self.gathered.captures.get(capture.trace_id)
        self.gathered.captures[capture.trace_id] = capture if known is None else merge(known, capture)
        self.gathered.included[capture.trace_id] += 1

    def _exclude(self, span: Span, reason: str) -> None:
        self.gathered.excluded[reason] += 1
        trace = span.trace_id or self._sanitizer.pseudonym(span.raw, "trace")
        self.gathered.excluded_traces.setdefault(trace, reason)

    def _hashed(self, span: Span, field: str) -> str | None:
        odd = span.text(field)
        return self._sanitizer.pseudonym(odd, "span") if odd else None

    def _bury(self, raw: bytes, reason: str, *, trace_id: str | None = None, span_id: str | None = None) -> None:
        letter = DeadLetter(
            dead_letter_id=self._sanitizer.pseudonym(raw, "dead-letter"),
            trace_id=trace_id,
            span_id=span_id,
            reason=reason,
            shape=shape_of(raw),
            first_seen_at=self._fetched_at,
            run_id=self._run_id,
        )
        self.gathered.dead_letters[letter.dead_letter_id] = letter
        self.gathered.buried += 1
