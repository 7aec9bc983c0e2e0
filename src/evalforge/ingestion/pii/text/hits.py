"""What a scanner says of a text: where something stands that must not be stored, and what it is."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from evalforge.common.errors import EvalForgeError


class Hit(NamedTuple):
    """A stretch of the ORIGINAL text (offsets in characters, end exclusive), its entity type and its canonical value.

    Types are upper case with `_`, such as EMAIL. Two spellings of one value have one canonical form (digits only for a
    phone with its country, case folded for an e-mail, and so on), so that they get one placeholder. `rule` is what
    found it, for explanations.
    """

    start: int
    end: int
    type: str
    canonical: str
    rule: str = ""


class Unscannable(EvalForgeError):
    """The text could not be scanned: it must be withheld whole. The message holds none of it."""


class TextScanner(Protocol):
    """Finds entities in free text."""

    def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:
        """Hits in order, none overlapping; `key` is the normal form of the key over the text ('' if none), for context.

        Raises Unscannable.
        """
