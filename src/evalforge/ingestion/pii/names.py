"""Known names: who a span's own fields say it is about, replaced wherever its texts name them (PII facts, §6).

A name is known from a key that is dropped, hashed or replaced, at any depth, in tags, headers and JSON inside strings.
How names are compared is for `name_words`. Other spans of the trace know of them by keyed hashes (`KeyedNames`), so
that a name that only the root tells is found in what failed below it, whenever either is read.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from evalforge.ingestion.pii.hashing import OF_OTHER, OF_SESSION, OF_USER, id_text, is_pseudonym
from evalforge.ingestion.pii.key_types import PERSON, SECRET, SESSION_ID
from evalforge.ingestion.pii.keys import BUILT_IN_KEYS, Keys
from evalforge.ingestion.pii.name_words import (
    LONGEST_NAME,
    RULE,
    SHORTEST_VALUE,
    Name,
    canonical_of,
    find_names,
    names_of,
    says_nothing,
)
from evalforge.ingestion.pii.placeholders import Placeholders
from evalforge.ingestion.pii.policy import MAX_DEPTH, MAX_NAMES, MOST_NAMES, SESSION_KEYS
from evalforge.ingestion.pii.shapes import labelled
from evalforge.ingestion.pii.spelling import WORD, whole_words
from evalforge.ingestion.pii.structures import OPENINGS
from evalforge.ingestion.pii.text.hits import Hit, Unscannable
from evalforge.ingestion.pii.words import NO_NAMES, SIGN_IN

CONTROLS = re.compile(r"[\x00-\x08\x1b]")
"""Beside backslashes, percent signs and ampersands, what may hide a name from a plain search."""
MOST_VALUES = 64
"""Items of one list of names that are read."""
SESSION_RULES = frozenset(f"key {name}" for name in SESSION_KEYS)
"""What says that a key names a session, whose id is looked for in texts though it is none of a person."""

Parse = Callable[[str], Any]
"""Gives the JSON that a text holds, or None."""


class Names:
    """The names known of a span; `learn` what its fields tell, `find` it in a text. `keys` say what a value is."""

    def __init__(self, keys: Keys = BUILT_IN_KEYS) -> None:
        self.keys = keys
        self._types: dict[Name, str] = {}
        self._values: dict[str, Hit] = {}
        self._lengths: dict[str, set[int]] = {}
        self._offsets: frozenset[int] = frozenset()
        self._probes: tuple[str, ...] = ()
        self._all_probes: tuple[str, ...] = ()
        self._shortest = 0
        self._spaced = self._too_many = False
        self.sizes: frozenset[int] = frozenset()

    def learn(self, value: Any, parse: Parse) -> None:
        """Take in every name that the keys in this value tell."""
        tags = value.get("tags") if type(value) is dict else None
        told = sorted(set(told_in(value, parse, self.keys, tags)))
        if not told:
            return
        for kind, text in told:
            self._add(kind, text.strip())
        self._too_many = max(len(self._types), len(self._values)) > MOST_NAMES
        self.sizes = frozenset(name.size for name in self._types)
        self._spaced = 0 < len(self._types) <= MAX_NAMES and min(self.sizes) > 0
        probes = {max(name.text.split(), key=len) for name in self._types if name.size > 0}
        self._probes = tuple(probes) if len(probes) <= MAX_NAMES else ("",)
        self._all_probes = (*self._probes, *self._values)
        self._shortest = min(map(len, self._all_probes), default=0)
        if len(self._values) > MAX_NAMES:
            first = {value: word for value in self._values if (word := WORD.search(value))}
            self._offsets = frozenset(word.start() for word in first.values())
            self._lengths = defaultdict(set)
            for value, word in first.items():
                self._lengths[value[: word.end()]].add(len(value))

    def type_of(self, name: Name) -> str | None:
        """As of Known."""
        return self._types.get(name)

    def find(self, text: str) -> list[Hit]:
        """Where the text has one of them. Raises Unscannable if there are too many."""
        if not self._types and not self._values:
            return []
        if self._too_many:
            raise Unscannable(f"a span tells more than {MOST_NAMES} names")
        if self._spaced and not self._lengths and text.isascii():
            # The common case: short texts have no room for a name, and most others none of them.
            if len(text) < self._shortest:
                return []
            small = text.lower()
            for probe in self._all_probes:
                if probe in small:
                    break
            else:
                if not hides(text):
                    return []
        lowered = _lower(text)
        hits: list[Hit] = []
        for value in self._values_in(lowered) if self._lengths else self._values:
            if value in lowered:
                what = self._values[value]
                hits += [Hit(*place, what.type, what.canonical, RULE) for place in whole_words(lowered, value)]
        if self._types and (self._may_be_in(lowered) or self._hides(text)):
            hits += find_names(text, self)
        return hits

    def _values_in(self, lowered: str) -> set[str]:
        """The values in the text, where there are too many to look for each: by what they begin with and how long
        they are, of which there is little however many share a word.
        """
        found: set[str] = set()
        for word in WORD.finditer(lowered):
            for offset in self._offsets:
                start = word.start() - offset
                if start >= 0 and (lengths := self._lengths.get(lowered[start : word.end()])):
                    found |= self._values.keys() & {lowered[start : start + length] for length in lengths}
        return found

    def _hides(self, text: str) -> bool:
        """Whether a name may be in the text without standing there as it is compared."""
        return not (self._spaced and text.isascii()) or hides(text)

    def keyed(self, placeholders: Placeholders) -> tuple[str, ...]:
        """The names as other spans of the trace may know them: type, size and hash of each."""
        kept = sorted(self._types)[:MAX_NAMES]
        return united_names(f"{self._types[name]}/{name.size}/{placeholders.hash_of(*name)}" for name in kept)

    def _may_be_in(self, lowered: str) -> bool:
        return any(map(lowered.__contains__, self._probes))

    def _add(self, kind: str, value: str) -> None:
        small = _lower(value)
        if small in NO_NAMES or (kind == SECRET and small in SIGN_IN):
            return
        if any(is_pseudonym(value, prefix) for prefix in (OF_USER, OF_SESSION, OF_OTHER)):
            return
        for named, name in names_of(kind, value):
            self._types[name] = min(named, self._types.get(name, named))
        if kind in (PERSON, SESSION_ID) or value.isalpha() or says_nothing(kind, value):
            return
        if SHORTEST_VALUE <= len(value) <= LONGEST_NAME:
            self._values.setdefault(small, Hit(0, 0, kind, canonical_of(kind, value)))


class KeyedNames:
    """Names that other spans of the trace told, by their hashes: a text is asked word by word. For one trace."""

    def __init__(self, keyed: Iterable[str], placeholders: Placeholders, keys: Keys = BUILT_IN_KEYS) -> None:
        self.keys = keys
        parts = [entry.split("/") for entry in keyed]
        self._types = {hashed: kind for kind, _, hashed in sorted(parts, reverse=True)}
        self.sizes = frozenset(int(size) for _, size, _ in parts)
        self._placeholders = placeholders

    def type_of(self, name: Name) -> str | None:
        """As of Known."""
        return self._types.get(self._placeholders.hash_of(*name))

    def find(self, text: str) -> list[Hit]:
        """Where the text has one of them."""
        return find_names(text, self)


def hides(text: str) -> bool:
    """Whether an ASCII text has anything that may hide a name from a plain search."""
    if "\\" in text or "%" in text or "&" in text:
        return True
    return not text.isprintable() and CONTROLS.search(text) is not None


def united_names(*keyed: Iterable[str]) -> tuple[str, ...]:
    """Keyed names as one, cut to the cap by their hashes, which any order and split leaves the same."""
    found = {name for names in keyed for name in names}
    return tuple(sorted(found, key=lambda name: (name.rpartition("/")[2], name))[:MAX_NAMES])


def _lower(text: str) -> str:
    """In lower case with every character in its place: the few that would become two stay as they are."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(one if len(small := one.lower()) != 1 else small for one in text)


