"""Whether a span matches a query: the sandbox's own reading of Datadog's search language.

It and the failure rules are held to one table, `tests/contract/query_table.json`, so that neither is its own judge.
Sources: Datadog docs, "Querying spans and traces" (Agent Observability), "Automation Rules" (fields), "Query Syntax".

- `@a.b:v` reads an attribute by its path; `a:v` reads a tag, or a reserved attribute (`status`, `trace_id`, …).
- A term holds if any one of the values found holds; a negated term holds if none does, so also where nothing is found.
- Attribute values are compared with their case; tag values without it, because intake lower-cases them.
- Free text is looked for, without case, in the first 20,500 characters of input and output.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from evalforge.sandbox.query_parser import parse
from evalforge.sandbox.query_tree import (
    All,
    AnyOf,
    Between,
    Matcher,
    Node,
    Not,
    Present,
    QueryError,
    Term,
    Text,
)

__all__ = ["QueryError", "compile_query", "matches"]

FREE_TEXT_CHARS = 20_500
RESERVED = frozenset(
    {"status", "trace_id", "span_id", "parent_id", "ml_app", "name", "span_kind", "duration", "start_ns"}
)
AS_TAGS = {
    "session_id": "session_id",
    "service": "service",
    "env": "env",
    "version": "version",
    "ml_app_version": "version",
    "error.type": "error_type",
    "error.message": "error_message",
}
"""Attributes that a span of the Export API may have as a tag only."""
NS_PER_MS, NS_PER_US = 10**6, 10**3
MILLISECONDS_BELOW, MICROSECONDS_BELOW = 10**14, 10**17
LEGACY = {
    "evaluation_assessments": "assessment",
    "evaluation_reasoning": "reasoning",
    "evaluation_metadata": "metadata",
    "evaluation_tags": "tags",
}
SPELLINGS = {
    ("meta", "span", "kind"): ("span_kind",),
    ("span", "kind"): ("span_kind",),
    ("kind",): ("span_kind",),
    ("meta", "kind"): ("span_kind",),
}
"""Documented spellings of fields that the Export API names otherwise."""

Attributes = Mapping[str, Any]


def matches(query: str, attributes: Attributes) -> bool:
    """Whether a span's attributes match the query. Raises QueryError."""
    return compile_query(query)(attributes)


def compile_query(query: str) -> Callable[[Attributes], bool]:
    """The query as a function of a span's attributes. Raises QueryError."""
    tree = parse(query)
    return lambda attributes: _holds(tree, attributes)


def _holds(node: Node, span: Attributes) -> bool:
    match node:
        case All(parts):
            return all(_holds(part, span) for part in parts)
        case AnyOf(parts):
            return any(_holds(part, span) for part in parts)
        case Not(of):
            return not _holds(of, span)
        case Term(key, matcher):
            if key is None or key == "*":
                return _free_text(matcher, span)
            if key.startswith("@"):
                return any(_accepts(matcher, value) for value in _attribute(key[1:], span))
            return _tagged(key, matcher, span)


def _accepts(matcher: Matcher, value: object) -> bool:
    if isinstance(matcher, Present):
        return value is not None
    if isinstance(value, bool):
        return isinstance(matcher, Text) and _same(matcher, "true" if value else "false")
    if isinstance(value, (int, float)):
        if isinstance(matcher, Between):
            return math.isfinite(value) and matcher.holds(value)
        if matcher.number is not None:
            return matcher.number == value
        return matcher.pattern is not None and _same(matcher, f"{value:g}")
    if isinstance(value, Mapping):
        return isinstance(matcher, Text) and any(_same(matcher, text) for text in _strings(value))
    return isinstance(value, str) and isinstance(matcher, Text) and _same(matcher, value)


def _same(matcher: Text, value: str) -> bool:
    return value == matcher.text if matcher.pattern is None else matcher.pattern.fullmatch(value) is not None


def _attribute(name: str, span: Attributes) -> Iterator[object]:
    """Every value found under the name; a list gives each of its items."""
    path = tuple(name.split("."))
    if path in {("duration",), ("start_ns",)}:
        yield _nanoseconds(path[0], span)
        return
    for way in _ways(path):
        found = list(_walk(span, way))
        if found:
            yield from found
            return
    tag = AS_TAGS.get(name.removeprefix("meta."))
    if tag is not None:
        yield from _tag_values(tag, span)


def _ways(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    head, rest = path[0], path[1:]
    yield SPELLINGS.get(path, path)
    if head == "meta":
        yield rest
    elif head == "evaluation" and rest[1:2] == ("metadata",):
        yield head, rest[0], "eval_metric_metadata", *rest[2:]
    elif head == "error":
        yield "meta", *path
    elif head in LEGACY and rest:
        evaluator = rest[1:] if rest[0] == "custom" else rest
        yield "evaluation", *evaluator[:1], LEGACY[head], *evaluator[1:]
    elif head == "evaluations" and rest:
        kind, evaluator = ("assessment", rest[1:]) if rest[0] == "assessment" else ("value", rest)
        evaluator = evaluator[1:] if evaluator[:1] == ("custom",) else evaluator
        yield "evaluation", *evaluator[:1], kind, *evaluator[1:]


def _walk(value: object, path: tuple[str, ...]) -> Iterator[object]:
    """Values at the path; a key may itself hold dots (`http.status_code`), the longest spelling is tried first."""
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping):
        for used in range(len(path), 0, -1):
            key = path[0] if used == 1 else ".".join(path[:used])
            if key in value:
                yield from _walk(value[key], path[used:])
                return


def _nanoseconds(name: str, span: Attributes) -> float | None:
    """The time in ns whatever unit the span is in, told from the magnitude of its start."""
    value, start = span.get(name), span.get("start_ns")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not isinstance(start, (int, float)) or start >= MICROSECONDS_BELOW:
        return value
    return value * (NS_PER_MS if start < MILLISECONDS_BELOW else NS_PER_US)


def _tags(span: Attributes) -> Iterator[tuple[str, str]]:
    tags = span.get("tags")
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, str):
            key, _, value = tag.partition(":")
            yield key.lower(), value


def _tag_values(name: str, span: Attributes) -> Iterator[str]:
    wanted = name.lower()
    return (value for key, value in _tags(span) if key == wanted)


def _tagged(key: str, matcher: Matcher, span: Attributes) -> bool:
    if key in RESERVED and key in span:
        return any(_accepts(matcher, value) for value in _attribute(key, span))
    if key == "tags":
        tags = span.get("tags")
        return any(_accepts_tag(matcher, tag) for tag in (tags if isinstance(tags, list) else ()))
    return any(_accepts_tag(matcher, value) for value in _tag_values(key, span))


def _accepts_tag(matcher: Matcher, value: object) -> bool:
    if not isinstance(value, str):
        return False
    if isinstance(matcher, Present):
        return value != ""
    if isinstance(matcher, Between):
        try:
            return matcher.holds(float(value))
        except ValueError:
            return False
    if matcher.pattern is None:
        return value.lower() == matcher.text.lower()
    return matcher.ignoring_case().fullmatch(value) is not None


def _free_text(matcher: Matcher, span: Attributes) -> bool:
    if isinstance(matcher, Present):
        return True
    if isinstance(matcher, Between):
        return False
    whole_words = matcher.whole_words()
    return any(whole_words.search(text) is not None for text in _io_texts(span))


def _io_texts(span: Attributes) -> Iterator[str]:
    for side in ("input", "output"):
        left = FREE_TEXT_CHARS
        for text in _strings(span.get(side)):
            if left <= 0:
                break
            yield text[:left]
            left -= len(text)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
