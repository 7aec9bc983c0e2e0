"""When the next request may start: evenly spaced, never more than was allowed in any window, and as the server told.

Why not a token bucket: one that allows N per minute lets 2N through across a window's edge
(facts: platform.md, finding 9).
"""

from collections import deque

from evalforge.common.clock import Clock
from evalforge.models import RateLimit

WINDOW_SECONDS = 60.5
"""A minute, and half a second for requests that travel faster than those before them."""

MOST_REMEMBERED = 100_000
TOLD_MARGIN = 1.01


class Flight:
    """One request that was started. `ended`: when it had arrived at the latest; None while it is under way."""

    __slots__ = ("ended",)

    def __init__(self, ended: float | None = None) -> None:
        self.ended = ended


class Pacer:
    """At most `requests_per_minute` requests arrive in any 60 seconds, at even distances; several may be under way.

    A request arrives somewhere between its start and its end. So that this holds at the server too, a request starts
    a window later than the END of the one that is a whole allowance before it (as that one's followers did of those
    before it), and an interval after the last START. Below one a minute the interval alone counts. Without a lock.
    """

    def __init__(self, clock: Clock, requests_per_minute: float) -> None:
        self._clock = clock
        allowed = max(1, int(min(requests_per_minute, MOST_REMEMBERED)))
        self._interval = WINDOW_SECONDS / max(allowed if requests_per_minute >= 1 else requests_per_minute, 1e-9)
        self._told_interval = 0.0
        self._held_until = clock.monotonic()
        self._last_start: float | None = None
        self._flights: deque[Flight] = deque(maxlen=allowed)

    @property
    def interval(self) -> float:
        """Seconds between two starts at full pace."""
        return max(self._interval, self._told_interval)

    def resume(self, seconds_ago: float, requests: int) -> None:
        """Go on from requests made before this pacer was, the last of them so long ago; call it first of all.

        They kept the same pace: each arrived before the next started, and the starts were an interval apart.
        """
        ended = self._clock.monotonic() - max(0.0, seconds_ago)
        counted = min(requests, MOST_REMEMBERED)
        if counted:
            self._last_start = ended
            latest = (ended - self._interval * max(0, number - 1) for number in reversed(range(counted)))
            self._flights.extend(map(Flight, latest))

    def wait_needed(self) -> float:
        """Seconds until the next request may start; 0 if it may now. While others are under way it may be more."""
        return max(self._own_wait(), self.told_wait())

    def told_wait(self) -> float:
        """The part of `wait_needed` that is the server's word: its limit and period, its reset, its Retry-After."""
        spaced = 0.0 if self._last_start is None else self._last_start + self._told_interval
        return max(0.0, max(spaced, self._held_until) - self._clock.monotonic())

    def started(self) -> Flight:
        """A request starts now."""
        self._last_start = self._clock.monotonic()
        self._flights.append(Flight())
        return self._flights[-1]

    def finished(self, flight: Flight) -> None:
        """The request has ended, well or badly: it cannot arrive later than now."""
        flight.ended = self._clock.monotonic()

    def learn(self, told: RateLimit) -> None:
        """Slow down to the limit and period of an answer, and wait for the reset if nothing remains."""
        if told.limit and told.period_seconds:
            self._told_interval = told.period_seconds / told.limit * TOLD_MARGIN
        if told.remaining == 0 and told.reset_seconds is not None:
            self.hold(told.reset_seconds)

    def hold(self, seconds: float) -> None:
        """Start nothing for that long."""
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def _own_wait(self) -> float:
        if self._last_start is None:
            return 0.0
        earliest_start = self._last_start + self._interval
        if len(self._flights) == self._flights.maxlen:
            ended = self._flights[0].ended
            earliest_start = max(earliest_start, (self._clock.monotonic() if ended is None else ended) + WINDOW_SECONDS)
        return max(0.0, earliest_start - self._clock.monotonic())
