"""Requests counted per calendar-aligned period, told in Datadog's `X-RateLimit-*` headers.

Source: Datadog docs, "Rate Limits": the period is in seconds and aligned to the calendar, reset is in seconds.
"""

import threading
from collections import Counter

from evalforge.common.clock import Clock


class RateLimiter:
    """Counts requests. Every answer carries the headers; a request beyond the limit is refused with 429."""

    def __init__(self, limit: int, period_seconds: int, clock: Clock) -> None:
        self._limit, self._period, self._clock = limit, period_seconds, clock
        self._lock = threading.Lock()
        self._current = -1
        self._used: Counter[str] = Counter()

    def count(self, name: str) -> tuple[bool, dict[str, str]]:
        """Count one request under the name of a limit: whether it may go on, and the headers of its answer."""
        seconds = int(self._clock.now().timestamp())
        period, elapsed = divmod(seconds, self._period)
        with self._lock:
            if period != self._current:
                self._current, self._used = period, Counter()
            allowed = self._used[name] < self._limit
            self._used[name] += int(allowed)
            remaining = self._limit - self._used[name]
        return allowed, {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Period": str(self._period),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(self._period - elapsed),
            "X-RateLimit-Name": name,
        }
