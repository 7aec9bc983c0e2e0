"""The gate: one pass over a text that tells which rules may find something in it."""

from collections.abc import Sequence

import re2

from evalforge.ingestion.pii.text.hits import Unscannable
from evalforge.ingestion.pii.text.recognizers import options

MEMORY = 64 << 20
"""Bytes that RE2 may use for the states of the gate; it takes what it needs."""


class Gate:
    """Patterns matched all at once. It may serve many threads."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        gate_options = options()
        gate_options.max_mem = MEMORY
        self._set = re2.Set.SearchSet(gate_options)
        for pattern in patterns:
            self._set.Add(pattern)
        self._always = self._set.Add(b"")
        self._set.Compile()

    def ranks(self, data: bytes) -> list[int]:
        """The numbers of the patterns that match, in order. Raises Unscannable."""
        return told(self._set.Match(data), self._always)


def told(answer: list[int] | None, always: int) -> list[int]:
    """RE2's answer without the pattern that fits every text: without that one, RE2 gave up. Raises Unscannable."""
    if answer is None or always not in answer:
        raise Unscannable("a text took more memory to be scanned than there may be")
    return sorted(rank for rank in answer if rank != always)
