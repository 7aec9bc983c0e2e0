"""uvicorn, as the service needs it: it ends in time, waits for no slow client, and logs what troubles it."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from structlog.typing import FilteringBoundLogger
from uvicorn.protocols.http.h11_impl import H11Protocol

from evalforge.cli.terminal import LAST_MOMENT_SECONDS

GRACE_SECONDS = 6
"""Cloud Run kills ten seconds after SIGTERM: requests get the first, then the process ends whatever hangs."""
REQUEST_SECONDS = 20.0
"""How long a client may take over one whole request. Bodies are small, so that slower ones are broken or hostile."""
MOST_CONNECTIONS = 500
"""Past this a request is refused with 503; below the 1,024 open files that a process commonly may have."""
SECONDS_BETWEEN_TROUBLES = 10.0
"""asyncio tells every connection that it cannot accept, many thousand times a second; one line of them is enough."""


def make_server(
    app: Any,
    stop: threading.Event,
    log: FilteringBoundLogger,
    on_started: Callable[[], None],
    request_seconds: float = REQUEST_SECONDS,
) -> uvicorn.Server:
    """A server that sets `stop` on SIGTERM and Ctrl-C: it waits for sync handlers and ends none by itself."""

    class Punctual(PunctualProtocol):
        seconds = request_seconds

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            asyncio.get_running_loop().set_exception_handler(_Troubles(log))
            await super().startup(sockets=sockets)
            on_started()

        def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - the signature is uvicorn's
            self.force_exit = self.should_exit
            self.should_exit = True
            stop.set()
            last_moment = threading.Timer(LAST_MOMENT_SECONDS, _end, (log,))
            last_moment.daemon = True
            last_moment.start()

    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=Punctual,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return Server(config)


class PunctualProtocol(H11Protocol):
    """Closes a connection whose client has not sent a whole request in time, whether idle, dribbling or silent."""

    seconds = REQUEST_SECONDS
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._due is not None:
            self._due.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_request()

    def _expect_request(self) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = self.loop.call_later(self.seconds, self._end_if_incomplete)

    def _end_if_incomplete(self) -> None:
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self.transport.is_closing():
            self.transport.abort()


class _Troubles:
    """What asyncio cannot tell anybody else, such as that there are too many open files."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._quiet_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if loop.time() < self._quiet_until:
            return
        self._quiet_until = loop.time() + SECONDS_BETWEEN_TROUBLES
        self._log.error("server trouble", trouble=context.get("message"), error=type(context.get("exception")).__name__)


def _end(log: FilteringBoundLogger) -> None:
    log.error("ended by force: something hung past the grace of a shutdown", seconds=LAST_MOMENT_SECONDS)
    os._exit(1)
