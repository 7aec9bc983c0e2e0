"""The outermost layer of an ASGI app: who may ask, how large a body, security headers, a line in the log for each."""

import re
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from structlog.typing import FilteringBoundLogger

from evalforge.common.callers import UNAUTHORIZED, UNAVAILABLE, Callers, Refused
from evalforge.common.clock import Clock
from evalforge.common.correlation import trace_fields, trigger_of
from evalforge.common.problems import PROBLEM_JSON, problem

LARGEST_BODY_BYTES = 64 * 1024
MOST_DISCARDED_BYTES = 64 * 1024 * 1024
"""What is too large is read and thrown away up to here, so that its sender hears the answer instead of a reset."""
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
PORT = re.compile(r":[0-9]{1,5}\Z")
BAD, FORBIDDEN, TOO_LARGE, WRONG_HOST, UNEXPECTED = 400, 403, 413, 421, 500
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HARMLESS = ("GET", "HEAD", "OPTIONS")
TOLD_WITH = {
    UNAUTHORIZED: ((b"www-authenticate", b"Bearer"),),
    UNAVAILABLE: ((b"retry-after", b"10"),),
}
REQUEST_ID, ABOUT, TRIGGER = "evalforge.request_id", "evalforge.about", "evalforge.trigger"
"""Where in a request's scope its id is, what its line in the log is to say besides, and who calls (for a run's log)."""

Message = dict[str, Any]


class Guard:
    """Wraps an app. `hosts` are the names it answers to (None: any); `new_id` gives each request its id.

    `callers` knows who may call (None: whoever can connect). To who shows no token at all it answers what `to_anybody`
    has for the path, and nothing else. `project` is where traces are looked for.
    """

    def __init__(
        self,
        app: Any,
        *,
        log: FilteringBoundLogger,
        new_id: Callable[[], str],
        clock: Clock,
        hosts: Collection[str] | None,
        callers: Callers | None = None,
        to_anybody: Mapping[str, bytes] | None = None,
        project: str | None = None,
    ) -> None:
        self._project = project
        self._callers, self._to_anybody = callers, to_anybody or {}
        self._app, self._log, self._new_id, self._clock, self._hosts = app, log, new_id, clock, hosts

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        status: int | None = None
        about: dict[str, Any] = {}
        scope[REQUEST_ID], scope[ABOUT] = self._new_id(), about
        trace = trace_fields(scope["headers"], self._project)
        scope[TRIGGER] = trigger_of(scope["headers"], {"request_id": scope[REQUEST_ID], **trace})
        failure: BaseException | None = None
        began = self._clock.monotonic()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        try:
            await self._checked(scope, receive, answer, lambda: status)
        except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a caller
            about |= told(error)
            failure = error
            if status is None:
                await _refuse(scope, answer, UNEXPECTED, "something unexpected happened")
        finally:
            duration_ms = round(1000 * (self._clock.monotonic() - began), 1)
            self._tell(scope, status, duration_ms, {**trace, **({"exc_info": failure} if failure else {})})

    def _tell(self, scope: Message, status: int | None, duration_ms: float, more: Message) -> None:
        """One line for each request: never its address, query, headers or body, which may hold anything."""
        about, route = scope[ABOUT], scope.get("route")
        answered = status or 0
        broke = answered >= UNEXPECTED or (answered < BAD and "error" in about)
        tell = self._log.error if broke else self._log.warning if answered >= BAD else self._log.info
        tell(
            "served",
            request_id=scope[REQUEST_ID],
            method=scope["method"] if scope["method"] in METHODS else "other",
            route=getattr(route, "path", None),
            status=status,
            duration_ms=duration_ms,
            **about,
            **more,
        )

    async def _checked(self, scope: Message, receive: Any, answer: Any, status: Callable[[], int | None]) -> None:
        """The request of a caller who may call. The door is asked before anything of the body is read."""
        if self._callers is None:
            await self._guarded(scope, receive, answer)
            return
        shown = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        harmless = scope["method"] in HARMLESS
        if not shown and harmless and scope["path"] in self._to_anybody:
            await _send(answer, 200, self._to_anybody[scope["path"]], "application/json")
            return
        try:
            told = await run_in_threadpool(self._callers.admit, shown, changes=not harmless)
        except Refused as refused:
            scope[ABOUT]["refused"] = refused.reason
            await _refuse(scope, answer, refused.status, refused.detail, TOLD_WITH.get(refused.status, ()))
            return
        try:
            await self._guarded(scope, receive, answer)
        finally:
            told(status())

    async def _guarded(self, scope: Message, receive: Any, answer: Any) -> None:
        if self._hosts is not None and _host(scope) not in self._hosts:
            # A page elsewhere could otherwise reach a service on loopback by a name of its own (DNS rebinding).
            detail = f"this service answers to {' and '.join(sorted(self._hosts))} only"
            await _refuse(scope, answer, WRONG_HOST, detail)
            return
        if scope["method"] not in HARMLESS and _from_elsewhere(scope):
            # A page elsewhere could otherwise start runs with the browser of whoever looks at it.
            await _refuse(scope, answer, FORBIDDEN, "a page of another origin may not change anything here")
            return
        body = await _body(receive)
        if body is None:
            return
        if len(body) > LARGEST_BODY_BYTES:
            detail = f"a body has at most {LARGEST_BODY_BYTES} bytes"
            await _refuse(scope, answer, TOO_LARGE, detail)
            return
        pending = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Any:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, answer)


def told(error: BaseException) -> dict[str, Any]:
    """What a log may say of an error: its kind, those of its causes, and where. Its text may be anyone's."""
    kinds: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        kinds.append(type(seen).__name__)
        seen = seen.__cause__
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    return {"error": " from ".join(kinds), "at": [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]}


async def _body(receive: Any) -> bytes | None:
    """The body, cut one byte past the bound; None if the sender went away before its end."""
    kept, discarded = bytearray(), 0
    while discarded < MOST_DISCARDED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        room = LARGEST_BODY_BYTES + 1 - len(kept)
        kept += chunk[:room]
        discarded += len(chunk[room:])
        if not message.get("more_body", False):
            break
    return bytes(kept)


def _host(scope: Message) -> str:
    """The Host header without its port."""
    return PORT.sub("", next(iter(_headers(scope, b"host")), ""))


def _from_elsewhere(scope: Message) -> bool:
    """Whether a browser says that a page of another origin asks (Fetch, "Origin"; W3C, "Fetch Metadata").

    Programs that are no browsers say nothing of it.
    """
    here = _headers(scope, b"host")[:1]
    origins = [origin.partition("://")[2] for origin in _headers(scope, b"origin")]
    sites = _headers(scope, b"sec-fetch-site")
    return any([origin] != here for origin in origins) or not {"same-origin", "none"}.issuperset(sites)


def _headers(scope: Message, wanted: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for name, value in scope["headers"] if name == wanted]


async def _refuse(
    scope: Message, answer: Any, status: int, detail: str, headers: Collection[tuple[bytes, bytes]] = ()
) -> None:
    body = msgspec.json.encode(problem(status, detail, scope[REQUEST_ID]))
    await _send(answer, status, body, PROBLEM_JSON, headers)


async def _send(
    answer: Any, status: int, body: bytes, media_type: str, more: Collection[tuple[bytes, bytes]] = ()
) -> None:
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode()), *more]
    await answer({"type": "http.response.start", "status": status, "headers": headers})
    await answer({"type": "http.response.body", "body": body})
