"""Which walk goes over what: a raw span, with its texts read or withheld, or what is sanitised already."""

from collections.abc import Sequence

from evalforge.ingestion.models import Span
from evalforge.ingestion.pii.hashing import Pseudonyms
from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.names import KeyedNames, Names
from evalforge.ingestion.pii.placeholders import Placeholders
from evalforge.ingestion.pii.redacting_walk import RedactingWalk
from evalforge.ingestion.pii.redactor import Redactor, Remembering
from evalforge.ingestion.pii.text.hits import TextScanner
from evalforge.ingestion.pii.walk import Walk
from evalforge.ingestion.renaming import NothingMore
from evalforge.ingestion.span_ids import canonical_bytes


class Walks:
    """Makes a new walk each time. Without a scanner texts are withheld; `keys` say whom a key names."""

    def __init__(self, pseudonyms: Pseudonyms, scanner: TextScanner | None, keys: Keys) -> None:
        self._pseudonyms, self._keys = pseudonyms, keys
        self._reader = None if scanner is None else Remembering(scanner, keys)
        self._rereader = Remembering(NothingMore(), keys)

    def over(self, span: Span, explain: list[dict[str, str]] | None = None) -> Walk:
        """The walk over a span, before it was begun."""
        if self._reader is None:
            return Walk(self._pseudonyms, explain)
        trace = span.trace_id.encode() if span.trace_id is not None else canonical_bytes(span)
        redactor = Redactor(self._reader, self._placeholders(trace), Names(self._keys))
        return RedactingWalk(self._pseudonyms, redactor, explain)

    def renaming(
        self, trace_id: str, names: Sequence[str], explain: list[dict[str, str]] | None = None
    ) -> RedactingWalk:
        """A walk over what is sanitised already, which finds these names of a trace and nothing else."""
        placeholders = self._placeholders(trace_id.encode())
        redactor = Redactor(self._rereader, placeholders, KeyedNames(names, placeholders, self._keys))
        return RedactingWalk(self._pseudonyms, redactor, explain)

    def _placeholders(self, trace: bytes) -> Placeholders:
        return Placeholders(self._pseudonyms.key_of(trace))
