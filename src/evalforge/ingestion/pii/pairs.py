"""Keys and values written out in a text: the queries of URLs, forms, `key=value` and `"key": "value"`.

The key keeps its say: a value under a key that would be dropped, hashed or replaced in an object is replaced here too.
Of the values under any other key those that are percent-encoded are decoded and scanned. In running text, where code
assigns to `token`, a secret counts only if it is written as a literal.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote_plus

from evalforge.ingestion.pii.allowed_keys import as_identifier
from evalforge.ingestion.pii.key_types import EMAIL, PERSON, PHONE, SECRET, USER_ID, USERNAME, normal_form
from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.policy import Fate
from evalforge.ingestion.pii.text.hits import Hit

Scan = Callable[[str, str], Sequence[Hit]]

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s\"'<>`{}|\\^]{1,8000}")
QUERY_STARTS = re.compile(r"[?#;]")
FORM = re.compile(
    r"[^\s=&?]{1,100}=(?!(?:None|True|False|null|true|false|[^&]*[,;)])\Z)[^\s&]*(?:&[^\s=&]{1,100}=[^\s&]*)*\Z"
)
PAIR = re.compile(r"([^=&;?#]{1,200})=([^&;#]*)")

SEPARATOR = re.compile(r"[=:]")
KEY_BEFORE = re.compile(r"(?<![A-Za-z0-9_.-])([A-Za-z_][A-Za-z0-9_.-]{1,63})[\"']?[ \t]{0,2}\Z")
KEY_ROOM = 70
QUOTED = re.compile(r"[=>]?\s{0,3}(?:\"((?:[^\"\\]|\\.){1,2000})\"|'((?:[^'\\]|\\.){1,2000})')", re.DOTALL)
BARE = re.compile(r"([ \t]{0,2})([^\s\"'`,;&<>(){}\[\]|]{3,300}+)(?![(\[{<])")
LITERAL = re.compile(r"(?=.*\d).{6,}|.*[a-z].*[A-Z].*[^A-Za-z0-9].*|[^A-Za-z]*[!@#$%^*+~][^ ]{4,}", re.DOTALL)
"""A digit in six characters or more, letters of both cases and a sign, or a sign first: no word, no name in code."""
REFERENCE = re.compile(
    r"[$%<{*]|(?:os|self|this|env|process|config|settings|cls|args|kwargs|req|request|ctx)\.|x{3,}\Z|\.{3}"
    r"|(?:u?int|float|string|varchar|char|utf|uuid)\d*\b",
    re.IGNORECASE,
)
"""Where a value would be: a variable, a template, an attribute, a mask, a type."""
BARE_KINDS = frozenset({SECRET, EMAIL, PHONE, PERSON, USERNAME, USER_ID})
"""What is believed without quotes: an `address` may be one in memory, a `card` one on a page."""


KEPT = re.compile(
    r"(?<![A-Za-z0-9_.-])([A-Za-z_][A-Za-z0-9_.-]{1,63})[\\\"']{0,8}[ \t]{0,2}(?:=>|[=:])[ \t]{0,2}[\\\"']{0,8}"
    r"([A-Za-z0-9._:/-]{1,128})(?=[\s\"'\\,;&<>)}\]|]|\Z)"
)
"""A key and a value that may be an identifier, each whole; also where quotes are escaped."""


def find_pairs(text: str, scan: Scan, keys: Keys) -> list[Hit]:
    """What the keys in the text say of their values."""
    if "=" not in text and ":" not in text:
        return []
    if "=" in text and FORM.match(text):
        return list(_in_query(text, 0, len(text), scan, keys))
    hits: list[Hit] = []
    queries: list[tuple[int, int]] = []
    if "://" in text:
        for url in URL.finditer(text):
            start = QUERY_STARTS.search(url[0])
            if start:
                queries.append((url.start() + start.end(), url.end()))
                hits += _in_query(text, *queries[-1], scan, keys)
    return hits + list(_in_prose(text, queries, keys))


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


def _in_query(text: str, start: int, end: int, scan: Scan, keys: Keys) -> Iterator[Hit]:
    for pair in PAIR.finditer(text, start, end):
        value, place = pair[2], pair.span(2)
        decoded = unquote_plus(value) if "%" in value or "+" in value else value
        kind, rule, _ = keys.told_by("", unquote_plus(pair[1]))
        if kind and value and not REFERENCE.match(value):
            yield Hit(*place, kind, decoded.strip().casefold(), rule)
        elif decoded != value:
            found = max(scan(decoded, normal_form(pair[1])), key=lambda hit: hit.end - hit.start, default=None)
            if found is not None:
                yield Hit(*place, found.type, found.canonical, found.rule)


def _in_prose(text: str, queries: Sequence[tuple[int, int]], keys: Keys) -> Iterator[Hit]:
    for separator in SEPARATOR.finditer(text):
        position = separator.start()
        key = KEY_BEFORE.search(text, max(0, position - KEY_ROOM), position)
        url = bisect_right(queries, (position, position)) - 1
        if key is None or (url >= 0 and position < queries[url][1]):
            continue
        kind, rule, _ = keys.told_by("", key[1])
        if kind and (value := _value(text, separator.end(), kind)) is not None:
            start, end = value
            yield Hit(start, end, kind, text[start:end].strip().casefold(), rule)


def _value(text: str, position: int, kind: str) -> tuple[int, int] | None:
    """Where the value that follows a separator stands, if one is written there."""
    quoted = QUOTED.match(text, position)
    if quoted:
        group = 1 if quoted[1] is not None else 2
        said = any(map(str.isalnum, quoted[group]))
        return quoted.span(group) if said and not REFERENCE.match(quoted[group]) else None
    bare = BARE.match(text, position)
    if bare is None or kind not in BARE_KINDS or REFERENCE.match(bare[2]):
        return None
    certain = kind != SECRET and not bare[1]
    return bare.span(2) if certain or LITERAL.match(bare[2]) else None
