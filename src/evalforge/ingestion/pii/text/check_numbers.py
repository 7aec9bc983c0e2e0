"""Checks of account and card numbers, and of those of social security."""

import re

from evalforge.ingestion.pii.text import checksums
from evalforge.ingestion.pii.text.candidates import Candidate, Check, Spans

IBAN_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27"
        "GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22"
        "MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28"
        "TL23TN24TR26UA29VA22VG24XK20YE30",
    )
}
"""SWIFT's IBAN registry, release 99."""
CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720|220[0-4]|35\d\d)\d{12}"
    r"|(?:3[47]\d\d|2131|1800)\d{11}"
    r"|(?:30[0-5]\d|309\d|3[689]\d\d)(?:\d{10}|\d{12}|\d{15})"
    r"|(?:6011|64[4-9]\d|65\d\d|6[02]\d\d|8[12]\d\d|508\d)\d{12,15}"
    r"|(?:5018|5019|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"
    r"|(?:506[67]|509\d|6363)\d{12}"
)
"""First digits and lengths of card numbers, by the networks' published ranges (ISO/IEC 7812)."""
LINES_OF_A_CARD = 4
GROUPS = re.compile(r"\d+")
ID_KEY = re.compile(
    rb"(?:(?i:(?:^|[^a-z])(?:ids?|uid|uuid|guid|sku|order|invoice|ean|isbn|upc|asin|run|job|build|commit|tick|epoch|next|nonce"
    rb"|offset|size|bytes|length|count|seq|sequence|version|timestamp|ts|start|end|duration|checksum|hash|digest|seed|port|pid"
    rb"|row|line|between|and|limit|trace|span|parent)|[_.-](?:ids?|at|ns|ms))|[a-z]Ids?)"
    rb"[\"'\]]{0,2}[ \t]{0,2}(?:[:=#]|==|is)?[ \t]{0,2}[\"'#\[(]?\Z"
)
"""A word before a number, on its line, that says that it counts or names a thing."""
HEX_GOES_ON = re.compile(rb"[0-9A-Fa-f]{2}|[A-Fa-f][0-9A-Za-z]")
"""Behind digits without separators: they are part of a longer name."""
DOI = re.compile(rb"\b10\.\d{4,9}/[^\s\"'<>]{0,32}\Z")
"""Before digits of the name of a publication."""
INSIDE_A_NUMBER = re.compile(rb"\d[ .]\Z|/\Z")
"""Before a group of digits that goes on from others: a constant in a table, a path."""
COUNTED = re.compile(
    rb"[ -](?:times?|rows?|records?|items?|users?|tokens?|requests?|lines?|bytes|customers?|events?|iterations?|points?"
    rb"|entries|messages|pages|m?s(?:ec)?|[kmg]i?b|seconds|minutes|people|nodes|samples|steps|files|documents|tasks|jobs)"
    rb"(?:[^A-Za-z]|\Z)",
    re.IGNORECASE,
)
"""Behind a number that counts something."""
DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d([-./ ])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([-./ ])(?:0?[1-9]|1[0-2])\2(?:19|20)\d\d"
    r"|(?:0?[1-9]|1[0-2])([-./ ])(?:0?[1-9]|[12]\d|3[01])\3(?:19|20)\d\d)(?!\d)"
)


def digits_of(text: str) -> str:
    """The ASCII digits of a text."""
    return "".join(character for character in text if "0" <= character <= "9")


def under_an_id(candidate: Candidate) -> bool:
    """Whether a word before the number says that it counts or names a thing."""
    return ID_KEY.search(candidate.before(24)) is not None


def iban(candidate: Candidate) -> Spans:
    """The country's length, then modulo 97. What follows an IBAN in the same run of words is left."""
    text = candidate.text.upper()
    length = IBAN_LENGTHS.get(text[:2], 0)
    characters = [place for place, character in enumerate(text) if character.isalnum()]
    if not 0 < length <= len(characters):
        return ()
    end = characters[length - 1] + 1
    compact = "".join(text[place] for place in characters[:length])
    if text[end : end + 1].isalnum() or not checksums.mod97_of_iban(compact):
        return ()
    return ((candidate.start, candidate.start + end),)


def _is_card(digits: str) -> bool:
    return CARDS.fullmatch(digits) is not None and checksums.luhn(digits)


def card(candidate: Candidate) -> Spans:
    """Whole groups of digits that make a card number: one after the other, as many as there are in the run."""
    text = candidate.text
    if DOI.search(candidate.before(48)):
        return ()
    if text.isdigit():
        in_hex = HEX_GOES_ON.match(candidate.data, candidate.end) is not None
        return candidate.whole if _is_card(text) and not in_hex and not under_an_id(candidate) else ()
    groups = [group.span() for group in GROUPS.finditer(text)]
    found, first = [], 0
    while first < len(groups):
        last = _last_group_of_a_card(text, groups, first)
        alone = last == first
        if last is not None and not (alone and (under_an_id(candidate) or _is_fraction(text, groups[first][0]))):
            found.append((candidate.start + groups[first][0], candidate.start + groups[last][1]))
            first = last
        first += 1
    return tuple(found)


def _is_fraction(text: str, start: int) -> bool:
    """Whether digits stand behind a decimal point: a point right after digits."""
    return start > 1 and text[start - 1] == "." and text[start - 2].isdigit()


def _last_group_of_a_card(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The group with which the longest card number from group `first` on ends; None if there is none.

    Groups of a card have two to eight digits, or one behind three of four.
    """
    digits, longest = "", groups[first][1] - groups[first][0]
    if longest == 1 or longest > 8:
        return first if _is_card(text[slice(*groups[first])]) else None
    found = None
    for last in range(first, min(first + 6, len(groups))):
        start, end = groups[last]
        if not 1 < end - start <= 8 and not (end - start == 1 and len(digits) == 12 and last == first + 3):
            break
        digits += text[start:end]
        if _is_card(digits) and not _is_of_lines(text, groups[first : last + 1]):
            found = last
    return found


def _is_of_lines(text: str, groups: list[tuple[int, int]]) -> bool:
    """Whether they are lines of figures: with a date, more lines than a card has, or more than two of any length."""
    start, end = groups[0][0], groups[-1][1]
    lines = text.count("\n", start, end)
    if not lines:
        return False
    fours = all(last - first == 4 for first, last in groups)
    many = text.count("\n") >= LINES_OF_A_CARD or (lines > 1 and not fours)
    return many or DATE.search(text, start, end) is not None


def luhn(candidate: Candidate) -> Spans:
    """Any number with its check digit: a word beside it has already said that it is a card."""
    digits = digits_of(candidate.text)
    return candidate.whole if len(set(digits)) > 1 and checksums.luhn(digits) else ()


def ssn(candidate: Candidate) -> Spans:
    """Social Security Administration: no area 000 or 666, no group 00, no serial 0000; areas from 900 are ITINs."""
    digits = digits_of(candidate.text)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in ("000", "666") or group == "00" or serial == "0000":
        return ()
    if candidate.text.isdigit() and under_an_id(candidate):
        return ()
    if area >= "900" and not ("50" <= group <= "65" or "70" <= group <= "88" or "90" <= group <= "99"):
        return ()
    return candidate.whole


CHECKS: dict[str, Check] = {
    "iban": iban,
    "card": card,
    "luhn": luhn,
    "ssn": ssn,
}
