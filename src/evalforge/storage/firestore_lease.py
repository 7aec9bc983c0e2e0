"""The lease as one document, changed by compare-and-set on its update time.

Not in a transaction: of eight that contend, transactions take seconds and give up, this takes milliseconds (facts:
platform.md §0, finding 5). A write that changes nothing leaves the update time as it is (Firestore, WriteResult), so
that the fence in a commit does not disturb the next one.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from google.api_core.exceptions import AlreadyExists, FailedPrecondition, GoogleAPIError, NotFound
from google.cloud import firestore
from google.cloud.firestore import WriteBatch

from evalforge.common.clock import timestamp
from evalforge.common.errors import LeaseHeld, StoreError
from evalforge.models import Lease, lease_holds
from evalforge.storage.firestore_connection import Connection, Snapshot
from evalforge.storage.firestore_documents import unreadable

FIELDS = {"holder": str, "fence": int, "expires_at": str, "erasures": int}
"""And what each holds, unless it holds nothing."""
MOVED_ON = (FailedPrecondition, AlreadyExists, NotFound)
"""What Firestore says when a document is no longer as it was read."""
MOST_ATTEMPTS = 20


class LeaseDocument:
    """The one document that says who may write, and how often something was erased."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.reference = connection.collection("leases").document("run")

    def acquire(self, holder: str, now: datetime, seconds: float) -> Lease:
        """As `ports.LeaseStore.acquire_lease`."""
        end = timestamp(now + timedelta(seconds=seconds))
        held_before: str | None = None
        for _ in range(MOST_ATTEMPTS):
            seen = self.read()
            held_by, fence, expires_at = (_field(seen, name) for name in ("holder", "fence", "expires_at"))
            if (held_by, expires_at) == (holder, end):  # written, but the answer was lost
                return Lease(holder=holder, fence=fence, expires_at=end, taken_from=held_before)
            if held_by is not None and seen is not None and expires_at is None:
                raise unreadable(seen)
            if held_by is not None and lease_holds(expires_at, now):
                raise LeaseHeld.by(held_by, expires_at)
            fields = {"holder": holder, "fence": (fence or 0) + 1, "expires_at": end}
            if self._replaced(seen, fields):
                return Lease(holder=holder, fence=(fence or 0) + 1, expires_at=end, taken_from=held_by)
            held_before = held_by
        raise self.contended()

    def renew(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        """As `ports.LeaseStore.renew_lease`."""
        end = timestamp(now + timedelta(seconds=seconds))
        for _ in range(MOST_ATTEMPTS):
            if self._replaced(self.required(lease, self.read()), {"expires_at": end}):
                return msgspec.structs.replace(lease, expires_at=end)
        raise self.contended()

    def release(self, lease: Lease) -> None:
        """As `ports.LeaseStore.release_lease`."""
        for _ in range(MOST_ATTEMPTS):
            seen = self.read()
            if not _is_of(seen, lease) or self._replaced(seen, {"holder": None}):
                return
        raise self.contended()

    def read(self) -> Snapshot | None:
        """The document as it is; None if there was never one."""
        found = self._connection.get([self.reference], [*FIELDS])
        return found.get(self.reference.path)

    def fence(self, batch: WriteBatch, seen: Snapshot) -> None:
        """Make the batch fail whole unless the lease is as it was seen."""
        unchanged = self._connection.client.write_option(last_update_time=seen.update_time)
        batch.update(self.reference, {"fence": seen.get("fence")}, option=unchanged)

    def note_erasure(self, batch: WriteBatch) -> None:
        """Make every commit that was prepared before the batch fail, so that it looks again at what is erased."""
        batch.set(self.reference, {"erasures": firestore.Increment(1)}, merge=True)

    @staticmethod
    def required(lease: Lease, seen: Snapshot | None) -> Snapshot:
        """What was seen, if it says that this lease holds. Raises LeaseHeld."""
        if seen is None or not _is_of(seen, lease):
            raise LeaseHeld(f"the run {lease.holder} lost its lease to another; nothing more was written")
        return seen

    @staticmethod
    def is_of(seen: Snapshot | None, lease: Lease) -> bool:
        """Whether what was seen says that this lease holds."""
        return _is_of(seen, lease)

    @staticmethod
    def anything_erased(seen: Snapshot | None) -> bool:
        """Whether there ever was an erasure; if not, nobody need look for erased traces."""
        return bool(_field(seen, "erasures"))

    def contended(self) -> StoreError:
        """Many writers, none of which is a run: cannot last."""
        return StoreError(f"{self._connection.name}: the lease changes faster than it can be written; try again")

    def _replaced(self, seen: Snapshot | None, fields: dict[str, Any]) -> bool:
        batch = self._connection.client.batch()
        if seen is None:
            batch.create(self.reference, fields)
        else:
            unchanged = self._connection.client.write_option(last_update_time=seen.update_time)
            batch.update(self.reference, fields, option=unchanged)
        try:
            self._connection.send(batch)
        except MOVED_ON:
            return False
        except GoogleAPIError as error:
            raise self._connection.explained(error) from error
        return True


def _field(seen: Snapshot | None, name: str) -> Any:
    value = None if seen is None else (seen.to_dict() or {}).get(name)
    if seen is not None and value is not None and type(value) is not FIELDS[name]:
        raise unreadable(seen)
    return value


def _is_of(seen: Snapshot | None, lease: Lease) -> bool:
    return (_field(seen, "holder"), _field(seen, "fence")) == (lease.holder, lease.fence)
