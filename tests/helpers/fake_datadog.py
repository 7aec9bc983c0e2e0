"""An independent server of Datadog's documented Export API, for tests: it shares nothing with evalforge or its sandbox.

    with FakeDatadog(spans=[...]) as server:
        ...  # server.url, server.requests, server.searches

It serves the given spans by time window, sorted and paginated, and ignores the query but for recording it, because the
product must judge for itself. `script` holds answers that come first, one per search; each is made by a function
below. A cursor that comes back with another window, query or sort is refused with 400.
Source: Datadog documentation, "LLM Observability Export API".
"""

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

SEARCH = "/api/v2/llm-obs/v1/spans/events/search"
EVALUATORS = "/api/unstable/llm-obs/config/evaluators/custom"

LAST_PAGES: dict[str, dict[str, Any]] = {
    "page is null": {"page": None},
    "page is empty": {"page": {}},
    "page is absent": {},
    "after is null": {"page": {"after": None}},
    "after is empty": {"page": {"after": ""}},
}
"""Every documented and seen way to say that the data ends."""


@dataclass(frozen=True)
class Request:
    """What the server got, and when (monotonic seconds)."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def attributes(self) -> dict[str, Any]:
        """The search's `data.attributes`."""
        return json.loads(self.body)["data"]["attributes"]


class Connection:
    """One request's connection, for answers to write to, byte by byte if they like."""

    def __init__(self, handler: BaseHTTPRequestHandler, request: Request, ended: threading.Event) -> None:
        self._handler, self.request, self._ended = handler, request, ended

    def write(self, data: bytes) -> None:
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def answer(self, status: int, body: bytes, headers: Iterable[tuple[str, str]] = (), *, cut: int = 0) -> None:
        """A whole answer, or one that lacks the last `cut` bytes of its body."""
        lines = [f"HTTP/1.1 {status} Any", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers)]
        self.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body[: len(body) - cut])
        if cut:
            self.hang_up()

    def hang_up(self) -> None:
        self._handler.close_connection = True

    def dribble(self, data: bytes, every: float) -> None:
        """A byte now and then, until the client or the test has had enough."""
        for position in range(len(data)):
            self.write(data[position : position + 1])
            if self._ended.wait(every):
                break
        self.hang_up()


Answer = Callable[[Connection], None]


