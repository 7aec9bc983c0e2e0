"""Whose turn it is to ask Datadog: one pace, one budget and one deadline for all searches of a run at once."""

import threading
from collections.abc import Callable

import msgspec

from evalforge.common.clock import Clock
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.search.pacing import Flight, Pacer
from evalforge.models import RateLimit

LONGEST_TOLD_WAIT_SECONDS = 60.0
"""Design, "One run", step 3: a longer wait ends the run partial at once."""
LATEST_WEIGHS = 0.2
"""Of the latest answer in the running mean of how long answers take."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may use: HTTP attempts, and time until `deadline` (monotonic seconds); and each attempt alone."""

    max_calls: int
    deadline: float
    attempt_seconds: float = 30.0


class Waited:
    """How long one request has waited for its turns, in seconds."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """It has waited so much more."""
        self._seconds += seconds

    def take(self) -> float:
        """What was added since this was asked last."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds


class Turns:
    """Shared by every thread that asks. Every wait is spent outside the lock, and the pace looked at again after it:
    what one answer told in the meantime holds for all."""

    def __init__(self, pacer: Pacer, limits: Limits, clock: Clock, stop: Callable[[], bool]) -> None:
        self._pacer, self._limits, self._clock, self._stop = pacer, limits, clock, stop
        self._lock = threading.Lock()
        self._halted = False
        self._answer_seconds: float | None = None
        self.calls = 0

    @property
    def at_once(self) -> float:
        """How many requests are under way at full pace, at the time that answers take of late."""
        with self._lock:
            return (self._answer_seconds or 0.0) / self._pacer.interval

    def resume(self, seconds_ago: float, calls: int) -> None:
        """Keep the pace over requests made before; they do not count against the budget."""
        with self._lock:
            self._pacer.resume(seconds_ago, calls)

    def halt(self) -> None:
        """No request starts from now on, and those under way are given up."""
        self._halted = True

    def stopped(self) -> bool:
        """Whether requests under way are to be given up."""
        return self._halted or self._stop()

    def take(self, waited: Waited) -> Flight:
        """Wait for the turn, and have it. Raises SearchInterrupted where no further attempt may be made."""
        while True:
            with self._lock:
                if self.calls >= self._limits.max_calls:
                    raise SearchInterrupted(
                        f"the call budget of {self._limits.max_calls} calls is used up", ends_run=True
                    )
                self.check_told(self._pacer.told_wait())
                seconds = self._pacer.wait_needed()
                self.check_may_go_on(seconds)
                if seconds <= 0:
                    self.calls += 1
                    return self._pacer.started()
            self.pause(seconds, waited)

    def written(self, flight: Flight) -> None:
        """The attempt that had this turn is on its way."""
        with self._lock:
            self._pacer.written(flight)

    def finished(self, flight: Flight, seconds: float) -> None:
        """The attempt that had this turn has ended, after so long."""
        with self._lock:
            self._pacer.finished(flight)
            known = self._answer_seconds
            self._answer_seconds = seconds if known is None else known + LATEST_WEIGHS * (seconds - known)

    def learn(self, told: RateLimit) -> None:
        """What an answer told of the rate limit holds for all."""
        with self._lock:
            self._pacer.learn(told)

    def hold(self, seconds: float) -> None:
        """Nobody starts anything for that long."""
        with self._lock:
            self._pacer.hold(seconds)

    def seconds_left(self) -> float:
        """How long the next attempt may take."""
        return min(self._limits.attempt_seconds, self._limits.deadline - self._clock.monotonic())

    def pause(self, seconds: float, waited: Waited) -> None:
        """Wait. Raises SearchInterrupted if the wait would pass the deadline, or was ended by a signal."""
        self.check_may_go_on(seconds)
        if seconds > 0:
            self._clock.sleep(seconds)
            waited.add(seconds)
            self.check_may_go_on(0)

    def check_told(self, seconds: float) -> None:
        """Raises SearchInterrupted if Datadog asks for a longer wait than a run makes."""
        if seconds > LONGEST_TOLD_WAIT_SECONDS:
            raise SearchInterrupted(
                f"Datadog asks for a wait of {seconds:.0f} s, longer than {LONGEST_TOLD_WAIT_SECONDS:.0f} s",
                ends_run=True,
            )

    def check_may_go_on(self, seconds: float) -> None:
        """Raises SearchInterrupted after a signal, and if the deadline is nearer than that."""
        if self.stopped():
            raise SearchInterrupted("stopped by a signal", ends_run=True)
        if self._clock.monotonic() + seconds >= self._limits.deadline:
            raise SearchInterrupted("the deadline of the run is reached", ends_run=True)
