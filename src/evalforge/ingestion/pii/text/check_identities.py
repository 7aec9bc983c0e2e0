"""Checks of numbers that states give to people, and of where they live."""

import re
from collections.abc import Callable

from evalforge.ingestion.pii.text import checksums
from evalforge.ingestion.pii.text.candidates import Candidate, Check, Spans, where
from evalforge.ingestion.pii.text.check_numbers import COUNTED, digits_of, under_an_id

AMOUNT = re.compile(r"\d{1,9}[.,]\d{1,2}")
STATES = frozenset({
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS",
    "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY",
    "NC", "ND", "OH", "OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV",
    "WI", "WY", "DC", "PR", "GU", "VI", "AS", "MP", "FM", "MH", "PW", "AA", "AE", "AP", "NSW", "VIC",
    "QLD", "SA", "TAS", "ACT", "NT",
})  # fmt: skip
"""Codes of the USPS (states, territories, armed forces) and of Australia Post."""
STATE = re.compile(r"([A-Z]{2,3}),?\s+\d{4,5}(?:-\d{4})?\Z")


def compact(text: str) -> str:
    """Letters and digits only, in upper case."""
    return "".join(character for character in text if character.isalnum()).upper()


def numbered(holds: Callable[[str], bool]) -> Check:
    """A check by letters and digits alone, of a number that does not follow a word for an id."""

    def check(candidate: Candidate) -> Spans:
        return candidate.whole if holds(compact(candidate.text)) and not under_an_id(candidate) else ()

    return check


BY_LUHN = numbered(checksums.luhn)


def is_day(year: str, month: str, day: str) -> bool:
    """Whether the digits can be a day; years do not matter but for being there."""
    return bool(year) and "01" <= month <= "12" and "01" <= day <= "31"


def _pesel(digits: str) -> bool:
    month = int(digits[2:4]) % 20
    return is_day(digits[:2], f"{month:02}", digits[4:6]) and checksums.pesel(digits)


def _hetu(number: str) -> bool:
    return is_day(number[4:6], number[2:4], number[:2]) and checksums.hetu(number[:6] + number[-4:])


def _hetu_check(candidate: Candidate) -> Spans:
    text = candidate.text.upper()
    return candidate.whole if _hetu(text[:6] + text[7:]) else ()


def _personnummer(digits: str) -> bool:
    short = digits[-10:]
    day = int(short[4:6])
    return is_day(short[:2], short[2:4], f"{day - 60 if day > 60 else day:02}") and checksums.luhn(short)


def _resident_identity(number: str) -> bool:
    return is_day(number[6:10], number[10:12], number[12:14]) and checksums.resident_identity(number)


def _rrn(digits: str) -> bool:
    return is_day(digits[:2], digits[2:4], digits[4:6])


def _sin(candidate: Candidate) -> Spans:
    """By Luhn, and not what counts something: one number in ten passes."""
    counts = COUNTED.match(candidate.data, candidate.end)
    return () if counts else BY_LUHN(candidate)


def address(candidate: Candidate) -> Spans:
    """If it ends with a state and a code, the state must be one."""
    state = STATE.search(candidate.text)
    return () if state and state[1] not in STATES else candidate.whole


def with_digit(candidate: Candidate) -> Spans:
    """An identifier of a document has three digits at least, and is no amount."""
    return candidate.whole if len(digits_of(candidate.text)) >= 3 and not AMOUNT.fullmatch(candidate.text) else ()


CHECKS: dict[str, Check] = {
    "dni": where(lambda text: checksums.dni(compact(text))),
    "codice_fiscale": where(lambda text: checksums.codice_fiscale(text.upper())),
    "hetu": _hetu_check,
    "cpf": numbered(checksums.cpf),
    "cpf_or_pesel": numbered(lambda digits: checksums.cpf(digits) or _pesel(digits)),
    "nir": numbered(checksums.nir),
    "aadhaar": numbered(lambda digits: checksums.verhoeff(digits) and not digits.endswith("000")),
    "sin": _sin,
    "personnummer": numbered(_personnummer),
    "nhs": numbered(checksums.nhs),
    "rijksregister": numbered(checksums.rijksregister),
    "ahv": numbered(checksums.ean13),
    "resident_identity": numbered(_resident_identity),
    "rrn": numbered(_rrn),
    "nric": where(checksums.nric),
    "address": address,
    "with_digit": with_digit,
}
