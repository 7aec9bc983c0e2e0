"""How many spans a page is asked for: a fixed number, or as many as Datadog answers in time."""

import threading

FIRST, LARGEST = 100, 1000
"""Datadog docs, Export API: up to 5000, "100 or more may be slower"."""
GOOD_ANSWERS_AFTER_A_BAD_ONE = 10
"""In a row, before a page is made larger again; before the first bad one each good answer does."""


class FixedPageLimit:
    """Always the same."""

    def __init__(self, limit: int) -> None:
        self.spans = limit

    def went_well(self, asked: int) -> None:
        """A page for which so many were asked came whole."""

    def was_too_much(self, asked: int) -> None:
        """No whole answer came to a page for which so many were asked."""


class AdaptivePageLimit:
    """Begins at 100 and doubles up to 1000; halved by each timeout, 5xx and answer over the cap. For any thread."""

    def __init__(self) -> None:
        self.spans = FIRST
        self._lock = threading.Lock()
        self._needed, self._good = 1, 0

    def went_well(self, asked: int) -> None:
        """As of FixedPageLimit. What was asked for before the limit changed says nothing."""
        with self._lock:
            self._good += asked >= self.spans
            if self._good >= self._needed:
                self.spans, self._good = min(LARGEST, 2 * self.spans), 0

    def was_too_much(self, asked: int) -> None:
        """As of FixedPageLimit. Several answers that fail at once halve it once."""
        with self._lock:
            self.spans = min(self.spans, max(1, asked // 2))
            self._needed, self._good = GOOD_ANSWERS_AFTER_A_BAD_ONE, 0
