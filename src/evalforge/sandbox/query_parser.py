"""Datadog's search language, from text to a tree. A recursive-descent parser of the sandbox's own.

    query   = any-of                          any-of = all-of { "OR" all-of }
    all-of  = factor { [ "AND" ] factor }     factor = { "-" | "NOT" | "!" } ( "(" any-of ")" | term )
    term    = key ":" value | "phrase" | word
    value   = "(" any-of over values ")" | "[" low "TO" high "]" | "{" low "TO" high "}" | [ > >= < <= ] number
            | "text" | word with * and ?

Sources: Datadog docs, "Trace Explorer: Query Syntax" and "Log Search Syntax" (operators, escapes, wildcards, ranges).
What those pages leave open is decided so: AND binds tighter than OR; a colon or a slash inside a value is part
of it; inside double quotes `*` and `?` are plain characters.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from evalforge.sandbox.query_tree import (
    NUMBER,
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
    number,
)

MAX_QUERY_CHARS = 200_000
MAX_DEPTH = 100
NUMBER_CHARS = 40
WORD_ENDS = frozenset(' \t\r\n()"')


@lru_cache(maxsize=64)
def parse(query: str) -> Node:
    """The query as a tree; an empty query or `*` matches everything. Raises QueryError."""
    if len(query) > MAX_QUERY_CHARS:
        raise QueryError(f"query is longer than {MAX_QUERY_CHARS} characters")
    parser = _Parser(query)
    parser.skip_space()
    if parser.peek == "":
        return All(())
    tree = parser.any_of(None)
    if parser.peek != "":
        raise QueryError(f"unexpected {parser.peek!r} at character {parser.at}")
    return tree


@dataclass
class _Parser:
    query: str
    at: int = 0
    depth: int = field(default=0)

    @property
    def at_end(self) -> bool:
        return self.at >= len(self.query)

    @property
    def peek(self) -> str:
        return "" if self.at_end else self.query[self.at]

    def skip_space(self) -> None:
        while not self.at_end and self.query[self.at].isspace():
            self.at += 1

    def take(self, text: str) -> bool:
        """Consume the text and the space behind it, if it is next."""
        if not self.query.startswith(text, self.at):
            return False
        self.at += len(text)
        self.skip_space()
        return True

    def take_keyword(self, keyword: str) -> bool:
        """Consume a word such as AND if it stands alone."""
        behind = self.at + len(keyword)
        alone = behind >= len(self.query) or self.query[behind] in WORD_ENDS
        return self.query.startswith(keyword, self.at) and alone and self.take(keyword)

    def any_of(self, key: str | None) -> Node:
        """`a OR b`; with a key inside `key:( … )`, where the parts are values of it."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise QueryError(f"more than {MAX_DEPTH} levels of parentheses")
        parts = [self.all_of(key)]
        while self.take_keyword("OR"):
            parts.append(self.all_of(key))
        self.depth -= 1
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def all_of(self, key: str | None) -> Node:
        parts = [self.factor(key)]
        while self.take_keyword("AND") or not (self.at_end or self.peek == ")" or self.at_or()):
            parts.append(self.factor(key))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def at_or(self) -> bool:
        here = self.at
        found = self.take_keyword("OR")
        self.at = here
        return found

    def factor(self, key: str | None) -> Node:
        negated = False
        while self.take_negation(key):
            negated = not negated
        node = self.group(key) if self.take("(") else self.term(key)
        return Not(node) if negated else node

    def take_negation(self, key: str | None) -> bool:
        if self.take_keyword("NOT"):
            return True
        number_follows = key is not None and NUMBER.match(
            self.query[self.at : self.at + NUMBER_CHARS].split(")")[0].split(" ")[0]
        )
        return not number_follows and (self.take("-") or self.take("!"))

    def group(self, key: str | None) -> Node:
        inside = self.any_of(key)
        if not self.take(")"):
            raise QueryError(f"a parenthesis is not closed before character {self.at}")
        return inside

    def term(self, key: str | None) -> Node:
        for keyword in ("AND", "OR"):
            if self.take_keyword(keyword):
                raise QueryError(f"{keyword} needs a condition on both sides")
        if self.at_end or self.peek == ")":
            raise QueryError(f"a condition is missing at character {self.at}")
        if key is not None:
            return Term(key, self.value())
        if self.peek == '"':
            return Term(None, self.quoted())
        name = self.key()
        if name is None:
            return self.word()
        self.at += 1
        if self.at_end or self.peek.isspace():
            raise QueryError(f"{name}: has no value")
        return self.group(name) if self.take("(") else Term(name, self.value())

    def key(self) -> str | None:
        """The text up to an unescaped colon, unescaped; None (nothing consumed) if there is no colon in this word."""
        letters, at = [], self.at
        while at < len(self.query) and self.query[at] not in WORD_ENDS:
            if self.query[at] == ":":
                break
            at += 1 if self.query[at] == "\\" else 0
            letters.append(self.query[at : at + 1])
            at += 1
        if not letters or self.query[at : at + 1] != ":":
            return None
        self.at = at
        return "".join(letters)

    def word(self) -> Node:
        """A bare word: free text; `@key` alone asks whether the attribute is there; `*` is everything."""
        found = self.text()
        if isinstance(found, Present):
            return All(())
        bare = isinstance(found, Text) and found.pattern is None and found.text.startswith("@")
        return Term(found.text, Present()) if bare and isinstance(found, Text) else Term(None, found)

    def value(self) -> Matcher:
        if self.peek == '"':
            return self.quoted()
        if self.peek in ("[", "{"):
            return self.range()
        for sign in (">=", "<=", ">", "<"):
            if self.take(sign):
                bound = self.bound(self.raw(WORD_ENDS))
                inclusive = len(sign) == 2
                low, high = (bound, None) if sign[0] == ">" else (None, bound)
                return Between(low, high, inclusive, inclusive)
        return self.text()

    def range(self) -> Between:
        low_inclusive = self.peek == "["
        self.at += 1
        self.skip_space()
        low = self.raw(WORD_ENDS)
        if not self.take_keyword("TO"):
            raise QueryError(f"a range needs TO at character {self.at}")
        high = self.raw(WORD_ENDS | {"]", "}"})
        if self.peek not in ("]", "}"):
            raise QueryError(f"a range is not closed at character {self.at}")
        high_inclusive = self.peek == "]"
        self.at += 1
        self.skip_space()
        return Between(self.bound(low), self.bound(high), low_inclusive, high_inclusive)

    def bound(self, text: str) -> float | None:
        """A number or a duration; `*` is no bound."""
        if text == "*":
            return None
        found = number(text)
        if found is None:
            raise QueryError(f"{text!r} is no number to compare with")
        return found

    def raw(self, ends: frozenset[str]) -> str:
        start = self.at
        while not self.at_end and self.peek not in ends:
            self.at += 1
        text = self.query[start : self.at].replace("\\", "")
        self.skip_space()
        return text

    def quoted(self) -> Text:
        letters = []
        at = self.at + 1
        while at < len(self.query) and self.query[at] != '"':
            at += 1 if self.query[at] == "\\" else 0
            letters.append(self.query[at : at + 1])
            at += 1
        if at >= len(self.query):
            raise QueryError(f"a double quote opened at character {self.at} is not closed")
        self.at = at + 1
        self.skip_space()
        text = "".join(letters)
        return Text(text, number=number(text))

    def text(self) -> Text | Present:
        """An unquoted value: backslash escapes one character, `*` is any text, `?` is any one character."""
        letters: list[str] = []
        pattern: list[str] = []
        wild = False
        while not self.at_end and self.peek not in WORD_ENDS:
            letter = self.peek
            escaped = letter == "\\" and self.at + 1 < len(self.query)
            self.at += 1 if escaped else 0
            letter = self.peek
            self.at += 1
            letters.append(letter)
            wildcard = not escaped and letter in "*?"
            wild = wild or wildcard
            pattern.append({"*": ".*", "?": "."}[letter] if wildcard else re.escape(letter))
        self.skip_space()
        text = "".join(letters)
        if wild and set(pattern) == {".*"}:
            return Present()
        if not wild:
            return Text(text, number=number(text))
        return Text(text, pattern=re.compile("".join(pattern), re.DOTALL))
