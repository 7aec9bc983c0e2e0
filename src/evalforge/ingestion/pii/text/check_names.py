"""Checks of names of people where a text says in so many words that one follows."""

import re

from evalforge.ingestion.pii.text.candidates import Candidate, Check, Spans
from evalforge.ingestion.pii.text.capitalised_words import NO_INTRODUCED_NAMES

WORD = re.compile(r"[A-Za-z'\xc0-\xff-]+")


def _person(candidate: Candidate) -> Spans:
    """The name without the white space behind it, unless a word of it cannot be one."""
    text = candidate.text.rstrip()
    if not text or any(word.casefold() in NO_INTRODUCED_NAMES for word in WORD.findall(text)):
        return ()
    return ((candidate.start, candidate.start + len(text)),)


CHECKS: dict[str, Check] = {"person": _person}
