"""When the next request may start: evenly spaced, never more than was allowed in any window, and as the server told.

Why not a token bucket: one that allows N per minute lets 2N through across a window's edge
(facts: platform.md, finding 9).
"""

from collections import deque

from evalforge.common.clock import Clock
from evalforge.models import RateLimit

WINDOW_SECONDS = 60.5
"""A minute, and half a second for requests that travel faster than those before them."""

LONGEST_TRIP_SECONDS = 1.0
"""How long a request that was written whole travels at most. What is late on top of it eats the half second."""

MOST_CREDIT_SECONDS = 0.25
"""A start that is only so late, because its thread woke late, makes none after it late; idle time saves up nothing."""

MOST_REMEMBERED = 100_000
TOLD_MARGIN = 1.01


class Flight:
    """One request that was started: when it was written whole, and when it ended. None: not yet."""

    __slots__ = ("ended", "written")

    def __init__(self, ended: float | None = None) -> None:
        self.written: float | None = None
        self.ended = ended

    def arrived(self, now: float) -> float:
        """When it had arrived at the latest; of one that is not written yet, no sooner than now."""
        travelled = None if self.written is None else self.written + LONGEST_TRIP_SECONDS
        return min((bound for bound in (self.ended, travelled) if bound is not None), default=now)


class Pacer:
    """At most `requests_per_minute` requests arrive in any 60 seconds, at even distances; several may be under way.

    A request arrives between its start and its end, and soon after it was written. So that this holds at the server
    too, a request starts a window later than the LATEST ARRIVAL of the one that is a whole allowance before it (as that
    one's followers did of those before it), and an interval after the last START. Below one a minute the interval alone
    counts. Without a lock.
    """

    def __init__(self, clock: Clock, requests_per_minute: float) -> None:
        self._clock = clock
        allowed = max(1, int(min(requests_per_minute, MOST_REMEMBERED)))
        self._interval = WINDOW_SECONDS / max(allowed if requests_per_minute >= 1 else requests_per_minute, 1e-9)
        self._told_interval = 0.0
        self._held_until = clock.monotonic()
        self._slot: float | None = None
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
            self._slot = ended
            latest = (ended - self._interval * max(0, number - 1) for number in reversed(range(counted)))
            self._flights.extend(map(Flight, latest))

    def wait_needed(self) -> float:
        """Seconds until the next request may start; 0 if it may now. While others are under way it may be more."""
        return max(self._own_wait(), self.told_wait())

    def told_wait(self) -> float:
        """The part of `wait_needed` that is the server's word: its limit and period, its reset, its Retry-After."""
        spaced = 0.0 if self._slot is None else self._slot + self._told_interval
        return max(0.0, max(spaced, self._held_until) - self._clock.monotonic())

    def started(self) -> Flight:
        """A request starts now: in the slot that was due, unless that was long ago."""
        now = self._clock.monotonic()
        due = now if self._slot is None else self._slot + self.interval
        self._slot = due if now - due <= MOST_CREDIT_SECONDS else now
        self._flights.append(Flight())
        return self._flights[-1]

    def written(self, flight: Flight) -> None:
        """The request is on its way."""
        flight.written = self._clock.monotonic()

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
        if self._slot is None:
            return 0.0
        now, earliest = self._clock.monotonic(), self._slot + self._interval
        if len(self._flights) == self._flights.maxlen:
            earliest = max(earliest, self._flights[0].arrived(now) + WINDOW_SECONDS)
        return max(0.0, earliest - now)