def reply(status: int, body: Any = None, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> Answer:
    """An answer; `body` is bytes, or what JSON is made of. `headers` may be pairs, so that one comes twice."""
    raw = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    return lambda connection: connection.answer(status, raw, [("Content-Type", "application/json"), *pairs])


def page(items: Sequence[Any] = (), meta: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """A page of the search; `meta` as it stands, absent if None."""
    return reply(200, page_body(items, meta), headers or {})


def page_body(items: Sequence[Any], meta: Any = None) -> bytes:
    """The body of a page; an item of bytes goes in as it is."""
    data = b",".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in items)
    tail = b"" if meta is None else b',"meta":' + json.dumps(meta).encode()
    return b'{"data":[' + data + b"]" + tail + b"}"


def reset_mid_body(connection: Connection) -> None:
    connection.answer(200, page_body([{"id": "1"}] * 50), cut=100)


def cut_json(connection: Connection) -> None:
    connection.answer(200, page_body([{"id": "1"}] * 50)[:-40])


def truncated_gzip(connection: Connection) -> None:
    connection.answer(200, gzip.compress(page_body([{"id": "1"}] * 50))[:-30], [("Content-Encoding", "gzip")])


def gzip_bomb(connection: Connection) -> None:
    bomb = gzip.compress(b" " * (80 * 1024 * 1024), compresslevel=1)
    connection.answer(200, bomb, [("Content-Encoding", "gzip")])


def html(connection: Connection) -> None:
    connection.answer(200, b"<html><body>Sign in</body></html>", [("Content-Type", "text/html")])


def hang_up_at_once(connection: Connection) -> None:
    connection.hang_up()


def garbage(connection: Connection) -> None:
    connection.write(b"\x00\x01 this is not HTTP\r\n\r\n")
    connection.hang_up()


def slow_headers(every: float = 0.05) -> Answer:
    return lambda connection: connection.dribble(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"a" * 10_000, every)


def slow_body(every: float = 0.05) -> Answer:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"

    def answer(connection: Connection) -> None:
        connection.write(head)
        connection.dribble(b" " * 10_000, every)

    return answer


def silence(connection: Connection) -> None:
    connection.dribble(b"HTTP/1.1 200 OK", 3600)


EMPTY_ORG = reply(500, {"errors": [{"detail": "No valid indexes specified"}]})


@dataclass
class FakeDatadog:
    """See the module. `headers` come with every answer of the search; keys are checked for being there at all,
    and against `api_key` and `app_key` where given."""

    spans: Sequence[Any] = ()
    script: list[Answer] = field(default_factory=list)
    evaluators: Sequence[str] = ()
    evaluators_script: list[Answer] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    last_page: str = "page is null"
    api_key: str | None = None
    app_key: str | None = None
    limit_is_fixed: bool = True
    """A cursor must come back with the page's limit that it was given for."""
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cursors: dict[str, tuple[int, dict[str, Any]]] = {}
        self._ended = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def searches(self) -> list[Request]:
        return [request for request in self.requests if request.path == SEARCH]

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def handle(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            answer = self._answer(request)
        answer(Connection(handler, request, self._ended))

    def _answer(self, request: Request) -> Answer:
        if not self._has_keys(request.headers):
            return reply(403, {"errors": ["Forbidden"]})
        if (request.method, request.path) == ("GET", EVALUATORS):
            return self.evaluators_script.pop(0) if self.evaluators_script else self._evaluators()
        if (request.method, request.path) != ("POST", SEARCH):
            return reply(404, {"errors": ["Not found"]})
        return self.script.pop(0) if self.script else self._search(request)

    def _has_keys(self, headers: Mapping[str, str]) -> bool:
        api, app = headers.get("dd-api-key"), headers.get("dd-application-key")
        return bool(api and app) and self.api_key in (None, api) and self.app_key in (None, app)

    def _evaluators(self) -> Answer:
        stamp = "2026-01-01T00:00:00Z"
        entries = [
            {"id": name, "type": "evaluator_config", "attributes": {"eval_name": name, "created_at": stamp}}
            for name in self.evaluators
        ]
        return reply(200, {"data": entries})

    def _search(self, request: Request) -> Answer:
        problem = _problem(request.body)
        if problem:
            return reply(400, {"errors": [{"title": "Bad request", "detail": problem}]})
        asked = request.attributes
        cursor = asked["page"].pop("cursor", None)
        offset, first = self._cursors.get(cursor, (0, asked)) if cursor else (0, asked)
        if not self.limit_is_fixed:
            first = {**first, "page": asked["page"]}
        if cursor and (cursor not in self._cursors or first != asked):
            return reply(400, {"errors": [{"title": "Bad request", "detail": "invalid cursor"}]})
        found = _within(self.spans, asked["filter"]["from"], asked["filter"]["to"])
        found.sort(key=lambda span: _start_ms(span) or 0, reverse=asked["sort"] == "-timestamp")
        end = offset + asked["page"]["limit"]
        meta: dict[str, Any] = {"elapsed": 3, "request_id": "pddv1", "status": "done", **LAST_PAGES[self.last_page]}
        if end < len(found):
            meta["page"] = {"after": f"opaque-{len(self._cursors)}-{'x' * 20}"}
            self._cursors[meta["page"]["after"]] = end, asked
        body = page_body(found[offset:end], meta)
        headers = [*self.headers.items()]
        if "gzip" in request.headers.get("accept-encoding", ""):
            body, headers = gzip.compress(body, compresslevel=1), [*headers, ("Content-Encoding", "gzip")]
        return reply(200, body, headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, fake: FakeDatadog) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        arrived = time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.fake.handle(self, Request(self.command, self.path, headers, body, arrived))

    do_GET = do_POST  # noqa: N815

    def log_message(self, *args: Any) -> None:
        """Tests are silent."""


def _problem(body: bytes) -> str | None:
    """What the documented API would refuse about this search."""
    try:
        data = json.loads(body)["data"]
        asked, limit = data["attributes"], data["attributes"].get("page", {}).get("limit", 10)
    except (ValueError, KeyError, TypeError):
        return "not a search"
    if data["type"] != "spans":
        return "type must be spans"
    if not all(isinstance(asked["filter"].get(edge), str) for edge in ("from", "to")):
        return "from and to must be strings"
    if not isinstance(limit, int) or not 1 <= limit <= 5000:
        return "limit must be 1 to 5000"
    return None if asked.get("sort", "timestamp") in ("timestamp", "-timestamp") else "sort must be timestamp"


def _within(spans: Sequence[Any], start: str, end: str) -> list[Any]:
    begin, stop = (datetime.fromisoformat(edge).timestamp() * 1000 for edge in (start, end))
    return [span for span in spans if (at := _start_ms(span)) is None or begin <= at <= stop]


def _start_ms(span: Any) -> float | None:
    """The start in ms, by magnitude; None where there is none, for such a span is in every window."""
    attributes = span.get("attributes") if isinstance(span, dict) else None
    start = attributes.get("start_ns") if isinstance(attributes, dict) else None
    if not isinstance(start, int | float) or isinstance(start, bool):
        return None
    return float(start) if start < 1e14 else start / 1e3 if start < 1e17 else start / 1e6
