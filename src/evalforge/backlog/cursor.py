"""Where the next page begins, as text that a caller hands back without reading it."""

import base64
import binascii

import msgspec

from evalforge.ports import Position

LONGEST = 1_000


class BadCursor(ValueError):
    """The text is no cursor of this service."""


def to_cursor(position: Position) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()


def from_cursor(text: str) -> Position:
    """The position again. Raises BadCursor."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=Position)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError, UnicodeDecodeError):
        raise BadCursor("cursor: accepted is the next_cursor of an earlier page, as it came") from None
