"""A gRPC server on loopback that stores nothing and, as the service does and the emulator does not, refuses queries for
want of an index: those that filter or sort by a field that it lacks an index for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.cloud.firestore_v1.types import (
    AggregationResult,
    BatchGetDocumentsRequest,
    BatchGetDocumentsResponse,
    CommitRequest,
    CommitResponse,
    RunAggregationQueryResponse,
    RunQueryRequest,
    RunQueryResponse,
    Value,
    WriteResult,
)

WANTED = "The query requires an index. You can create it here: {link}"
BUILDING = (
    "The query requires an index. That index is currently building and cannot be used yet. See its status here: {link}"
)
LINK = "https://console.firebase.google.com/v1/r/project/{project}/firestore/indexes?create_composite=Cktwcm9qZWN0cw"


class _Service(grpc.GenericRpcHandler):
    def __init__(self, lacking: set[str], *, being_built: bool) -> None:
        self._lacking, self._text = lacking, BUILDING if being_built else WANTED
        self._stored: dict[str, Any] = {}

    def service(self, details: Any) -> Any:
        method = details.method.rpartition("/")[2]
        if method == "Commit":
            return grpc.unary_unary_rpc_method_handler(
                self._commit, CommitRequest.deserialize, CommitResponse.serialize
            )
        answers: dict[str, Any] = {
            "RunQuery": (self._query, RunQueryRequest, RunQueryResponse),
            "BatchGetDocuments": (self._get, BatchGetDocumentsRequest, BatchGetDocumentsResponse),
            "RunAggregationQuery": (self._count, RunQueryRequest, RunAggregationQueryResponse),
        }
        answer, request, response = answers[method]
        return grpc.unary_stream_rpc_method_handler(answer, request.deserialize, response.serialize)

    def _commit(self, request: Any, _: Any) -> Any:
        for write in request.writes:
            if write.delete:
                self._stored.pop(write.delete, None)
            else:
                self._stored[write.update.name] = write.update
        return CommitResponse(write_results=[WriteResult() for _ in request.writes])

    def _get(self, request: Any, _: Any) -> Iterator[Any]:
        for name in request.documents:
            found = self._stored.get(name)
            yield BatchGetDocumentsResponse(found=found) if found else BatchGetDocumentsResponse(missing=name)

    def _query(self, request: Any, context: Any) -> Iterator[Any]:
        query = request.structured_query
        fields = {one.field.field_path for one in query.order_by}
        fields |= {one.field_filter.field.field_path for one in query.where.composite_filter.filters}
        fields.add(query.where.field_filter.field.field_path)
        if fields & self._lacking:
            link = LINK.format(project=request.parent.split("/")[1])
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, self._text.format(link=link))
        yield RunQueryResponse()

    def _count(self, _: Any, __: Any) -> Iterator[Any]:
        counted = AggregationResult(aggregate_fields={"field_1": Value(integer_value=0)})
        yield RunAggregationQueryResponse(result=counted)


@contextmanager
def indexing_server(lacking: set[str], *, being_built: bool = False) -> Iterator[str]:
    """`host:port` of a server without the indexes for these fields."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_Service(lacking, being_built=being_built)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
