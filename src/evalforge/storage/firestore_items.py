"""What a batch becomes in Firestore: one item a document, in the order in which they may be committed.

Captures and dead letters come first, then the manifests that speak of them, then the record of coverage: wherever a
batch is cut, nothing is told as read before it is there.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, TypeAlias

from google.cloud.firestore import DocumentReference
from google.cloud.firestore_v1.types import Write

from evalforge.models import CoverageRecord, DeadLetter, FailureCapture
from evalforge.ports import Batch, Manifest
from evalforge.storage.firestore_connection import WRITES_A_COMMIT, Connection
from evalforge.storage.firestore_documents import (
    BACKLOGS,
    Document,
    capture_document,
    size_of,
    to_delete,
    to_document,
    to_write,
)
from evalforge.storage.firestore_manifests import ManifestDocuments

BYTES_A_COMMIT = 3_500_000
"""The emulator takes messages of 4 MiB, the service 10 MiB (facts: platform.md §0, finding 7)."""
MOST_WRITES_A_COMMIT = 490
"""Captures and dead letters are at most WRITES_A_COMMIT of them, so that what tells of them rides along."""

When: TypeAlias = Literal["new", "there", "new or there", "unseen"]
"""Where the item is written: where its document is not there, is there, either of them; or without a look."""
Noun: TypeAlias = FailureCapture | DeadLetter | Manifest | CoverageRecord


class Item(NamedTuple):
    """One document to write (None: to remove), and the noun it was made of."""

    reference: DocumentReference
    when: When
    size: int
    document: Document | None = None
    noun: Noun | None = None

    @property
    def trace_id(self) -> str | None:
        """The trace that it is of."""
        return self.noun.trace_id if isinstance(self.noun, FailureCapture | DeadLetter) else None

    @property
    def is_capture(self) -> bool:
        """Whether it is a capture's document."""
        return isinstance(self.noun, FailureCapture)

    def is_written(self, *, exists: bool) -> bool:
        """Whether there is anything to write."""
        return not (self.when == "new" and exists) and not (self.when == "there" and not exists)

    def write(self, path: str, *, exists: bool) -> Write:
        """What to commit; it fails if the document that was looked at is no longer as it was seen."""
        if self.document is None:
            return to_delete(path)
        if self.when == "unseen":
            return to_write(path, self.document, exists=None)
        left_alone = BACKLOGS if exists else ()
        fields = {name: value for name, value in self.document.items() if name not in left_alone}
        return to_write(path, fields, exists=exists)


class Items:
    """Makes them."""

    def __init__(self, connection: Connection, readings: ManifestDocuments) -> None:
        self._captures, self._letters = connection.collection("raw_traces"), connection.collection("dead_letters")
        self._readings = readings

    def of(self, batch: Batch) -> Iterator[Item]:
        """Everything of the batch but the evaluators."""
        for capture in batch.captures:
            reference = self._captures.document(capture.trace_id)
            yield _item(reference, "new or there", capture_document(capture), capture)
        for letter in batch.dead_letters:
            yield self.of_letter(letter)
        for letter in batch.retried:
            yield self.of_letter(letter, "there")
        for letter_id in batch.resolved:
            yield _item(self._letters.document(letter_id), "unseen")
        for manifest in batch.manifests:
            for reference, document in self._readings.documents_of(manifest):
                yield _item(reference, "unseen", document, manifest)
        if batch.coverage is not None:
            document = to_document(batch.coverage)
            yield _item(self._readings.coverage_reference, "unseen", document, batch.coverage)

    def of_letter(self, letter: DeadLetter, when: When = "new") -> Item:
        """That of a dead letter, which stays as it is if it is there."""
        return _item(self._letters.document(letter.dead_letter_id), when, to_document(letter), letter)


def parted(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items in order, in parts that each fit into one commit; at least one part, which may be empty."""
    part: list[Item] = []
    size = 0
    for item in items:
        most = MOST_WRITES_A_COMMIT if item.when == "unseen" else WRITES_A_COMMIT
        if part and (len(part) >= most or size + item.size > BYTES_A_COMMIT):
            yield part
            part, size = [], 0
        part.append(item)
        size += item.size
    yield part


def _item(reference: DocumentReference, when: When, document: Document | None = None, noun: Noun | None = None) -> Item:
    return Item(reference, when, size_of(document or {}) + len(reference.path), document, noun)
