"""Known names: who a span's own fields say it is about, replaced wherever its texts name them (PII facts, §6).

A name is known from a key that is dropped, hashed or replaced, at any depth, in tags, headers and JSON inside strings.
It is compared without regard to case and as whole words; the parts of a person's name as they are written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from evalforge.ingestion.pii import key_types
from evalforge.ingestion.pii.hashing import id_text
from evalforge.ingestion.pii.key_types import PERSON, USER_ID, USERNAME, told_by
from evalforge.ingestion.pii.policy import MAX_DEPTH
from evalforge.ingestion.pii.structures import OPENINGS
from evalforge.ingestion.pii.text.hits import Hit
from evalforge.ingestion.pii.words import words

SHORTEST_NAME = 3
SHORTEST_VALUE = 5
"""Characters of anything else, which is more likely to be a word or a number of the text's own."""
LONGEST_NAME = 200
MOST_NAMES = 64
NO_NAMES = words(
    """
    admin administrator agent anonymous api app assistant bot client customer default demo developer example
    false guest human model name none null nobody operator owner person private prod production public redacted root
    service staging support system test tester the true undefined unknown user username users
    """
)
"""Values of such fields that name nobody."""

Parse = Callable[[str], Any]
"""Gives the JSON that a text holds, or None."""


class Names:
    """The names known of a span; `add` what is learnt, `find` them in a text."""

    def __init__(self) -> None:
        self._anyhow: dict[str, tuple[str, str]] = {}
        self._as_written: dict[str, tuple[str, str]] = {}

    def learn(self, value: Any, parse: Parse) -> None:
        """Take in every name that the keys in this value tell."""
        for kind, text in _told(value, parse):
            self.add(kind, text)

    def add(self, kind: str, text: str) -> None:
        """Take in one value of an entity type, unless it is too common to name anybody."""
        name = text.strip()
        folded = _lower(name)
        shortest = SHORTEST_NAME if kind in (PERSON, USERNAME, key_types.EMAIL) else SHORTEST_VALUE
        if not shortest <= len(name) <= LONGEST_NAME or folded in NO_NAMES or len(self._anyhow) >= MOST_NAMES:
            return
        if kind == USER_ID and name.isalpha():
            return
        self._anyhow.setdefault(folded, (kind, folded))
        if kind == PERSON:
            for part in name.replace(",", " ").split():
                if len(part) >= SHORTEST_NAME and part[0].isupper() and part.lower() not in NO_NAMES:
                    self._as_written.setdefault(part, (kind, part.casefold()))

    def find(self, text: str) -> list[Hit]:
        """Where the text has one of them."""
        if not self._anyhow:
            return []
        lowered = _lower(text)
        hits = [hit for name, what in self._anyhow.items() for hit in places(lowered, name, *what)]
        return hits + [hit for name, what in self._as_written.items() for hit in places(text, name, *what)]


def places(text: str, name: str, kind: str, canonical: str) -> Iterator[Hit]:
    """Where a name stands in a text as a whole word, or as whole words."""
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        if _is_whole(text, start, end):
            yield Hit(start, end, kind, canonical)
        start = text.find(name, start + 1)


def _is_whole(text: str, start: int, end: int) -> bool:
    before = start > 0 and text[start].isalnum() and text[start - 1].isalnum()
    after = end < len(text) and text[end - 1].isalnum() and text[end].isalnum()
    return not before and not after


def _lower(text: str) -> str:
    """In lower case with every character in its place: the few that would become two stay as they are."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(one if len(small := one.lower()) != 1 else small for one in text)


def _told(value: Any, parse: Parse) -> Iterator[tuple[str, str]]:
    """(entity type, value) of every member of these objects and lists whose key tells one."""
    left: list[tuple[Any, str, int]] = [(value, "", 0)]
    while left:
        value, parent, depth = left.pop()
        if depth > MAX_DEPTH:
            continue
        if type(value) is str:
            value = parse(value)
        if type(value) is dict:
            if "value" in value:
                yield from _told_by_label(value, parent)
            for key, child in value.items():
                kind, below = told_by(parent, key)
                if kind:
                    yield from _values(kind, child)
                if type(child) is dict or type(child) is list or (type(child) is str and child[:1] in OPENINGS):
                    left.append((child, below, depth + 1))
        elif type(value) is list:
            if len(value) == 2 and type(value[0]) is str:
                yield from _values(told_by(parent, value[0])[0], value[1])
            for child in value:
                if type(child) is str and ":" in child:
                    yield from _told_by_text(child)
                if type(child) is dict or type(child) is list or (type(child) is str and child[:1] in OPENINGS):
                    left.append((child, parent, depth + 1))


def _told_by_label(value: Mapping[str, Any], parent: str) -> Iterator[tuple[str, str]]:
    label = value.get("name", value.get("key"))
    if type(label) is str:
        yield from _values(told_by(parent, label)[0], value["value"])


def _told_by_text(tag: str) -> Iterator[tuple[str, str]]:
    key, _, value = tag.partition(":")
    if len(key) <= LONGEST_NAME:
        yield from _values(told_by("", key)[0], value)


def _values(kind: str, value: Any) -> Iterator[tuple[str, str]]:
    """The value as text; of a list each of its values. Nothing without a type."""
    if not kind:
        return
    values: Sequence[Any] = value if type(value) is list else [value]
    for one in values[:MOST_NAMES]:
        text = id_text(one)
        if text:
            yield kind, text
