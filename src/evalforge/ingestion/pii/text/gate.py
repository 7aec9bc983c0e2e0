"""The gate: a few passes over a text that tell which rules may find something in it.

One automaton for all rules would have a state for each combination of how far each of them got, and be built anew with
every text. So rules say what a text needs for them, and those of each need are one automaton of their own, asked only
where the text has that.
"""

from collections.abc import Iterable, Sequence

import re2

from evalforge.ingestion.pii.text.hits import Unscannable
from evalforge.ingestion.pii.text.recognizers import NEEDS, options

MEMORY = 32 << 20
"""Bytes that RE2 may use for the states of one automaton; it takes what it needs."""
FEWEST_DIGITS, SHORTEST_TOKEN = 6, 12
DIGITS = b"0123456789"
NO_DIGITS = bytes(set(range(256)) - set(DIGITS))
TOKENS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/=_.~:-" + DIGITS
BETWEEN_TOKENS = bytes(code if code in TOKENS else 32 for code in range(256))


class Gate:
    """Patterns matched all at once, each with what it needs of a text. It may serve many threads."""

    def __init__(self, patterns: Sequence[tuple[str, bytes]]) -> None:
        self._always, self._for_digits, self._for_tokens = (
            _Set((rank, pattern) for rank, (needed, pattern) in enumerate(patterns) if needed == need)
            for need in ("", *NEEDS)
        )

    def ranks(self, data: bytes) -> list[int]:
        """The numbers of the patterns that match, in order. Raises Unscannable."""
        found = self._always.match(data)
        if has_digits(data):
            found += self._for_digits.match(data)
        if has_token(data):
            found += self._for_tokens.match(data)
        return sorted(found) if len(found) > 1 else found


def has_digits(data: bytes) -> bool:
    """Six digits, wherever they are."""
    return len(data.translate(None, NO_DIGITS)) >= FEWEST_DIGITS


def has_token(data: bytes) -> bool:
    """A run of twelve characters that tokens are made of."""
    if max(map(len, data.split()), default=0) < SHORTEST_TOKEN:
        return False
    return max(map(len, data.translate(BETWEEN_TOKENS).split()), default=0) >= SHORTEST_TOKEN


class _Set:
    """One automaton for several patterns, each with a number."""

    def __init__(self, patterns: Iterable[tuple[int, bytes]]) -> None:
        set_options = options()
        set_options.max_mem = MEMORY
        self._set = re2.Set.SearchSet(set_options)
        self._numbers = []
        for number, pattern in patterns:
            self._set.Add(pattern)
            self._numbers.append(number)
        self._always = self._set.Add(b"")
        self._set.Compile()

    def match(self, data: bytes) -> list[int]:
        """The numbers of the patterns that match. Raises Unscannable."""
        places = told(self._set.Match(data), self._always)
        return [self._numbers[place] for place in places] if places else places


def told(answer: list[int] | None, always: int) -> list[int]:
    """RE2's answer without the pattern that fits every text: without that one, RE2 gave up. Raises Unscannable."""
    if answer is None or always not in answer:
        raise Unscannable("a text took more memory to be scanned than there may be")
    return [place for place in answer if place != always] if len(answer) > 1 else []
