"""Datadog's search language, from text to tree.

Our lexer replaces each term by a placeholder word, so that luqum sees boolean structure alone: as it stands it takes
neither `@x:>-1`, `@http.route:/api/v1` nor `a:b:c`. Its implicit AND binds looser than OR, and Datadog documents no
precedence, so AND and OR on one level need parentheses. Operators are upper case; `and` and `or` are words to search
for (Datadog docs, "Log Search Syntax": the operators are case sensitive).
"""

import re
from dataclasses import dataclass, field
from typing import NoReturn

from evalforge.ingestion.query.ast import And, Not, Or, Query
from evalforge.ingestion.query.errors import QueryError, shown
from evalforge.ingestion.query.grammar import ParseError, parse_boolean, tree
from evalforge.ingestion.query.terms import field_term, free_text_term, range_term

__all__ = ["QueryError", "parse"]

MAX_QUERY_CHARS = 10_000
MAX_DEPTH = 50

_WORD = re.compile(r'(?:\\.|[^\\\s()"])++', re.DOTALL)
_PHRASE = re.compile(r'"((?:\\.|[^"\\])*+)"', re.DOTALL)
_KEY = re.compile(r'((?:\\.|[^\\\s()":])++):', re.DOTALL)
_RANGE = re.compile(r"[\[{]\s*([^\s\[\]{}]++)\s+TO\s+([^\s\[\]{}]++)\s*[\]}]")
_OPERATOR = re.compile(r"(AND|OR|NOT)(?=[\s()]|\Z)")
_END_OF_TERM = re.compile(r"[\s)]|\Z")
_SPACE = re.compile(r"\s*")
_POSITION = re.compile(r"position (\d+)")


def parse(text: str) -> Query:
    """The tree of a query. Raises QueryError, with the offending piece, for any text that is no usable query."""
    if len(text) > MAX_QUERY_CHARS:
        raise QueryError(f"the query has {len(text)} characters; at most {MAX_QUERY_CHARS} are accepted")
    lexer = _Lexer(text)
    lexer.run()
    if not lexer.tokens:
        raise QueryError("the query is empty; * matches every span")
    skeleton = " ".join(placeholder for placeholder, _ in lexer.tokens)
    try:
        structure = parse_boolean(skeleton)
    except ParseError as error:
        _refuse_structure(lexer, skeleton, str(error))
    return _node(structure, lexer.terms)


