"""One request, at most three attempts: budget, deadline, pacing and retries. Knows HTTP statuses and no endpoint.

Retried: no answer, a body that is broken, and the statuses 408, 429 and 5xx. All else is the caller's to judge.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from evalforge.common.clock import Clock
from evalforge.ingestion.search.bounded_http import Answer, BoundedHttp, Exchanger, NoAnswer
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.search.pacing import Pacer
from evalforge.ingestion.search.pages import BrokenBody
from evalforge.ingestion.search.rate_limits import read_rate_limit, told_wait
from evalforge.models import RateLimit

MOST_ATTEMPTS = 3
LONGEST_TOLD_WAIT_SECONDS = 60.0
"""Design, "One run", step 3: a longer wait ends the run partial at once."""
JITTER_AFTER_TOLD_SECONDS = 0.5

OK = 200
TIMED_OUT_AND_THROTTLED = (408, 429)
SERVER_ERRORS = range(500, 600)
EMPTY_ORG = b"No valid indexes specified"

T = TypeVar("T")


class Request(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What to ask. `read` makes the value of a 200's body and raises BrokenBody; `spans` counts those in the value."""

    method: str
    path: str
    content: bytes | None = None
    read: Callable[[bytes], T]
    spans: Callable[[T], int] = lambda _: 0
    paced_by_answer: bool = True


class Reply(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """The last answer's status, and its value if that was 200. `empty_org` is Datadog's 500 for an org without data."""

    status: int
    value: T | None = None
    empty_org: bool = False


class _TryAgain(Exception):
    def __init__(self, reason: str, told: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.told = reason, told


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may use: HTTP attempts, and time until `deadline` (monotonic seconds); and each attempt alone."""

    max_calls: int
    deadline: float
    attempt_seconds: float = 30.0


class Attempts:
    """Asks one server, one request at a time. `on_request` gets one event per attempt: names and numbers alone.

    `connect` makes the connection, given what tells whether to stop.
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
    ) -> None:
        self._base_url, self._headers, self._limits = base_url, headers, limits
        self._pacer, self._clock, self._random = pacer, clock, random
        self._stop, self._on_request = stop, on_request
        self._http = connect(stop)
        self.calls = 0
        self.rate_limit = RateLimit()
        self._waited = 0.0

    def resume(self, seconds_ago: float, calls: int) -> None:
        """Keep the pace over requests made before; they do not count against the budget."""
        self._pacer.resume(seconds_ago, calls)

    def use(self, headers: Mapping[str, str]) -> None:
        """Send these headers from now on."""
        self._headers = headers

    def ask(self, request: Request[T]) -> Reply[T]:
        """The reply to a request. Raises SearchInterrupted when none came in three attempts or none may be made."""
        attempts = Retrying(
            sleep=self._pause,
            stop=stop_after_attempt(MOST_ATTEMPTS),
            wait=self._wait,
            retry=retry_if_exception_type(_TryAgain),
            reraise=True,
        )
        try:
            for attempt in attempts:
                with attempt:
                    return self._attempt(request, attempt.retry_state.attempt_number)
        except _TryAgain as error:
            reason = error.reason
        raise SearchInterrupted(f"{reason}, in each of {MOST_ATTEMPTS} attempts")

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _attempt(self, request: Request[T], number: int) -> Reply[T]:
        self._take_turn()
        waited, self._waited = self._waited, 0.0
        begun = self._clock.monotonic()
        event = {"method": request.method, "path": request.path, "attempt": number, "wait": round(waited, 3)}
        event |= {"status": None, "spans": 0, "bytes": 0, "problem": None, "rate_limit": {}}
        try:
            return self._judge(request, self._exchange(request), event)
        except (NoAnswer, BrokenBody) as error:
            event["problem"] = str(error)
        except _TryAgain as error:
            event["problem"] = error.reason
            raise
        finally:
            self._on_request({**event, "elapsed_ms": round(1000 * (self._clock.monotonic() - begun))})
        self._check_may_go_on(0)
        raise _TryAgain(str(event["problem"]))

    def _take_turn(self) -> None:
        """Wait for the pace. Raises SearchInterrupted where no further attempt may be made."""
        if self.calls >= self._limits.max_calls:
            raise SearchInterrupted(f"the call budget of {self._limits.max_calls} calls is used up")
        self._check_told(self._pacer.told_wait())
        self._pause(self._pacer.wait_needed())

    def _exchange(self, request: Request[T]) -> Answer:
        seconds = min(self._limits.attempt_seconds, self._limits.deadline - self._clock.monotonic())
        self.calls += 1
        self._pacer.started()
        try:
            return self._http.exchange(
                request.method, self._base_url + request.path, self._headers, request.content, seconds
            )
        finally:
            self._pacer.finished()

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
            raise _TryAgain(f"HTTP {answer.status}", told)
        return Reply(status=answer.status, empty_org=empty_org)

    def _learn(self, request: Request[T], answer: Answer) -> float | None:
        """Limits are per endpoint (Datadog API reference, "Rate Limits"), so only some answers set the pace."""
        told = told_wait(answer.headers, answer.status, self._clock.now())
        if request.paced_by_answer:
            limit = self._without_keys(read_rate_limit(answer.headers))
            self.rate_limit = limit if limit != RateLimit() else self.rate_limit
            self._pacer.learn(limit)
            if answer.status != OK and told is not None:
                self._pacer.hold(told)
        return told

    def _without_keys(self, limit: RateLimit) -> RateLimit:
        """A hostile server may echo a key as the limit's name."""
        name = (limit.name or "").casefold()
        echoed = any(name in key.casefold() or key.casefold() in name for key in self._headers.values() if name)
        return msgspec.structs.replace(limit, name=None) if echoed else limit

    def _wait(self, state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        told = failure.told if isinstance(failure, _TryAgain) else None
        if told is None:
            return self._random() * 2.0 ** (state.attempt_number - 1)
        self._check_told(told)
        return told + self._random() * JITTER_AFTER_TOLD_SECONDS

    def _check_told(self, seconds: float) -> None:
        if seconds > LONGEST_TOLD_WAIT_SECONDS:
            raise SearchInterrupted(
                f"Datadog asks for a wait of {seconds:.0f} s, longer than {LONGEST_TOLD_WAIT_SECONDS:.0f} s"
            )

    def _pause(self, seconds: float) -> None:
        self._check_may_go_on(seconds)
        if seconds > 0:
            self._clock.sleep(seconds)
            self._waited += seconds
            self._check_may_go_on(0)

    def _check_may_go_on(self, seconds: float) -> None:
        if self._stop():
            raise SearchInterrupted("stopped by a signal")
        if self._clock.monotonic() + seconds >= self._limits.deadline:
            raise SearchInterrupted("the deadline of the run is reached")
