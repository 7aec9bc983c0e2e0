"""From a query's tree to a function over spans, built once and called often.

The function gives None where the span does not match, else the names of the evaluators that made it match (often none):
which evaluator failed is what a failure rule needs to know. `*` in an evaluator's name is a local extension; two such
terms need not be met by the same evaluator.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from evalforge.ingestion.query.ast import (
    And,
    Evaluation,
    Everything,
    Field,
    FreeText,
    Matches,
    Not,
    Or,
    Query,
    Test,
    evaluations_in,
)
from evalforge.ingestion.query.fields import ignores_case, resolver, texts_of
from evalforge.ingestion.query.paths import path_reader
from evalforge.ingestion.query.tests import any_test, text_test, value_test
from evalforge.ingestion.query.view import SpanView

Evaluators: TypeAlias = tuple[str, ...]
Predicate: TypeAlias = Callable[[SpanView], Evaluators | None]

NAMES_REMEMBERED = 4096
_NONE: Evaluators = ()


def predicate(query: Query) -> Predicate:
    """The query as a function: None for no match, else the evaluators that matched, each once."""
    match query:
        case Everything():
            return lambda _: _NONE
        case Field(name=name, is_attribute=is_attribute, test=test):
            return _fields(name, is_attribute, [test])
        case FreeText(test=phrase):
            return _free_text(text_test(phrase))
        case Evaluation(name=name, is_pattern=is_pattern):
            return _any_evaluation(query, [name]) if is_pattern else _evaluation(query)
        case Not(of=inner):
            return _not(predicate(inner))
        case And(of=parts):
            return _and([predicate(part) for part in _cheap_first(parts)])
        case Or(of=parts):
            named = _named_alternatives([part for part in parts if evaluations_in(part)])
            return _or(named, _plain_alternatives([part for part in parts if not evaluations_in(part)]))


def _named_alternatives(parts: list[Query]) -> list[Predicate]:
    """Name patterns with the same test become one, so that each evaluation is looked at once."""
    by_test: dict[Evaluation, list[str]] = {}
    for part in parts:
        if isinstance(part, Evaluation) and part.is_pattern:
            by_test.setdefault(msgspec.structs.replace(part, name="", written=""), []).append(part.name)
    return [
        *(_any_evaluation(test, names) for test, names in by_test.items()),
        *(predicate(part) for part in parts if not (isinstance(part, Evaluation) and part.is_pattern)),
    ]


def _plain_alternatives(parts: list[Query]) -> list[Predicate]:
    """Fields first; those of one key together, so that its values are read once."""
    by_key: dict[tuple[str, bool], list[Field]] = {}
    for part in parts:
        if isinstance(part, Field):
            by_key.setdefault((part.name, part.is_attribute), []).append(part)
    return [
        *(_fields(name, is_attribute, [part.test for part in same]) for (name, is_attribute), same in by_key.items()),
        *(predicate(part) for part in parts if not isinstance(part, Field)),
    ]


def _cheap_first(parts: tuple[Query, ...]) -> list[Query]:
    """Single fields before groups: a term that fails spares the rest."""
    return sorted(parts, key=lambda part: not isinstance(part, Field))


def _fields(name: str, is_attribute: bool, tests: Sequence[Test]) -> Predicate:
    """Whether any value of the key passes any of the tests."""
    values = resolver(name, is_attribute=is_attribute)
    test = any_test(tests, ignore_case=ignores_case(name, is_attribute=is_attribute))

    def holds(view: SpanView) -> Evaluators | None:
        for value in values(view):
            if test(value):
                return _NONE
        return None

    return holds


def _free_text(test: Callable[[Any], bool]) -> Predicate:
    fields = (texts_of("input"), texts_of("output"))

    def holds(view: SpanView) -> Evaluators | None:
        return _NONE if any(test(text) for field in fields for text in field(view)) else None

    return holds


def _evaluation(term: Evaluation) -> Predicate:
    name, alone, holds = term.name, (term.name,), _entry_test(term)

    def named(view: SpanView) -> Evaluators | None:
        entry = view.evaluations.get(name)
        return alone if entry is not None and holds(entry) else None

    return named


def _any_evaluation(term: Evaluation, patterns: Sequence[str]) -> Predicate:
    """The test of the term over each evaluation whose name fits one of the patterns, in any case."""
    fits, holds = _name_test(patterns), _entry_test(term)

    def any_named(view: SpanView) -> Evaluators | None:
        return tuple([name for name, entry in view.evaluations.items() if holds(entry) and fits(name)]) or None

    return any_named


def _name_test(patterns: Sequence[str]) -> Callable[[str], bool]:
    test = any_test([Matches(pattern) for pattern in patterns], ignore_case=True)
    return lru_cache(maxsize=NAMES_REMEMBERED)(test)


def _entry_test(term: Evaluation) -> Callable[[dict[str, Any]], bool]:
    part, test = term.part, value_test(term.test, ignore_case=term.part in ("assessment", "status"))
    keys = ("eval_metric_metadata", "metadata") if part == "metadata" else (part,)
    readers = [path_reader((key, *term.rest)) for key in keys]
    if part == "assessment" and not term.rest:
        return lambda entry: entry.get("assessment") is not None and test(entry["assessment"])

    def holds(entry: dict[str, Any]) -> bool:
        for read in readers:
            for value in read(entry):
                if test(value):
                    return True
        return False

    return holds


def _not(inner: Predicate) -> Predicate:
    return lambda view: _NONE if inner(view) is None else None


def _and(parts: list[Predicate]) -> Predicate:
    def holds(view: SpanView) -> Evaluators | None:
        names = _NONE
        for part in parts:
            found = part(view)
            if found is None:
                return None
            if found:
                names = _joined(names, found)
        return names

    return holds


def _or(named: list[Predicate], plain: list[Predicate]) -> Predicate:
    """Every part that may name an evaluator is asked; of the others one match is enough."""

    def holds(view: SpanView) -> Evaluators | None:
        names: Evaluators | None = None
        for part in named:
            found = part(view)
            if found is not None:
                names = found if names is None else _joined(names, found)
        if names is not None:
            return names
        for part in plain:
            if part(view) is not None:
                return _NONE
        return None

    return holds


def _joined(names: Evaluators, more: Evaluators) -> Evaluators:
    return tuple(dict.fromkeys((*names, *more))) if names else more
