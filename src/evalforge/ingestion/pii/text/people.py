"""Names of people in running text: what a model takes for a name, if it also looks like one.

A model alone takes a sixth of technical texts for people (facts: pii.md §3). So it is asked only about lines that have
a name's form in them, and believed only where it is two to four capitalised words that are no words of the trade, or a
single one that the line greets or introduces. Parts of a name that was found are found again in the whole text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import re2

from evalforge.ingestion.pii.placeholders import MARK
from evalforge.ingestion.pii.spelling import whole_words
from evalforge.ingestion.pii.text.capitalised_words import NO_PROSE_NAMES, PARTICLES
from evalforge.ingestion.pii.text.hits import Hit, TextScanner, Unscannable, joined

People = Callable[[str], Sequence[tuple[int, int]]]
"""Where a line names people, as a model sees it: (start, end) of each."""

TYPE, RULE = "PERSON", "model for names"
LONGEST_WINDOW = 1_000
"""Characters that the model reads at once: its time and memory grow with them, and its judgement needs no more."""
REMEMBERED = 2_048
"""Pieces of text: prompts come again with every span."""
ROUNDS = 4
SHORTEST_PART = 3
STAND_IN = "someone"
"""What the model reads in place of what is replaced: the same whatever stood there, so that a text that was redacted
reads like one that is about to be."""

_CAPITALISED = r"[^\W\d_a-zß-öø-ÿ][^\W\d_]*(?:[.'’-][^\W\d_]*)*"
_CUE = (
    r"(?i:\b(?:my name(?: is|'s|’s)|name is|i am|i'm|i’m|this is|called|named|dear|hi|hey|hello|thanks|thank you"
    r"|regards|sincerely|cheers|mrs?|ms|miss|mx|dr|prof)\b)[.,:]?[ ]+"
)
CANDIDATE = re2.compile(rf"\p{{Lu}}[\pL\pM\p{{Cf}}.'’-]*[\s,]+(?:\pL+ ){{0,2}}\p{{Lu}}|{_CUE}\p{{Lu}}")
"""A text without it has no name that would be believed. By RE2, as it is asked of whole texts."""
CUE_BEFORE = re.compile(rf"{_CUE}\Z")
LONGEST_CUE = 20
_NAME = rf"{_CAPITALISED}(?: (?:(?:[a-z]{{1,3}} )?{_CAPITALISED})){{0,3}}"
INTRODUCED = re.compile(
    r"(?:(?i:\b(?:my name is|my name's|my name’s|full name:?|customer name:?))|\b(?:Mr|Mrs|Ms|Mx|Dr|Prof)\.?) "
    rf"({_NAME})|\b(?i:dear|hi|hey|hello) ({_NAME})(?=[,!\n]|\Z)"
)
"""A name by what stands before it, whether or not the model sees it."""
WORD = re.compile(rf"{_CAPITALISED}\Z")
INNER = re.compile(r"[.'’-]")
SCOTTISH = re.compile(r"(?:Ma?c|[DLO]e?|Fitz|Van|Di)(?=[^\W\d_a-zß-öø-ÿ])")
TRIMMED = " \t\n.,;:!?()'\"’-–—*_/\\"
POSSESSIVE = re.compile(r"['’]s?\Z")

ESCAPE = re.compile(r"\\[nrt]")
GLUE = re.compile(r":(?=[^\W\d_a-zß-öø-ÿ])")
"""A colon between a key and its value, which would make one word of them."""
BRACKETS = str.maketrans(dict.fromkeys('{}[]<>|"\t\r\u00a0', " ") | dict.fromkeys("\u2028\u2029\v\f", "\n"))
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]+")
SENTENCE_END = re.compile(r"[.!?;:] (?=\S)")


class PeopleScanner:
    """A TextScanner that finds what `rules` finds, and names of people besides. One may serve many threads."""

    def __init__(self, rules: TextScanner, people: People) -> None:
        self._rules = rules
        self._names = lru_cache(REMEMBERED)(lambda line: tuple(_believed(line, [*people(line), *_introduced(line)])))

    def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:
        """As of the rules. Raises Unscannable, also where the model fails."""
        hits = self._rules.scan(text, key=key)
        if CANDIDATE.search(text) is None:
            return hits
        try:
            return self._with_people(text, hits)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the text is withheld
            reason = f"a text could not be read for names: {type(error).__name__}"
        raise Unscannable(reason)

    def _with_people(self, text: str, hits: Sequence[Hit]) -> list[Hit]:
        """What was found and the people, who are looked for again with the found taken out until nobody is found: so
        that a text that was redacted has nobody left."""
        found = list(hits)
        for _ in range(ROUNDS):
            view = View(text, found)
            seen = {place for window in view.windows() for place in self._in_window(*window)}
            if not seen:
                break
            names = {" ".join(view.text[start:end].split()) for start, end in seen}
            found += [view.hit(*place) for place in sorted(seen | set(_again(view.text, names)))]
            found = joined(found)
        return found

    def _in_window(self, window: str, offset: int) -> Iterator[tuple[int, int]]:
        if CANDIDATE.search(window) is not None:
            for start, end in self._names(window):
                yield start + offset, end + offset


class View:
    """A text as the model reads it: holes and marks as a word of no meaning, escapes and brackets as white space."""

    def __init__(self, text: str, found: Sequence[Hit]) -> None:
        taken = [(hit.start, hit.end, STAND_IN) for hit in found]
        taken += [(*mark.span(), STAND_IN) for mark in MARK.finditer(text)]
        taken += [(*invisible.span(), "") for invisible in INVISIBLE.finditer(text)]
        pieces: list[str] = []
        self._origin: list[int] = []
        done = 0
        for start, end, stand_in in sorted(taken):
            if start < done:
                continue
            pieces += (text[done:start], stand_in)
            self._origin += range(done, start)
            self._origin += [start] * len(stand_in)
            done = end
        self._origin += range(done, len(text) + 1)
        spread = ESCAPE.sub(lambda found: "\n" * len(found[0]), "".join([*pieces, text[done:]]))
        self.text = GLUE.sub(" ", spread.translate(BRACKETS))

    def hit(self, start: int, end: int) -> Hit:
        """The person whose name stands here, in the offsets of the original text."""
        canonical = " ".join(self.text[start:end].split()).casefold()
        return Hit(self._origin[start], self._origin[end - 1] + 1, TYPE, canonical, RULE)

    def windows(self) -> Iterator[tuple[str, int]]:
        """The text in pieces of whole lines, and where each begins; a line that is too long is cut where it can be."""
        start, text = 0, self.text
        while len(text) - start > LONGEST_WINDOW:
            end = start + _cut(text[start : start + LONGEST_WINDOW])
            yield text[start:end], start
            start = end
        yield text[start:], start


def _cut(window: str) -> int:
    """Where to cut a text that goes on: after its last line, else its last sentence, else its last word."""
    ends = [found.end() for found in SENTENCE_END.finditer(window)]
    return window.rfind("\n") + 1 or (ends[-1] if ends else window.rfind(" ") + 1) or len(window)


def _believed(line: str, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, end in places:
        kept = _trimmed(line, start, end)
        if kept is not None and _is_name(line, *kept):
            yield kept


def _introduced(line: str) -> Iterator[tuple[int, int]]:
    return (found.span(found.lastindex or 0) for found in INTRODUCED.finditer(line))


def _trimmed(line: str, start: int, end: int) -> tuple[int, int] | None:
    """Without what is no part of a name at either end."""
    start += len(line[start:end]) - len(line[start:end].lstrip(TRIMMED))
    named = POSSESSIVE.sub("", line[start:end].partition("\n")[0].rstrip(TRIMMED))
    return (start, start + len(named)) if named else None


def _is_name(line: str, start: int, end: int) -> bool:
    told = line[start:end].split()
    if (start and line[start - 1] in "_@#/\\.") or line[end : end + 1] in ("_", "@", "(", "=", "/", "\\"):
        return False
    said = [word for word in told if word.lower() not in PARTICLES]
    if not all(map(_could_name, said)) or not 1 <= len(said) <= 4:
        return False
    return len(said) > 1 or CUE_BEFORE.search(line[max(0, start - LONGEST_CUE) : start]) is not None


def _could_name(word: str) -> bool:
    """Capitalised, without capitals inside but where names have them, and no word that is something else."""
    if WORD.match(word) is None or word.lower().rstrip(".") in NO_PROSE_NAMES:
        return False
    parts = [SCOTTISH.sub("", part) for part in INNER.split(word) if part]
    return all(part[:1].isupper() and (part[1:].islower() or len(part) == 1) for part in parts)


def _again(text: str, names: set[str]) -> Iterator[tuple[int, int]]:
    """Where the names, or parts of them as they are written, stand elsewhere."""
    parts = {part for name in names for part in name.split() if len(part) >= SHORTEST_PART and _could_name(part)}
    for part in sorted(parts | names):
        yield from whole_words(text, part)
