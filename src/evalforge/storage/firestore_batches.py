"""Committing to Firestore: cut by bytes and count before the server refuses, each commit under the fence.

A commit first looks, in one read, at the lease and at what is there of its documents; it then creates what is new and
updates what is not, so that the backlog's fields stay, on condition that the lease did not change since. What the run
asked just before (`Foreseen`) is not read again: if it is no longer so, Firestore refuses the commit, which then looks.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
from google.api_core.exceptions import GoogleAPIError, InvalidArgument
from google.cloud import firestore

from evalforge.models import DeadLetter, FailureCapture, Lease, is_of_erased
from evalforge.ports import Batch, Committed, Manifest
from evalforge.storage.firestore_connection import Connection, Found, Snapshot
from evalforge.storage.firestore_documents import NAMES, SCHEMA_VERSION, USER_HASHES, names_in, refuse_newer
from evalforge.storage.firestore_erasure import Eraser
from evalforge.storage.firestore_items import BYTES_A_COMMIT, Item, Items, parted
from evalforge.storage.firestore_lease import FIELDS, MOST_ATTEMPTS, MOVED_ON, LeaseDocument
from evalforge.storage.firestore_manifests import ManifestDocuments
from evalforge.storage.ids import can_be_an_id

REFUSED = "the store refused it"
NO_NAMES = frozenset[str]()


@dataclass(frozen=True)
class Foreseen:
    """What the store told a run since its last commit: the lease, with which of the traces `asked` were `erased` as
    long as it does not change; and of which traces there is a capture."""

    lease: Snapshot | None = None
    asked: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()
    captures: Mapping[str, bool] = field(default_factory=dict)

    def doubted(self) -> "Foreseen":
        """What of it is still to be believed when a commit was refused: it is mostly the lease that was renewed."""
        return Foreseen(captures=self.captures) if self.lease is not None else Foreseen()


class Committer:
    """Writes the batches of runs."""

    def __init__(
        self, connection: Connection, lease: LeaseDocument, eraser: Eraser, readings: ManifestDocuments
    ) -> None:
        self._connection, self._lease, self._eraser = connection, lease, eraser
        self._items = Items(connection, readings)
        self._erased = connection.collection("erased")
        self.evaluators = connection.collection("evaluators").document("known")
        self._foreseen = Foreseen()

    def commit(self, lease: Lease, batch: Batch) -> Committed:
        """As `ports.CaptureStore.commit`; one atomic commit for as much as fits into one."""
        try:
            return self._in_turn(lease, parted(self._items.of(batch)), frozenset(batch.evaluators))
        finally:
            self._foreseen = Foreseen()

    def erased_among(self, trace_ids: Collection[str]) -> frozenset[str]:
        """As `ports.CaptureStore.erased_among`."""
        if not trace_ids:
            return frozenset()
        seen = self._lease.read()
        erased = self._erased_among(seen, trace_ids)
        self._foreseen = replace(self._foreseen, lease=seen, asked=frozenset(trace_ids), erased=erased)
        return erased

    def foresee(self, captures: Mapping[str, bool]) -> None:
        """Of each of these traces it was just told whether there is a capture."""
        self._foreseen = replace(self._foreseen, captures=captures)

    def _erased_among(self, seen: Snapshot | None, trace_ids: Collection[str]) -> frozenset[str]:
        """The same, asked only if the lease says that anything ever was, and if it changed since that was asked."""
        if not self._lease.anything_erased(seen):
            return frozenset()
        if seen is self._foreseen.lease and self._foreseen.asked.issuperset(trace_ids):
            return self._foreseen.erased.intersection(trace_ids)
        references = {self._erased.document(one).path: one for one in trace_ids if can_be_an_id(one)}
        found = self._connection.get(self._erased.document(one) for one in references.values())
        return frozenset(references[path] for path in found)

    def _in_turn(self, lease: Lease, parts: Iterable[list[Item]], evaluators: frozenset[str] = NO_NAMES) -> Committed:
        """Each part in a commit of its own. Once a document was refused no manifest is written: it may speak of it."""
        done = Committed()
        for part in parts:
            items = [item for item in part if not (done.refused and isinstance(item.noun, Manifest))]
            done = _together(done, self._commit(lease, items, evaluators))
            evaluators = NO_NAMES
        return done

    def _commit(self, lease: Lease, items: Sequence[Item], evaluators: frozenset[str] = NO_NAMES) -> Committed:
        if any(item.size > BYTES_A_COMMIT for item in items):
            return self._refused(lease, items, evaluators)
        erased: set[str] = set()
        seen_first: Found | None = None
        for _ in range(MOST_ATTEMPTS):
            seen, there = self._look(lease, items, evaluators)
            seen_first = seen if seen_first is None else seen_first  # a lost answer may hide that this wrote the rest
            held = self._lease.required(lease, seen.get(self._lease.reference.path))
            if unwanted := self._of_erased_users(held, items):
                self._eraser.erase(unwanted)  # which changes the lease, so that this looks again
                self._foreseen = Foreseen()
                items = [item for item in items if item.trace_id not in unwanted]
                erased |= unwanted
                continue
            erased |= self._erased_among(held, {item.trace_id for item in items if item.trace_id})
            writes = self._writes(erased, seen, there, items)
            batch = self._connection.client.batch()
            self._lease.fence(batch, held)
            unknown = evaluators - self._names(seen)
            if unknown:
                batch.set(self.evaluators, {NAMES: firestore.ArrayUnion(sorted(unknown))}, merge=True)
            try:
                if writes or unknown:
                    self._connection.send(
                        batch,
                        (
                            item.write(self._connection.path_of(item.reference), exists=item.reference.path in there)
                            for item in writes
                        ),
                    )
            except MOVED_ON:
                self._foreseen = self._foreseen.doubted()
                continue
            except InvalidArgument as error:
                if not any(isinstance(item.noun, FailureCapture | DeadLetter) for item in writes):
                    raise self._connection.explained(error) from error
                return _together(Committed(erased=erased), self._refused(lease, writes, evaluators))
            except GoogleAPIError as error:
                raise self._connection.explained(error) from error
            return Committed(dead_letters_new=_letters_new(items, erased, seen_first), erased=erased)
        raise self._lease.contended()

    def _look(self, lease: Lease, items: Sequence[Item], evaluators: Collection[str]) -> tuple[Found, set[str]]:
        """The lease, and what is there of the documents on which it depends what is written, in one read; and the
        paths of those that are there, as it shows or was foreseen."""
        foreseen = self._foreseen if items else Foreseen()
        known = {item.reference.path: foreseen.captures.get(item.trace_id or "") for item in items if item.is_capture}
        references = [one.reference for one in items if one.when != "unseen" and known.get(one.reference.path) is None]
        if evaluators:
            references.append(self.evaluators)
        there = {path for path, exists in known.items() if exists}
        if self._lease.is_of(foreseen.lease, lease) and foreseen.lease is not None:
            found = self._connection.get(references, [*FIELDS, NAMES, SCHEMA_VERSION])
            return found | {self._lease.reference.path: foreseen.lease}, there | found.keys()
        found = self._connection.get([self._lease.reference, *references], [*FIELDS, NAMES, SCHEMA_VERSION])
        return found, there | found.keys()

    def _of_erased_users(self, held: Snapshot, items: Sequence[Item]) -> frozenset[str]:
        """The traces of captures that hold what an erased user did before the erasure."""
        if not self._lease.anything_erased(held):
            return frozenset()
        captures = [
            (item.noun, item.document) for item in items if isinstance(item.noun, FailureCapture) and item.document
        ]
        users = self._eraser.users_among({user for _, document in captures for user in document[USER_HASHES]})
        return frozenset(capture.trace_id for capture, _ in captures if users and is_of_erased(capture, users))

    def _writes(
        self, erased: Collection[str], seen: Found, there: Collection[str], items: Sequence[Item]
    ) -> list[Item]:
        """What is to be written: nothing of an erased trace, no dead letter that is there."""
        for item in items:
            if item.reference.path in seen:
                refuse_newer(seen[item.reference.path])
        return [
            item
            for item in items
            if item.trace_id not in erased and item.is_written(exists=item.reference.path in there)
        ]

    def _refused(self, lease: Lease, items: Sequence[Item], evaluators: frozenset[str] = NO_NAMES) -> Committed:
        """Halve until the document that is refused stands alone; of that, a dead letter."""
        if evaluators:
            self._commit(lease, (), evaluators)
        if len(items) == 1:
            letter = self._buried(lease, items[0])
            buried = self._commit(lease, [self._items.of_letter(letter)])
            return _together(buried, Committed(refused=[letter]))
        middle = len(items) // 2
        return self._in_turn(lease, [list(items[:middle]), list(items[middle:])])

    def _buried(self, lease: Lease, refused: Item) -> DeadLetter:
        noun = refused.noun
        assert isinstance(noun, FailureCapture | DeadLetter)
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
        return names_in(found) if found is not None else NO_NAMES


def _letters_new(items: Iterable[Item], erased: Collection[str], seen: Found) -> int:
    letters = (item for item in items if isinstance(item.noun, DeadLetter) and item.when == "new")
    return sum(item.trace_id not in erased and item.reference.path not in seen for item in letters)


def _together(one: Committed, other: Committed) -> Committed:
    return Committed(
        dead_letters_new=one.dead_letters_new + other.dead_letters_new,
        erased=frozenset(one.erased) | frozenset(other.erased),
        refused=[*one.refused, *other.refused],
    )
