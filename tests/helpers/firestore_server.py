"""A gRPC server on loopback that refuses every call of Firestore with one status, as the service would; and a tally of
what a client and the real emulator say to each other."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.cloud.firestore_v1.types import BatchGetDocumentsResponse, CommitRequest, RunQueryResponse

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

    `before_next_commit` is called once, just before a commit is sent; `lose_answers` commits are done but not answered.
    """

    def __init__(self) -> None:
        self.reads = 0
        self.commits: list[tuple[int, int]] = []
        self.before_next_commit: Callable[[], Any] | None = None
        self.lose_answers = 0

    def quietly(self, work: Callable[[], Any]) -> None:
        """Do this without being called before its own commits."""
        self.before_next_commit = None
        work()

    def intercept_unary_unary(self, proceed: Any, details: Any, request: Any) -> Any:
        if details.method.endswith("/Commit"):
            if self.before_next_commit is not None:
                self.before_next_commit()
            self.commits.append((len(request.writes), CommitRequest.pb(request).ByteSize()))
            if self.lose_answers:
                self.lose_answers -= 1
                proceed(details, request).result()
                raise LostAnswer
        return proceed(details, request)

    def intercept_unary_stream(self, proceed: Any, details: Any, request: Any) -> Any:
        return self._counted(proceed(details, request))

    def _counted(self, answers: Any) -> Iterator[Any]:
        for answer in answers:
            if isinstance(answer, RunQueryResponse):
                self.reads += bool(answer.document.name)
            elif isinstance(answer, BatchGetDocumentsResponse):
                self.reads += 1
            yield answer
