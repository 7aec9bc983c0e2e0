"""Faults that searches can be told to have, so that clients meet them before they meet Datadog's."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from evalforge.common.clock import Clock
from evalforge.sandbox.answer import Answer, plain_refusal, refusal

NO_INDEXES = "No valid indexes specified"


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    """Answer with `status` (default 500) and, if given, `Retry-After`."""
    NO_INDEXES = "no_indexes"
    """HTTP 500 as for an org without data."""
    SLOW = "slow"
    """Wait `seconds` before a good answer."""
    TIMED_OUT = "timed_out"
    """`meta.status: timeout` over the first half of the page."""
    TRUNCATED_BODY = "truncated_body"
    """HTTP 200 with the first half of the JSON."""
    HTML = "html"
    """HTTP 200 with a web page, as from a proxy."""
    REPEATED_CURSOR = "repeated_cursor"
    """`meta.page.after` is the cursor that was asked for."""
    EXPIRED_CURSOR = "expired_cursor"
    """HTTP 400 for a request with a cursor."""
    REFUSED_OR = "refused_or"
    """HTTP 400 for a query with an OR."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault for the next `count` requests that it concerns; None is for good."""

    kind: FaultKind
    count: int | None = None
    status: int = 500
    retry_after: str | None = None
    seconds: float = 1.0


class Faults:
    """The faults in force. The first one that concerns a request is used up by it."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults = list(faults)

    def set(self, faults: Iterable[Fault]) -> None:
        """Replace all of them."""
        with self._lock:
            self._faults = list(faults)

    def listed(self) -> tuple[Fault, ...]:
        """What is in force, in order."""
        with self._lock:
            return tuple(self._faults)

    def next_for(self, *, cursor: str | None, uses_or: bool) -> Fault | None:
        """The fault that this request meets, if any."""
        with self._lock:
            for place, fault in enumerate(self._faults):
                if not _concerns(fault, cursor, uses_or=uses_or):
                    continue
                if fault.count is not None:
                    left = replace(fault, count=fault.count - 1)
                    self._faults[place : place + 1] = [left] if fault.count > 1 else []
                return fault
        return None


def _concerns(fault: Fault, cursor: str | None, *, uses_or: bool) -> bool:
    if fault.kind in (FaultKind.REPEATED_CURSOR, FaultKind.EXPIRED_CURSOR):
        return cursor is not None
    return uses_or or fault.kind is not FaultKind.REFUSED_OR


def faulty(fault: Fault, clock: Clock, cursor: str | None, answer: Callable[[], Answer]) -> Answer:
    """The answer as the fault leaves it."""
    match fault.kind:
        case FaultKind.STATUS:
            headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            return replace(plain_refusal(fault.status, "The sandbox was told to fail"), headers=headers)
        case FaultKind.NO_INDEXES:
            return refusal(500, NO_INDEXES)
        case FaultKind.EXPIRED_CURSOR:
            return refusal(400, "the cursor has expired")
        case FaultKind.REFUSED_OR:
            return refusal(400, "OR is not supported in this query")
        case FaultKind.HTML:
            return Answer(200, raw=b"<!doctype html><title>Sign in</title>", media_type="text/html")
        case FaultKind.SLOW:
            clock.sleep(fault.seconds)
            return answer()
        case FaultKind.TRUNCATED_BODY:
            whole = answer()
            return replace(whole, raw=whole.body[: len(whole.body) // 2])
    return _spoiled(fault, cursor, answer())


def _spoiled(fault: Fault, cursor: str | None, whole: Answer) -> Answer:
    if whole.status != 200:
        return whole
    document: dict[str, Any] = dict(whole.document)
    if fault.kind is FaultKind.TIMED_OUT:
        document["data"] = document["data"][: len(document["data"]) // 2]
        document["meta"] = {**document["meta"], "status": "timeout", "page": None}
    else:
        document["meta"] = {**document["meta"], "page": {"after": cursor}}
    return replace(whole, document=document)
