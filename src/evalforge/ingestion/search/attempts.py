"""One request, at most three attempts: budget, deadline, pacing and retries. Knows HTTP statuses and no endpoint.

Retried: no answer, a body that is broken, and the statuses 408, 429 and 5xx. All else is the caller's to judge.
"""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from evalforge.common.clock import Clock
from evalforge.ingestion.search.bounded_http import Answer, BoundedHttp, Exchanger, NoAnswer
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.search.pacing import Flight, Pacer
from evalforge.ingestion.search.pages import BrokenBody
from evalforge.ingestion.search.rate_limits import TOO_MANY_REQUESTS, read_rate_limit, told_wait
from evalforge.ingestion.search.turns import Limits, Turns, Waited
from evalforge.models import RateLimit

MOST_ATTEMPTS = 3
JITTER_AFTER_TOLD_SECONDS = 0.5

OK = 200
TIMED_OUT_AND_THROTTLED = (408, 429)
SERVER_ERRORS = range(500, 600)
EMPTY_ORG = b"No valid indexes specified"

T = TypeVar("T")


class Request(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What to ask. `content` is made anew for each attempt, and `failed` told of one that got no answer or 408 or 5xx.

    `read` makes the value of a 200's body and raises BrokenBody; `spans` counts those in the value.
    """

    method: str
    path: str
    content: Callable[[], bytes] | None = None
    failed: Callable[[], None] = lambda: None
    read: Callable[[bytes], T]
    spans: Callable[[T], int] = lambda _: 0
    paced_by_answer: bool = True


class Reply(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """The last answer's status, and its value if that was 200. `empty_org` is Datadog's 500 for an org without data."""

    status: int
    value: T | None = None
    empty_org: bool = False


class _TryAgain(Exception):
    def __init__(self, reason: str, told: float | None = None, *, throttled: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.told, self.throttled = reason, told, throttled


class Attempts:
    """Asks one server, from as many threads as like. `on_request` gets one event per attempt: names and numbers alone.

    `connect` makes a connection, given what tells whether to stop; there are as many as requests at once. `used_up`
    tells why no further attempt may be made.
    """

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        limits: Limits,
        pacer: Pacer,
        clock: Clock,
        random: Callable[[], float],
        stop: Callable[[], bool],
        on_request: Callable[[dict[str, Any]], None],
        connect: Callable[[Callable[[], bool]], Exchanger] = BoundedHttp,
        used_up: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._base_url, self._headers = base_url, headers
        self._clock, self._random, self._on_request = clock, random, on_request
        self.turns = Turns(pacer, limits, clock, stop, used_up)
        self._connect, self._connections = connect, threading.Lock()
        self._idle = [connect(self.turns.stopped)]
        self._closed = False
        self._sent = {*headers.values()}
        self.rate_limit = RateLimit()

    def use(self, headers: Mapping[str, str]) -> None:
        """Send these headers from now on."""
        self._sent = {*self._sent, *headers.values()}
        self._headers = headers

    def ask(self, request: Request[T]) -> Reply[T]:
        """The reply to a request. Raises SearchInterrupted when none came in three attempts or none may be made."""
        waited = Waited()
        attempts = Retrying(
            sleep=partial(self.turns.pause, waited=waited),
            stop=stop_after_attempt(MOST_ATTEMPTS),
            wait=self._wait,
            retry=retry_if_exception_type(_TryAgain),
            reraise=True,
        )
        try:
            for attempt in attempts:
                with attempt:
                    return self._attempt(request, attempt.retry_state.attempt_number, waited)
        except _TryAgain as error:
            reason = error.reason
        raise SearchInterrupted(f"{reason}, in each of {MOST_ATTEMPTS} attempts")

    def close(self) -> None:
        """Let go of the connections; those in use end soon."""
        self.turns.halt()
        with self._connections:
            self._closed = True
            while self._idle:
                self._idle.pop().close()

    def _attempt(self, request: Request[T], number: int, waited: Waited) -> Reply[T]:
        flight = self.turns.take(waited)
        begun = self._clock.monotonic()
        event = {"method": request.method, "path": request.path, "attempt": number, "wait": round(waited.take(), 3)}
        event |= {"status": None, "spans": 0, "bytes": 0, "problem": None, "rate_limit": {}}
        try:
            return self._judge(request, self._exchange(request, flight, begun), event)
        except (NoAnswer, BrokenBody) as error:
            event["problem"] = str(error)
            request.failed()
        except _TryAgain as error:
            event["problem"] = error.reason
            if not error.throttled:
                request.failed()
            raise
        finally:
            self._on_request({**event, "elapsed_ms": round(1000 * (self._clock.monotonic() - begun))})
        self.turns.check_may_go_on(0)
        raise _TryAgain(str(event["problem"]))

    def _exchange(self, request: Request[T], flight: Flight, begun: float) -> Answer:
        with self._connections:
            http = self._idle.pop() if self._idle else self._connect(self.turns.stopped)
        content = request.content() if request.content else None
        try:
            return http.exchange(
                request.method,
                self._base_url + request.path,
                self._headers,
                content,
                self.turns.seconds_left(),
                partial(self.turns.written, flight),
            )
        finally:
            self.turns.finished(flight, self._clock.monotonic() - begun)
            with self._connections:
                if self._closed:
                    http.close()
                else:
                    self._idle.append(http)

    def _judge(self, request: Request[T], answer: Answer, event: dict[str, Any]) -> Reply[T]:
        event |= {"status": answer.status, "bytes": len(answer.body)}
        told = self._learn(request, answer)
        event["rate_limit"] = {
            name: one for name, one in msgspec.structs.asdict(self.rate_limit).items() if one is not None
        }
        if answer.status == OK:
            value = request.read(answer.body)
            event["spans"] = request.spans(value)
            return Reply(status=OK, value=value)
        empty_org = answer.status == SERVER_ERRORS.start and EMPTY_ORG in answer.body
        if not empty_org and (answer.status in TIMED_OUT_AND_THROTTLED or answer.status in SERVER_ERRORS):
            raise _TryAgain(f"HTTP {answer.status}", told, throttled=answer.status == TOO_MANY_REQUESTS)
        return Reply(status=answer.status, empty_org=empty_org)

    def _learn(self, request: Request[T], answer: Answer) -> float | None:
        """Limits are per endpoint (Datadog API reference, "Rate Limits"), so only some answers set the pace."""
        told = told_wait(answer.headers, answer.status, self._clock.now())
        if request.paced_by_answer:
            limit = self._without_keys(read_rate_limit(answer.headers))
            self.rate_limit = limit if limit != RateLimit() else self.rate_limit
            self.turns.learn(limit)
            if answer.status != OK and told is not None:
                self.turns.hold(told)
        return told

    def _without_keys(self, limit: RateLimit) -> RateLimit:
        """A hostile server may echo a key as the limit's name."""
        name = (limit.name or "").casefold()
        echoed = any(name in key.casefold() or key.casefold() in name for key in self._sent if name)
        return msgspec.structs.replace(limit, name=None) if echoed else limit

    def _wait(self, state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        told = failure.told if isinstance(failure, _TryAgain) else None
        if told is None:
            seconds = self._random() * 2.0 ** (state.attempt_number - 1)
            if isinstance(failure, _TryAgain) and failure.throttled:
                self.turns.hold(seconds)
            return seconds
        self.turns.check_told(told)
        return told + self._random() * JITTER_AFTER_TOLD_SECONDS
