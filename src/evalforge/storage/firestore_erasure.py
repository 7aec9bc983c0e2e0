"""Erasure in Firestore: first the mark, which makes every commit under way look again, then what is marked.

In this order a crash anywhere leaves traces that no run writes, and that the same command finds again and removes. Last
go all manifests, which would have the next run take the spans of an erased trace for stored ones.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice

from google.api_core.exceptions import GoogleAPIError
from google.cloud.firestore import DocumentReference, WriteBatch

from evalforge.common.clock import timestamp
from evalforge.models import ERASED_USERS_KEPT, Erasure, is_user_hash
from evalforge.storage import firestore_queries as queries
from evalforge.storage.firestore_connection import WRITES_A_COMMIT, Connection
from evalforge.storage.firestore_lease import LeaseDocument
from evalforge.storage.firestore_manifests import ManifestDocuments
from evalforge.storage.ids import can_be_an_id
from evalforge.storage.manifests import AFTER_EVERY_HOUR

MARKS_A_READ = 1000


class Eraser:
    """Removes captures and dead letters, and remembers their traces and the users who were erased."""

    def __init__(self, connection: Connection, lease: LeaseDocument, readings: ManifestDocuments) -> None:
        self._connection, self._lease, self._readings = connection, lease, readings
        self._captures, self._letters = connection.collection("raw_traces"), connection.collection("dead_letters")
        self._erased, self._users = connection.collection("erased"), connection.collection("erased_users")

    def erase_trace(self, trace_id: str) -> Erasure:
        """As `ports.CaptureStore.erase_trace`."""
        if not can_be_an_id(trace_id):
            return Erasure()
        erasure = self.erase([trace_id])
        self._readings.forget(AFTER_EVERY_HOUR)
        return erasure

    def erase_user(self, user_hash: str, now: datetime) -> Erasure:
        """As `ports.CaptureStore.erase_user`; of what was there when the user was marked, so that it ends.

        Whatever a run commits after the mark has looked at the mark.
        """
        if not is_user_hash(user_hash):
            return Erasure()
        mark = self._connection.client.batch()
        self._lease.note_erasure(mark)
        mark.set(self._users.document(user_hash), {"user_hash": user_hash, "erased_at": timestamp(now)})
        self._send(mark)
        named = self._connection.pages(queries.of_user(self._captures, user_hash), at=mark.commit_time)
        traces: list[str] = []
        letters = 0
        while found := [snapshot.id for snapshot in islice(named, WRITES_A_COMMIT)]:
            erasure = self.erase(found)
            traces += erasure.trace_ids
            letters += erasure.dead_letters
        self._readings.forget(AFTER_EVERY_HOUR)
        long_ago = queries.erased_before(self._users, timestamp(now - ERASED_USERS_KEPT))
        self._delete(snapshot.reference for snapshot in self._connection.pages(long_ago))
        return Erasure(trace_ids=tuple(sorted(traces)), dead_letters=letters)

    def users_among(self, user_hashes: Iterable[str]) -> dict[str, str]:
        """Which of these users were erased, and when."""
        found: dict[str, str] = {}
        left = iter(user_hashes)
        while some := list(islice(left, MARKS_A_READ)):
            snapshots = self._connection.get(self._users.document(one) for one in some)
            found |= {snapshot.id: snapshot.get("erased_at") for snapshot in snapshots.values()}
        return found

    def erase(self, trace_ids: Collection[str]) -> Erasure:
        """Mark these traces (at most WRITES_A_COMMIT), then remove what there is of them."""
        mark = self._connection.client.batch()
        self._lease.note_erasure(mark)
        for trace_id in trace_ids:
            mark.set(self._erased.document(trace_id), {"trace_id": trace_id})
        self._send(mark)
        letters = [letter for trace_id in trace_ids for letter in self._letters_of(trace_id)]
        captures = self._connection.get((self._captures.document(one) for one in trace_ids), ["trace_id"])
        self._delete([*letters, *(snapshot.reference for snapshot in captures.values())])
        return Erasure(
            trace_ids=tuple(sorted(snapshot.id for snapshot in captures.values())), dead_letters=len(letters)
        )

    def _letters_of(self, trace_id: str) -> Iterator[DocumentReference]:
        return (snapshot.reference for snapshot in self._connection.find(queries.of_trace(self._letters, trace_id)))

    def _delete(self, references: Iterable[DocumentReference]) -> None:
        left = iter(references)
        while some := list(islice(left, WRITES_A_COMMIT)):
            batch = self._connection.client.batch()
            for reference in some:
                batch.delete(reference)
            self._send(batch)

    def _send(self, batch: WriteBatch) -> None:
        try:
            self._connection.send(batch)
        except GoogleAPIError as error:
            raise self._connection.explained(error) from error
