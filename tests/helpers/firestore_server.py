"""A gRPC server on loopback that refuses every call of Firestore with one status, as the service would; and a tally of
what a client and the real emulator say to each other."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.cloud.firestore_v1.types import (
    BatchGetDocumentsResponse,
    CommitRequest,
    RunAggregationQueryResponse,
    RunQueryRequest,
    RunQueryResponse,
)

PREFIX = "evalforge_"
TOO_LARGE = 1_100_000
"""Above Firestore's 1 MiB a document."""
CANARY = "projects/canary-of-the-server/a long text that no person wants to read"


class _Refusal(grpc.GenericRpcHandler):
    def __init__(self, status: grpc.StatusCode, text: str) -> None:
        self._status, self._text = status, text

    def service(self, details: Any) -> Any:
        def refuse(_: bytes, context: Any) -> bytes:
            context.abort(self._status, self._text)

        if details.method.rpartition("/")[2] in ("RunQuery", "BatchGetDocuments", "RunAggregationQuery"):
            return grpc.unary_stream_rpc_method_handler(refuse)
        return grpc.unary_unary_rpc_method_handler(refuse)


@contextmanager
def refusing_server(status: grpc.StatusCode, text: str = CANARY, port: int = 0) -> Iterator[str]:
    """`host:port` of a server that answers everything with this status."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_Refusal(status, text)])
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


class LostAnswer(grpc.RpcError):
    """What a client sees when the connection breaks after the server did the work."""

    def result(self) -> Any:
        raise self

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "the connection broke"

    def trailing_metadata(self) -> tuple[()]:
        return ()


class Tally(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Counts the documents that answers hold, and keeps the size and number of writes of each commit.

    `read`, `written` and `deleted` count the documents that Google bills, by collection (Firestore pricing: one that is
    asked for and not there is a read, and so are a query that finds nothing and a thousand counted).
    `before_next_commit` is called once, just before a commit is sent; `lose_answers` commits are done but not answered.
    """

    def __init__(self) -> None:
        self.reads = 0
        self.read: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self.commits: list[tuple[int, int]] = []
        self.before_next_commit: Callable[[], Any] | None = None
        self.lose_answers = 0

    def clear(self) -> None:
        """Begin to count anew."""
        self.reads = 0
        for counted in (self.read, self.written, self.deleted, self.commits):
            counted.clear()

    def quietly(self, work: Callable[[], Any]) -> None:
        """Do this without being called before its own commits."""
        self.before_next_commit = None
        work()

    def intercept_unary_unary(self, proceed: Any, details: Any, request: Any) -> Any:
        if details.method.endswith("/Commit"):
            if self.before_next_commit is not None:
                self.before_next_commit()
            self.commits.append((len(request.writes), CommitRequest.pb(request).ByteSize()))
            self._count(CommitRequest.pb(request).writes)
            if self.lose_answers:
                self.lose_answers -= 1
                proceed(details, request).result()
                raise LostAnswer
        return proceed(details, request)

    def intercept_unary_stream(self, proceed: Any, details: Any, request: Any) -> Any:
        return self._counted(proceed(details, request), request)

    def _count(self, writes: Any) -> None:
        for write in writes:
            counted = self.deleted if write.delete else self.written
            counted[_collection(write.delete or write.update.name)] += 1

    def _counted(self, answers: Any, request: Any) -> Iterator[Any]:
        found = 0
        for answer in answers:
            if isinstance(answer, RunQueryResponse) and answer.document.name:
                found += 1
                self.read[_collection(answer.document.name)] += 1
            elif isinstance(answer, BatchGetDocumentsResponse):
                self.reads += 1
                self.read[_collection(answer.found.name or answer.missing)] += 1
            elif isinstance(answer, RunAggregationQueryResponse):
                counted = answer.result.aggregate_fields
                self.read["counted"] += max(1, *(-(-value.integer_value // 1000) for value in counted.values()))
            yield answer
        self.reads += found
        if isinstance(request, RunQueryRequest) and not found:
            self.read[request.structured_query.from_[0].collection_id] += 1


def _collection(name: str) -> str:
    """That of a document's full name."""
    return name.rpartition("/")[0].rpartition("/")[2]


@contextmanager
def counting() -> Iterator[Tally]:
    """The tally of all that clients made within the block say and are told."""
    heard, plain = Tally(), grpc.insecure_channel
    grpc.insecure_channel = lambda *given, **more: grpc.intercept_channel(plain(*given, **more), heard)
    try:
        yield heard
    finally:
        grpc.insecure_channel = plain
