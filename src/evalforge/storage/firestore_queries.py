"""Every query that is ever made, in one place: deploy/firestore.indexes.json declares an index for each."""

from google.cloud.firestore import CollectionReference, DocumentReference, FieldFilter, Query

from evalforge.ports import CaptureFilter, Position
from evalforge.storage.firestore_documents import USER_HASHES

EQUALITIES = {"service": "service_name", "type": "failure_type", "severity": "severity", "status": "status"}


def captures(collection: CollectionReference, wanted: CaptureFilter) -> Query:
    """Newest failure first, unknown last (Firestore sorts null below every text), then by trace id."""
    query: Query = collection.order_by("last_failed_at", direction=Query.DESCENDING).order_by("trace_id")
    if wanted.since is not None:
        query = query.where(filter=FieldFilter("last_failed_at", ">=", wanted.since))
    for name, field in EQUALITIES.items():
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(filter=FieldFilter(field, "==", value))
    return query


def after(query: Query, position: Position | None) -> Query:
    """What of `captures` comes after the position."""
    if position is None:
        return query
    return query.start_after({"last_failed_at": position.last_failed_at or None, "trace_id": position.trace_id})


def of_user(collection: CollectionReference, user_hash: str) -> Query:
    """The ids of the captures that name this user."""
    return collection.where(filter=FieldFilter(USER_HASHES, "array_contains", user_hash)).select(["trace_id"])


def erased_before(collection: CollectionReference, moment: str) -> Query:
    """The users who were erased before then."""
    return collection.where(filter=FieldFilter("erased_at", "<", moment)).order_by("erased_at").select(["user_hash"])


def dead_letters(collection: CollectionReference) -> Query:
    """Newest first, then by id."""
    return collection.order_by("first_seen_at", direction=Query.DESCENDING).order_by("dead_letter_id")


def of_trace(collection: CollectionReference, trace_id: str) -> Query:
    """The ids of the dead letters of a trace."""
    return collection.where(filter=FieldFilter("trace_id", "==", trace_id)).select(["trace_id"])


def manifests_before(collection: CollectionReference, hour: DocumentReference) -> Query:
    """The ids of the manifests of hours before this one; by document id, which needs no index."""
    return collection.where(filter=FieldFilter("__name__", "<", hour)).order_by("__name__").select([])


def runs(collection: CollectionReference) -> Query:
    """Newest start first, then by id backwards, as Firestore does by itself."""
    return collection.order_by("started_at", direction=Query.DESCENDING)


def backfills(collection: CollectionReference) -> Query:
    """All of them, by document id, which needs no index: they are few."""
    return collection.order_by("__name__")
