"""Which spans and signals of which traces a run has read: 64-bit hashes, about 100 bytes each."""

from collections.abc import Callable

from evalforge.ingestion.merging import Key, Standing
from evalforge.models import FailureCapture


class Readings:
    """What one run has read, in two parts: since its last commit, and before that."""

    def __init__(self) -> None:
        self._earlier: set[int] = set()
        self._now: set[int] = set()

    def note(self, capture: FailureCapture) -> None:
        """One span was read, and these signals of it."""
        self._now.update(_places(capture))

    def met_before(self, capture: FailureCapture) -> None:
        """A span of which this run had met another version before: the one that is stored."""
        self._earlier.update(_places(capture))

    def committed(self) -> None:
        """What was read is in the store."""
        self._earlier |= self._now
        self._now.clear()

    def of(self, trace_id: str) -> Callable[[Key], Standing]:
        """How the spans (by id) and signals (by identity) of a trace stand."""

        def standing(key: Key) -> Standing:
            place = hash((trace_id, key))
            if place in self._earlier:
                return "earlier"
            return "now" if place in self._now else "unread"

        return standing


def _places(capture: FailureCapture) -> list[int]:
    trace_id = capture.trace_id
    spans = [hash((trace_id, span.span_id)) for span in capture.trace_payload.spans]
    return spans + [hash((trace_id, signal.identity)) for signal in capture.signals]
