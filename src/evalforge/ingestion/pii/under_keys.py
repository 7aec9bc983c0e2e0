"""What may stand in a stored record under keys whose values are dropped, hashed or replaced: our own marks and hashes.

Anything else there is a finding, whatever it looks like: no recognizer knows a user id by its form.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalforge.ingestion.pii.hashing import OF_SESSION, OF_USER, is_pseudonym
from evalforge.ingestion.pii.key_types import COUNTED, SECRET, SESSION_ID, normal_form, type_of
from evalforge.ingestion.pii.keys import NO_KEY, Keys
from evalforge.ingestion.pii.policy import Fate, KeyFate
from evalforge.ingestion.pii.shapes import is_field_schema, labelled
from evalforge.ingestion.pii.words import SIGN_IN

DROPPED = "DROPPED"
"""The type of what is under a key that is dropped without a type."""
JUDGED = frozenset({Fate.DROP, Fate.HASH_USER, Fate.HASH_SESSION, Fate.REPLACE})
SIGNATURE = re.compile(r"v\d:[0-9a-f]{32}\Z")
COUNTS = frozenset({"redaction", "counts"})
"""Objects that count by entity type, so that their keys are no keys of a person."""
MOST_COUNTED = 1_000_000
PAIR = 2
"""Items of a list that may be a key and its value."""


def fate_in(keys: Keys, parent: str, over: str, key: str, value: Any) -> KeyFate:
    """The fate of a member of an object under the key `over`; none of a name that is a label there."""
    is_count = over in COUNTS and isinstance(value, int) and abs(value) < MOST_COUNTED
    if is_count or (over == "evaluation" and isinstance(value, dict)):
        return NO_KEY
    return keys.fate_of(parent, key)


def leak_under(keys: Keys, fate: KeyFate, key: str, value: Any) -> str:
    """The type of a value that must not be under a key of this fate; empty if it may."""
    if fate.fate not in JUDGED or value is None or isinstance(value, bool) or value in ("", [], {}):
        return ""
    if is_field_schema(value):
        return ""
    if isinstance(value, dict | list) and fate.fate is Fate.REPLACE:
        return ""  # whose members are judged by their own keys
    if isinstance(value, dict) and fate.parent and fate.fate is not Fate.DROP:
        return ""
    if _is_own(fate, key, value) or (isinstance(value, str) and _is_marks(keys, value)):
        return ""
    return SESSION_ID if fate.fate is Fate.HASH_SESSION else type_of(fate) or DROPPED


def leaks_of_label(keys: Keys, parent: str, value: Mapping[str, Any]) -> dict[str, str]:
    """For the label of an object and what it labels: the type of what must not be there, or empty if it may."""
    label = labelled(value)
    if label is None:
        return {}
    name, of = value[label[0]], label[1]
    return {label[0]: "", of: leak_under(keys, keys.fate_of(parent, name), name, value[of])}


def leak_of_pair(keys: Keys, parent: str, value: Sequence[Any]) -> str:
    """The type of the second of two items that must not be there because of the first; empty if it may."""
    if len(value) != PAIR or not isinstance(value[0], str) or not keys.is_pair(parent, value[0], value[1]):
        return ""
    return leak_under(keys, keys.fate_of(parent, value[0]), value[0], value[1])


def _is_marks(keys: Keys, text: str) -> bool:
    marks = keys.marks_in(text)
    for mark in reversed(marks):
        text = text[: mark.start()] + text[mark.end() :]
    return bool(marks) and not any(map(str.isalnum, text))


def _is_own(fate: KeyFate, key: str, value: Any) -> bool:
    """Whether it is what the sanitiser, or the store, has under such a key beside marks."""
    if not isinstance(value, str):
        return fate.fate is Fate.REPLACE and normal_form(key) in COUNTED
    if fate.fate is Fate.DROP:
        return key == "signature" and SIGNATURE.match(value) is not None
    if fate.fate is Fate.REPLACE:
        return fate.name == SECRET and value.lower() in SIGN_IN
    return is_pseudonym(value, OF_SESSION if fate.fate is Fate.HASH_SESSION else OF_USER)
