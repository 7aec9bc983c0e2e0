"""Checks of telephone numbers: where one ends among digits that follow it, and whether it can be one."""

import re
from collections.abc import Callable, Iterator

from evalforge.ingestion.pii.text import phones
from evalforge.ingestion.pii.text.candidates import Candidate, Check, Spans
from evalforge.ingestion.pii.text.check_numbers import (
    COUNTED,
    DATE,
    GROUPS,
    ID_KEY,
    INSIDE_A_NUMBER,
    digits_of,
    under_an_id,
)

UNBROKEN = 9
"""Digits in one group that are a whole number, so that what follows them is not its."""
SHORTEST, LONGEST = 6, 15
SHAPES = ([9], [10], [11], [3, 3, 4], [1, 3, 3, 4], [2, 2, 2, 2, 2], [4, 3, 3])
"""Digits in the groups of numbers that end there, whatever stands behind them."""
APART = " ().-/"
VERSION = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
"""Of a browser, before the word Mobile."""
DECIMAL = re.compile(r"\d{1,2}\.\d+")
"""With so few digits before its only point."""
PAIRS = re.compile(rb"[0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2}(?![0-9A-Za-z/])){2,63}")
PAIRS_BEFORE = re.compile(rb"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{2} )+\Z")
MOST_PAIRS = 6
CELL = re.compile(rb"(?i)\bcells? \Z")
"""Before a number of a cell in a table."""


def prefixes(candidate: Candidate) -> Iterator[int]:
    """Where the number may end: behind whole groups of digits, the likeliest first.

    That is the first group, if it is a whole number in itself, then the most groups that are on its first line, then
    those that go on behind it. A group that goes on behind the candidate is none.
    """
    text = candidate.text
    ends = [group.end() for group in GROUPS.finditer(text)]
    if candidate.data[candidate.end : candidate.end + 1].isdigit() and ends[-1] == len(text):
        ends.pop()
    if not ends:
        return
    line = re.search(r"[\r\n]", text)
    first_line = [end for end in ends if line is None or end <= line.start()]
    if first_line and len(digits_of(text[: first_line[0]])) > UNBROKEN:
        yield candidate.start + first_line[0]
    for end in (*reversed(first_line), *reversed(ends[len(first_line) :])):
        yield candidate.start + end


def _first(candidate: Candidate, holds: Callable[[str], bool]) -> Spans:
    """The likeliest number of which `holds` is true."""
    for end in prefixes(candidate):
        if holds(candidate.data[candidate.start : end].decode("latin-1")):
            return ((candidate.start, end),)
    return ()


def _international(text: str) -> bool:
    return phones.is_possible(digits_of(text.replace("(0)", "")))


def phone_with_plus(candidate: Candidate) -> Spans:
    """A calling code and a length that exist; a trunk (0) in brackets does not count."""
    return _first(candidate, _international)


def phone_with_00(candidate: Candidate) -> Spans:
    """As dialled from abroad: also the digits must be those of a number, as groups of digits are many things."""
    if INSIDE_A_NUMBER.search(candidate.before(2)) or under_an_id(candidate):
        return ()
    return _first(candidate, lambda text: phones.is_international(digits_of(text)[2:]))


def phone_of_north_america(candidate: Candidate) -> Spans:
    """Area and exchange do not begin with 0 or 1, nor with N11; ids that look so have a word before them."""
    digits = digits_of(candidate.text.split("x")[0].split("e")[0])[-10:]
    if digits[1:3] == "11" or INSIDE_A_NUMBER.search(candidate.before(2)) or under_an_id(candidate):
        return ()
    return candidate.whole


def national_phone(candidate: Candidate) -> Spans:
    """As dialled inside one of the regions looked at, and one group behind it that is not its."""
    text = candidate.text
    if DATE.search(text) or INSIDE_A_NUMBER.search(candidate.before(2)) or under_an_id(candidate):
        return ()
    if DECIMAL.fullmatch(text):
        return ()
    if _in_a_dump(candidate) or COUNTED.match(candidate.data, candidate.end):
        return ()
    usual = _without_more_groups(text)
    for each in (usual, text):
        if phones.is_national(digits_of(each)):
            return ((candidate.start, candidate.start + len(each)),)
    return ()


def _in_a_dump(candidate: Candidate) -> bool:
    """Whether pairs of digits go on beside it, as bytes do: seven or more, but for whole numbers of five in a row."""
    before, behind = PAIRS_BEFORE.search(candidate.before(48)), PAIRS.match(candidate.data, candidate.start)
    pairs = [*(before[0].split() if before else ()), *(behind[0].split() if behind else ())]
    return len(pairs) > MOST_PAIRS and (len(pairs) % 5 != 0 or any(pair[:1] != b"0" for pair in pairs[::5]))


def phone_by_context(candidate: Candidate) -> Spans:
    """Six to fifteen digits that are no date and no id. Words beside it have already said that it is a telephone."""
    text = _without_more_groups(candidate.text)
    if not SHORTEST <= len(digits_of(text)) <= LONGEST or DATE.search(text) or ID_KEY.search(candidate.before(16)):
        return ()
    if VERSION.fullmatch(text) or (
        text.isdigit() and len(text) < UNBROKEN and COUNTED.match(candidate.data, candidate.end)
    ):
        return ()
    if text.isdigit() and len(text) == SHORTEST and CELL.search(candidate.before(7)):
        return ()
    return ((candidate.start, candidate.start + len(text)),)


def _without_more_groups(text: str) -> str:
    """A number of a usual shape without the groups of digits behind it; an extension is its own."""
    groups = [group.span() for group in GROUPS.finditer(text)]
    sizes = [end - start for start, end in groups]
    for shape in SHAPES:
        last = len(shape)
        if sizes[:last] == shape and last < len(sizes) and not text[groups[last - 1][1] : groups[last][0]].strip(APART):
            return text[: groups[last - 1][1]]
    return text


CHECKS: dict[str, Check] = {
    "phone_with_plus": phone_with_plus,
    "phone_with_00": phone_with_00,
    "phone_of_north_america": phone_of_north_america,
    "national_phone": national_phone,
    "phone_by_context": phone_by_context,
}
