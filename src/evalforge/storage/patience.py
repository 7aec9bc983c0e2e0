"""How long a store is tried again: per call, less once it has failed for so long, and less when the process must stop.

A run whose store is gone learns so once. What it still has to do then, a record and the lease, is tried briefly, so
that the run ends soon after; and within the grace of a signal (`cli.terminal.LAST_MOMENT_SECONDS`).
"""

from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

BRIEF_SECONDS = 1.5
FAILURE_REMEMBERED_SECONDS = 60.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0

Answer = TypeVar("Answer")
Test = Callable[[BaseException], bool]


class Patience:
    """That of all calls of one store. Safe to share between threads; `stop` tells whether the process must end."""

    def __init__(self, seconds: float, stop: Callable[[], bool] = lambda: False) -> None:
        self.seconds = seconds
        self._stop = stop
        self._failed_at: float | None = None

    @property
    def brief(self) -> bool:
        """Whether there is only a moment left to try."""
        failed_at = self._failed_at
        failing = failed_at is not None and monotonic() - failed_at < FAILURE_REMEMBERED_SECONDS
        return failing or self._stop()

    @property
    def allowed(self) -> float:
        """For how many seconds a call may be tried now."""
        return min(self.seconds, BRIEF_SECONDS) if self.brief else self.seconds

    def call(self, attempt: Callable[[], Answer], passes: Test, at_once: Test = lambda _: False) -> Answer:
        """The answer, after jittered pauses where what failed `passes` by itself; none where it was waited for
        already (`at_once`). Raises what the last attempt raised.

        How long an attempt may take is for the attempt to bound, by `allowed`.
        """
        pause = wait_random_exponential(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        retrying = Retrying(
            retry=retry_if_exception(passes),
            stop=self._is_over,
            wait=lambda state: 0.0 if at_once(_error(state)) else pause(state),
            reraise=True,
        )
        try:
            answer = retrying(attempt)
        except BaseException as error:
            self._failed_at = monotonic() if passes(error) else None
            raise
        self._failed_at = None
        return answer

    def _is_over(self, state: RetryCallState) -> bool:
        return (state.seconds_since_start or 0.0) + state.upcoming_sleep >= self.allowed


def _error(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None
    return error
