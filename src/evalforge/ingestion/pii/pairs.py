"""Keys and values written out in a text: the queries of URLs, forms, `key=value` and `"key": "value"`.

The key keeps its say: a value under a key that would be dropped, hashed or replaced in an object is replaced here too.
Of the values under any other key those that are percent-encoded are decoded and scanned. In running text, where code
assigns to `token`, a secret counts only if it is written as a literal.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import unquote_plus

from evalforge.ingestion.pii.key_types import SECRET, normal_form, type_of
from evalforge.ingestion.pii.text.hits import Hit

Scan = Callable[[str, str], Sequence[Hit]]

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s\"'<>`{}|\\^]{1,8000}")
QUERY_STARTS = re.compile(r"[?#;]")
FORM = re.compile(r"[^\s=&?]{1,100}=[^\s&]*(?:&[^\s=&]{1,100}=[^\s&]*)*\Z")
PAIR = re.compile(r"([^=&;?#]{1,200})=([^&;#]*)")

SEPARATOR = re.compile(r"[=:]")
KEY_BEFORE = re.compile(r"(?<![A-Za-z0-9_.-])([A-Za-z_][A-Za-z0-9_.-]{1,63})[\"']?[ \t]{0,2}\Z")
KEY_ROOM = 70
QUOTED = re.compile(r"[=>]?\s{0,3}(?:\"((?:[^\"\\]|\\.){1,2000})\"|'((?:[^'\\]|\\.){1,2000})')", re.DOTALL)
BARE = re.compile(r"([^\s\"'`,;&<>(){}\[\]|]{3,300})(?![(\[{<])")
LITERAL = re.compile(r"(?=.*\d).{6,}|.*[a-z].*[A-Z].*[^A-Za-z0-9].*|[^A-Za-z]*[!@#$%^*+~][^ ]{4,}", re.DOTALL)
REFERENCE = re.compile(
    r"[$%<{*]|(?:os|self|this|env|process|config|settings|cls|args|kwargs|req|request|ctx)\.|x{3,}\Z|\*+\Z|\.{3}"
)
"""Where a value would be: a variable, a template, an attribute, a mask."""


def find_pairs(text: str, scan: Scan) -> list[Hit]:
    """What the keys in the text say of their values."""
    if "=" not in text and ":" not in text:
        return []
    hits: list[Hit] = []
    if "=" in text:
        if FORM.match(text):
            return list(_in_query(text, 0, len(text), scan))
        if "://" in text:
            for url in URL.finditer(text):
                query = QUERY_STARTS.search(url[0])
                if query:
                    hits += _in_query(text, url.start() + query.end(), url.end(), scan)
    return hits + list(_in_prose(text))


def _in_query(text: str, start: int, end: int, scan: Scan) -> Iterator[Hit]:
    for pair in PAIR.finditer(text, start, end):
        value = pair[2]
        begin = pair.start(2)
        if not value:
            continue
        decoded = unquote_plus(value) if "%" in value or "+" in value else value
        kind = type_of("", unquote_plus(pair[1]))
        if kind:
            yield Hit(begin, pair.end(), kind, decoded.strip().casefold())
        elif decoded != value:
            found = max(scan(decoded, normal_form(pair[1])), key=lambda hit: hit.end - hit.start, default=None)
            if found is not None:
                yield Hit(begin, pair.end(), found.type, found.canonical)


def _in_prose(text: str) -> Iterator[Hit]:
    for separator in SEPARATOR.finditer(text):
        position = separator.start()
        key = KEY_BEFORE.search(text, max(0, position - KEY_ROOM), position)
        if key is None:
            continue
        kind = type_of("", key[1])
        if kind and (value := _value(text, separator.end(), kind)) is not None:
            start, end = value
            yield Hit(start, end, kind, text[start:end].strip().casefold())


def _value(text: str, position: int, kind: str) -> tuple[int, int] | None:
    """Where the value that follows a separator stands, if one is written there."""
    quoted = QUOTED.match(text, position)
    if quoted:
        group = 1 if quoted[1] is not None else 2
        value = quoted[group]
        return None if REFERENCE.match(value) else quoted.span(group)
    bare = BARE.match(text, position)
    if bare is None or REFERENCE.match(bare[1]):
        return None
    return bare.span(1) if kind != SECRET or LITERAL.match(bare[1]) else None
