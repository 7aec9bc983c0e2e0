"""Counts what is asked of a store. Two threads may count at once."""

from threading import Lock

from evalforge.models import StoreOperations
from evalforge.models.costs import StoreKind


class Counter:
    """Of one store since it was opened."""

    def __init__(self, kind: StoreKind) -> None:
        self._kind: StoreKind = kind
        self._lock = Lock()
        self._reads = self._writes = self._deletes = 0

    def add(self, *, reads: int = 0, writes: int = 0, deletes: int = 0) -> None:
        """So many more."""
        with self._lock:
            self._reads += reads
            self._writes += writes
            self._deletes += deletes

    @property
    def operations(self) -> StoreOperations:
        """All until now."""
        with self._lock:
            return StoreOperations(kind=self._kind, reads=self._reads, writes=self._writes, deletes=self._deletes)
