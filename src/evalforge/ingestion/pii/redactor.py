"""Text -> the text with a placeholder for everything that must not be stored. It fails closed.

What the scanner finds is joined with what the text's own structure tells (`pairs`, `blobs`) and with the names known of
the trace (`names`); overlapping finds become one. A text that could not be scanned is withheld whole.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from evalforge.ingestion.pii.blobs import find_blobs
from evalforge.ingestion.pii.caps import cut
from evalforge.ingestion.pii.columns import find_columns
from evalforge.ingestion.pii.keys import BUILT_IN_KEYS, Keys
from evalforge.ingestion.pii.names import KeyedNames, Names, Parse
from evalforge.ingestion.pii.other_scripts import find_in_other_scripts
from evalforge.ingestion.pii.pairs import find_pairs, outside_kept
from evalforge.ingestion.pii.placeholders import MARK, Placeholders
from evalforge.ingestion.pii.policy import MAX_TEXT, SCANNED_BEYOND
from evalforge.ingestion.pii.shapes import withheld_mark
from evalforge.ingestion.pii.text.hits import Hit, TextScanner, Unscannable, joined

WITHHELD, TRUNCATED = "WITHHELD", "TRUNCATED"
SHORT, MOST_SHORT, LONG, MOST_LONG = 64, 8_192, 4_096, 256
"""Characters up to which what is in a text is remembered, and of how many texts: a few megabytes at most."""

ROUNDS = 4
GLUE = re.compile(r"[.-]*[\w&;?=#%/+]|[ (]{1,2}\d{2}")
SPACE = re.compile(r"\s")


class Act(NamedTuple):
    """One thing that was replaced or cut: its type, and the rule that found it (empty if none did)."""

    type: str
    rule: str = ""


class Redacted(msgspec.Struct, frozen=True):
    """A text without what must not be stored, and what was done to it, in order."""

    text: str
    acts: tuple[Act, ...] = ()


class Remembering:
    """Reads texts by a scanner, by their structure and by what keys say, and remembers what it said of the last ones.

    Keys, tags and labels come again with every span, prompts with every call of a model, and each call of a
    conversation repeats the ones before it. Raises Unscannable, or whatever the scanner raises.
    """

    def __init__(self, scanner: TextScanner, keys: Keys = BUILT_IN_KEYS) -> None:
        self._scanner, self._keys = scanner, keys
        self._short = lru_cache(MOST_SHORT)(self._found)
        self._long = lru_cache(MOST_LONG)(self._found)

    def found(self, text: str, key: str = "") -> Sequence[Hit]:
        """What the scanner, the keys in the text and its encodings tell, in any order."""
        size = len(text)
        if size <= SHORT:
            return self._short(text, key)
        return self._long(text, key) if size <= LONG else self._found(text, key)

    def scanned(self, text: str, key: str = "") -> Sequence[Hit]:
        """What the scanner says, if it makes sense."""
        hits = self._scanner.scan(text, key=key)
        if hits and any(not 0 <= hit.start < hit.end <= len(text) for hit in hits):
            raise Unscannable("the scanner found something outside of the text")
        return hits

    def _found(self, text: str, key: str) -> tuple[Hit, ...]:
        hits = [*self.scanned(text, key), *find_pairs(text, self.scanned, self._keys), *find_blobs(text)]
        hits += [*find_columns(text, self._keys), *find_in_other_scripts(text)]
        return tuple(outside_kept(text, hits, self._keys)) if hits else ()


class Redactor:
    """Redacts the texts of one trace, under its own placeholders, with the names that are known of it."""

    def __init__(self, reader: Remembering, placeholders: Placeholders, names: Names | KeyedNames) -> None:
        self._reader, self._placeholders, self._names = reader, placeholders, names
        self.keys = names.keys

    def learn(self, value: Any, parse: Parse) -> tuple[str, ...]:
        """Take in the names that the keys in this value tell; they are given as other spans may know them."""
        if isinstance(self._names, KeyedNames):
            return ()
        self._names.learn(value, parse)
        return self._names.keyed(self._placeholders)

    def is_known(self, value: str) -> bool:
        """Whether the value has a name in it that is known of the trace."""
        try:
            return bool(self._names.find(value))
        except Unscannable:
            return True

    def redact(self, text: str, key: str = "") -> Redacted:
        """The text, redacted and cut to MAX_TEXT characters; withheld if it cannot be scanned. Never raises.

        `key` is the normal form of the key over the text, or empty.
        """
        window = text[: MAX_TEXT + SCANNED_BEYOND]
        try:
            hits = self._found(window, key)
            if not hits and len(text) <= MAX_TEXT:
                return Redacted(text)
            redacted = self._replaced(text, window, hits)
            return self._settled(redacted, key) if _may_show_more(window, hits) else redacted
        except Exception:  # noqa: BLE001 - fails closed: no kind of failure may let raw text through
            return Redacted(withheld_mark(len(text)), (Act(WITHHELD),))

    def whole(self, text: str, kind: str) -> str:
        """The placeholder of a value that is replaced as one, whatever it holds."""
        hit = Hit(0, len(text), kind, text.strip().casefold())
        known = self._whole_hit(text)
        return self._placeholders.of(hit if known is None else known)

    def find(self, text: str) -> list[Hit]:
        """What there is to replace in the text; all of it if it cannot be scanned. Never raises."""
        try:
            return self._found(text, "")
        except Exception:  # noqa: BLE001 - fails closed
            return [Hit(0, len(text), WITHHELD, "")]

    def _settled(self, redacted: Redacted, key: str) -> Redacted:
        """The text redacted until nothing is found in it. Raises Unscannable if that takes too long."""
        for _ in range(ROUNDS):
            hits = self._found(redacted.text, key)
            if not hits:
                return redacted
            more = self._replaced(redacted.text, redacted.text, hits)
            redacted = Redacted(more.text, (*redacted.acts, *more.acts))
        raise Unscannable("a text shows something new each time that something is taken from it")

    def _found(self, text: str, key: str) -> list[Hit]:
        named, found = self._names.find(text), self._reader.found(text, key)
        if not named and not found and "[" not in text:
            return []
        hits = [*named, *found]
        if "[" in text:
            hits = self._outside_marks(text, hits)
        return joined(hits)

    def _outside_marks(self, text: str, hits: list[Hit]) -> list[Hit]:
        """The hits, less what of them is a mark already; a piece that is left over is replaced if it says anything.

        A name that is written as a mark is found too, which folding takes for one.
        """
        marks = [mark.span() for mark in self.keys.marks_in(text)]
        kept = [piece for hit in hits for piece in _less(text, hit, marks)] if marks else hits
        others = [mark for mark in MARK.finditer(text) if mark.span() not in marks]
        return kept + [
            Hit(*mark.span(), one.type, one.canonical, one.rule)
            for mark in others
            for one in self._names.find(mark["mark_type"])[:1]
        ]

    def _whole_hit(self, text: str) -> Hit | None:
        """What the scanner calls this value, if it is one thing to it."""
        try:
            hits = [*self._names.find(text), *self._reader.scanned(text)]
        except Exception:  # noqa: BLE001 - the value is replaced as one anyhow
            return None
        stripped = text.strip()
        whole = [hit for hit in hits if text[hit.start : hit.end].strip() == stripped]
        return whole[0] if whole else None

    def _replaced(self, text: str, window: str, hits: Iterable[Hit]) -> Redacted:
        parts: list[str] = []
        acts: list[Act] = []
        done = 0
        for hit in hits:
            if hit.start >= MAX_TEXT:
                break
            parts += (window[done : hit.start], self._placeholders.of(hit))
            acts.append(Act(hit.type, hit.rule))
            done = hit.end
        end = max(done, min(MAX_TEXT, len(text)))
        redacted = "".join([*parts, window[done:end]])
        if len(text) > end or len(redacted) > MAX_TEXT:
            return Redacted(cut(redacted, MAX_TEXT, len(text) - end), (*acts, Act(TRUNCATED)))
        return Redacted(redacted, tuple(acts))


def _may_show_more(text: str, hits: Iterable[Hit]) -> bool:
    """Whether placeholders may show a key or a query that was none: one that something stood right before, or in.

    A find may also have eaten how a number begins.
    """
    pairs = "=" in text
    return any(GLUE.match(text, hit.end) or (pairs and SPACE.search(text, hit.start, hit.end)) for hit in hits)


def _less(text: str, hit: Hit, marks: Sequence[tuple[int, int]]) -> Iterable[Hit]:
    inside = [(start, end) for start, end in marks if start < hit.end and end > hit.start]
    if not inside:
        yield hit
        return
    begin = hit.start
    for start, end in (*inside, (hit.end, hit.end)):
        piece = text[begin:start]
        if any(map(str.isalnum, piece)):
            yield Hit(begin, start, hit.type, piece, hit.rule)
        begin = max(begin, end)
