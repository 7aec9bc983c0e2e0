"""Reading keys by one policy: the built-in lists and, if there are some, the keys that a user allows.

An allowed key is compared like those of the lists, by each ending of its path. It loses the fate that an ambiguous word
gave it (`card_id`); where a key names a secret or a person all the same, that stands.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from evalforge.ingestion.pii import policy
from evalforge.ingestion.pii.allowed_keys import why_not
from evalforge.ingestion.pii.key_types import PERSON, SECRET, STAND_IN, USERNAME, redacting_fate_of, type_of
from evalforge.ingestion.pii.placeholders import BUILT_IN_TYPES, MARK
from evalforge.ingestion.pii.policy import LONGEST_KEY, PARENTS, Fate, KeyFate
from evalforge.ingestion.pii.tags import TagReader
from evalforge.ingestion.pii.words import ROLES

Found = TypeVar("Found")
MOST_REMEMBERED = 8_192


class Told(NamedTuple):
    """What a key says: the entity type of its value (empty if none), what says so, and what it is to its children."""

    kind: str
    rule: str
    below: str


PLAIN_WORD = re.compile(r"[a-z][a-z_-]*\Z")
SHORT, MOST_SPACES = 32, 9
"""Of a longer key: with more spaces it is a sentence."""
NO_KEY, NOTHING_TOLD = KeyFate(Fate.PLAIN, "", ""), Told("", "key ", "")


class Remembered(dict[tuple[str, str], Found]):
    """What is found for each (parent, key): as a dictionary, since it is asked some fifty times for a span."""

    def __init__(self, find: Callable[[str, str], Found]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, at: tuple[str, str]) -> Found:
        found = self._find(*at)
        if len(at[1]) <= LONGEST_KEY:
            if len(self) >= MOST_REMEMBERED:
                self.clear()
            self[at] = found
        return found


class Keys:
    """What becomes of the values under keys where texts are read. `allowed` are normal forms.

    `types` are the entity types of the user's own rules, whose placeholders are known again.
    """

    def __init__(self, allowed: frozenset[str] = frozenset(), types: frozenset[str] = frozenset()) -> None:
        self.allowed = allowed
        self._types = BUILT_IN_TYPES | types
        self._parents = policy.beginnings(allowed) - PARENTS
        self._fates: Remembered[KeyFate] = Remembered(self._fate)
        self.tells: Remembered[Told] = Remembered(self._told)
        """What each (parent, key) says of its value, as `told_by`."""
        self.read_tag = TagReader(self.fate_of)

    def fate_of(self, parent: str, key: str) -> KeyFate:
        """As `redacting_fate_of`; and Fate.KEEP, by the name that was allowed. A sentence is no key."""
        return self._fates[parent, key]

    def told_by(self, parent: str, key: str) -> Told:
        """What the key says of its value."""
        return self.tells[parent, key]

    def marks_in(self, text: str) -> list[re.Match[str]]:
        """The marks in a text; where the type is none that is known, it may be a value in their form: no mark."""
        if "[" not in text:
            return []
        return [mark for mark in MARK.finditer(text) if mark["mark_type"] is None or mark["mark_type"] in self._types]

    def is_pair(self, parent: str, key: str, value: Any) -> bool:
        """Whether a key and what follows it in a list may be a pair, and not two words of one kind."""
        if type(value) is not str:
            return True
        kind = self.told_by(parent, key).kind
        if kind in (SECRET, PERSON, USERNAME):
            return (
                value.casefold() not in ROLES and not self.told_by(parent, value).kind and not value.endswith("token")
            )
        return not PLAIN_WORD.match(value)

    def _fate(self, parent: str, key: str) -> KeyFate:
        if len(key) > SHORT and key.count(" ") > MOST_SPACES:
            return NO_KEY
        found = redacting_fate_of(parent, key)
        if not self.allowed:
            return found
        own = (MARK.sub(STAND_IN, key) if "[" in key else key)[-LONGEST_KEY:]
        below = found.parent or policy.as_parent(parent, own, self._parents)
        name = next((ending for ending in policy.endings(parent, own) if ending in self.allowed), "")
        if name and not why_not(found, own):
            return KeyFate(Fate.KEEP, name, below)
        return found._replace(parent=below)

    def _told(self, parent: str, key: str) -> Told:
        if len(key) > SHORT and key.count(" ") > MOST_SPACES:
            return NOTHING_TOLD
        found = self._fates[parent, key[-LONGEST_KEY:]]
        return Told(type_of(found), rule_of(found), found.parent)


def rule_of(found: KeyFate) -> str:
    """How explanations name what a key decided."""
    return f"key {found.name}"


BUILT_IN_KEYS = Keys()
