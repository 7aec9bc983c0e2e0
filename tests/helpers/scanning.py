"""A small scanner of texts for tests of what is done with what a scanner says: e-mail addresses and card numbers."""

import re
from collections.abc import Sequence

from evalforge.ingestion.pii.text.hits import Hit, Unscannable

EMAIL = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}")
CARD = re.compile(r"(?<![0-9])\d(?:[ -]?\d){12,18}(?![0-9])", re.ASCII)


class SmallScanner:
    """Finds e-mail addresses, and card numbers that pass Luhn's check."""

    def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:
        """As of TextScanner."""
        emails = [Hit(*found.span(), "EMAIL", found[0].casefold()) for found in EMAIL.finditer(text)]
        cards = [
            Hit(*found.span(), "CARD", digits)
            for found in CARD.finditer(text)
            if luhn(digits := re.sub(r"\D", "", found[0]))
        ]
        taken = {position for hit in emails for position in range(hit.start, hit.end)}
        return sorted([*emails, *(card for card in cards if card.start not in taken)])


class FailingScanner:
    """Fails on texts with a certain word in them, each time in the way it was told."""

    def __init__(self, word: str, error: Exception | None = None) -> None:
        self._word, self._error = word, error or Unscannable("it was told to fail")

    def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:
        """As of TextScanner."""
        if self._word in text:
            raise self._error
        return SmallScanner().scan(text)


def luhn(digits: str) -> bool:
    """Whether the last digit is the one that Luhn's formula gives for the others."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
