"""The server under the service: clients that dribble or stay silent, and more of them than it can take."""

import asyncio
import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evalforge.cli.http_server import make_server
from evalforge.common.clock import SystemClock
from evalforge.common.logging import json_logger
from helpers.commands import environment
from helpers.serving import serving

LIMIT = 0.4
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """An app that reads the body and then takes longer than a client may."""
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(LIMIT * 2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    started = threading.Event()
    log = json_logger(io.BytesIO(), SystemClock())
    server = make_server(answering, threading.Event(), log, started.set, request_seconds=LIMIT)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert started.wait(10)
    yield listener.getsockname()
    server.should_exit = True
    thread.join()
    listener.close()


def seconds_until_closed(connection: socket.socket) -> float:
    begun = time.monotonic()
    connection.settimeout(10)
    try:
        while connection.recv(1000):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - begun


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST / HT", HEAD + b"X-A: ", HEAD + b"Content-Length: 9\r\n\r\n{"],
    ids=["silent", "in the first line", "in the headers", "in the body"],
)
def test_a_client_that_does_not_finish_its_request_is_let_go(address: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(sent)
        assert LIMIT / 2 < seconds_until_closed(connection) < LIMIT * 5


def test_a_whole_request_is_answered_however_long_that_takes_and_so_is_the_next(address: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*address)
    with closing(connection):
        for _ in range(2):
            connection.request("POST", "/", b"{}")
            assert connection.getresponse().read() == b"ok"
        connection.sock.sendall(HEAD)
        assert seconds_until_closed(connection.sock) < LIMIT * 5


def test_more_connections_than_open_files_are_one_line_of_the_log_and_the_service_lives(tmp_path: Path) -> None:
    with serving(environment(tmp_path / "store.db", "http://127.0.0.1:9"), open_files=60) as served:
        crowd = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(90)]
        time.sleep(1.5)
        for connection in crowd:
            connection.close()
        assert served.ask("GET", "/health")[0] == 200
    troubles = [line for line in served.log if line["message"] == "server trouble"]
    assert len(troubles) == 1
    assert len(served.log) < 20
