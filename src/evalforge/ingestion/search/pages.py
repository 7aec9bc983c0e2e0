"""One answer of the search -> the raw bytes of each span apart, and the cursor.

msgspec cuts the elements without decoding them. It gives up the whole page over one lone surrogate, NaN or deep
nesting (measured, msgspec 0.22); then the elements are cut by brackets and strings alone, so that one bad span costs
none of the others.
"""

import re
from typing import Any

import msgspec

from evalforge.common.errors import EvalForgeError
from evalforge.ingestion.decoding import NotJson, decode_json

_SPACE = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\],]', re.DOTALL)
"""A whole string, or a character that structures. Possessive, and with the lone quote: linear on any input."""
_NAME = re.compile(rb'\s*+"(data|meta)"\s*+:\s*+')


class BrokenBody(EvalForgeError):
    """An answer that is no answer of the search: cut short, HTML, or another JSON. The message holds none of it."""


class PageEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, cut. No cursor: the last page, or (`cursor_unusable`) one whose cursor is no text."""

    items: tuple[bytes, ...]
    cursor: str | None = None
    status: str | None = None
    cursor_unusable: bool = False


class _Envelope(msgspec.Struct):
    data: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET
    meta: msgspec.Raw = msgspec.Raw(b"")


_DECODER = msgspec.json.Decoder(_Envelope)


def split_page(body: bytes) -> PageEnvelope:
    """The page in an answer's body. Raises BrokenBody.

    The end of the data is `meta.page.after` missing, null or empty, or `meta.page` null, `{}` or absent
    (facts: datadog.md §1). Other types in `meta` are no error.
    """
    try:
        envelope = _DECODER.decode(body)
    except (ValueError, RecursionError):  # msgspec's errors and UnicodeDecodeError are ValueErrors
        envelope = None
    if envelope is None:
        items, meta = _cut(body.removeprefix(_BYTE_ORDER_MARK))
        return _page(items, meta)
    meta = bytes(envelope.meta)
    if envelope.data is msgspec.UNSET:
        raise BrokenBody("the answer has no data")
    return _page(tuple(map(bytes, envelope.data or ())), meta)


def _cut(body: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """The elements of `data` and the bytes of `meta`, by structure alone."""
    start = len(body) - len(body.lstrip(_SPACE))
    if body[start : start + 1] != b"{":
        raise BrokenBody("the answer is no object")
    members, end = _elements(body, start)
    if body[end:].strip(_SPACE):
        raise BrokenBody("the answer goes on after its end")
    found = {}
    for begin, stop in members:
        if name := _NAME.match(body, begin, stop):
            found[name.group(1)] = name.end(), stop
    if b"data" not in found:
        raise BrokenBody("the answer has no data")
    meta = slice(*found.get(b"meta", (0, 0)))
    return _items(body, *found.get(b"data", (0, 0))), body[meta].strip(_SPACE)


def _items(body: bytes, begin: int, end: int) -> tuple[bytes, ...]:
    if body[begin : begin + 1] != b"[":
        if body[begin:end].strip(_SPACE) not in (b"", b"null"):
            raise BrokenBody("the data of the answer is no list")
        return ()
    cut = (body[start:stop].strip(_SPACE) for start, stop in _elements(body, begin)[0])
    return tuple(item for item in cut if item)


def _elements(body: bytes, opening: int) -> tuple[list[tuple[int, int]], int]:
    """Where the elements of the list or object that opens here begin and end; and where it ends itself."""
    found: list[tuple[int, int]] = []
    depth, begin = 0, opening + 1
    for token in _TOKEN.finditer(body, opening):
        match body[token.start()]:
            case 0x7B | 0x5B:
                depth += 1
            case 0x7D | 0x5D:
                depth -= 1
                if depth == 0:
                    found.append((begin, token.start()))
                    return found, token.end()
            case 0x2C if depth == 1:
                found.append((begin, token.start()))
                begin = token.end()
            case 0x22 if token.end() - token.start() == 1:
                break
    raise BrokenBody("the answer is cut short")


def _page(items: tuple[bytes, ...], raw_meta: bytes) -> PageEnvelope:
    try:
        meta = decode_json(raw_meta) if raw_meta else {}
    except NotJson as error:
        raise BrokenBody(f"the meta of the answer is {error.reason}") from None
    page, status = _member(meta, "page"), _member(meta, "status")
    after = _member(page, "after")
    cursor = str(after) if isinstance(after, str | int) and after and after is not True else None
    return PageEnvelope(
        items=items,
        cursor=cursor,
        status=status if isinstance(status, str) else None,
        cursor_unusable=bool(after) and cursor is None,
    )


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
