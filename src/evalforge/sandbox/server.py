"""The sandbox as an HTTP server: blocking for the command line, in a thread for the demo and the tests."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from evalforge.common.clock import Clock
from evalforge.common.listening import LOOPBACK, listening, url_of
from evalforge.sandbox import agent_api, control_api, export_api
from evalforge.sandbox.settings import SandboxSettings
from evalforge.sandbox.state import Sandbox

START_SECONDS, STOP_SECONDS = 10.0, 5.0


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers at `url`."""

    url: str
    sandbox: Sandbox


def create_app(sandbox: Sandbox) -> Starlette:
    """The sandbox as an ASGI app. Unknown paths get a JSON errors document with 404."""
    routes = [*agent_api.routes(sandbox), *export_api.routes(sandbox), *control_api.routes(sandbox)]
    return Starlette(routes=routes, exception_handlers={404: lambda *_: JSONResponse({"errors": ["Not found"]}, 404)})


def serve(
    host: str = LOOPBACK,
    port: int = 8126,
    settings: SandboxSettings | None = None,
    clock: Clock | None = None,
    on_started: Callable[[RunningSandbox], None] = lambda _: None,
) -> None:
    """Serve until interrupted; `on_started` is called once requests are answered. Raises OSError for a taken port."""
    sandbox = Sandbox(settings, clock)
    with listening(host, port) as listener:
        bound = RunningSandbox(url_of(listener), sandbox)
        with suppress(KeyboardInterrupt):
            _Server(_config(sandbox), lambda: on_started(bound)).run(sockets=[listener])


@contextmanager
def running(settings: SandboxSettings | None = None, clock: Clock | None = None) -> Iterator[RunningSandbox]:
    """A new sandbox on an ephemeral port of 127.0.0.1, served by a thread that ends with the context."""
    with serving(Sandbox(settings, clock)) as bound:
        yield bound


@contextmanager
def serving(sandbox: Sandbox) -> Iterator[RunningSandbox]:
    """The same for a sandbox that is there already."""
    started = threading.Event()
    with listening(LOOPBACK, 0) as listener:
        server = _Server(_config(sandbox), started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox")
        thread.start()
        try:
            if not started.wait(START_SECONDS):
                raise RuntimeError(f"the sandbox did not start within {START_SECONDS:g} s")
            yield RunningSandbox(url_of(listener), sandbox)
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)


class _Server(uvicorn.Server):
    """Tells when it has started."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_started()


def _config(sandbox: Sandbox) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(sandbox),
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
