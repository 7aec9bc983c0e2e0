"""Erasure in Firestore: first the mark, which makes every commit under way look again, then what is marked.

In this order a crash anywhere leaves traces that no run writes, and that the same command finds again and removes.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from google.api_core.exceptions import GoogleAPIError
from google.cloud.firestore import DocumentReference, WriteBatch

from evalforge.models import Erasure
from evalforge.storage import firestore_queries as queries
from evalforge.storage.firestore_batches import WRITES_A_COMMIT
from evalforge.storage.firestore_connection import Connection
from evalforge.storage.firestore_lease import LeaseDocument
from evalforge.storage.ids import can_be_an_id


class Eraser:
    """Removes captures and dead letters, and remembers their traces."""

    def __init__(self, connection: Connection, lease: LeaseDocument) -> None:
        self._connection, self._lease = connection, lease
        self._captures, self._letters = connection.collection("raw_traces"), connection.collection("dead_letters")
        self._erased = connection.collection("erased")

    def erase_trace(self, trace_id: str) -> Erasure:
        """As `ports.CaptureStore.erase_trace`."""
        return self._erase([trace_id]) if can_be_an_id(trace_id) else Erasure()

    def erase_user(self, user_hash: str) -> Erasure:
        """As `ports.CaptureStore.erase_user`; looks again until a run at work has added none."""
        traces: list[str] = []
        letters = 0
        query = queries.of_user(self._captures, user_hash).limit(WRITES_A_COMMIT)
        while found := [snapshot.id for snapshot in self._connection.find(query)]:
            erasure = self._erase(found)
            traces += erasure.trace_ids
            letters += erasure.dead_letters
        return Erasure(trace_ids=tuple(sorted(traces)), dead_letters=letters)

    def _erase(self, trace_ids: Sequence[str]) -> Erasure:
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
