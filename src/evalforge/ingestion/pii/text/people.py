"""Names of people in running text: what a model takes for a name, if it also looks like one.

A model alone takes a sixth of technical texts for people (facts: pii.md §3). So it is asked only about lines that have
a name's form in them, and believed only where it is two to four capitalised words that are no words of the trade, or a
single one that the line greets or introduces. Parts of a name that was found are found again in the whole text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from evalforge.ingestion.pii.placeholders import MARK
from evalforge.ingestion.pii.text.hits import Hit, TextScanner, Unscannable, joined
from evalforge.ingestion.pii.text.name_words import NO_NAMES, PARTICLES

People = Callable[[str], Sequence[tuple[int, int]]]
"""Where a line names people, as a model sees it: (start, end) of each."""

NAMES_VERSION = "ner-1"
"""A part of the policy's version. It changes with the model, the words and the rules here."""
TYPE = "PERSON"
LONGEST_LINE = 1_000
"""Characters that the model reads at once: its time and memory grow with them, and its judgement needs no more."""
REMEMBERED = 4_096
"""Lines: prompts come again with every span."""
ROUNDS = 4
SHORTEST_PART = 3
STAND_IN = "someone"
"""What the model reads in place of what is replaced: the same whatever stood there, so that a text that was redacted
reads like one that is about to be."""

_CAPITALISED = r"[^\W\d_a-zß-öø-ÿ][^\W\d_]*(?:[.'’-][^\W\d_]*)*"
_CUE = (
    r"(?i:\b(?:my name(?: is|'s|’s)|name is|i am|i'm|i’m|this is|called|named|dear|hi|hey|hello|thanks|thank you|regards"
    r"|sincerely|cheers|mrs?|ms|miss|mx|dr|prof)\b)[.,:]?[ ]+"
)
CANDIDATE = re.compile(rf"(?<![^\W_]){_CAPITALISED}[ ,]+(?:\w+[ ]){{0,2}}{_CAPITALISED}|{_CUE}{_CAPITALISED}")
"""A line without it has no name that would be believed."""
CUE_BEFORE = re.compile(rf"{_CUE}\Z")
LONGEST_CUE = 20
INTRODUCED = re.compile(
    r"(?:(?i:\b(?:my name is|my name's|my name’s|full name:?|customer name:?))|\b(?:Mr|Mrs|Ms|Mx|Dr|Prof)\.?) "
    rf"({_CAPITALISED}(?: (?:(?:[a-z]{{1,3}} )?{_CAPITALISED})){{0,3}})"
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
BRACKETS = str.maketrans(dict.fromkeys("{}[]<>|\"\t\r\u00a0", " ") | dict.fromkeys("\u2028\u2029\v\f", "\n"))
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
            found = self._people(text, hits)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the text is withheld
            reason = f"a text could not be read for names: {type(error).__name__}"
        else:
            return joined([*hits, *found]) if found else hits
        raise Unscannable(reason)

    def _people(self, text: str, hits: Sequence[Hit]) -> list[Hit]:
        """Again with what was found taken out, until nothing is found: a text that was redacted reads so at once."""
        holes = [(hit.start, hit.end) for hit in hits]
        people: list[Hit] = []
        for _ in range(ROUNDS):
            view = View(text, holes)
            places = {place for line in view.lines() for place in self._in_line(*line)}
            if not places:
                break
            names = {" ".join(view.text[start:end].split()) for start, end in places}
            places |= set(_again(view.text, names))
            for start, end in sorted(places):
                first, last = view.original(start, end)
                people.append(Hit(first, last, TYPE, " ".join(view.text[start:end].split()).casefold()))
                holes.append((first, last))
        return joined(people)

    def _in_line(self, line: str, offset: int) -> Iterator[tuple[int, int]]:
        if CANDIDATE.search(line) is not None:
            for start, end in self._names(line):
                yield start + offset, end + offset


class View:
    """A text as the model reads it: holes and marks as a word of no meaning, escapes and brackets as white space."""

    def __init__(self, text: str, holes: Sequence[tuple[int, int]]) -> None:
        taken = [(*hole, STAND_IN) for hole in holes]
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

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original text that a stretch of this one is; its end is that of the last character."""
        return self._origin[start], self._origin[end - 1] + 1

    def lines(self) -> Iterator[tuple[str, int]]:
        """Each line and where it begins; one that is too long in pieces, cut where a sentence ends if one does."""
        place = 0
        for line in self.text.split("\n"):
            start = 0
            while len(line) - start > LONGEST_LINE:
                cut = _cut(line[start : start + LONGEST_LINE])
                yield line[start : start + cut], place + start
                start += cut
            yield line[start:], place + start
            place += len(line) + 1


def _cut(window: str) -> int:
    """Where to cut a line that goes on: after its last sentence, else at its last space, else at its end."""
    ends = [found.end() for found in SENTENCE_END.finditer(window)]
    return ends[-1] if ends else window.rfind(" ") + 1 or len(window)


def _believed(line: str, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, end in places:
        kept = _trimmed(line, start, end)
        if kept is not None and _is_name(line, *kept):
            yield kept


def _introduced(line: str) -> Iterator[tuple[int, int]]:
    return (found.span(1) for found in INTRODUCED.finditer(line))


def _trimmed(line: str, start: int, end: int) -> tuple[int, int] | None:
    """Without what is no part of a name at either end."""
    named = POSSESSIVE.sub("", line[start:end].rstrip(TRIMMED))
    stripped = named.lstrip(TRIMMED)
    return (start + len(named) - len(stripped), start + len(named)) if stripped else None


def _is_name(line: str, start: int, end: int) -> bool:
    told = line[start:end].split(" ")
    if (start and line[start - 1] in "_@#/\\.=") or line[end : end + 1] in ("_", "@", "(", "=", "/", "\\"):
        return False
    said = [word for word in told if word.lower() not in PARTICLES]
    if not all(map(_could_name, said)) or not 1 <= len(said) <= 4:
        return False
    return len(said) > 1 or CUE_BEFORE.search(line[max(0, start - LONGEST_CUE) : start]) is not None


def _could_name(word: str) -> bool:
    """Capitalised, without capitals inside but where names have them, and no word that is something else."""
    if WORD.match(word) is None or word.lower().rstrip(".") in NO_NAMES:
        return False
    parts = [SCOTTISH.sub("", part) for part in INNER.split(word) if part]
    return all(part[:1].isupper() and (part[1:].islower() or len(part) == 1) for part in parts)


def _again(text: str, names: set[str]) -> Iterator[tuple[int, int]]:
    """Where the names, or parts of them as they are written, stand elsewhere."""
    parts = {part for name in names for part in name.split() if _could_name(part)} | names
    for part in sorted(parts):
        if len(part) >= SHORTEST_PART:
            for found in re.finditer(rf"(?<![^\W_]){re.escape(part)}(?![^\W_])", text):
                yield found.span()