@dataclass
class _Lexer:
    text: str
    at: int = 0
    terms: list[Query] = field(default_factory=list)
    tokens: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=lambda: [None])
    negated: bool = False

    def run(self) -> None:
        while self._skip_space() < len(self.text):
            character = self.text[self.at]
            if character == "(":
                self._open(self.keys[-1])
            elif character == ")":
                self._close()
            elif character in "-!":
                self._negate()
            elif operator := _OPERATOR.match(self.text, self.at):
                self._operator(operator)
            else:
                self._term()
        if len(self.keys) > 1:
            raise QueryError("a closing parenthesis is missing")
        if self.negated:
            raise QueryError("there is nothing after the last NOT")

    def _skip_space(self) -> int:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _emit(self, placeholder: str, source: str) -> None:
        if self.negated:
            self.tokens.append(("NOT", "NOT"))
            self.negated = False
        self.tokens.append((placeholder, source))

    def _open(self, key: str | None) -> None:
        if len(self.keys) > MAX_DEPTH:
            raise QueryError(f"parentheses are nested more than {MAX_DEPTH} deep")
        self._emit("(", "(")
        self.keys.append(key)
        self.at += 1

    def _close(self) -> None:
        if len(self.keys) == 1:
            raise QueryError(f"a closing parenthesis too many: {shown(self.text[: self.at + 1])}")
        if self.negated:
            raise QueryError("there is nothing between NOT and the closing parenthesis")
        self.keys.pop()
        self.tokens.append((")", ")"))
        self._end_term(self.at, self.at + 1)

    def _negate(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if not following or following.isspace() or following == ")":
            raise QueryError(
                f"{shown(self.text[self.at])} must stand right before what it excludes; quote it otherwise"
            )
        self.negated = not self.negated
        self.at += 1

    def _operator(self, found: re.Match[str]) -> None:
        self.at = found.end()
        if found.group() == "NOT":
            self.negated = not self.negated
        elif self.negated:
            raise QueryError(f"NOT cannot stand before {found.group()}")
        else:
            self._emit(found.group(), found.group())

    def _term(self) -> None:
        start, group_key = self.at, self.keys[-1]
        if group_key is not None:
            self._keyed(start, group_key)
        elif key := _KEY.match(self.text, start):
            self._keyed_or_group(start, key)
        else:
            self._free_text(start)

    def _keyed_or_group(self, start: int, key: re.Match[str]) -> None:
        self.at = key.end()
        if self.text[self.at : self.at + 1] == "(":
            self._open(key.group(1))
        else:
            self._keyed(start, key.group(1))

    def _keyed(self, start: int, key: str) -> None:
        if phrase := _PHRASE.match(self.text, self.at):
            self._add(field_term(key, phrase.group(1), quoted=True), start, phrase.end())
        elif found := _RANGE.match(self.text, self.at):
            self._add(range_term(key, found.group(), *found.groups()), start, found.end())
        elif word := _WORD.match(self.text, self.at):
            self._check_end(start, word.end())
            self._add(field_term(key, word.group(), quoted=False), start, word.end())
        else:
            self._refuse(start)

    def _free_text(self, start: int) -> None:
        if phrase := _PHRASE.match(self.text, start):
            self._add(free_text_term(phrase.group(1), quoted=True), start, phrase.end())
        elif word := _WORD.match(self.text, start):
            if word.group().startswith(("+", "&&", "||")):
                raise QueryError(f"{shown(word.group())}: the operators are AND, OR, NOT and -")
            self._check_end(start, word.end())
            self._add(free_text_term(word.group(), quoted=False), start, word.end())
        else:
            self._refuse(start)

    def _add(self, term: Query, start: int, end: int) -> None:
        self._emit(f"w{len(self.terms)}", self.text[start:end])
        self.terms.append(term)
        self._end_term(start, end)

    def _end_term(self, start: int, end: int) -> None:
        self._check_end(start, end)
        self.at = end

    def _check_end(self, start: int, end: int) -> None:
        if not _END_OF_TERM.match(self.text, end):
            piece = self.text[start : end + 1]
            raise QueryError(f"a space is missing, or a character needs a backslash, at the end of {shown(piece)}")

    def _refuse(self, start: int) -> NoReturn:
        following = self.text[self.at : self.at + 1]
        if following == '"':
            raise QueryError(f"the closing quote is missing: {shown(self.text[start:])}")
        if following == "\\":
            raise QueryError("a backslash at the end escapes nothing")
        raise QueryError(f'{shown(self.text[start : self.at])} has no value; write "" for empty text')


def _refuse_structure(lexer: _Lexer, skeleton: str, message: str) -> NoReturn:
    found = _POSITION.search(message)
    if not found:
        raise QueryError("the query ends where a term was expected")
    index = skeleton[: int(found.group(1))].count(" ")
    raise QueryError(f"{shown(lexer.tokens[index][1])} was not expected at its place among the operators")


def _node(item: tree.Item, terms: list[Query]) -> Query:
    match item:
        case tree.Word():
            return terms[int(item.value[1:])]
        case tree.Group():
            return _node(item.expr, terms)
        case tree.Not():
            return Not(_node(item.a, terms))
        case tree.OrOperation():
            _refuse_mix(item)
            return Or(tuple(_node(child, terms) for child in item.children))
        case tree.AndOperation() | tree.UnknownOperation():
            _refuse_mix(item)
            return And(_flat_and(item, terms))
        case _:
            raise QueryError(f"{shown(str(item))} is not part of Datadog's language")


def _flat_and(item: tree.Item, terms: list[Query]) -> tuple[Query, ...]:
    parts: list[Query] = []
    for child in item.children:
        if isinstance(child, tree.AndOperation | tree.UnknownOperation):
            parts.extend(_flat_and(child, terms))
        else:
            parts.append(_node(child, terms))
    return tuple(parts)


def _refuse_mix(item: tree.Item) -> None:
    is_or = isinstance(item, tree.OrOperation)
    if any(
        isinstance(child, tree.BaseOperation) and isinstance(child, tree.OrOperation) != is_or
        for child in item.children
    ):
        raise QueryError(
            "AND (also the AND that a space stands for) and OR are mixed: put parentheses around each part"
        )
