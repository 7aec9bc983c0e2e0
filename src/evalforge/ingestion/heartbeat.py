"""Keeps a run's lease alive from a thread of its own, so that a slow answer of Datadog cannot let it lapse."""

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from evalforge.common.clock import Clock
from evalforge.common.errors import LeaseHeld, StoreError
from evalforge.models import Lease
from evalforge.ports import LeaseStore

RENEWALS_A_LEASE = 4
"""Renewed at a quarter of its time (design, "One run", step 1)."""


class Heartbeat:
    """Renews the lease until the block ends, then gives it back.

    A lease that was lost is noticed at the next commit, which carries the fence and is refused; and before that by
    `keep`, so that a process which was suspended does not go on asking Datadog beside the run that took its place.
    """

    def __init__(self, store: LeaseStore, lease: Lease, clock: Clock, seconds: float) -> None:
        self._store, self._lease, self._clock, self._seconds = store, lease, clock, seconds
        self._renewed_at = clock.monotonic()
        self._renewing = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="evalforge-lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        with suppress(*([] if error is None else [StoreError])):  # what ended the run says more
            self._store.release_lease(self._lease)

    def keep(self) -> None:
        """Renew the lease if a quarter of its time has passed since it was. Raises LeaseHeld if it is lost."""
        if self._clock.monotonic() - self._renewed_at >= self._seconds / RENEWALS_A_LEASE:
            self._renew()

    def _beat(self) -> None:
        while not self._done.wait(self._seconds / RENEWALS_A_LEASE):
            try:
                self._renew()
            except LeaseHeld:
                return

    def _renew(self) -> None:
        with self._renewing, suppress(StoreError):
            self._lease = self._store.renew_lease(self._lease, self._clock.now(), self._seconds)
            self._renewed_at = self._clock.monotonic()
