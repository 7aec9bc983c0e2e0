"""One line of the log as bytes: JSON, and never longer than Cloud Logging takes."""

from collections.abc import Mapping
from typing import Any

import msgspec

LARGEST_LINE_BYTES = 240 * 1024
"""Cloud Logging takes 256 KiB an entry ("Quotas and limits"), with what it adds itself."""
LENGTHS = (16_384, 4_096, 1_024, 256, 64)
"""What a text of a line that is too large is cut to, one after the other; lists to a sixteenth as many entries."""
DEEPEST = 8
CUT = "line_cut"
"""Marks a line that does not say everything."""


def encoded(event: Mapping[str, Any], head: tuple[str, ...]) -> bytes:
    """The line. One that is too large is cut; of one that cannot be encoded the fields named in `head` are left."""
    try:
        line = msgspec.json.encode(event)
        if len(line) <= LARGEST_LINE_BYTES:
            return line
        whole = msgspec.to_builtins(event)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _head(event, head)
    for most in LENGTHS:
        line = msgspec.json.encode({**_cut(whole, most, DEEPEST), CUT: True})
        if len(line) <= LARGEST_LINE_BYTES:
            return line
    return _head(event, head)


def _head(event: Mapping[str, Any], head: tuple[str, ...]) -> bytes:
    kept = {name: str(event[name])[:200] for name in head if name in event}
    return msgspec.json.encode({**kept, CUT: True})


def _cut(value: Any, most: int, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[:most]}… ({len(value)} characters)"
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        return f"({len(value)} entries)"
    entries = max(most // 16, 4)
    if isinstance(value, list):
        kept = [_cut(one, most, depth - 1) for one in value[:entries]]
        return kept if len(value) <= entries else [*kept, f"… ({len(value)} entries)"]
    kept_fields = list(value.items())[: max(entries, 40)]
    return {name[:most]: _cut(one, most, depth - 1) for name, one in kept_fields}
