"""How a name is looked for in a text: word by word, so that what is found hangs on no order in which names were learnt.

Of a person's name each word counts for itself: `Jane Doe`, `Doe, Jane` and `jane_doe.csv` are found by the same two.
An id or an address is looked for as its words in a row, and a number by its digits, whatever stands between them.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from evalforge.ingestion.pii.key_types import (
    BIRTH,
    EMAIL,
    NUMBER,
    PERSON,
    PHONE,
    SECRET,
    SESSION_ID,
    SSN,
    USER_ID,
    USERNAME,
)
from evalforge.ingestion.pii.spelling import WORD, word_form, words_in
from evalforge.ingestion.pii.text.canonical import LAST_DIGITS, canonical
from evalforge.ingestion.pii.text.hits import Hit
from evalforge.ingestion.pii.words import (
    COMMON_NAMES,
    NO_IDS,
    NO_NAMES,
    SESSION_WORDS,
    SHORT_WORDS,
    SIGN_IN,
    TECHNICAL,
    words,
)

if TYPE_CHECKING:
    from evalforge.ingestion.pii.text.view import View

DIGITS = 0
"""The size of a name that is compared by its digits."""
FEWEST_DIGITS, MOST_DIGITS = 7, 20
"""A number with fewer digits is nobody's; of a longer one the last are compared, as the code of a country may lack."""
PHRASE = 1_000
"""Added to the size of a name of several words without a digit, which is looked for at every word."""
LONGEST_NAME = 200
MOST_WORDS = 16
SHORTEST_WORD = 3
RULE = "known name"
SHORTEST_SESSION = 6
SHORTEST_TOLD_SESSION = 10
"""Digits of a session's id that is looked for wherever it stands; a shorter one counts beside a word for a session."""
WORDS_BESIDE = 3
NO_PERSONS = NO_IDS - COMMON_NAMES
"""Words of an id that are nobody's name."""
NUMBERED = re.compile(r"([a-z]+)(\d{1,3})[a-z]?\Z")
SHORTEST_PASSWORD, WORDS_OF_A_PASSPHRASE = 8, 4
NO_PASSWORDS = (
    NO_IDS
    | SIGN_IN
    | words(
        """
    accepted authenticated authorized changeme configured delegated encrypted forbidden forwarded identity include
    inherited managed missing never no origin provided rejected same set rotated
    successful unauthenticated unauthorized unchanged
    """
    )
)
"""What stands under the key of a secret and tells of one; also in a row, as `same-origin` and `not provided`."""
SHORTEST_VALUE = 5
"""Characters of anything but a name, which is more likely to be a word or a number of the text's own."""

PLAIN = re.compile(r"[A-Za-z0-9 ._@+,;:()/-]*\Z")
"""What folding leaves as it is."""
NUMBER_RUN = re.compile(r"(?<![^\W_])\+?\(?\d(?:[ ().\-/\u2010-\u2015\u00a0]{0,3}\d){6,19}(?![^\W_])")
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
"""Scripts that put no space between words, or glue endings to names: Thai, Lao, Burmese, Japanese, Chinese, Korean."""


class Name(NamedTuple):
    """What is looked for: `size` words in a row, or DIGITS, or -`size` characters of a script without spaces; `size` is
    more by PHRASE if none of the words has a digit."""

    size: int
    text: str


class Known(Protocol):
    """Names that are known of a trace."""

    sizes: frozenset[int]

    def type_of(self, name: Name) -> str | None:
        """The entity type that it is known as; None if it is not known."""
        ...


def names_of(kind: str, value: str) -> Iterator[tuple[str, Name]]:
    """(entity type, name) of everything to look for because a key of this type has this value."""
    if len(value) > LONGEST_NAME:
        return
    if not PLAIN.match(value):
        value = _folded(value).text
    if says_nothing(kind, value):
        return
    digits = "".join(filter(str.isdecimal, value))
    if kind == USER_ID and value.isalpha():
        if len(value) >= SHORTEST_VALUE and not UNSPACED.search(value):
            yield kind, Name(1, word_form(value))
    elif kind == PERSON or (kind in (USERNAME, USER_ID) and not digits):
        yield from ((PERSON, name) for name in _words_of(value, kind))
    elif (
        kind in (PHONE, NUMBER, BIRTH, SSN)
        and FEWEST_DIGITS <= len(digits) <= MOST_DIGITS
        and not any(map(str.isalpha, value))
    ):
        yield kind, Name(DIGITS, digits[-LAST_DIGITS:])
    elif digits and len(value) >= SHORTEST_VALUE:
        parts = words_in(value)
        if 0 < len(parts) <= MOST_WORDS:
            yield kind, Name(len(parts), " ".join(parts))
    elif kind == SECRET and _is_password(value):
        parts = words_in(value)
        if 0 < len(parts) <= MOST_WORDS:
            yield kind, Name(len(parts) if len(parts) == 1 else PHRASE + len(parts), " ".join(parts))


def _is_password(value: str) -> bool:
    """Whether a secret without a digit is one that a text would not have otherwise."""
    parts = words_in(value)
    if len(value) < SHORTEST_PASSWORD or UNSPACED.search(value):
        return False
    return not any(map(str.isspace, value)) or len(parts) >= WORDS_OF_A_PASSPHRASE


def find_names(text: str, known: Known) -> list[Hit]:
    """Where the text has any of the names, also where it hides them from a plain search. Raises Unscannable."""
    view = _folded(text)
    return [_of_the_original(hit, view) for hit in _found(view.text, known)]


