"""What counts as a failure, of which type and severity: rules that are Datadog queries (design, "Failure rules").

One definition serves twice: compiled for the server, so that little more than failures is fetched, and evaluated here
on every span, which is the verdict.
"""

import hashlib
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from evalforge.ingestion.models import Finding, Span
from evalforge.ingestion.query.ast import Query, evaluations_in
from evalforge.ingestion.query.compiler import alternatives, any_of, compile_query, quoted
from evalforge.ingestion.query.evaluator import Evaluators, predicate
from evalforge.ingestion.query.syntax import parse
from evalforge.ingestion.query.view import SpanView, failure_view
from evalforge.ingestion.rule_file import Rule, read_rules

__all__ = ["Rule", "RuleSet", "load_rules"]

SEMANTICS = 1
"""Grows when the same rules would find something else, so that the digest of the rules in force changes."""


def load_rules(path: Path | None, *, quality_threshold: float, quality_evaluators: Sequence[str]) -> "RuleSet":
    """The rules of the file, or with None the built-in ones, placeholders filled in. Raises RulesError."""
    return RuleSet(read_rules(path, quality_threshold=quality_threshold, quality_evaluators=quality_evaluators))


class _CompiledRule:
    """A rule and its query as a function over spans."""

    def __init__(self, rule: Rule, query: Query) -> None:
        self.rule = rule
        self.holds = predicate(query)
        self._over_the_span = (Finding(rule=rule.name, type=rule.type, severity=rule.severity),)

    def findings(self, evaluators: Evaluators) -> Sequence[Finding]:
        if not evaluators:
            return self._over_the_span
        rule = self.rule
        return [Finding(rule=rule.name, type=rule.type, severity=rule.severity, evaluator=name) for name in evaluators]


class RuleSet:
    """The rules in force, in the order of their file. Raises QueryError if a rule's query cannot be used."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._queries: dict[str, Query] = {rule.name: parse(rule.query) for rule in self.rules}
        compiled = [_CompiledRule(rule, self._queries[rule.name]) for rule in self.rules]
        self._first = [part for part in compiled if not part.rule.fallback]
        self._fallbacks = [part for part in compiled if part.rule.fallback]

    def findings(self, span: Span) -> tuple[Finding, ...]:
        """Why the span failed: one finding for each rule and evaluator (None is the span itself); often none."""
        view = failure_view(span)
        found: list[Finding] = []
        for part in self._first:
            evaluators = part.holds(view)
            if evaluators is not None:
                found += part.findings(evaluators)
        if self._fallbacks:
            found += self._fallback_findings(found, view)
        return tuple(found)

    def _fallback_findings(self, found: list[Finding], view: SpanView) -> list[Finding]:
        covered = {finding.evaluator for finding in found}
        matched = ((part, part.holds(view)) for part in self._fallbacks)
        extra = (finding for part, names in matched if names is not None for finding in part.findings(names))
        return [finding for finding in extra if finding.evaluator not in covered]

    def search_query(
        self,
        *,
        ml_app: str | None,
        scope: str | None,
        evaluators: Collection[str],
        only: Collection[str] | None = None,
        all_spans: bool = False,
    ) -> str | None:
        """What to ask the server: app AND scope AND any of the server's rules (or `only` the rules of these names).

        `evaluators` are the names that `*` stands for. `all_spans` leaves the rules out. None if the rules would ask
        for nothing: no rule is the server's, or no evaluator fits. Raises QueryError if the scope cannot be used.
        """
        parts = [f"@ml_app:{quoted(ml_app)}"] if ml_app else []
        scoped = compile_query(parse(scope), evaluators) if scope and scope.strip() else "*"
        wanted = "*" if all_spans else self._failures(evaluators, only)
        if wanted is None or scoped is None:
            return None
        parts += [part for part in (scoped, wanted) if part != "*"]
        return " AND ".join(parts) or "*"

    def _failures(self, evaluators: Collection[str], only: Collection[str] | None) -> str | None:
        texts: list[str] = []
        for rule in self.rules:
            if not rule.server or (only is not None and rule.name not in only):
                continue
            asked = alternatives(self._queries[rule.name], evaluators)
            if asked == "everything":
                return "*"
            texts += asked
        return any_of(texts) if texts else None

    @cached_property
    def with_name_globs(self) -> frozenset[str]:
        """The names of the server's rules that need to know the evaluators' names."""
        return frozenset(
            rule.name
            for rule in self.rules
            if rule.server and any(term.is_pattern for term in evaluations_in(self._queries[rule.name]))
        )

    @cached_property
    def literal_evaluators(self) -> frozenset[str]:
        """The evaluators that the rules name."""
        terms = (term for query in self._queries.values() for term in evaluations_in(query))
        return frozenset(term.name for term in terms if not term.is_pattern)

    @cached_property
    def digest(self) -> str:
        """32 hex digits that change with anything that could change a finding; not with the place in the file."""
        meaning = [(rule.name, rule.query, rule.type, rule.severity, rule.server, rule.fallback) for rule in self.rules]
        return hashlib.sha256(msgspec.json.encode([SEMANTICS, meaning])).hexdigest()[:32]
