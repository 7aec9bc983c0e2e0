"""Columns and their values written out in a text: an SQL insert, a table of Markdown, lines of CSV.

The name over a column has the say that a key has before its value. A value is read as behind a key, and stricter, as
the columns of tables that count things have the same names: `user`, `mobile`, `pass`.
"""

import re
from collections.abc import Iterator

from evalforge.ingestion.pii.key_types import NUMBER, PHONE, SECRET, USER_ID, USERNAME, normal_form
from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.text.hits import Hit
from evalforge.ingestion.pii.written import written_value

INSERT = re.compile(
    r"\binto\s{1,40}[\w.\"`\[\]]{1,120}\s{0,9}\(([^()]{1,2000})\)\s{0,9}values\s{0,9}(?=\()", re.IGNORECASE
)
NEXT_ROW = re.compile(r"\s{0,40},?\s{0,40}\(")
VALUE = re.compile(
    r"\s{0,40}(?:[NEneBb]?'((?:[^'\\]|''|\\.){0,4000})'|\"(?:[^\"\\]|\\.){0,4000}\"|[^,()'\"]{0,200}(?:\([^()]{0,200}\)[^,()'\"]{0,50})?)"
    r"\s{0,40}([,)])",
    re.DOTALL,
)
SEPARATORS = "|,;\t"
NAME = re.compile(r"[ \t\"'`*]*([A-Za-z_][A-Za-z0-9_.-]{0,40}(?: [A-Za-z0-9_.-]{1,20}){0,3})[ \t\"'`*]*\Z")
FEWEST_COLUMNS, MOST_COLUMNS = 2, 64
NUMBERED_SECRETS = re.compile(r"passw|pwd|pin|otp|code|pw")
FEWEST_DIGITS, CLEARLY_A_NUMBER = 7, 9

Column = tuple[int, str, str, str]
"""Its place, its name, the type of its values, and what says so."""


def find_columns(text: str, keys: Keys) -> list[Hit]:
    """What the names of the columns in the text say of their values."""
    hits: list[Hit] = []
    if "into" in text or "INTO" in text or "Into" in text:
        hits += _in_inserts(text, keys)
    if "\n" in text:
        for separator in SEPARATORS:
            if text.count(separator) > 1:
                hits += _in_table(text, separator, keys)
    return hits


def _in_inserts(text: str, keys: Keys) -> Iterator[Hit]:
    for insert in INSERT.finditer(text):
        columns = _told(insert[1].split(","), keys)
        position = insert.end()
        while columns and (row := NEXT_ROW.match(text, position)) is not None:
            position = row.end()
            for place in range(MOST_COLUMNS):
                value = VALUE.match(text, position)
                if value is None:
                    break
                start, position = position, value.end()
                for hit in _hit(text, start, value.start(2), columns.get(place), keys):
                    yield hit if value[1] is None else hit._replace(start=value.start(1), end=value.end(1))
                if value[2] == ")":
                    break


def _in_table(text: str, separator: str, keys: Keys) -> Iterator[Hit]:
    columns: dict[int, Column] = {}
    width, position = 0, 0
    for line in text.split("\n"):
        count = line.count(separator)
        if count and (count != width or not columns):
            names = line.split(separator)
            columns = _told(names, keys) if sum(map(bool, map(str.strip, names))) >= FEWEST_COLUMNS else {}
            width = count
        elif columns and count == width:
            start = position
            for place, cell in enumerate(line.split(separator)):
                padding = len(cell) - len(cell.lstrip())
                yield from _hit(text, start + max(0, padding - 1), start + len(cell), columns.get(place), keys)
                start += len(cell) + 1
        elif not count:
            columns, width = {}, 0
        position += len(line) + 1


def _told(names: list[str], keys: Keys) -> dict[int, Column]:
    """The columns whose names tell of their values; none where a cell is no name."""
    if len(names) > MOST_COLUMNS:
        return {}
    told: dict[int, Column] = {}
    for place, cell in enumerate(names):
        name = NAME.match(cell)
        if name is None:
            if cell.strip():
                return {}
            continue
        kind, rule, _ = keys.told_by("", name[1])
        if kind:
            told[place] = (place, name[1], kind, rule)
    return told


def _hit(text: str, start: int, end: int, column: Column | None, keys: Keys) -> Iterator[Hit]:
    if column is None:
        return
    _, name, kind, rule = column
    span = written_value(text, start, kind, name, keys)
    if span is not None and span[1] <= end and _is_one(text[slice(*span)], kind, name):
        yield Hit(*span, kind, text[slice(*span)].strip().casefold(), rule)


def _is_one(value: str, kind: str, name: str) -> bool:
    """Whether the value is none of those that columns of figures have."""
    digits = sum(map(str.isdigit, value))
    letters = any(map(str.isalpha, value))
    if kind in (PHONE, NUMBER):
        return digits >= (FEWEST_DIGITS if value[0] in "+0(" or letters or kind == NUMBER else CLEARLY_A_NUMBER)
    if kind == SECRET:
        return letters or NUMBERED_SECRETS.search(normal_form(name)) is not None
    return letters or kind not in (USER_ID, USERNAME) or normal_form(name).endswith("_id")
