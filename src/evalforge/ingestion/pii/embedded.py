"""JSON that words stand around: what the keys in it say, together with those over them."""

import json
import re
from collections.abc import Iterator

from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.names import told_in
from evalforge.ingestion.pii.structures import first_json, parse_json
from evalforge.ingestion.pii.text.hits import Hit

OPENING = re.compile(r'(?:\[\s{0,3})?\{\s{0,20}"')
MOST_OBJECTS = 16
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
        for kind, said in set(told_in(value, _parsed, keys)):
            written = json.dumps(said, ensure_ascii=False)[1:-1] or said
            place = re.compile(rf'(?<=["\s:\[,]){re.escape(written)}(?=["\s,\]}}])')
            for match in place.finditer(text, opening.start(), position):
                yield Hit(*match.span(), kind, said.strip().casefold(), RULE)


def _parsed(text: str) -> object:
    found = parse_json(text)
    return None if found is None else found[0]
