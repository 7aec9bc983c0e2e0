"""`evalforge serve`: the HTTP service."""

import threading
from contextlib import ExitStack
from typing import Annotated

import typer

from evalforge.cli import terminal


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        str | None,
        typer.Option(metavar="PORT", help="The port; 0 takes a free one. Default: 8080, or PORT on Cloud Run."),
    ] = None,
) -> int:
    """Serve over HTTP: start runs, read captures, ask for the service's health.

    Listens on 127.0.0.1 unless told otherwise; beyond this machine only with EVALFORGE_AUTH. A run needs what capture
    needs. Stop it with Ctrl-C or SIGTERM: a run at work commits, gives its lease back and is answered as partial.
    """
    from evalforge import wiring
    from evalforge.cli.http_server import make_server
    from evalforge.common.admission import check_may_listen
    from evalforge.common.clock import SystemClock
    from evalforge.common.config import read_settings, unknown_names
    from evalforge.common.errors import ConfigurationError
    from evalforge.common.listening import is_loopback, listening, url_of

    settings = read_settings(port=terminal.whole(port, "--port", 0, terminal.HIGHEST_PORT))
    check_may_listen(settings, host)
    stop, stream = threading.Event(), terminal.error_stream()
    clock = SystemClock(stop)
    log = wiring.logger(settings, stream, clock)
    hosts = {"localhost", f"[{host}]" if ":" in host else host} if is_loopback(host) else None
    with ExitStack() as stack:
        try:
            listener = stack.enter_context(listening(host, settings.port))
        except OSError as error:
            address = f"--host={host} --port={settings.port}"
            raise ConfigurationError(f"{address}: cannot listen there: {error.strerror}") from None
        app = wiring.service(settings, stream, stop.is_set, clock, hosts)
        for name in unknown_names():
            log.warning("setting ignored", name=name)
        url = url_of(listener)

        def greet() -> None:
            log.info("listening", url=url, auth=settings.auth)
            if terminal.err_is_terminal():
                terminal.note(f"EvalForge is at {url}; what it answers: {url}/openapi.json. Ctrl-C ends it.")

        make_server(app, stop, log, greet).run(sockets=[listener])
    log.info("stopped")
    return 0
