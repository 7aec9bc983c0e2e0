"""Keys and values written out in a text: the queries of URLs, forms, `key=value` and `"key": "value"`.

The key keeps its say: a value under a key that would be dropped, hashed or replaced in an object is replaced here too.
Of the values under any other key those that are percent-encoded are decoded and scanned. In running text, where code
assigns to `token`, a secret counts only if it is written as a literal.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote_plus

from evalforge.ingestion.pii.allowed_keys import as_identifier
from evalforge.ingestion.pii.embedded import find_in_objects
from evalforge.ingestion.pii.key_types import SECRET, normal_form
from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.policy import Fate
from evalforge.ingestion.pii.text.hits import Hit
from evalforge.ingestion.pii.words import SIGN_IN
from evalforge.ingestion.pii.written import REFERENCE, names_nobody, written_value

Scan = Callable[[str, str], Sequence[Hit]]

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s\"'<>`{}|\\^]{1,8000}")
QUERY_STARTS = re.compile(r"[?#;]")
FORM = re.compile(
    r"[^\s=&?]{1,100}=(?!(?:None|True|False|null|true|false|[^&]*[,;)])\Z)[^\s&]*(?:&[^\s=&]{1,100}=[^\s&]*)*\Z"
)
PAIR = re.compile(r"([^=&;?#]{1,200})=([^&;#]*)")

SEPARATOR = re.compile(r"[=:]|(?<=[\"']),")
KEY_BACKWARDS = re.compile(r"[ \t]{0,2}(?:[\"']\\{0,8})?([A-Za-z0-9_.-]{1,63}[A-Za-z_])(?![A-Za-z0-9_.-])")
"""A key, read from the separator towards the beginning: what stands before a separator is mostly none."""
LABEL_BEFORE = re.compile(
    r"(?:name|key|header)\\{0,8}[\"']?\s{0,3}[:=]\s{0,3}\\{0,8}[\"']([^\"'\\]{1,64})\\{0,8}[\"']\s{0,3},\s{0,3}\\{0,8}[\"']?\Z",
    re.IGNORECASE,
)
LABEL_ROOM = 120
VALUES = frozenset({"value", "val", "parametervalue"})


KEPT = re.compile(
    r"(?<![A-Za-z0-9_.-])([A-Za-z_][A-Za-z0-9_.-]{1,63})[\\\"']{0,8}[ \t]{0,2}(?:=>|[=:])[ \t]{0,2}[\\\"']{0,8}"
    r"([A-Za-z0-9._:/-]{1,128})(?=[\s\"'\\,;&<>)}\]|]|\Z)"
)
"""A key and a value that may be an identifier, each whole; also where quotes are escaped."""

QUOTES = "\"'"


def find_pairs(text: str, scan: Scan, keys: Keys) -> list[Hit]:
    """What the keys in the text say of their values."""
    if "=" not in text and ":" not in text and "'," not in text and '",' not in text:
        return []
    hits: list[Hit] = []
    read: set[int] = set()
    if "=" in text and FORM.match(text):
        hits += _in_query(text, 0, len(text), scan, keys, read)
    elif "://" in text:
        for url in URL.finditer(text):
            start = QUERY_STARTS.search(url[0])
            if start:
                hits += _in_query(text, url.start() + start.end(), url.end(), scan, keys, read)
    hits += _in_prose(text, read, keys)
    return hits + list(find_in_objects(text, keys)) if '{"' in text else hits


def outside_kept(text: str, hits: Iterable[Hit], keys: Keys) -> list[Hit]:
    """The hits without those that lie within an identifier whose key, written out before it, is allowed."""
    if not keys.allowed:
        return list(hits)
    kept = [
        pair.span(2)
        for pair in KEPT.finditer(text)
        if keys.fate_of("", pair[1]).fate is Fate.KEEP and as_kept(pair[2], keys) is not None
    ]
    return [hit for hit in hits if not any(start <= hit.start and hit.end <= end for start, end in kept)]


def as_kept(value: Any, keys: Keys) -> Any:
    """The value if it may be kept unread under an allowed key, else None: no key in it may say anything of the rest."""
    kept = as_identifier(value)
    if type(kept) is str and ":" in kept and any(_in_prose(kept, (), keys)):
        return None
    return kept


def _in_query(text: str, start: int, end: int, scan: Scan, keys: Keys, read: set[int]) -> Iterator[Hit]:
    """What is in a query; `read` are the separators that need not be read again."""
    for pair in PAIR.finditer(text, start, end):
        value, place = pair[2], pair.span(2)
        read.add(place[0] - 1)
        decoded = unquote_plus(value) if "%" in value or "+" in value else value
        kind, rule, _ = keys.told_by("", unquote_plus(pair[1]))
        if kind and value and not REFERENCE.match(value):
            if value.strip(QUOTES).lower() not in SIGN_IN if kind == SECRET else not names_nobody(value, kind, keys):
                yield Hit(*place, kind, decoded.strip().casefold(), rule)
        elif decoded != value:
            inside = [*scan(decoded, normal_form(pair[1])), *_in_prose(decoded, (), keys)]
            found = max(inside, key=lambda hit: hit.end - hit.start, default=None)
            if found is not None:
                yield Hit(*place, found.type, found.canonical, found.rule)


def _in_prose(text: str, read: Collection[int], keys: Keys) -> Iterator[Hit]:
    backwards, size = "", len(text)
    for separator in SEPARATOR.finditer(text):
        position = separator.start()
        backwards = backwards or text[::-1]
        key = KEY_BACKWARDS.match(backwards, size - position)
        if key is None or position in read:
            continue
        name, comma = key[1][::-1], text[position] == ","
        if name.lower() in VALUES and not comma:
            start = size - key.end()
            label = LABEL_BEFORE.search(text, max(0, start - LABEL_ROOM), start)
            name = label[1] if label else name
        kind, rule, _ = keys.told_by("", name)
        if comma and kind != SECRET:
            continue
        if kind and (value := written_value(text, separator.end(), kind, name, keys, quoted=comma)) is not None:
            start, end = value
            yield Hit(start, end, kind, text[start:end].strip().casefold(), rule)
