"""The outermost layer of an ASGI app: which host, how large a body, security headers, every error a document."""

import re
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import msgspec
from structlog.typing import FilteringBoundLogger

from evalforge.common.problems import PROBLEM_JSON, Problem, problem

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
TOO_LARGE, WRONG_HOST, UNEXPECTED = 413, 421, 500

Message = dict[str, Any]


class Guard:
    """Wraps an app. `hosts` are the names it answers to (None: any); `new_id` gives each answer its id."""

    def __init__(
        self, app: Any, *, log: FilteringBoundLogger, new_id: Callable[[], str], hosts: Collection[str] | None
    ) -> None:
        self._app, self._log, self._new_id, self._hosts = app, log, new_id, hosts

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        try:
            await self._guarded(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a caller
            request_id = self._new_id()
            self._log.error("request failed", request_id=request_id, **told(error))
            if not started:
                await _refuse(answer, problem(UNEXPECTED, "something unexpected happened", request_id))

    async def _guarded(self, scope: Message, receive: Any, answer: Any) -> None:
        if self._hosts is not None and _host(scope) not in self._hosts:
            # A page elsewhere could otherwise reach a service on loopback by a name of its own (DNS rebinding).
            detail = f"this service answers to {' and '.join(sorted(self._hosts))} only"
            await _refuse(answer, problem(WRONG_HOST, detail, self._new_id()))
            return
        body = await _body(receive)
        if body is None:
            return
        if len(body) > LARGEST_BODY_BYTES:
            detail = f"a body has at most {LARGEST_BODY_BYTES} bytes"
            await _refuse(answer, problem(TOO_LARGE, detail, self._new_id()))
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
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
    return PORT.sub("", host)


async def _refuse(answer: Any, document: Problem) -> None:
    body = msgspec.json.encode(document)
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", str(len(body)).encode())]
    await answer({"type": "http.response.start", "status": document.status, "headers": headers})
    await answer({"type": "http.response.body", "body": body})
