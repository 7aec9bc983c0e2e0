"""Waiting for the lease: a live run for a turn of a backfill, which is soon over; a backfill for whoever has it."""

from collections.abc import Callable

from evalforge.common.clock import Clock
from evalforge.common.errors import LeaseHeld
from evalforge.models import Lease
from evalforge.ports import LeaseStore

BACKFILL = "backfill-"
"""The holder of a lease that a backfill has begins with it."""
LIVE_RUN_WAITS_SECONDS = 60.0
"""Twice as long as a turn of a backfill lasts."""
POLL_SECONDS = 1.0


def is_backfill(held: LeaseHeld) -> bool:
    """Whether a backfill has the lease."""
    return (held.holder or "").startswith(BACKFILL)


def acquire(
    store: LeaseStore,
    holder: str,
    clock: Clock,
    lease_seconds: float,
    *,
    waits: float = LIVE_RUN_WAITS_SECONDS,
    for_whom: Callable[[LeaseHeld], bool] = is_backfill,
) -> Lease:
    """The lease, waited for so long where one holds it who is worth waiting for. Raises LeaseHeld.

    A wait that is cut short, as by a signal, is the last.
    """
    until = clock.monotonic() + waits
    while True:
        try:
            return store.acquire_lease(holder, clock.now(), lease_seconds)
        except LeaseHeld as held:
            began = clock.monotonic()
            if not for_whom(held) or began + POLL_SECONDS > until:
                raise
            clock.sleep(POLL_SECONDS)
            if clock.monotonic() - began < POLL_SECONDS / 2:
                raise
