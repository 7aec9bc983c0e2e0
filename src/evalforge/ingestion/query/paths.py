"""The values that an attribute path leads to, in data of any shape.

Keys may hold dots of their own (`metadata: {"http.route": …}`), lists stand for each of their elements (Datadog docs,
"Log Search Syntax", Arrays). Local extension: a path may go on into a string that holds JSON, such as a tool's output.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

MAX_JSON_CHARS = 256 * 1024
MAX_LIST_DEPTH = 16
Reader: TypeAlias = Callable[[Any], list[Any]]
Steps: TypeAlias = tuple[tuple[tuple[str, int], ...], ...]


def path_reader(segments: tuple[str, ...]) -> Reader:
    """A function that gives every value at the path below what it is handed; nulls are left out."""
    if len(segments) == 1:
        return _key_reader(segments[0])
    steps = _steps(segments)

    def read(value: Any) -> list[Any]:
        found: list[Any] = []
        _collect(value, steps, 0, found, 0)
        return found

    return read


def _key_reader(key: str) -> Reader:
    steps = _steps((key,))

    def read(value: Any) -> list[Any]:
        place = 0
        if value.__class__ is dict:
            value, place = value.get(key), 1
            if value is None:
                return []
            if value.__class__ is not list:
                return [value]
        found: list[Any] = []
        _collect(value, steps, place, found, 0)
        return found

    return read


def _steps(segments: tuple[str, ...]) -> Steps:
    """For each place in the path: the keys that could come next, and the place that each leads to."""
    size = len(segments)
    keys = [tuple((".".join(segments[i:j]), j) for j in range(i + 1, size + 1)) for i in range(size)]
    return (*keys, ())


def _collect(value: Any, steps: Steps, place: int, found: list[Any], lists: int) -> None:
    if value.__class__ is list:
        if lists < MAX_LIST_DEPTH:
            for element in value:
                _collect(element, steps, place, found, lists + 1)
        return
    candidates = steps[place]
    if not candidates:
        if value is not None:
            found.append(value)
        return
    if value.__class__ is str:
        value = _json(value)
        if value.__class__ is list:
            _collect(value, steps, place, found, lists)
            return
    if value.__class__ is dict:
        for key, following in candidates:
            if key in value:
                _collect(value[key], steps, following, found, lists)


def _json(text: str) -> Any:
    if len(text) > MAX_JSON_CHARS or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
