"""How a search ends early. Both are partial runs: what was read is kept.

Reasons hold statuses, counts and seconds, never a key and never the body of an answer, which may echo either.
"""

from evalforge.common.errors import PartialRun


class SearchInterrupted(PartialRun):
    """The search ended before its last page: budget, deadline, signal, rate limit, or Datadog failing.

    `ends_run`: no other search of the run would fare better.
    """

    def __init__(self, reason: str, *, ends_run: bool = False) -> None:
        super().__init__(f"the search ended early: {reason}")
        self.reason, self.ends_run = reason, ends_run


class SearchRefused(PartialRun):
    """Datadog answered, and will not answer otherwise if asked again: a 3xx, or a 4xx other than 408 and 429."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"Datadog refused the request: {reason} (HTTP {status})")
        self.status, self.reason = status, reason
