"""One HTTP exchange that ends: bounded in time as a whole and in bytes, whatever the server does.

httpx2 bounds each read of a socket, so that a server which sends a byte now and then holds it for ever, in the headers
too. So this stands on httpcore2, httpx2's own engine, whose network backend is public: every wait of a socket gets
what is left of the exchange. The sockets wait in real time, whatever clock the caller has.
"""

import logging
import socket
import zlib
from collections.abc import Callable, Iterable, Mapping
from ssl import SSLCertVerificationError, SSLContext
from typing import Protocol

import httpcore2
import msgspec

from evalforge.common.clock import Clock, SystemClock

LARGEST_BODY_BYTES = 64 * 1024 * 1024
"""Decompressed. Datadog caps an answer at 50 MB (facts: datadog.md §1)."""
STOP_CHECK_SECONDS = 0.5
TIMEOUTS = {"connect": 10.0, "write": 10.0, "read": STOP_CHECK_SECONDS}
"""The longest single waits, seconds: a read that ends is only resumed after asking whether to stop."""
GZIP_WINDOW_BITS = 31
IDLE_SECONDS = 30.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Header names in lower case; the values of a repeated header joined by ", "."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):
    """No whole answer came. The message is ours alone; no library error, which could hold a key, is its context."""


class _OutOfTime(Exception):
    """The exchange has used up its time, or the process was asked to stop."""


class Exchanger(Protocol):
    """Makes one HTTP exchange after another."""

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        seconds: float,
        written: Callable[[], None],
    ) -> Answer:
        """The answer to one request, within `seconds` in all. Raises NoAnswer.

        `written` is called when the request is on its way; of several calls the last counts.
        """

    def close(self) -> None:
        """Let go of the connection."""


class BoundedHttp:
    """A kept-alive connection, for one thread; close it. No redirects, no cookies, no proxy settings."""

    def __init__(self, stop: Callable[[], bool] = lambda: False, clock: Clock | None = None) -> None:
        # at DEBUG httpcore2 logs the headers of an answer, in which a hostile server may echo a key
        logging.getLogger("httpcore2").setLevel(logging.INFO)
        self._allowance = _Allowance(clock or SystemClock(), stop)
        self._pool = httpcore2.ConnectionPool(
            max_connections=1, keepalive_expiry=IDLE_SECONDS, network_backend=_Backend(self._allowance)
        )

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        seconds: float,
        written: Callable[[], None],
    ) -> Answer:
        """The answer to one request, within `seconds` in all. Raises NoAnswer; ends within a second of `stop`."""
        self._allowance.begin(seconds, written)
        try:
            with self._pool.stream(
                method, url, headers=list(headers.items()), content=content, extensions={"timeout": TIMEOUTS}
            ) as response:
                told = _joined(response.headers)
                body = _read(response.iter_stream(), told.get("content-encoding", "identity"))
                return Answer(status=response.status, headers=told, body=body)
        except _OutOfTime:
            reason = f"no whole answer within {seconds:.0f} s"
        except NoAnswer as error:
            reason = str(error)
        except (httpcore2.TimeoutException, httpcore2.ConnectError, httpcore2.UnsupportedProtocol) as error:
            untrusted = isinstance(error.__cause__, SSLCertVerificationError)
            reason = "its TLS certificate is not trusted" if untrusted else "no connection"
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            reason = "the connection broke off"
        raise NoAnswer(reason)  # out here, so that the library's error is not its context

    def close(self) -> None:
        """Let go of the connection."""
        self._pool.close()


class _Allowance:
    """What is left of the exchange under way."""

    def __init__(self, clock: Clock, stop: Callable[[], bool]) -> None:
        self._clock, self._stop = clock, stop
        self._ends_at = 0.0
        self.written: Callable[[], None] = lambda: None

    def begin(self, seconds: float, written: Callable[[], None]) -> None:
        self._ends_at, self.written = self._clock.monotonic() + seconds, written

    def left(self, most: float | None) -> float:
        """Seconds that a socket may wait now, at most `most`. Raises _OutOfTime."""
        left = self._ends_at - self._clock.monotonic()
        if left <= 0 or self._stop():
            raise _OutOfTime
        return left if most is None else min(left, most)


class _Stream(httpcore2.NetworkStream):
    """A connection whose every wait is cut from the allowance."""

    def __init__(self, inner: httpcore2.NetworkStream, allowance: _Allowance) -> None:
        self._inner, self._allowance = inner, allowance

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            wait = self._allowance.left(timeout)
            try:
                return self._inner.read(max_bytes, timeout=wait)
            except httpcore2.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout=self._allowance.left(timeout))
        self._allowance.written()

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        wait = self._allowance.left(timeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout=wait), self._allowance)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    """Connects address by address, because one timeout for all of a host's addresses would count for each."""

    def __init__(self, allowance: _Allowance) -> None:
        self._inner, self._allowance = httpcore2.SyncBackend(), allowance

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        for address in _addresses(host, port):
            wait = self._allowance.left(timeout)
            try:
                stream = self._inner.connect_tcp(address, port, wait, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
            return _Stream(stream, self._allowance)
        raise httpcore2.ConnectError


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return joined


def _read(chunks: Iterable[bytes], encoding: str) -> bytes:
    inflate = _inflater(encoding.strip().lower())
    body = bytearray()
    for chunk in chunks:
        body += inflate(chunk, LARGEST_BODY_BYTES + 1 - len(body))
        if len(body) > LARGEST_BODY_BYTES:
            raise NoAnswer(f"an answer larger than {LARGEST_BODY_BYTES // 1024 // 1024} MB")
    return bytes(body)


def _inflater(encoding: str) -> Callable[[bytes, int], bytes]:
    """A function of a chunk and the most bytes it may give; what is more than that is given up by the caller."""
    if encoding in ("", "identity"):
        return lambda chunk, most: chunk[:most]
    if encoding not in ("gzip", "x-gzip"):
        raise NoAnswer("a content encoding that was not asked for")
    inflater = zlib.decompressobj(GZIP_WINDOW_BITS)

    def inflate(chunk: bytes, most: int) -> bytes:
        try:
            return inflater.decompress(chunk, most)
        except zlib.error:
            raise NoAnswer("an answer whose gzip is broken") from None

    return inflate
