"""`evalforge sanitize`: one line of JSON in, one sanitised line out, whatever the line holds."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from evalforge.ingestion.decoding import UndecodableSpan, decode_span, shape_of
from evalforge.ingestion.pii_sanitizer import SanitizationFailed, Sanitizer


def sanitize_lines(lines: Iterable[bytes], sanitizer: Sanitizer, *, explain: bool = False) -> Iterator[bytes]:
    """A sanitised JSON line for each line that is not blank, in the same order.

    A line that cannot be decoded or sanitised gives `{"dead_letter": {"reason", "shape"}}`, without its text.
    `explain` adds what was done, where and why.
    """
    for line in lines:
        stripped = line.strip()
        if stripped:
            yield msgspec.json.encode(_sanitized(stripped, sanitizer, explain=explain))


def _sanitized(raw: bytes, sanitizer: Sanitizer, *, explain: bool) -> dict[str, Any]:
    try:
        actions: list[dict[str, Any]] = []
        item = sanitizer.item(decode_span(raw), actions if explain else None)
        return item | {"explain": actions} if explain else item
    except UndecodableSpan as error:
        return {"dead_letter": {"reason": error.reason, "shape": error.shape}}
    except SanitizationFailed:
        return {"dead_letter": {"reason": "it could not be sanitised", "shape": shape_of(raw)}}
