"""A gRPC server of the Secret Manager API on loopback: versions of secrets, which may be added, disabled or refused."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.cloud.secretmanager_v1.types import AccessSecretVersionRequest, AccessSecretVersionResponse

ACCESS = "/google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"


class SecretManager(grpc.GenericRpcHandler):
    """`values` by secret: the versions from 1 on, None for a disabled one. `refusals` come first, in order.

    While `silent`, it takes every call and answers none.
    """

    def __init__(self) -> None:
        self.host = ""
        self.values: dict[str, list[bytes | None]] = {}
        self.refusals: list[tuple[grpc.StatusCode, str]] = []
        self.refuse_always: tuple[grpc.StatusCode, str] | None = None
        self.asked: Counter[str] = Counter()
        self.silent = False

    def add(self, secret: str, value: str | bytes | None) -> str:
        """A new version; the resource name of the newest."""
        self.values.setdefault(secret, []).append(value.encode() if isinstance(value, str) else value)
        return f"{secret}/versions/latest"

    def service(self, details: Any) -> Any:
        assert details.method == ACCESS
        return grpc.unary_unary_rpc_method_handler(
            self._access,
            request_deserializer=AccessSecretVersionRequest.deserialize,
            response_serializer=AccessSecretVersionResponse.serialize,
        )

    def _access(self, request: Any, context: Any) -> Any:
        self.asked[request.name] += 1
        while self.silent and context.is_active():
            time.sleep(0.02)
        if refusal := self.refuse_always or (self.refusals.pop(0) if self.refusals else None):
            context.abort(*refusal)
        secret, _, version = request.name.rpartition("/versions/")
        held = self.values.get(secret, [])
        number = len(held) if version == "latest" else int(version)
        if not 0 < number <= len(held):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Secret [{request.name}] not found or has no versions.")
        value = held[number - 1]
        if value is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"Secret Version [{request.name}] is in DISABLED state.")
        return AccessSecretVersionResponse(name=f"{secret}/versions/{number}", payload={"data": value})


@contextmanager
def secret_manager() -> Iterator[SecretManager]:
    """The server, ended with the context."""
    handler = SecretManager()
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    handler.host = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield handler
    finally:
        server.stop(None).wait()
