"""What a query means, as a small frozen tree: boolean structure over terms, each term a test of one field.

Patterns hold `*` and `?` as wildcards and `\\*`, `\\?`, `\\\\` for the characters themselves.
"""

from typing import TypeAlias

import msgspec


class Node(msgspec.Struct, frozen=True):
    """Base of every part of the tree."""


class Exists(Node, frozen=True):
    """`:*`, any value but null."""


class Equals(Node, frozen=True):
    """The whole value is this text (or the number or boolean that it spells)."""

    text: str


class Matches(Node, frozen=True):
    """The whole value fits a pattern with wildcards."""

    pattern: str


class Bound(Node, frozen=True):
    """One end of a range: as it was written (`5s`) and its value (a duration in ns)."""

    text: str
    value: int | float


class Between(Node, frozen=True):
    """A number within the bounds; None is open. `inclusive` holds for both ends."""

    low: Bound | None
    high: Bound | None
    inclusive: bool


Test: TypeAlias = Exists | Equals | Matches | Between


class Field(Node, frozen=True):
    """A test of an attribute (`@key:value`), or of a tag or reserved attribute (`key:value`)."""

    name: str
    is_attribute: bool
    test: Test


class Evaluation(Node, frozen=True):
    """A test of one part of an evaluation. `name` is a pattern if `is_pattern` (a local extension).

    `written` is the key as it stood in the query, so that a deprecated form goes to the server as it came.
    """

    name: str
    is_pattern: bool
    part: str
    rest: tuple[str, ...]
    written: str
    test: Test


class FreeText(Node, frozen=True):
    """Text to find in input or output."""

    test: Equals | Matches


class Everything(Node, frozen=True):
    """`*`: every span."""


class And(Node, frozen=True):
    """All of them."""

    of: tuple["Query", ...]


class Or(Node, frozen=True):
    """Any of them."""

    of: tuple["Query", ...]


class Not(Node, frozen=True):
    """None of it."""

    of: "Query"


Query: TypeAlias = Field | Evaluation | FreeText | Everything | And | Or | Not


def evaluations_in(query: Query) -> tuple[Evaluation, ...]:
    """Every evaluation term of the query, in order."""
    match query:
        case Evaluation():
            return (query,)
        case Not(of=inner):
            return evaluations_in(inner)
        case And(of=parts) | Or(of=parts):
            return tuple(term for part in parts for term in evaluations_in(part))
        case _:
            return ()
