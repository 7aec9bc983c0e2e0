"""The production store: Firestore in native mode behind `ports.CaptureStore`. Safe to share between threads.

Needs the extra `gcp`; import this module only when it is used. A document's id is its noun's id.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from google.api_core.exceptions import GoogleAPIError
from google.cloud.firestore import DocumentReference, Query

from evalforge.models import (
    BackfillRecord,
    CoverageRecord,
    DeadLetter,
    Erasure,
    FailureCapture,
    IngestionRun,
    Lease,
    StoreOperations,
)
from evalforge.ports import Batch, CaptureFilter, Committed, Manifest, Position
from evalforge.storage import firestore_queries as queries
from evalforge.storage.firestore_batches import Committer
from evalforge.storage.firestore_connection import DOCUMENTS_A_READ, PATIENCE_SECONDS, Connection
from evalforge.storage.firestore_documents import names_in, to_capture, to_document, to_noun
from evalforge.storage.firestore_erasure import Eraser
from evalforge.storage.firestore_lease import LeaseDocument
from evalforge.storage.firestore_manifests import ManifestDocuments
from evalforge.storage.ids import can_be_an_id
from evalforge.storage.patience import Patience

Noun = TypeVar("Noun", DeadLetter, IngestionRun)


class FirestoreStore:
    """Captures, dead letters, runs and the lease in the collections `{prefix}raw_traces` and its siblings."""

    def __init__(
        self,
        project: str,
        database: str,
        prefix: str,
        emulator: str | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        stop: Callable[[], bool] = lambda: False,
        retention: timedelta | None = None,
    ) -> None:
        """Raises ConfigurationError where there are no credentials; whether the database is there shows at first use.

        `emulator` is for messages; the client reads FIRESTORE_EMULATOR_HOST by itself. `stop` tells when the process
        must end soon, and every call with it. `retention`: how long captures and dead letters are marked to be kept,
        for the database's TTL policy; None means for ever.
        """
        self._connection = Connection(project, database, prefix, emulator, Patience(patience_seconds, stop))
        self._lease = LeaseDocument(self._connection)
        self._readings = ManifestDocuments(self._connection)
        self._eraser = Eraser(self._connection, self._lease, self._readings)
        self._committer = Committer(self._connection, self._lease, self._eraser, self._readings, retention)
        self._captures = self._connection.collection("raw_traces")
        self._letters = self._connection.collection("dead_letters")
        self._runs = self._connection.collection("runs")
        self._backfills = self._connection.collection("backfills")

    def close(self) -> None:
        self._connection.close()

    @property
    def operations(self) -> StoreOperations:
        return self._connection.counter.operations

    def acquire_lease(self, holder: str, now: datetime, seconds: float) -> Lease:
        return self._lease.acquire(holder, now, seconds)

    def renew_lease(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        return self._lease.renew(lease, now, seconds)

    def release_lease(self, lease: Lease) -> None:
        self._lease.release(lease)

    def captures_of(self, trace_ids: Collection[str]) -> Mapping[str, FailureCapture]:
        left = iter([one for one in trace_ids if can_be_an_id(one)])
        found: dict[str, FailureCapture] = {}
        while some := list(islice(left, DOCUMENTS_A_READ)):
            snapshots = self._connection.get(self._captures.document(one) for one in some)
            found |= {snapshot.id: to_capture(snapshot) for snapshot in snapshots.values()}
        self._committer.foresee({trace_id: trace_id in found for trace_id in trace_ids})
        return found

    def commit(self, lease: Lease, batch: Batch) -> Committed:
        return self._committer.commit(lease, batch)

    def manifests(self, hours: Collection[str]) -> Mapping[str, Manifest]:
        return self._readings.read(hours)

    def forget_manifests(self, before: str) -> int:
        return self._readings.forget(before)

    def coverage(self) -> CoverageRecord | None:
        return self._readings.coverage()

    def list_captures(
        self, wanted: CaptureFilter, limit: int | None = None, after: Position | None = None
    ) -> Iterator[FailureCapture]:
        query = queries.after(queries.captures(self._captures, wanted), after)
        return (to_capture(snapshot) for snapshot in self._connection.pages(query, limit))

    def count_captures(self, wanted: CaptureFilter) -> int:
        return self._connection.count(queries.captures(self._captures, wanted))

    def list_dead_letters(self, limit: int | None = None) -> Iterator[DeadLetter]:
        return self._nouns(DeadLetter, queries.dead_letters(self._letters), limit)

    def count_dead_letters(self) -> int:
        return self._connection.count(queries.dead_letters(self._letters))

    def known_evaluators(self) -> frozenset[str]:
        found = self._connection.get([self._committer.evaluators])
        return frozenset[str]().union(*map(names_in, found.values()))

    def erase_trace(self, trace_id: str) -> Erasure:
        return self._eraser.erase_trace(trace_id)

    def erase_user(self, user_hash: str, now: datetime) -> Erasure:
        return self._eraser.erase_user(user_hash, now)

    def erased_among(self, trace_ids: Collection[str]) -> frozenset[str]:
        return self._committer.erased_among(trace_ids)

    def save_run(self, run: IngestionRun) -> None:
        self._save(self._runs.document(run.run_id), run)

    def count_runs(self) -> int:
        return self._connection.count(queries.runs(self._runs))

    def list_runs(self, limit: int | None = None) -> Iterator[IngestionRun]:
        return self._nouns(IngestionRun, queries.runs(self._runs), limit)

    def run(self, run_id: str) -> IngestionRun | None:
        found = self._connection.get([self._runs.document(run_id)] if can_be_an_id(run_id) else [])
        return next((to_noun(snapshot, IngestionRun) for snapshot in found.values()), None)

    def save_backfill(self, record: BackfillRecord) -> None:
        self._save(self._backfills.document(record.backfill_id), record)

    def backfill(self, backfill_id: str) -> BackfillRecord | None:
        found = self._connection.get([self._backfills.document(backfill_id)] if can_be_an_id(backfill_id) else [])
        return next((to_noun(snapshot, BackfillRecord) for snapshot in found.values()), None)

    def list_backfills(self) -> Sequence[BackfillRecord]:
        pages = self._connection.pages(queries.backfills(self._backfills))
        found = sorted((to_noun(snapshot, BackfillRecord) for snapshot in pages), key=lambda one: one.backfill_id)
        return sorted(found, key=lambda one: one.created_at, reverse=True)

    def _save(self, reference: DocumentReference, noun: IngestionRun | BackfillRecord) -> None:
        batch = self._connection.client.batch()
        batch.set(reference, to_document(noun))
        try:
            self._connection.send(batch)
        except GoogleAPIError as error:
            raise self._connection.explained(error) from error

    def _nouns(self, noun: type[Noun], query: Query, limit: int | None) -> Iterator[Noun]:
        return (to_noun(snapshot, noun) for snapshot in self._connection.pages(query, limit))
