"""The error of a span: type, message and HTTP status, read from wherever they may be.

The Export API's documented schema has no error fields, though `@error.*` and `@meta.error.*` can be queried, so each
place that a client or the intake is known to use is looked at (facts: datadog.md §2). All may be absent. RAW text.
"""

import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

from evalforge.ingestion.models import Span

STATUS_KEYS = ("http.status_code", "http.response.status_code", "status_code")
MESSAGE_CHARS = 4096

Fact = TypeVar("Fact")
"""How much of a message is searched for a status code."""

_LABELLED = (
    r"\b(?:(?:http|error|response|status)[ _]?code|(?:http[ _]?)?status(?:[ _]?code)?)\"?'?(?: is| was| of)?"
    r"[ \t]{0,2}[:=]?[ \t]{0,2}"
    r"|\bhttp(?:/\d(?:\.\d)?)?(?: ?error)?[ \t]{0,2}[:=]?[ \t]{0,2}"
)
_NAMED = (
    r"bad request|unauthorized|payment required|forbidden|not found|method not allowed|request time-?out|conflict"
    r"|gone|payload too large|unprocessable entity|unprocessable content|too many requests|client error"
    r"|internal server error|server error|not implemented|bad gateway|service (?:temporarily )?unavailable"
    r"|gateway time-?out"
)
_A_STATUS = re.compile(r"[45]\d\d")
"""Looked for first: most messages hold no such number, and this is a tenth of the time of what follows."""
_STATUS_IN_TEXT = re.compile(
    rf"(?:{_LABELLED})([45]\d\d)(?![\w.]?\d|\w)|\b([45]\d\d)[ \t:-]{{1,3}}(?:{_NAMED})\b", re.IGNORECASE
)


def _once(derive: Callable[[Span], Fact]) -> Callable[[Span], Fact]:
    """The rules and the sanitiser ask for the same facts: each is derived once and kept with the span."""
    name = f"derived {derive.__name__}"

    @wraps(derive)
    def derived(span: Span) -> Fact:
        known: dict[str, Any] = span.__dict__
        if name not in known:
            known[name] = derive(span)
        fact: Fact = known[name]
        return fact

    return derived


@_once
def error_type(span: Span) -> str | None:
    """The exception's class as it was sent, or None."""
    return next(_texts(span, "type", "error_type", "error.type"), None)


@_once
def error_message(span: Span) -> str | None:
    """The error's message as it was sent, or None."""
    return next(_texts(span, "message", "error_message", "error.message"), None)


@_once
def status_code(span: Span) -> int | None:
    """The HTTP status 100-599 that the span carries, or else the 4xx or 5xx that its error message names."""
    for value in _status_fields(span):
        code = _code(value)
        if code is not None:
            return code
    return _named_in((error_message(span) or "")[:MESSAGE_CHARS])


def _named_in(message: str) -> int | None:
    found = _STATUS_IN_TEXT.search(message) if _A_STATUS.search(message) else None
    return int(found.group(1) or found.group(2)) if found else None


def _texts(span: Span, key: str, *flat_keys: str) -> Iterator[str]:
    for error in _errors(span):
        value = error.get(key) if isinstance(error, dict) else error if key == "message" else None
        if isinstance(value, str) and value:
            yield value
    tags = span.tag_values
    for flat in flat_keys:
        if flat in tags:
            yield tags[flat]
    metadata = span.attributes.get("metadata")
    if isinstance(metadata, dict):
        for flat in flat_keys:
            value = metadata.get(flat)
            if isinstance(value, str) and value:
                yield value


def _errors(span: Span) -> Iterator[Any]:
    for holder in (span.attributes, span.attributes.get("meta"), span.attributes.get("metadata")):
        if isinstance(holder, dict) and holder.get("error"):
            yield holder["error"]


def _status_fields(span: Span) -> Iterator[Any]:
    tags = span.tag_values
    for key in STATUS_KEYS:
        if key in tags:
            yield tags[key]
    attributes = span.attributes
    for holder in (attributes.get("metadata"), attributes, attributes.get("meta")):
        if isinstance(holder, dict):
            for key in STATUS_KEYS:
                if key in holder:
                    yield holder[key]
            if isinstance(http := holder.get("http"), dict):
                yield from _nested(http)


def _nested(http: dict[str, Any]) -> Iterator[Any]:
    yield http.get("status_code")
    response = http.get("response")
    if isinstance(response, dict):
        yield response.get("status_code")


def _code(value: object) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599 else None