def told_in(value: Any, parse: Parse, keys: Keys, tags: Any = None) -> list[tuple[str, str]]:
    """(entity type, value) of every member of these objects and lists whose key tells one.

    `tags` is a list in it that is one of tags: two of them are no key and its value.
    """
    told: list[tuple[str, str]] = []
    tells, left = keys.tells, [(value, "", 0)]
    while left:
        value, parent, depth = left.pop()
        if depth > MAX_DEPTH:
            continue
        if type(value) is str:
            value = parse(value)
        if type(value) is dict:
            if label := labelled(value):
                told += _values(tells[parent, value[label[0]]].kind, value[label[1]])
            for key, child in value.items():
                kind, rule, below = tells[parent, key]
                if kind or rule in SESSION_RULES:
                    told += _values(kind or SESSION_ID, child)
                sort = type(child)
                if sort is dict or sort is list or (sort is str and child[:1] in OPENINGS):
                    left.append((child, below, depth + 1))
        elif type(value) is list:
            pair = len(value) == 2 and value is not tags
            if pair and type(value[0]) is str and keys.is_pair(parent, value[0], value[1]):
                told += _values(tells[parent, value[0]].kind, value[1])
            for child in value:
                sort = type(child)
                if sort is str and ":" in child:
                    told += _told_by_text(child, keys)
                if sort is dict or sort is list or (sort is str and child[:1] in OPENINGS):
                    left.append((child, parent, depth + 1))
    return told


def _told_by_text(tag: str, keys: Keys) -> Iterable[tuple[str, str]]:
    key, _, value = tag.partition(":")
    if len(key) > LONGEST_NAME:
        return ()
    kind, rule, _ = keys.tells["", key]
    return _values(kind or SESSION_ID, value) if kind or rule in SESSION_RULES else ()


def _values(kind: str, value: Any) -> Iterator[tuple[str, str]]:
    """The value as text; of a list each of its values. Nothing without a type."""
    if not kind:
        return
    values: Sequence[Any] = value if type(value) is list else [value]
    for one in values[:MOST_VALUES]:
        text = id_text(one)
        if text:
            yield kind, text
