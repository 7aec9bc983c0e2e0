"""Secrets by the rules of Kingfisher: formats of some hundred vendors, kept by the people who follow them.

Its plain scanner, without dedup: the other one skips what stands near `kingfisher:ignore`, which customers can write.
"""

import re
from functools import lru_cache

from kingfisher_sdk import Rules, Scanner

from evalforge.ingestion.pii.text.view import HOLE

TYPE, NAME = "API_KEY", "kingfisher"
RUN, MACHINE_MADE = re.compile(rb"[A-Za-z0-9_+/=.~:-]{15,}+"), re.compile(rb"[0-9]|[a-z][A-Z]|[A-Za-z]{15}")
WORDS = rb"://|curl|client_secret|(?i:algolia|canva|linkedin|planetscale|polymarket|slack|sumo|xap|xox)"
"""Of the few rules that ask for no long run."""
GATES = (("", WORDS), ("token", b""))
"""Every text that Kingfisher finds a secret in passes the first, or the second and `has_run`."""
WHEREABOUTS = re.compile(r"(?:domain|url|host|name|repository)(?:\.\d)?\Z")
"""Rules that find no secret, but the place that it is for, so that Kingfisher could try it out there."""


@lru_cache(maxsize=1)
def load() -> Scanner:
    """The scanner, made once: some tenths of a second, and seconds where Kingfisher has no cache of its rules yet."""
    return Scanner(Rules(), dedup=False)


def find(data: bytes) -> list[tuple[int, int]]:
    """Where secrets stand in folded text. It is handed over as ASCII, so that bytes are characters."""
    ascii_only = data if data.isascii() else data.decode("latin-1").encode("ascii", "replace")
    findings = load().scan(ascii_only.replace(HOLE.encode(), b"\n"))
    places = [each.location for each in findings if each.visible or WHEREABOUTS.search(each.rule_id) is None]
    return [(place["start_offset"], place["end_offset"]) for place in places]


def has_run(data: bytes) -> bool:
    """Whether the text has a run as tokens are: else none but the rules that ask for a word can find something in it.

    Asking Kingfisher costs as much as all other rules do, whatever the text holds.
    """
    return any(map(MACHINE_MADE.search, RUN.findall(data)))
