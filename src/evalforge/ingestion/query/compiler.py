"""From a query's tree to the text for `filter.query`: every group in parentheses, every value that is more than a
plain word in quotes, wildcards and comparisons bare with escapes, since quotes would make them literal (Datadog docs,
"Log Search Syntax", Wildcards).

Datadog documents no `*` in an attribute's name, so such a term becomes one term for each known evaluator that fits.
"""

import re
from collections.abc import Collection, Iterable
from typing import Literal, TypeAlias

from evalforge.ingestion.query.ast import (
    And,
    Between,
    Equals,
    Evaluation,
    Everything,
    Exists,
    Field,
    FreeText,
    Matches,
    Not,
    Or,
    Query,
    Test,
)
from evalforge.ingestion.query.tests import glob

Alternatives: TypeAlias = tuple[str, ...] | Literal["everything"]
"""Texts of which any one must hold: none is a query that nothing can meet."""

LONGEST_EVALUATOR_NAME = 200
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_]+\Z")
_OPERATORS = frozenset({"AND", "OR", "NOT", "TO"})
_KEY_SPECIAL = re.compile(r"[^\w.\-@/]")
_PATTERN_PIECE = re.compile(r"\\.|.", re.DOTALL)


def quoted(text: str) -> str:
    """The text in double quotes, for the server."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escaped_key(name: str) -> str:
    """An attribute's name with a backslash before every character that could mean something."""
    escaped = _KEY_SPECIAL.sub(lambda found: "\\" + found.group(), name)
    return "\\" + escaped if escaped.startswith(("-", "@")) else escaped


def alternatives(query: Query, evaluators: Collection[str]) -> Alternatives:
    """The texts whose union is the query, over the known evaluators; `everything` excludes no span."""
    match query:
        case Everything():
            return "everything"
        case Field(name=name, is_attribute=is_attribute, test=test):
            return (_term(("@" if is_attribute else "") + escaped_key(name), test),)
        case FreeText(test=test):
            return (_value(test),) if isinstance(test, Matches) else (quoted(test.text),)
        case Evaluation():
            return tuple(_evaluation_terms(query, evaluators))
        case Not(of=inner):
            return _negated(alternatives(inner, evaluators))
        case Or(of=parts):
            return _union(alternatives(part, evaluators) for part in parts)
        case And(of=parts):
            return _intersection(alternatives(part, evaluators) for part in parts)


def any_of(texts: Iterable[str]) -> str:
    """The union of the texts as one text, in parentheses if there are several."""
    several = tuple(dict.fromkeys(texts))
    return several[0] if len(several) == 1 else "(" + " OR ".join(several) + ")"


def compile_query(query: Query, evaluators: Collection[str] = ()) -> str | None:
    """The query for the server; None if, with these evaluators, nothing could meet it; `*` if everything does."""
    found = alternatives(query, evaluators)
    if found == "everything":
        return "*"
    return any_of(found) if found else None


def _union(parts: Iterable[Alternatives]) -> Alternatives:
    texts: list[str] = []
    for part in parts:
        if part == "everything":
            return "everything"
        texts.extend(part)
    return tuple(dict.fromkeys(texts))


def _intersection(parts: Iterable[Alternatives]) -> Alternatives:
    texts: list[str] = []
    for part in parts:
        if part == "everything":
            continue
        if not part:
            return ()
        texts.append(any_of(part))
    several = tuple(dict.fromkeys(texts))
    if not several:
        return "everything"
    return several if len(several) == 1 else ("(" + " AND ".join(several) + ")",)


def _negated(inner: Alternatives) -> Alternatives:
    if inner == "everything":
        return ()
    if not inner:
        return "everything"
    text = any_of(inner)
    if text.startswith("-"):
        return (text.removeprefix("-"),)
    return (f"-{text}",)


def _evaluation_terms(term: Evaluation, evaluators: Collection[str]) -> Iterable[str]:
    if not term.is_pattern:
        yield _term("@" + escaped_key(term.written), term.test)
        return
    fits = glob(term.name, ignore_case=True).match
    for name in sorted(evaluators):
        if fits(name) and _can_be_asked_for(name):
            yield _term("@" + escaped_key(".".join(("evaluation", name, term.part, *term.rest))), term.test)


def _can_be_asked_for(name: str) -> bool:
    return 0 < len(name) <= LONGEST_EVALUATOR_NAME and name.isprintable()


def _term(key: str, test: Test) -> str:
    return f"{key}:{_value(test)}"


def _value(test: Test) -> str:
    match test:
        case Exists():
            return "*"
        case Equals(text=text):
            return text if _PLAIN_WORD.match(text) and text not in _OPERATORS else quoted(text)
        case Matches(pattern=pattern):
            return "".join(_pattern_piece(piece) for piece in _PATTERN_PIECE.findall(pattern))
        case Between():
            return _range(test)


def _pattern_piece(piece: str) -> str:
    if piece in "*?" or len(piece) == 2 or _PLAIN_WORD.match(piece) or piece == ".":
        return piece
    return "\\" + piece


def _range(test: Between) -> str:
    equal = "=" if test.inclusive else ""
    if test.low is not None and test.high is None:
        return f">{equal}{test.low.text}"
    if test.high is not None and test.low is None:
        return f"<{equal}{test.high.text}"
    low, high = ("*" if bound is None else bound.text for bound in (test.low, test.high))
    return f"[{low} TO {high}]" if test.inclusive else f"{{{low} TO {high}}}"
