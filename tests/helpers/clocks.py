"""Time that tests make."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that moves only when it is told to, or slept on. `sleeps` are the seconds of each sleep."""

    def __init__(self, now: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC), monotonic: float = 1000.0) -> None:
        self._now, self._monotonic = now, monotonic
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)
