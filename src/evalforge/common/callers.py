"""Who may call the service: what the door asks of whoever knows the callers."""

from collections.abc import Callable, Sequence
from typing import Protocol

UNAUTHORIZED, FORBIDDEN, UNAVAILABLE = 401, 403, 503


class Refused(Exception):
    """The caller is not let in: the status, in a word why (for the log), and what the caller is told."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail


class Callers(Protocol):
    """Knows the callers; may wait for the network, a few seconds at most."""

    def admit(self, authorization: Sequence[str], *, changes: bool) -> Callable[[int | None], object]:
        """Let in the caller with these values of the header Authorization. Raises Refused.

        `changes` says that the request may change something. What is given back is to be told the status of the answer
        (None: there was none).
        """
