"""Captures over the caps that a run must remember whole, kept small: compressed, and no more of them than fit."""

import zlib
from collections import OrderedDict

import msgspec

from evalforge.models import FailureCapture

MOST_BYTES = 64 * 1024 * 1024
"""Of all of them together, compressed. The oldest go first; what is made of their traces may then hang on the order in
which pages came. Withheld spans compress to a tenth, so that this holds thousands of traces."""
FASTEST = 1


class StillOpen:
    """By trace: what `merging.still_open` gave."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def take(self, trace_id: str) -> FailureCapture | None:
        """What was remembered, which is forgotten with this; None if nothing was."""
        packed = self._kept.pop(trace_id, None)
        if packed is None:
            return None
        self._bytes -= len(packed)
        status, processed, document = msgspec.json.decode(zlib.decompress(packed), type=tuple[str, bool, msgspec.Raw])
        return FailureCapture.from_stored(bytes(document), status=status, processed=processed)

    def remember(self, capture: FailureCapture) -> None:
        """Keep it until it is taken, or until there is no room."""
        packed = zlib.compress(msgspec.json.encode((capture.status, capture.processed, capture)), FASTEST)
        self._kept[capture.trace_id] = packed
        self._bytes += len(packed)
        while self._bytes > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest)
