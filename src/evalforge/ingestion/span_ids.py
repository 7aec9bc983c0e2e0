"""The ids of a span as they may be stored: plain ones as they came, odd ones as a keyed hash."""

import msgspec

from evalforge.ingestion.models import Span, plain_id
from evalforge.ingestion.pii.hashing import OF_OTHER, Pseudonyms, is_pseudonym


class SpanIds:
    """Shows the ids of spans under one hash key."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms

    def of(self, span: Span) -> str:
        """The span's own id."""
        sent = span.attributes.get("span_id")
        return self.any(sent if sent not in (None, "") else span.span_id, span)

    def any(self, sent: object, span: Span) -> str:
        """A plain id as it came; else the hash of the odd one, or of the whole span where there is none."""
        plain = plain_id(sent)
        if plain is not None:
            return plain
        if isinstance(sent, str) and sent:
            return self._odd(sent)
        return self._pseudonyms.other(canonical_bytes(span), "span-bytes")

    def parent(self, span: Span) -> str | None:
        """The parent's id; None if there is none."""
        sent = span.attributes.get("parent_id")
        if sent in ("undefined", ""):
            return None
        plain = plain_id(sent)
        return self._odd(sent) if plain is None and isinstance(sent, str) else plain

    def _odd(self, sent: str) -> str:
        """The hash of an odd id; one that was made before stays, so that sanitising again changes nothing."""
        return sent if is_pseudonym(sent, OF_OTHER) else self._pseudonyms.other(sent, "span")


def canonical_bytes(span: Span) -> bytes:
    """The span's bytes whatever the order of its keys; as they came if it holds what JSON has no form for."""
    try:
        return msgspec.json.encode(span.item, order="deterministic")
    except (ValueError, TypeError, RecursionError):
        return span.raw
