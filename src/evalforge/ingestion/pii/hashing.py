"""Keyed hashes: the same id gives the same pseudonym, and nobody without the key can go back or try out guesses.

HMAC-SHA-256 with the purpose, the tenant and the id told apart by NUL (project's PII facts, §8). A deployment has one
key and is one tenant, so the tenant is empty. The prefix names the version: another key or form gets another.
"""

import hmac
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

SESSION_PURPOSE, USER_PURPOSE, TRACE_PURPOSE = "session", "user", "trace placeholders"
HEX_DIGITS = 40
LONGEST_ID = 256
"""Characters of an id; longer text is no id and is withheld."""

PSEUDONYM = re.compile(rf"[ush]1_[0-9a-f]{{{HEX_DIGITS}}}\Z")
"""What this module makes. It is kept where its like belongs, so that sanitising again changes nothing."""
FILLED = re.compile(r"([0-9a-f])\1{8}")
"""Nine of one digit in a row: of hashes one in a hundred million has them, and a short value that was filled up."""
PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
OF_USER, OF_SESSION, OF_OTHER = "u1_", "s1_", "h1_"
REMEMBERED = 4096
"""Ids whose hashes are kept in memory: the spans of a trace repeat theirs."""


def is_pseudonym(value: str, prefix: str) -> bool:
    """Whether the value has the form of a pseudonym of this kind: one of another kind is an id like any other.

    So is what no hash is: digits alone, text in hexadecimal, or a short value filled up. Without a key nobody can tell
    all that somebody else made up in this form; what a hash might have been by chance is taken for one.
    """
    return value.startswith(prefix) and PSEUDONYM.match(value) is not None and _is_a_hash(value[len(prefix) :])


def _is_a_hash(digits: str) -> bool:
    if digits.isdecimal() or FILLED.search(digits):
        return False
    return bool(bytes.fromhex(digits).translate(None, PRINTABLE))


class Pseudonyms:
    """Makes pseudonyms under one key: `user` and `session` of an id, `other` of anything else."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.user = lru_cache(REMEMBERED)(self._user)
        self.session = lru_cache(REMEMBERED)(self._session)

    def _user(self, identity: str) -> str:
        """`u1_` and 40 hex digits for an id of a person."""
        return OF_USER + self._digest(USER_PURPOSE, _canonical(identity))

    def _session(self, identity: str) -> str:
        """`s1_` and 40 hex digits for an id of a session or conversation."""
        return OF_SESSION + self._digest(SESSION_PURPOSE, _canonical(identity))

    def other(self, raw: bytes | str, purpose: str) -> str:
        """`h1_` and 40 hex digits for anything else that must be told apart; other purposes give other hashes."""
        return OF_OTHER + self._digest(purpose, raw if isinstance(raw, bytes) else _encoded(raw))

    def key_for(self, purpose: str, parts: Sequence[str]) -> bytes:
        """A key for something else, which changes with any of the parts."""
        return self._hmac(purpose, b"\0".join(map(_encoded, parts)))

    def key_of(self, trace: bytes) -> bytes:
        """The key of one trace's placeholders."""
        return self._hmac(TRACE_PURPOSE, trace)

    def _digest(self, purpose: str, identity: bytes) -> str:
        return self._hmac(purpose, identity).hex()[:HEX_DIGITS]

    def _hmac(self, purpose: str, identity: bytes) -> bytes:
        return hmac.digest(self._key, b"evalforge/" + purpose.encode() + b"/v1\0" + b"\0" + identity, "sha256")


def id_text(value: object) -> str | None:
    """An id as text: the integer 42, the float 42.0 and `"42"` are one id. None if the value is no id."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None
    if isinstance(value, int):
        return str(value) if abs(value) < 2**128 else None
    return value.strip() if isinstance(value, str) and len(value) <= LONGEST_ID else None


def _canonical(identity: str) -> bytes:
    return _encoded(unicodedata.normalize("NFC", identity.strip()))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
