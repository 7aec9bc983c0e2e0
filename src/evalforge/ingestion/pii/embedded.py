"""JSON that words stand around: what the keys in it say, together with those over them."""

import json
import re
from collections.abc import Iterator

from evalforge.ingestion.pii.key_types import SECRET
from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.names import told_in
from evalforge.ingestion.pii.structures import first_json, parse_json
from evalforge.ingestion.pii.text.hits import Hit, Unscannable
from evalforge.ingestion.pii.words import SIGN_IN

OPENING = re.compile(r'(?:\[\s{0,3})?\{\s{0,20}"')
MOST_OBJECTS = 16
MOST_TOLD = 500
"""Values in one object that are looked for: each is looked for in the whole text of the object."""
BEFORE, BEHIND = '"\t\n\r :[,', '"\t\n\r ,]}'
RULE = "key in an object"


def find_in_objects(text: str, keys: Keys) -> Iterator[Hit]:
    """Where the values stand that keys in the objects within the text tell."""
    position = 0
    for _ in range(MOST_OBJECTS):
        opening = OPENING.search(text, position)
        if opening is None:
            return
        found = first_json(text, opening.start())
        if found is None:
            position = opening.end()
            continue
        value, position = found
        told = set(told_in(value, _parsed, keys))
        if len(told) > MOST_TOLD:
            raise Unscannable("an object in a text tells too many things to be looked for")
        for kind, said in told:
            if kind == SECRET and said.lower() in SIGN_IN:
                continue
            written = json.dumps(said, ensure_ascii=False)[1:-1]
            for start, end in _places(text, written, opening.start(), position):
                yield Hit(start, end, kind, said.strip().casefold(), RULE)


def _places(text: str, written: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where a value stands by itself between these places: in quotes, or in a list or behind a key without them."""
    place = text.find(written, start, end)
    while place >= 0:
        behind = place + len(written)
        if text[place - 1] in BEFORE and text[behind : behind + 1] in BEHIND:
            yield place, behind
        place = text.find(written, behind, end)


def _parsed(text: str) -> object:
    found = parse_json(text)
    return None if found is None else found[0]
