"""A server on loopback that hands each request on to Datadog, or its stand-in, and keeps the spans of the answers.

Raw answers are in this process's memory alone; `recorded` gives them with every value replaced.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2

from helpers.fake_datadog import SEARCH
from helpers.recording import Sanitiser

PASSED_ON = ("dd-api-key", "dd-application-key", "content-type", "accept")
PASSED_BACK = ("content-type", "date", "retry-after")


class TooManyCalls(Exception):
    """More calls than the budget allows."""


class Recorder:
    """`url` to ask instead of Datadog. Beyond `budget` calls nothing is handed on."""

    def __init__(self, target: str, budget: int) -> None:
        self._client = httpx2.Client(base_url=target, timeout=40, trust_env=False)
        self._budget, self._lock = budget, threading.Lock()
        self._items: dict[str, Any] = {}
        self.calls = 0
        self.refused = 0
        self.url = ""

    def pass_on(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        with self._lock:
            if self.calls >= self._budget:
                self.refused += 1
                return 403, {}, b'{"errors":["the budget of calls of this test is used up"]}'
            self.calls += 1
        told = {name: value for name, value in headers.items() if name in PASSED_ON}
        answer = self._client.request(method, path, headers=told, content=body or None)
        if path == SEARCH and answer.status_code == 200:
            self._keep(answer.content)
        back = {
            name: value for name, value in answer.headers.items() if name in PASSED_BACK or name.startswith("x-rate")
        }
        return answer.status_code, back, answer.content

    def _keep(self, body: bytes) -> None:
        for one in json.loads(body).get("data") or []:
            self._items.setdefault(json.dumps(one, sort_keys=True), one)

    @property
    def raw(self) -> list[Any]:
        """What came, in memory."""
        return list(self._items.values())

    def recorded(self, most: int) -> dict[str, Any]:
        """The recording: at most so many spans, those that tell of failures first; values replaced."""
        items = sorted(self.raw, key=_tells_of_nothing)[:most]
        sanitiser = Sanitiser(items)
        return {"spans": [sanitiser.item(one) for one in items]}

    def close(self) -> None:
        self._client.close()


def _tells_of_nothing(item: Any) -> bool:
    attributes = item.get("attributes") if isinstance(item, dict) else None
    return isinstance(attributes, dict) and attributes.get("status") != "error" and not attributes.get("evaluation")


@contextmanager
def recording(target: str, budget: int) -> Iterator[Recorder]:
    """A recorder before the server at `target`."""
    recorder = Recorder(target, budget)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, told, answer = recorder.pass_on(self.command, self.path, headers, body)
            self.send_response_only(status)
            for name, value in {**told, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Tests are silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        recorder.close()
