"""Committing to Firestore: cut by bytes and count before the server refuses, each commit under the fence.

A commit first looks, in one read, at the lease and at what is there of its documents; it then creates what is new and
updates what is not, so that the backlog's fields stay, on condition that the lease did not change since.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from google.api_core.exceptions import GoogleAPIError, InvalidArgument
from google.cloud import firestore
from google.cloud.firestore import DocumentReference
from google.cloud.firestore_v1.types import Write

from evalforge.models import DeadLetter, FailureCapture, Lease, is_of_erased
from evalforge.ports import Batch, Committed
from evalforge.storage.firestore_connection import WRITES_A_COMMIT, Connection, Found, Snapshot
from evalforge.storage.firestore_documents import (
    BACKLOGS,
    NAMES,
    SCHEMA_VERSION,
    USER_HASHES,
    Document,
    capture_document,
    names_in,
    refuse_newer,
    size_of,
    to_document,
    to_write,
)
from evalforge.storage.firestore_erasure import Eraser
from evalforge.storage.firestore_lease import FIELDS, MOST_ATTEMPTS, MOVED_ON, LeaseDocument
from evalforge.storage.ids import can_be_an_id

BYTES_A_COMMIT = 3_500_000
"""The emulator takes messages of 4 MiB, the service 10 MiB (facts: platform.md §0, finding 7)."""
REFUSED = "the store refused it"


class Item(NamedTuple):
    """One document to write, and the noun it was made of."""

    noun: FailureCapture | DeadLetter
    reference: DocumentReference
    document: Document
    size: int


class Committer:
    """Writes the batches of runs."""

    def __init__(self, connection: Connection, lease: LeaseDocument, eraser: Eraser) -> None:
        self._connection, self._lease, self._eraser = connection, lease, eraser
        self._captures, self._letters = connection.collection("raw_traces"), connection.collection("dead_letters")
        self._erased = connection.collection("erased")
        self.evaluators = connection.collection("evaluators").document("known")

    def commit(self, lease: Lease, batch: Batch) -> Committed:
        """As `ports.CaptureStore.commit`; one atomic commit for as much as fits into one."""
        parts = list(parted(self._items(batch)))
        first = self._commit(lease, parts[0], frozenset(batch.evaluators))
        return _together([first, *(self._commit(lease, part) for part in parts[1:])])

    def erased_among(self, seen: Snapshot | None, trace_ids: Iterable[str]) -> frozenset[str]:
        """Which of the traces are erased, asked only if the lease says that anything ever was."""
        if not self._lease.anything_erased(seen):
            return frozenset()
        references = {self._erased.document(one).path: one for one in trace_ids if can_be_an_id(one)}
        found = self._connection.get(self._erased.document(one) for one in references.values())
        return frozenset(references[path] for path in found)

    def _items(self, batch: Batch) -> Iterator[Item]:
        for capture in batch.captures:
            yield _item(capture, self._captures.document(capture.trace_id), capture_document(capture))
        for letter in batch.dead_letters:
            yield _item(letter, self._letters.document(letter.dead_letter_id), to_document(letter))

    def _commit(self, lease: Lease, items: Sequence[Item], evaluators: frozenset[str] = frozenset()) -> Committed:
        if any(item.size > BYTES_A_COMMIT for item in items):
            return self._refused(lease, items)
        erased: set[str] = set()
        for _ in range(MOST_ATTEMPTS):
            seen = self._connection.get(
                [self._lease.reference, self.evaluators, *(item.reference for item in items)],
                [*FIELDS, NAMES, SCHEMA_VERSION],
            )
            held = self._lease.required(lease, seen.get(self._lease.reference.path))
            if unwanted := self._of_erased_users(held, items):
                self._eraser.erase(unwanted)  # which changes the lease, so that this looks again
                items = [item for item in items if item.noun.trace_id not in unwanted]
                erased |= unwanted
                continue
            erased |= self.erased_among(held, {item.noun.trace_id for item in items if item.noun.trace_id})
            writes = self._writes(erased, seen, items)
            batch = self._connection.client.batch()
            self._lease.fence(batch, held)
            unknown = evaluators - self._names(seen)
            if unknown:
                batch.set(self.evaluators, {NAMES: firestore.ArrayUnion(sorted(unknown))}, merge=True)
            try:
                if writes or unknown:
                    self._connection.send(batch, (self._write(item, seen) for item in writes))
            except MOVED_ON:
                continue
            except InvalidArgument as error:
                if not writes:
                    raise self._connection.explained(error) from error
                return _together([Committed(erased=erased), self._refused(lease, writes, evaluators)])
            except GoogleAPIError as error:
                raise self._connection.explained(error) from error
            letters = sum(isinstance(item.noun, DeadLetter) for item in writes)
            return Committed(dead_letters_new=letters, erased=erased)
        raise self._lease.contended()

    def _of_erased_users(self, held: Snapshot, items: Sequence[Item]) -> frozenset[str]:
        """The traces of captures that hold what an erased user did before the erasure."""
        if not self._lease.anything_erased(held):
            return frozenset()
        captures = [(item.noun, item.document) for item in items if isinstance(item.noun, FailureCapture)]
        users = self._eraser.users_among({user for _, document in captures for user in document[USER_HASHES]})
        return frozenset(capture.trace_id for capture, _ in captures if users and is_of_erased(capture, users))

    def _writes(self, erased: Collection[str], seen: Found, items: Sequence[Item]) -> list[Item]:
        """What is to be written: nothing of an erased trace, no dead letter that is there."""
        for item in items:
            if item.reference.path in seen:
                refuse_newer(seen[item.reference.path])
        return [
            item
            for item in items
            if item.noun.trace_id not in erased
            and not (isinstance(item.noun, DeadLetter) and item.reference.path in seen)
        ]

    def _write(self, item: Item, seen: Found) -> Write:
        exists = item.reference.path in seen
        left_alone = BACKLOGS if exists else ()
        fields = {name: value for name, value in item.document.items() if name not in left_alone}
        return to_write(self._connection.path_of(item.reference), fields, exists=exists)

    def _refused(self, lease: Lease, items: Sequence[Item], evaluators: frozenset[str] = frozenset()) -> Committed:
        """Halve until the document that is refused stands alone; of that, a dead letter."""
        if evaluators:
            self._commit(lease, (), evaluators)
        if len(items) == 1:
            letter = self._buried(lease, items[0])
            document = to_document(letter)
            buried = self._commit(lease, [_item(letter, self._letters.document(letter.dead_letter_id), document)])
            return _together([buried, Committed(refused=[letter])])
        middle = len(items) // 2
        return _together([self._commit(lease, items[:middle]), self._commit(lease, items[middle:])])

    def _buried(self, lease: Lease, refused: Item) -> DeadLetter:
        noun = refused.noun
        return DeadLetter(
            dead_letter_id=f"refused-{refused.reference.id}",
            trace_id=noun.trace_id,
            reason=REFUSED,
            shape=f"{len(msgspec.json.encode(noun))} bytes",
            first_seen_at=noun.fetched_at if isinstance(noun, FailureCapture) else noun.first_seen_at,
            run_id=lease.holder,
        )

    def _names(self, seen: Found) -> frozenset[str]:
        found = seen.get(self.evaluators.path)
        return names_in(found) if found is not None else frozenset()


def parted(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items in order, in parts that each fit into one commit; at least one part, which may be empty."""
    part: list[Item] = []
    size = 0
    for item in items:
        if part and (len(part) == WRITES_A_COMMIT or size + item.size > BYTES_A_COMMIT):
            yield part
            part, size = [], 0
        part.append(item)
        size += item.size
    yield part


def _together(parts: Sequence[Committed]) -> Committed:
    return Committed(
        dead_letters_new=sum(part.dead_letters_new for part in parts),
        erased=frozenset[str]().union(*(part.erased for part in parts)),
        refused=[letter for part in parts for letter in part.refused],
    )


def _item(noun: FailureCapture | DeadLetter, reference: DocumentReference, document: Document) -> Item:
    return Item(noun, reference, document, size_of(document) + len(reference.path))
