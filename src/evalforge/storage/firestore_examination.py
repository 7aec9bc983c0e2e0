"""Whether Firestore can be written, read and deleted in, shown on one document; and which of its indexes are missing.

Only the service itself enforces indexes; the emulator answers any query.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

from google.api_core import exceptions as google_errors
from google.cloud.firestore import Query, WriteBatch

from evalforge.ports import CaptureFilter, MissingIndex, Position
from evalforge.storage import firestore_queries as queries
from evalforge.storage.firestore_connection import Connection
from evalforge.storage.patience import Patience

NOBODY = "doctor"
"""A value that nothing stored has, so that a query reads next to nothing."""
CONSOLE_LINK = re.compile(r"https://console\.(?:firebase|cloud)\.google\.com/[\w./?=&%~:()+-]{1,700}")
BEING_BUILT = "currently building"
"""What the service says of an index that is declared and not ready."""


class FirestoreExamination:
    """A `ports.StoreExamination` of one database."""

    def __init__(self, project: str, database: str, prefix: str, emulator: str | None, patience_seconds: float) -> None:
        self._connection = Connection(project, database, prefix, emulator, Patience(patience_seconds))
        self._project, self._database = project, database
        self._mark = self._connection.collection("state").document("doctor_probe")

    def close(self) -> None:
        self._connection.close()

    def write(self, mark: str) -> None:
        batch = self._connection.client.batch()
        batch.set(self._mark, {"since": mark})  # a field of that collection that no automatic index takes in
        self._send(batch)

    def read(self) -> str | None:
        found = self._connection.get([self._mark]).get(self._mark.path)
        return None if found is None else str((found.to_dict() or {}).get("since"))

    def remove(self) -> None:
        batch = self._connection.client.batch()
        batch.delete(self._mark)
        self._send(batch)

    def missing_indexes(self) -> tuple[int, list[MissingIndex]]:
        """How many queries were run, each for one document at most; and which want an index."""
        missing, run = [], 0
        for query in every_query(self._connection):
            run += 1
            refusal = self._refusal(query.limit(1))
            if refusal is not None:
                missing.append(self._missing(query, refusal))
        return run, missing

    def _send(self, batch: WriteBatch) -> None:
        try:
            self._connection.send(batch)
        except google_errors.GoogleAPIError as error:
            raise self._connection.explained(error) from error

    def _refusal(self, query: Query) -> str | None:
        """What the service said, if it wants an index for the query. Raises StoreError and its kin for all else."""
        try:
            self._connection.find(query)
        except Exception as error:
            cause = error.__cause__
            if isinstance(cause, google_errors.FailedPrecondition) and "index" in str(cause):
                return str(cause)
            raise
        return None

    def _missing(self, query: Query, refusal: str) -> MissingIndex:
        collection, fields = wanted_index(query)
        flags = " ".join(f"--field-config=field-path={path},order={order}" for path, order in fields)
        link = CONSOLE_LINK.search(refusal)
        ours = link is not None and f"/{quote(self._project, safe=':')}/" in link[0]
        return MissingIndex(
            collection=collection,
            fields=tuple(f"{path} {order}" for path, order in fields),
            being_built=BEING_BUILT in refusal,
            command=f"gcloud firestore indexes composite create --project={self._project} "
            f"--database='{self._database}' --collection-group={collection} --query-scope=collection {flags}",
            link=link[0] if link is not None and ours else None,
        )


def every_query(connection: Connection) -> Iterator[Query]:
    """Each query that the store makes: one for each index that it needs, and one that needs several at once."""
    captures, letters = connection.collection("raw_traces"), connection.collection("dead_letters")
    narrowed = [CaptureFilter(**{name: NOBODY}) for name in queries.EQUALITIES]
    every = CaptureFilter(since="9", **dict.fromkeys(queries.EQUALITIES, NOBODY))
    for wanted in (CaptureFilter(), *narrowed, every):
        yield queries.captures(captures, wanted)
    yield queries.after(queries.captures(captures, CaptureFilter()), Position(last_failed_at="0", trace_id=NOBODY))
    yield queries.of_user(captures, NOBODY)
    yield queries.erased_before(connection.collection("erased_users"), "0")
    yield queries.dead_letters(letters)
    yield queries.of_trace(letters, NOBODY)
    hours = connection.collection("manifests")
    yield queries.manifests_before(hours, hours.document("0"))
    yield queries.runs(connection.collection("runs"))


def wanted_index(query: Query) -> tuple[str, list[tuple[str, str]]]:
    """The collection, and path and order of each field of the index that serves the query: its first equality, then
    its order, for indexes with the same end are merged (Firestore docs, "Index merging")."""
    asked = query._to_protobuf()  # noqa: SLF001 - the one way to see what a query asks
    where = asked.where
    filters = [one.field_filter for one in where.composite_filter.filters] or [where.field_filter]
    equal = sorted(one.field.field_path for one in filters if one.op.name == "EQUAL")
    order = [(one.field.field_path, one.direction.name.lower()) for one in asked.order_by]
    return asked.from_[0].collection_id, [(path, "ascending") for path in equal[:1]] + order
