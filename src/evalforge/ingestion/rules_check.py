"""`rules --check`: reads a window once more and tells which traces changed rules would gain and lose."""

from collections.abc import Iterator
from contextlib import suppress

from evalforge.ingestion.decoding import UndecodableSpan, decode_span
from evalforge.ingestion.failure_rules import RuleSet
from evalforge.ingestion.models import Finding, Page, TraceSource
from evalforge.ingestion.run_journal import Journal, Progress
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.searches import Searcher, SearchPlan
from evalforge.models import FAILURE_TYPES, SEVERITIES, Coverage, RulesChange, RulesCheck, RulesVerdict


def check_rules(
    source: TraceSource, current: RuleSet, changed: RuleSet, plan: SearchPlan, journal: Journal, progress: Progress
) -> RulesCheck:
    """The traces that fail under one set of rules and not the other. Every span read is put to both sets.

    Raises CredentialsRejected. What ended the reading early is in `coverage`, and then the lists may be short.
    """
    reading = _Reading(current, changed, progress)
    try:
        for rules in (current, changed):
            for page in Searcher(source, rules, plan, journal, reading).pages():
                reading.read(page)
    except SearchInterrupted as interrupted:
        journal.partial(interrupted.reason)
    before, after = reading.verdicts
    return RulesCheck(
        window=plan.window,
        failing_now=len(before),
        failing_then=len(after),
        gained=tuple(after[trace] for trace in sorted(after.keys() - before.keys())),
        lost=tuple(before[trace] for trace in sorted(before.keys() - after.keys())),
        changed=tuple(
            RulesChange(before=before[trace], after=after[trace])
            for trace in sorted(before.keys() & after.keys())
            if _judgement(before[trace]) != _judgement(after[trace])
        ),
        coverage=Coverage(
            state="partial" if journal.reasons else "complete",
            reasons=tuple(journal.reasons),
            evaluators_asked=tuple(sorted(journal.evaluators_asked)),
            notes=tuple(journal.notes),
        ),
    )


class _Reading:
    def __init__(self, current: RuleSet, changed: RuleSet, progress: Progress) -> None:
        self._rules = (current, changed)
        self._progress = progress
        self._evaluators: set[str] = set()
        self._spans_seen = 0
        self.verdicts: tuple[dict[str, RulesVerdict], dict[str, RulesVerdict]] = ({}, {})

    def learn(self, page: Page) -> None:
        for _ in self._classified(page):
            pass

    def learned(self) -> frozenset[str]:
        return frozenset(self._evaluators)

    def read(self, page: Page) -> None:
        for trace_id, findings in self._classified(page):
            for verdicts, found in zip(self.verdicts, findings, strict=True):
                if found:
                    verdicts[trace_id] = _stronger(verdicts.get(trace_id), _verdict(trace_id, found))
        self._spans_seen += len(page.items)
        self._progress(self._spans_seen, len(self.verdicts[1]), 0.0)

    def _classified(self, page: Page) -> Iterator[tuple[str, tuple[tuple[Finding, ...], ...]]]:
        for raw in page.items:
            with suppress(UndecodableSpan):
                span = decode_span(raw)
                self._evaluators.update(span.evaluations)
                if span.trace_id is not None:
                    yield span.trace_id, tuple(rules.findings(span) for rules in self._rules)


def _judgement(verdict: RulesVerdict) -> tuple[str, str]:
    return verdict.failure_type, verdict.severity


def _verdict(trace_id: str, findings: tuple[Finding, ...]) -> RulesVerdict:
    strongest = min(findings, key=lambda one: (SEVERITIES.index(one.severity), FAILURE_TYPES.index(one.type)))
    return RulesVerdict(
        trace_id=trace_id,
        failure_type=strongest.type,
        severity=strongest.severity,
        rules=tuple(sorted({finding.rule for finding in findings})),
    )


def _stronger(known: RulesVerdict | None, new: RulesVerdict) -> RulesVerdict:
    if known is None:
        return new
    strongest = min(known, new, key=lambda one: (SEVERITIES.index(one.severity), FAILURE_TYPES.index(one.failure_type)))
    return RulesVerdict(
        trace_id=new.trace_id,
        failure_type=strongest.failure_type,
        severity=strongest.severity,
        rules=tuple(sorted({*known.rules, *new.rules})),
    )
