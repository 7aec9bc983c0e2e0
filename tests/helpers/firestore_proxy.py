"""A gRPC server before the real emulator: it hands every call on, but for those that it is told to fail."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc

STREAMS = ("RunQuery", "BatchGetDocuments", "RunAggregationQuery")
ANY_SIZE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@dataclass
class Proxy(grpc.GenericRpcHandler):
    """Fails the calls numbered `first` to `last` (from 0) with `status`: before the emulator sees them, or, where
    `answer_lost`, after it did what they ask."""

    channel: grpc.Channel
    host: str = ""
    status: grpc.StatusCode | None = None
    first: int = 0
    last: float = 0
    answer_lost: bool = False
    failed: int = 0
    numbers: Iterator[int] = field(default_factory=count)
    work: dict[int, Callable[[], Any]] = field(default_factory=dict)

    def fail(self, status: grpc.StatusCode | None, first: int, last: float, *, answer_lost: bool = False) -> None:
        """From now on; calls are counted from here."""
        self.status, self.first, self.last, self.answer_lost = status, first, last, answer_lost
        self.failed, self.numbers = 0, count()

    def before(self, number: int, work: Callable[[], Any]) -> None:
        """Do this before the call of that number is handed on; calls are counted from here."""
        self.fail(None, 0, 0)
        self.work = {number: work}

    @property
    def calls(self) -> int:
        """How many there were since; may be asked once."""
        return next(self.numbers)

    def service(self, details: Any) -> Any:
        method = details.method
        if method.rpartition("/")[2] not in STREAMS:
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: self._answer(self.channel.unary_unary(method), request, context)
            )

        def ask_all(*given: Any, **more: Any) -> list[bytes]:
            return list(self.channel.unary_stream(method)(*given, **more))

        return grpc.unary_stream_rpc_method_handler(
            lambda request, context: iter(self._answer(ask_all, request, context))
        )

    def _answer(self, ask: Any, request: bytes, context: Any) -> Any:
        number = next(self.numbers)
        self.work.pop(number, lambda: None)()
        status = self.status if self.first <= number <= self.last else None
        answer_lost = self.answer_lost
        if status is not None and not answer_lost:
            self._abort(context, status)
        try:
            answer = ask(request, metadata=[pair for pair in context.invocation_metadata() if _is_ours(pair[0])])
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())
        if status is not None:
            self._abort(context, status)
        return answer

    def _abort(self, context: Any, status: grpc.StatusCode) -> None:
        self.failed += 1
        context.abort(status, "made by the test")


def _is_ours(key: str) -> bool:
    return key == "authorization" or key.startswith(("x-goog-", "google-"))


@contextmanager
def proxy_before(emulator: str) -> Iterator[Proxy]:
    """A proxy that hands everything on to `host:port` until it is told otherwise."""
    with grpc.insecure_channel(emulator, options=ANY_SIZE) as channel:
        proxy = Proxy(channel)
        server = grpc.server(ThreadPoolExecutor(4), handlers=[proxy], options=ANY_SIZE)
        proxy.host = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield proxy
        finally:
            server.stop(None).wait()
