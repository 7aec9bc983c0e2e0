"""Placeholders: `[EMAIL_3f9a2c]` for a value, the same for the same value within a trace, and telling nothing else.

The six hex digits are those of HMAC-SHA-256 under the trace's own key, itself derived from the hash key and the
trace's id, over type and canonical value. So nothing need be stored for a later run to give the same placeholder, and
two traces cannot be linked by them.
"""

import hmac
import re
from typing import Any

from evalforge.ingestion.pii.spelling import words_in
from evalforge.ingestion.pii.text.hits import Hit
from evalforge.ingestion.pii.words import words

DIGITS = 6
REMEMBERED = 1024
BLOB, PERSON = "BLOB", "PERSON"
NAME_PREFIX, NAME_DIGITS = "n1_", 20

TYPE = r"[A-Z]{2,20}(?:_[A-Z]{2,20}){0,3}"
"""The form of an entity type: it has no room for a number, and little for a word."""
COUNT = r"(?:0|[1-9]\d{0,6})"
INSIDE_A_MARK = (
    rf"(?:(?:WITHHELD|TRUNCATED) chars={COUNT}|BLOB_[0-9a-f]{{{DIGITS}}} chars={COUNT}"
    rf"|(?P<mark_type>{TYPE})_[0-9a-f]{{{DIGITS}}})\]"
)
"""What stands behind the bracket of one."""
MARK = re.compile(rf"\[{INSIDE_A_MARK}")
"""Whatever the sanitiser puts in place of text. What has this form, and a type that is known, is left as it is, so that
redacting again changes nothing."""
BUILT_IN_TYPES = words(
    """
    ADDRESS API_KEY BIRTH BLOB CREDIT_CARD CRYPTO DATE_OF_BIRTH EMAIL IBAN ID_NUMBER IP JWT MAC NATIONAL_ID PEM PERSON
    PHONE SECRET SESSION_ID US_SSN USERNAME USER_ID WITHHELD
    """
)
"""The types of the recognizers, and those that keys and the shape of a text tell."""


class Placeholders:
    """Makes the placeholders of one trace. `key` is the trace's own."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[tuple[str, str], str] = {}
        self._hashes: dict[tuple[int, str], str] = {}

    def of(self, hit: Hit) -> str:
        """The placeholder of what was found; for a blob with the characters that it had.

        A person's name has one for each word, so that the first name alone is known for the same.
        """
        if hit.type == PERSON and (words := words_in(hit.canonical)):
            return " ".join(f"[{PERSON}_{self._digest(PERSON, word)}]" for word in words)
        size = f" chars={hit.end - hit.start}" if hit.type == BLOB else ""
        return f"[{hit.type}_{self._digest(hit.type, hit.canonical)}{size}]"

    def hash_of(self, size: int, text: str) -> str:
        """What the trace's other spans know a name by, whose size and text these are."""
        known = self._hashes.get((size, text))
        if known is None:
            known = NAME_PREFIX + self._keyed_hash(b"\0name\0" + str(size).encode(), text)[:NAME_DIGITS]
            _remember(self._hashes, (size, text), known)
        return known

    def _digest(self, kind: str, canonical: str) -> str:
        known = self._known.get((kind, canonical))
        if known is None:
            known = self._keyed_hash(kind.encode(), canonical)[:DIGITS]
            _remember(self._known, (kind, canonical), known)
        return known

    def _keyed_hash(self, what: bytes, text: str) -> str:
        return hmac.digest(self._key, what + b"\0" + text.encode("utf-8", "surrogatepass"), "sha256").hex()


def _remember(known: dict[Any, str], what: Any, digits: str) -> None:
    """A dictionary, as a cache of bound methods would keep each trace's alive until the collector comes for it."""
    if len(known) < REMEMBERED:
        known[what] = digits
