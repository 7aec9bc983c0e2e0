"""How strong a hash key is: whoever guesses it can test which user a hash stands for."""

import math
from collections import Counter

from evalforge.sandbox.settings import SANDBOX_KEY

BITS_WANTED = 90
"""By this estimate 32 random hex digits, of 128 bits, have some 117, and 32 random digits some 100."""
SEQUENCES = "0123456789abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm"
LONGEST_RUN = 8
GUESSED_FIRST: tuple[str, ...] = (
    *("password", "secret", "changeme", "change-me", "example", "evalforge", "datadog", "default", "testing"),
    *("hashkey", "hash-key", "hash_key"),
)


def weakness(key: str) -> str | None:
    """Why the key is weak, without any of it; None if it looks random."""
    lower = key.lower()
    if key == SANDBOX_KEY:
        return "it is the demo's, which everybody knows"
    if (key + key).find(key, 1) < len(key):
        return "it repeats itself"
    if any(word in lower for word in GUESSED_FIRST):
        return "it has a word that is guessed first"
    if any(run in lower for sequence in SEQUENCES for run in _runs(sequence)):
        return "it has letters or digits in their order"
    bits = estimated_bits(key)
    return None if bits >= BITS_WANTED else f"it has too little variety: some {bits} bits, and {BITS_WANTED} are wanted"


def _runs(sequence: str) -> list[str]:
    return [sequence[at : at + LONGEST_RUN] for at in range(len(sequence) - LONGEST_RUN + 1)]


def estimated_bits(key: str) -> int:
    """Shannon's entropy of its characters, times their number: an upper bound that words and names stay far under."""
    counts = Counter(key)
    return math.floor(sum(-count * math.log2(count / len(key)) for count in counts.values()))
