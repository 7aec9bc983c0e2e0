"""Bytes of one item of `data[]` -> Span, tolerantly: what is odd stays in, only what is no span at all is refused.

msgspec decodes what is valid. It refuses lone surrogates, NaN, 1e400, raw control characters and invalid UTF-8
(measured, msgspec 0.22); those go to the standard library's lenient decoder, because a customer's odd byte must not
cost the span.
"""

import json
import re
from typing import Any

import msgspec

from evalforge.common.errors import EvalForgeError
from evalforge.ingestion.models import Span, nanoseconds, plain_id, split_tags

LARGEST_SPAN_BYTES = 8 * 1024 * 1024
"""ddtrace drops the content of spans above 5 MB (facts: datadog.md §6), so that no honest span is larger."""

MOST_INTEGER_DIGITS = 300
"""Longer integers are read as floats: Python refuses to convert more than 4,300 digits."""

_OPENING_CHARACTERS = '{[<"'
_TRACE_ID = re.compile(rb'"trace_id"\s*:\s*"([0-9a-f]{32})"')
_SPAN_ID = re.compile(rb'"span_id"\s*:\s*"([0-9]{17,20}|(?=[0-9]*[a-f])[0-9a-f]{16})"')
"""Only the whole forms that ddtrace sends: in bytes that are no JSON, anything shorter may be a word or a card."""


class UndecodableSpan(EvalForgeError):
    """An item that is no span. `reason` and `shape` hold none of its text; the ids are hex or decimal, or None."""

    def __init__(self, reason: str, shape: str, *, trace_id: str | None = None, span_id: str | None = None) -> None:
        super().__init__(f"a span cannot be decoded: {reason} ({shape})")
        self.reason, self.shape, self.trace_id, self.span_id = reason, shape, trace_id, span_id


class NotJson(EvalForgeError):
    """Bytes that not even the lenient decoder reads. `reason` holds none of them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode_span(raw: bytes) -> Span:
    """The span in these bytes. Raises UndecodableSpan; missing or odd fields never do."""
    if len(raw) > LARGEST_SPAN_BYTES:
        raise _undecodable("too large, the limit is 8 MB", raw)
    try:
        item = decode_json(raw)
    except NotJson as error:
        raise _undecodable(error.reason, raw) from None
    if not isinstance(item, dict):
        raise _undecodable("not an object", raw)
    attributes = item.get("attributes")
    if not isinstance(attributes, dict):
        raise _undecodable("no attributes object", raw)
    start_ns, duration_ns = nanoseconds(attributes.get("start_ns"), attributes.get("duration"))
    return Span(
        raw=raw,
        item=item,
        attributes=attributes,
        trace_id=plain_id(attributes.get("trace_id")),
        span_id=plain_id(attributes.get("span_id")) or plain_id(item.get("id")),
        start_ns=start_ns,
        duration_ns=duration_ns,
        tags=split_tags(attributes.get("tags")),
    )


def decode_json(raw: bytes) -> Any:
    """The JSON value in these bytes, strictly if possible, else leniently. Raises NotJson.

    Leniently: a lone surrogate stays one, NaN and 1e400 become floats, invalid UTF-8 becomes U+FFFD.
    """
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):  # msgspec's errors and UnicodeDecodeError are ValueErrors
        pass
    try:
        return _LENIENT.decode(raw.decode("utf-8-sig", errors="replace"))
    except json.JSONDecodeError as error:
        reason = f"not JSON at character {error.pos}"
    except RecursionError:
        reason = "nested too deeply"
    raise NotJson(reason)  # out here, so that no error that holds the text is its context


def shape_of(raw: bytes) -> str:
    """Size and opening character of undecodable bytes, without any of their text: `2 MB, starts with '{'`."""
    opening = raw[:64].lstrip()[:1].decode("ascii", errors="replace")
    start = f"starts with '{opening}'" if opening and opening in _OPENING_CHARACTERS else "starts as no object"
    return f"{_size(len(raw))}, {start}"


def _size(count: int) -> str:
    if count < 1024:
        return "1 byte" if count == 1 else f"{count} bytes"
    return f"{count // 1024} KB" if count < 1024 * 1024 else f"{count // (1024 * 1024)} MB"


def _undecodable(reason: str, raw: bytes) -> UndecodableSpan:
    return UndecodableSpan(reason, shape_of(raw), trace_id=_first_id(_TRACE_ID, raw), span_id=_first_id(_SPAN_ID, raw))


def _first_id(pattern: re.Pattern[bytes], raw: bytes) -> str | None:
    found = pattern.search(raw)
    return found.group(1).decode("ascii") if found else None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_INTEGER_DIGITS else float(digits)


_LENIENT = json.JSONDecoder(strict=False, parse_int=_integer)
