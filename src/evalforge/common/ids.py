"""The form of trace and span ids."""

import re

PLAIN_ID = re.compile(r"[0-9a-fA-F]{1,64}\Z")
"""Hex or decimal: the only form of id that is kept as it came."""


def stored_id(text: str) -> str:
    """An id that a person typed, as stores have it: hex in lower case; all else, such as a keyed hash, as it is."""
    return text.lower() if PLAIN_ID.match(text) else text
