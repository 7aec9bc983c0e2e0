"""Time and ids as parameters: the real clock, and the protocol that tests implement."""

import secrets
import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the code may know of time."""

    def now(self) -> datetime:
        """The wall clock: an aware datetime in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, for waits and deadlines."""

    def sleep(self, seconds: float) -> None:
        """Wait; may return early when the process was asked to stop."""


class SystemClock:
    """The machine's clock. `stop` ends every wait at once, so that a signal is obeyed within a wait."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)


def random_suffix() -> str:
    """Eight hex digits that make the id of a run unlike that of another in the same second."""
    return secrets.token_hex(4)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-23T10:46:00.123Z`. Sorts as text in time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
