"""Manifests and the record of coverage in Firestore: one document each, a large manifest in several.

An hour of more than some 29,000 failing spans has a manifest that comes near to what one document may hold.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from google.api_core.exceptions import GoogleAPIError
from google.cloud.firestore import DocumentReference

from evalforge.common.errors import DocumentUnreadable
from evalforge.models import CoverageRecord, is_sound
from evalforge.ports import Manifest
from evalforge.storage import firestore_queries as queries
from evalforge.storage.firestore_connection import WRITES_A_COMMIT, Connection, Found, Snapshot
from evalforge.storage.firestore_documents import Document, to_noun
from evalforge.storage.ids import can_be_an_id
from evalforge.storage.manifests import believed, checksum

BYTES_A_SHARD = 700_000
"""Well under the 1 MiB of a document (facts: platform.md §1.2)."""
MOST_SHARDS = 100
"""More than the failing spans of any hour fill; a greater number is none that EvalForge wrote."""
DOCUMENTS_A_READ = 30
"""A day's hours in one read, and of the largest documents no more than an attempt has time for."""


class ManifestDocuments:
    """The documents of hours (`2026-11-23T10`; a further shard is `2026-11-23T10.1`), and that of coverage."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._manifests = connection.collection("manifests")
        self.coverage_reference = connection.collection("state").document("coverage")

    def documents_of(self, manifest: Manifest) -> Iterator[tuple[DocumentReference, Document]]:
        """What to write for it. Shards of a larger one that it replaces stay, unread, until the hour is forgotten."""
        entries = manifest.entries
        [first, *further] = [entries[at : at + BYTES_A_SHARD] for at in range(0, len(entries) or 1, BYTES_A_SHARD)]
        told = {"salt": manifest.salt, "shards": 1 + len(further), "checksum": checksum(manifest)}
        yield self._reference(manifest.hour), told | {"entries": first}
        for number, shard in enumerate(further, 1):
            yield self._reference(manifest.hour, number), {"entries": shard}

    def read(self, hours: Collection[str]) -> Mapping[str, Manifest]:
        """Those of these hours that can be believed, for a read of each hour and one of each further shard."""
        named = [hour for hour in dict.fromkeys(hours) if can_be_an_id(hour)]
        found = self._get(self._reference(hour) for hour in named)
        found |= self._get(
            self._reference(hour, number)
            for hour in named
            for number in range(1, _shards(found.get(self._reference(hour).path)))
        )
        joined = {hour: self._joined(hour, found) for hour in named}
        return {hour: manifest for hour, manifest in joined.items() if manifest is not None}

    def forget(self, before: str) -> int:
        """As `ports.CaptureStore.forget_manifests`."""
        if not can_be_an_id(before):
            return 0
        query = queries.manifests_before(self._manifests, self._reference(before))
        gone = [snapshot.reference for snapshot in self._connection.pages(query)]
        left = iter(gone)
        while some := list(islice(left, WRITES_A_COMMIT)):
            batch = self._connection.client.batch()
            for reference in some:
                batch.delete(reference)
            try:
                self._connection.send(batch)
            except GoogleAPIError as error:
                raise self._connection.explained(error) from error
        return sum("." not in reference.id for reference in gone)

    def coverage(self) -> CoverageRecord | None:
        """As `ports.CaptureStore.coverage`. Raises StoreNewerThanCode."""
        found = self._connection.get([self.coverage_reference])
        try:
            records = [to_noun(snapshot, CoverageRecord) for snapshot in found.values()]
            return next(filter(is_sound, records), None)
        except DocumentUnreadable:
            return None

    def _reference(self, hour: str, shard: int = 0) -> DocumentReference:
        return self._manifests.document(f"{hour}.{shard}" if shard else hour)

    def _get(self, references: Iterable[DocumentReference]) -> Found:
        found: Found = {}
        left = iter(references)
        while some := list(islice(left, DOCUMENTS_A_READ)):
            found |= self._connection.get(some)
        return found

    def _joined(self, hour: str, found: Found) -> Manifest | None:
        head = found.get(self._reference(hour).path)
        shards = [found.get(self._reference(hour, number).path) for number in range(_shards(head))]
        pieces = [_field(shard, "entries") for shard in shards]
        entries = b"".join(pieces) if pieces and all(type(piece) is bytes for piece in pieces) else None
        return believed(hour, _field(head, "salt"), entries, _field(head, "checksum"))


def _shards(head: Snapshot | None) -> int:
    told = _field(head, "shards")
    return told if type(told) is int and 0 < told <= MOST_SHARDS else 0


def _field(snapshot: Snapshot | None, name: str) -> Any:
    return None if snapshot is None else (snapshot.to_dict() or {}).get(name)
