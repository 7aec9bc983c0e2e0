"""What becomes of a tag, `key:value`: by its key and, where the allow list knows that, by the check of its value."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from evalforge.ingestion.pii import policy
from evalforge.ingestion.pii.policy import Fate, KeyFate
from evalforge.ingestion.pii.schema import TAG_CHECKS

LONGEST_CACHED_TAG = 200


class TagFate(NamedTuple):
    """The tag's fate, the name of its key if that may be shown, and the whole tag if it may be."""

    fate: Fate
    name: str
    shown: str | None


UNKNOWN = TagFate(Fate.PLAIN, "", None)
READ = (Fate.PLAIN, Fate.WHOLE, Fate.REPLACE, Fate.KEEP)
"""Fates of keys whose values are read."""


class TagReader:
    """Reads tags by one judgement of keys, and remembers short ones."""

    def __init__(self, fate_of: Callable[[str, str], KeyFate]) -> None:
        self._fate_of = fate_of
        self._cached = lru_cache(maxsize=4096)(self._read)

    def __call__(self, tag: str) -> TagFate:
        """What becomes of the tag."""
        return self._cached(tag) if len(tag) <= LONGEST_CACHED_TAG else self._read(tag)

    def _read(self, tag: str) -> TagFate:
        key, colon, value = tag.partition(":")
        if not colon:
            return UNKNOWN
        name = key.lower() if len(key) <= policy.LONGEST_KEY else ""
        check = TAG_CHECKS.get(name)
        if check is None:
            found = self._fate_of("", key)
            return UNKNOWN if found.fate in READ else TagFate(found.fate, found.name, None)
        kept = "" if value == "" else check(value)
        return TagFate(Fate.PLAIN, name, None if kept is None else f"{name}:{kept}")
