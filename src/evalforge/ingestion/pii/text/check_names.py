"""Checks of names of people where a text says in so many words that one follows."""

import re

from evalforge.ingestion.pii.text.candidates import Candidate, Check, Spans
from evalforge.ingestion.pii.words import words

WORD = re.compile(r"[A-Za-z'\xc0-\xff-]+")
NO_NAMES = words(
    """
    a about access account address admin advance again agent ai alert all also always am amazon an and any api app
    apple are as assistant at available aware azure back bank bearer because best bot but by call can card case chat
    check city claude client cloud code company confused contact copilot country credit currently customer data date
    day deal dear delivery department desk developer director done email engineer english error every everyone
    excited false fine first for french friday from german glad go going gone good google gpt great guest happy have
    he head hello help here hi how i id if in info inquiry interested invoice is issue it item its just keyboard
    language last llm looking manager may me message microsoft model monday month more my name new next no not note
    now number of ok on one only openai operations or order our out outlook owner page payment person phone please
    point power product production ready reference regards report request response sales saturday see sender sent
    service she so sorry staff state street student subject sunday support sure system team test thank thanks that
    the their then there they this thursday time to today token tomorrow total trying tuesday type unable unknown
    update url use user very visa waiting we web website wednesday week welcome what when where which who why will
    with wondering word work works working year yes you your
    """
)
"""What is written with a capital where a name could stand, and is none."""


def _person(candidate: Candidate) -> Spans:
    """The name without the white space behind it, unless a word of it cannot be one."""
    text = candidate.text.rstrip()
    if not text or any(word.casefold() in NO_NAMES for word in WORD.findall(text)):
        return ()
    return ((candidate.start, candidate.start + len(text)),)


CHECKS: dict[str, Check] = {"person": _person}