def _folded(text: str) -> "View":
    """The text as a reader would take it."""
    from evalforge.ingestion.pii.text.folding import fold  # commands that read no text do without RE2

    return fold(text)


def _of_the_original(hit: Hit, view: "View") -> Hit:
    start, end = view.original(hit.start, hit.end)
    return hit._replace(start=start, end=end)


def _found(text: str, known: Known) -> list[Hit]:
    hits = list(_numbers(text, known)) if DIGITS in known.sizes else []
    if any(size < 0 for size in known.sizes):
        hits += _unspaced(text, known)
    rows = [size for size in known.sizes if size > 0]
    if not rows:
        return hits
    found = [(word.start(), word.end(), word_form(word[0])) for word in WORD.finditer(text)]
    for size in rows:
        if size > PHRASE:
            hits += _phrases(found, size, known)
        else:
            hits += _single(text, found, known) if size == 1 else _rows(found, size, known)
    return hits


def canonical_of(kind: str, value: str) -> str:
    """One form for all spellings of a name that are found as one."""
    if kind in (PHONE, EMAIL, SSN):
        return canonical(kind, value)
    if kind in (NUMBER, BIRTH) and not any(map(str.isalpha, value)):
        return "".join(filter(str.isdecimal, value))
    return " ".join(words_in(value)) or value


def _words_of(value: str, kind: str) -> Iterator[Name]:
    no_names = NO_NAMES if kind == PERSON else NO_PERSONS
    for word in WORD.findall(value):
        form = word_form(word)
        if UNSPACED.fullmatch(word):
            if len(word) > 1:
                yield Name(-len(word), word)
        elif form not in no_names and not form.isdecimal() and (len(form) >= SHORTEST_WORD or _is_short_name(word)):
            yield Name(1, form)


def _is_short_name(word: str) -> bool:
    return len(word) == 2 and word[0].isupper() and word_form(word) not in SHORT_WORDS


def says_nothing(kind: str, value: str) -> bool:
    """Whether an id or a secret is of words that texts are full of, or an id is too short to be one of somebody."""
    if kind == SESSION_ID:
        return len(value) < SHORTEST_SESSION or not any(map(str.isdecimal, value)) or _is_numbered_word(value)
    if kind == SECRET:
        return NO_PASSWORDS.issuperset(words_in(value))
    if kind not in (USERNAME, USER_ID):
        return False
    if value.isdecimal():
        return len(value) < FEWEST_DIGITS
    return _is_numbered_word(value) or NO_IDS.issuperset(words_in(value))


def _is_numbered_word(value: str) -> bool:
    """Whether it is a technical word and some digits, like `sha256` and `utf-8`, or another and one, like `order1`."""
    found = NUMBERED.match("".join(words_in(value)))
    return found is not None and (found[1] in TECHNICAL or (found[1] in NO_IDS and len(found[2]) == 1))


def _numbers(text: str, known: Known) -> Iterator[Hit]:
    for run in NUMBER_RUN.finditer(text):
        digits = "".join(filter(str.isdecimal, run[0]))
        kind = known.type_of(Name(DIGITS, digits[-LAST_DIGITS:]))
        if kind is not None:
            yield Hit(*run.span(), kind, canonical_of(kind, run[0]), RULE)


def _single(text: str, words: list[tuple[int, int, str]], known: Known) -> Iterator[Hit]:
    for position, (start, end, form) in enumerate(words):
        if len(form) < 2 or (len(form) == 2 and not _is_short_name(text[start:end])):
            continue
        kind = known.type_of(Name(1, form))
        if kind is None or (form in COMMON_NAMES and text[start:end].islower()):
            continue
        if kind != SESSION_ID or not form.isdecimal() or _is_of_a_session(words, position):
            yield Hit(start, end, kind, form, RULE)


def _is_of_a_session(words: list[tuple[int, int, str]], position: int) -> bool:
    """Whether a number is long enough for a session's id, or beside a word that says that it is one."""
    beside = words[max(0, position - WORDS_BESIDE) : position + 2]
    return len(words[position][2]) >= SHORTEST_TOLD_SESSION or any(form in SESSION_WORDS for _, _, form in beside)


def _rows(words: list[tuple[int, int, str]], size: int, known: Known) -> Iterator[Hit]:
    with_digits = [position for position, word in enumerate(words) if any(map(str.isdecimal, word[2]))]
    done = 0
    for digit in with_digits:
        for first in range(max(done, digit - size + 1), min(digit, len(words) - size) + 1):
            row = words[first : first + size]
            name = " ".join(word for _, _, word in row)
            kind = known.type_of(Name(size, name))
            if kind is not None:
                yield Hit(row[0][0], row[-1][1], kind, name, RULE)
        done = max(done, digit + 1)


def _phrases(words: list[tuple[int, int, str]], size: int, known: Known) -> Iterator[Hit]:
    length = size - PHRASE
    for first in range(len(words) - length + 1):
        row = words[first : first + length]
        name = " ".join(word for _, _, word in row)
        kind = known.type_of(Name(size, name)) if len(name) >= SHORTEST_PASSWORD - 1 else None
        if kind is not None:
            yield Hit(row[0][0], row[-1][1], kind, name, RULE)


def _unspaced(text: str, known: Known) -> Iterator[Hit]:
    lengths = [-size for size in known.sizes if size < 0]
    for run in UNSPACED.finditer(text):
        for length in lengths:
            for start in range(run.start(), run.end() - length + 1):
                name = text[start : start + length]
                kind = known.type_of(Name(-length, name))
                if kind is not None:
                    yield Hit(start, start + length, kind, name, RULE)
