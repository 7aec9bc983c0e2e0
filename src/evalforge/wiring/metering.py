"""What one run has used by now, and why it may not go on where that costs too much."""

from threading import Lock
from typing import Any

from evalforge.common.clock import Clock
from evalforge.models import Usage
from evalforge.models.costs import cost_of, too_costly
from evalforge.ports import CaptureStore


class Meter:
    """Of a run that begins now. Several threads may count at once."""

    def __init__(self, store: CaptureStore, clock: Clock, *, on_cloud_run: bool, most_usd: float) -> None:
        self._store, self._clock, self._on_cloud_run, self._most_usd = store, clock, on_cloud_run, most_usd
        self._begun, self._before = clock.monotonic(), store.operations
        self._lock = Lock()
        self._calls = self._bytes = 0

    def called(self, event: dict[str, Any]) -> None:
        """One HTTP attempt was made (`DatadogClient.on_request`)."""
        with self._lock:
            self._calls += 1
            self._bytes += event["bytes"]

    def usage(self) -> Usage:
        """Until now."""
        busy = round(self._clock.monotonic() - self._begun, 1) if self._on_cloud_run else 0.0
        return Usage(
            bytes_received=self._bytes, store=self._store.operations.since(self._before), instance_seconds=busy
        )

    def used_up(self) -> str | None:
        """Why no further call may be made; None while one may."""
        return too_costly(cost_of(self.usage(), self._calls), self._most_usd)
