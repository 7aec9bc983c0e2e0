"""Nouns as documents: scalars as fields, whatever else as one JSON string each, the schema version in every one.

Native maps and lists refuse legal JSON (nested lists, empty keys, integers above 2^63; facts: platform.md §0,
finding 8) and cost more to encode, so that the payload and its like are text.
"""

from datetime import datetime, timedelta
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from google.cloud.firestore_v1.types import Write
from google.protobuf.struct_pb2 import NULL_VALUE

from evalforge.common.errors import DocumentUnreadable, StoreNewerThanCode
from evalforge.models import CAPTURE_SCHEMA_VERSION, FailureCapture, named_in
from evalforge.storage.firestore_connection import Snapshot

SCHEMA_VERSION = "schema_version"
NAMES = "names"
USER_HASHES = "user_hashes"
"""Beside a capture's own fields: every user it names, wherever in it, for erasure."""
EXPIRE_AT = "expire_at"
"""When Firestore may delete the document, if the database has a TTL policy on this field."""
BACKLOGS = ("status", "processed")
"""Fields that no run writes but with a new document."""
BYTES_A_FIELD = 32
"""Above what Firestore and its protocol add to a field's name and value."""

Noun = TypeVar("Noun", bound=msgspec.Struct)
Document = dict[str, Any]


def to_document(noun: msgspec.Struct) -> Document:
    """The fields of any noun's document."""
    texts = _texts(type(noun))
    return {SCHEMA_VERSION: CAPTURE_SCHEMA_VERSION} | {
        name: msgspec.json.encode(value).decode() if name in texts else value
        for name, value in msgspec.structs.asdict(noun).items()
    }


def capture_document(capture: FailureCapture) -> Document:
    """A capture's document as it is when new."""
    document = to_document(capture)
    texts = [value.encode() for value in document.values() if isinstance(value, str)]
    named = frozenset[str]().union(*map(named_in, texts))
    return document | {"status": "new", "processed": False, USER_HASHES: sorted(named)}


def expiring(document: Document, since: str, after: timedelta | None) -> Document:
    """The document with the moment at which it expires: so long after the moment `since`; None means never."""
    return document if after is None else document | {EXPIRE_AT: datetime.fromisoformat(since) + after}


def to_capture(snapshot: Snapshot) -> FailureCapture:
    """The capture of a document. Raises StoreNewerThanCode, or StoreError if it cannot be read."""
    document = _fields(snapshot)
    status, processed = (document.pop(name, default) for name, default in zip(BACKLOGS, ("new", False), strict=True))
    try:
        return FailureCapture.from_stored(_joined(FailureCapture, document), status=status, processed=processed)
    except (msgspec.MsgspecError, AttributeError, TypeError) as error:
        raise unreadable(snapshot) from error


def to_noun(snapshot: Snapshot, noun: type[Noun]) -> Noun:
    """The noun of a document; the same for what is not a capture."""
    try:
        return msgspec.json.decode(_joined(noun, _fields(snapshot)), type=noun)
    except (msgspec.MsgspecError, AttributeError, TypeError) as error:
        raise unreadable(snapshot) from error


def refuse_newer(snapshot: Snapshot) -> None:
    """Raises StoreNewerThanCode for a document that a later version of EvalForge wrote."""
    version = snapshot.get(SCHEMA_VERSION) if SCHEMA_VERSION in (snapshot.to_dict() or {}) else CAPTURE_SCHEMA_VERSION
    if type(version) is not int:
        raise unreadable(snapshot)
    if version > CAPTURE_SCHEMA_VERSION:
        raise StoreNewerThanCode(
            f"the document {snapshot.reference.path} has schema version {version} and this EvalForge knows "
            f"{CAPTURE_SCHEMA_VERSION}: upgrade EvalForge; nothing was changed"
        )


def names_in(snapshot: Snapshot) -> frozenset[str]:
    """The names of the document of evaluators. Raises StoreError if it cannot be read."""
    names = (snapshot.to_dict() or {}).get(NAMES)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise unreadable(snapshot)
    return frozenset(names)


def to_delete(path: str) -> Write:
    """The removal of a document; nothing if it is not there."""
    write = Write.pb(Write())
    write.delete = path
    return cast("Write", Write.wrap(write))


def to_write(path: str, document: Document, *, exists: bool | None) -> Write:
    """The creation of a document, or the update of these fields of one that is there; refused if it is otherwise.
    `exists` None means: the document whole, whatever is there.

    Fills the protocol buffer itself: the client's own encoder wraps each value twice, and a document takes it four
    times as long (`benchmarks.firestore_speed`).
    """
    write = Write.pb(Write())
    write.update.name = path
    for name, value in document.items():
        _fill(write.update.fields[name], value)
    if exists is not None:
        write.current_document.exists = exists
    if exists:
        write.update_mask.field_paths.extend(document)
    return cast("Write", Write.wrap(write))


def size_of(document: Document) -> int:
    """Bytes that the document takes in a commit, rather too many than too few."""
    return sum(len(name) + BYTES_A_FIELD + _length(value) for name, value in document.items())


def _fields(snapshot: Snapshot) -> Document:
    refuse_newer(snapshot)
    return snapshot.to_dict() or {}


def _joined(noun: type[msgspec.Struct], document: Document) -> bytes:
    """The noun's JSON, its texts put in as they are."""
    texts = _texts(noun)
    return msgspec.json.encode(
        {
            name: msgspec.Raw(document[name].encode()) if name in texts else document[name]
            for name in noun.__struct_fields__
            if name in document
        }
    )


def unreadable(snapshot: Snapshot) -> DocumentUnreadable:
    """What to raise for a document that EvalForge did not write so."""
    return DocumentUnreadable(f"the document {snapshot.reference.path} cannot be read: it is not what EvalForge wrote")


@cache
def _texts(noun: type[msgspec.Struct]) -> frozenset[str]:
    """The fields that are no scalars."""
    hints = get_type_hints(noun)
    return frozenset(name for name in noun.__struct_fields__ if not _is_scalar(hints[name]))


def _is_scalar(hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return all(_is_scalar(part) for part in get_args(hint))
    return get_origin(hint) is Literal or hint in (str, int, float, bool, type(None))


def _fill(field: Any, value: Any) -> None:
    match value:
        case None:
            field.null_value = NULL_VALUE
        case str():
            field.string_value = value
        case bytes():
            field.bytes_value = value
        case bool():
            field.boolean_value = value
        case int():
            field.integer_value = value
        case float():
            field.double_value = value
        case datetime():
            field.timestamp_value.FromDatetime(value)
        case _:
            field.array_value.SetInParent()
            for part in value:
                _fill(field.array_value.values.add(), part)


def _length(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value if isinstance(value, bytes) else value.encode())
    return sum(_length(part) + BYTES_A_FIELD for part in value) if isinstance(value, list) else 0
