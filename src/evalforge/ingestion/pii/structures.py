"""Data inside strings: JSON is read and written again, so that what is scanned is never serialised text."""

import json
from typing import Any

from evalforge.common.errors import EvalForgeError

OPENINGS = frozenset('{[" \t\r\n')
"""What JSON inside a string begins with."""
CLOSINGS = {"{": "}", "[": "]", '"': '"'}
MOST_INTEGER_DIGITS = 300
"""Longer integers are read as floats: Python refuses to convert more than 4,300 digits."""


class RepeatedKey(EvalForgeError):
    """An object says a key twice, so that what is read is not all that is written."""


def parse_json(text: str) -> tuple[Any, bool] | None:
    """The object, list or string that the text is as JSON, and whether all of the text is in it; None if it is none.

    Of a key that an object has twice the last is read, as by everyone, and then the text has more than the value.
    """
    stripped = text.strip()
    if len(stripped) < 2 or stripped[-1] != CLOSINGS.get(stripped[0]):
        return None
    try:
        return _STRICT.decode(stripped), True
    except (RepeatedKey, ValueError, RecursionError) as error:
        repeated = isinstance(error, RepeatedKey)
    try:
        return (_LENIENT.decode(stripped), False) if repeated else None
    except (ValueError, RecursionError):
        return None


def first_json(text: str, position: int) -> tuple[Any, int] | None:
    """The object or list that begins there, whatever follows it, and where it ends."""
    try:
        return _LENIENT.raw_decode(text, position)
    except (ValueError, RecursionError):
        return None


def dump_json(value: Any) -> str:
    """The value as compact JSON."""
    return _COMPACT.encode(value)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_INTEGER_DIGITS else float(digits)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedKey("an object has a key twice")
    return found


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_STRICT = json.JSONDecoder(strict=False, parse_int=_integer, object_pairs_hook=_once)
_LENIENT = json.JSONDecoder(strict=False, parse_int=_integer)
