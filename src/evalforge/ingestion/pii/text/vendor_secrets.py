"""Secrets by the rules of Kingfisher: formats of some hundred vendors, kept by the people who follow them.

Its plain scanner, without dedup: the other one skips what stands near `kingfisher:ignore`, which customers can write.
"""

from functools import lru_cache

from kingfisher_sdk import Rules, Scanner

from evalforge.ingestion.pii.text.view import HOLE

TYPE, NAME = "API_KEY", "kingfisher"


@lru_cache(maxsize=1)
def _scanner() -> Scanner:
    return Scanner(Rules(), dedup=False)


def find(data: bytes) -> list[tuple[int, int]]:
    """Where secrets stand in folded text. It is handed over as ASCII, so that bytes are characters."""
    ascii_only = data if data.isascii() else data.decode("latin-1").encode("ascii", "replace")
    findings = _scanner().scan(ascii_only.replace(HOLE.encode(), b"\n"))
    return [(place["start_offset"], place["end_offset"]) for place in (found.location for found in findings)]
