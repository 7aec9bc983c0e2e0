"""What a scanner says of a text: where something stands that must not be stored, and what it is."""

from collections.abc import Iterable, Sequence
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


def joined(hits: Iterable[Hit]) -> list[Hit]:
    """In order, those that overlap as one: of the type and value of the longest of them, the first found if equal."""
    out: list[Hit] = []
    longest = 0
    for hit in sorted(hits, key=lambda hit: hit.start):
        size = hit.end - hit.start
        if not out or hit.start >= out[-1].end:
            out.append(hit)
            longest = size
            continue
        last = out[-1]
        kept, longest = (hit, size) if size > longest else (last, longest)
        out[-1] = Hit(last.start, max(last.end, hit.end), kept.type, kept.canonical, kept.rule)
    return out
