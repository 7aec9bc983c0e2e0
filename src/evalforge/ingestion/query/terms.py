"""From the text of one term to its node: keys, values, comparisons, ranges, durations, evaluation forms.

Sources: Datadog docs "Trace Explorer: Query Syntax", "Log Search Syntax", "Querying spans and traces" (current and
legacy evaluation forms), "Automation Rules" (fields, deprecated forms).
"""

import math
import re

from evalforge.ingestion.query.ast import (
    Between,
    Bound,
    Equals,
    Evaluation,
    Everything,
    Exists,
    Field,
    FreeText,
    Matches,
    Query,
    Test,
)
from evalforge.ingestion.query.errors import QueryError, shown

NUMBER = re.compile(
    r"(-?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,3})?)(ns|us|µs|μs|ms|s|min|m|h|d)?\Z", re.ASCII
)
NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
}
DURATION = frozenset({"@duration", "duration"})
EVALUATION_PARTS = frozenset(
    {
        "value",
        "assessment",
        "reasoning",
        "tags",
        "metadata",
        "status",
        "eval_metric_type",
        "eval_metric_metadata",
        "error",
        "action",
        "llm_output",
    }
)
DEPRECATED_PARTS = {
    "evaluation_assessments": "assessment",
    "evaluation_reasoning": "reasoning",
    "evaluation_metadata": "metadata",
    "evaluation_tags": "tags",
}
EXPLORER_ONLY = ("child.", "trace.")
_COMPARISON = re.compile(r"(>=|<=|>|<)(.*)\Z", re.DOTALL)
_STRAY = re.compile(r"(?:\\.|[^\\~^<>\[\]{}])*+([~^<>\[\]{}])", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_WILDCARD = re.compile(r"(?:\\.|[^\\*?])*+[*?]", re.DOTALL)
_REGEX = re.compile(r"/.+/\Z", re.DOTALL)


def field_term(key: str, value: str, *, quoted: bool) -> Query:
    """The node of `key:value`; both with their escapes, the value without its quotes. Raises QueryError."""
    return _field(key, _quoted(value) if quoted else _value(key, value))


def range_term(key: str, text: str, low: str, high: str) -> Query:
    """The node of `key:[low TO high]` or `key:{low TO high}`; `text` is the whole. Raises QueryError."""
    brackets = text[0] + text[-1]
    if brackets not in ("[]", "{}"):
        raise QueryError(f"{shown(text)}: a range needs [ ] or {{ }}, not one of each")
    bounds = [None if end == "*" else _bound(key, end) for end in (low, high)]
    return _field(key, Between(bounds[0], bounds[1], brackets == "[]"))


def free_text_term(text: str, *, quoted: bool) -> Query:
    """The node of a phrase (without its quotes) or word, with its escapes. Raises QueryError."""
    if quoted:
        return FreeText(_quoted(text))
    if text == "*":
        return Everything()
    if text.startswith("@"):
        raise QueryError(f"{shown(text)} has no value: write {text}:* to ask whether it is there")
    if _REGEX.match(text):
        raise QueryError(f"{shown(text)}: Datadog has no regular expressions; quote the text to search for it")
    test = _text(text)
    return FreeText(test) if not isinstance(test, Exists) else Everything()


def unescaped(text: str) -> str:
    """The text with each backslash escape replaced by its character."""
    return _ESCAPE.sub(r"\1", text)


def has_wildcard(text: str) -> bool:
    """Whether a `*` or `?` stands without a backslash."""
    return _WILDCARD.match(text) is not None


def _quoted(value: str) -> Equals:
    return Equals(unescaped(value))


def _value(key: str, value: str) -> Test:
    comparison = _COMPARISON.match(value)
    if comparison:
        operator, number = comparison.groups()
        bound = _bound(key, number)
        inclusive = operator.endswith("=")
        return Between(bound, None, inclusive) if operator[0] == ">" else Between(None, bound, inclusive)
    if key in DURATION and NUMBER.match(value):
        bound = _bound(key, value)
        return Between(bound, bound, inclusive=True)
    return _text(value)


def _text(text: str) -> Exists | Equals | Matches:
    stray = _STRAY.match(text)
    if stray:
        character = stray.group(1)
        raise QueryError(f"{shown(text)}: {character} has a meaning of its own; write \\{character} or quote the text")
    if text == "*":
        return Exists()
    return Matches(_pattern(text)) if has_wildcard(text) else Equals(unescaped(text))


def _pattern(text: str) -> str:
    return _ESCAPE.sub(lambda found: found.group() if found.group(1) in "*?\\" else found.group(1), text)


def _bound(key: str, text: str) -> Bound:
    found = NUMBER.match(unescaped(text))
    if not found:
        raise QueryError(f"{shown(text)} is no number: comparisons and ranges take numbers, as in {key}:>5")
    digits, unit = found.groups()
    if unit and key not in DURATION:
        raise QueryError(f"{shown(text)}: a unit of time is understood for @duration only; write the plain number")
    value: int | float = float(digits) if set(digits) & set(".eE") else int(digits)
    value = value * NANOSECONDS[unit] if unit else value
    if not math.isfinite(value):
        raise QueryError(f"{shown(text)} is too large a number")
    return Bound(digits + (unit or ""), value)


def _field(key: str, test: Test) -> Query:
    is_attribute = key.startswith("@") or key in DURATION
    raw = key.removeprefix("@")
    if not raw:
        raise QueryError(f"{shown(key + ':')} names no attribute")
    if is_attribute and raw.startswith(EXPLORER_ONLY):
        raise QueryError(
            f"{shown(key)}: @child.* and @trace.* work in Datadog's Trace Explorer only, not in the Export API"
        )
    if is_attribute:
        found = _evaluation(raw, test)
        if found:
            return found
    if has_wildcard(raw):
        raise QueryError(f"{shown(key)}: * in a name works for evaluators only, as in @evaluation.*.assessment:fail")
    if isinstance(test, Between) and not is_attribute:
        raise QueryError(f"{shown(key)}: a tag holds text; comparisons and ranges need an attribute, as in @{key}:>5")
    return Field(unescaped(raw), is_attribute, test)


def _evaluation(raw: str, test: Test) -> Evaluation | None:
    head, _, after = raw.partition(".")
    segments = after.split(".")
    rest: tuple[str, ...] = ()
    if head == "evaluation":
        name, part, rest = _split_evaluation(raw, segments)
    elif head == "evaluations":
        part = "assessment" if segments[0] == "assessment" and len(segments) > 1 else "value"
        name = ".".join(segments[1:] if part == "assessment" else segments)
        name = name.removeprefix("custom.")
    elif head in DEPRECATED_PARTS:
        part = DEPRECATED_PARTS[head]
        name = after.removeprefix("custom.")
        if part == "metadata":
            name, *keys = name.split(".")
            rest = tuple(unescaped(key) for key in keys)
    else:
        return None
    if not name:
        raise QueryError(f"{shown('@' + raw)} names no evaluator: write @evaluation.NAME.assessment:fail")
    is_pattern = has_wildcard(name)
    return Evaluation(
        name=_pattern(name) if is_pattern else unescaped(name),
        is_pattern=is_pattern,
        part=part,
        rest=rest,
        written=unescaped(raw),
        test=test,
    )


def _split_evaluation(raw: str, segments: list[str]) -> tuple[str, str, tuple[str, ...]]:
    at = next((i for i, segment in enumerate(segments) if i and segment in EVALUATION_PARTS), None)
    if at is None:
        raise QueryError(
            f"{shown('@' + raw)}: write @evaluation.NAME.value, .assessment, .reasoning, .tags or .metadata.KEY"
        )
    return ".".join(segments[:at]), segments[at], tuple(unescaped(segment) for segment in segments[at + 1 :])
