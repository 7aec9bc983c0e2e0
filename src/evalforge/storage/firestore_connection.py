"""The way to Firestore: collections, bounded waiting, and each of its refusals as one clear line.

The client's own retries wait for a minute (facts: platform.md §0, finding 7); here an attempt and all attempts together
have their own bounds, so that a run or a command learns within seconds that the store is not there. Its channel tries
to connect ever more seldom, up to every two minutes (gRPC, "Connection Backoff Protocol"), and all channels of a
process share that; here it goes on trying every second, so that a store that is back is found at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import grpc
from google.api_core import exceptions as google_errors
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import (
    Client,
    CollectionReference,
    DocumentReference,
    DocumentSnapshot,
    Query,
    WriteBatch,
)
from google.cloud.firestore_v1.services.firestore import client as gapic
from google.cloud.firestore_v1.services.firestore.transports.grpc import FirestoreGrpcTransport
from google.cloud.firestore_v1.types import Write

from evalforge.common.errors import ConfigurationError, EvalForgeError, StoreError
from evalforge.storage.patience import Patience

ATTEMPT_SECONDS = 10.0
PATIENCE_SECONDS = 10.0
"""How long attempts are repeated; so that the longest wait is an attempt more than this."""
RECONNECTING = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # which is how long to wait for one connection
]
UNBOUNDED_MESSAGES = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
"""As the client has it."""

BROKEN = (google_errors.Unknown, google_errors.Cancelled)
"""What gRPC makes of a connection that was cut in the middle of an answer, besides UNAVAILABLE."""
TRANSIENT = (
    google_errors.ServiceUnavailable,
    google_errors.DeadlineExceeded,
    google_errors.InternalServerError,
    google_errors.Aborted,
    google_errors.ResourceExhausted,
    *BROKEN,
)
_ONCE = Retry(lambda _: False)
_API_DISABLED = "API has not been used in project"
"""What the service says, besides PERMISSION_DENIED, where its API is not enabled."""

WRITES_A_COMMIT = 450
DOCUMENTS_A_READ = 200

Answer = TypeVar("Answer")
Snapshot: TypeAlias = DocumentSnapshot[Any]
Found: TypeAlias = dict[str, Snapshot]


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TRANSIENT)


class _Transport(FirestoreGrpcTransport):
    @classmethod
    def create_channel(cls, *given: Any, options: Sequence[tuple[str, Any]] = (), **more: Any) -> grpc.Channel:
        return super().create_channel(*given, options=[*options, *RECONNECTING], **more)


class _ReconnectingClient(Client):
    """The client with other options for its channel, for which it has no parameter."""

    @property
    def _firestore_api(self) -> Any:
        return self._firestore_api_helper(_Transport, gapic.FirestoreClient, gapic)

    def _emulator_channel(self, _: Any) -> grpc.Channel:
        return grpc.insecure_channel(self._emulator_host, options=[*UNBOUNDED_MESSAGES, *RECONNECTING])


class Connection:
    """One database, its collections under a prefix. Safe to share between threads."""

    def __init__(self, project: str, database: str, prefix: str, emulator: str | None, patience: Patience) -> None:
        """`emulator` is for messages; the client reads FIRESTORE_EMULATOR_HOST by itself."""
        self._patience = patience
        self.name = f"firestore://{project}/{database}"
        self._project, self._database, self._prefix, self._emulator = project, database, prefix, emulator
        with self._explaining():
            self.client: Client = _ReconnectingClient(project=project, database=database)

    def close(self) -> None:
        """Let go of the channel."""
        self.client.close()  # type: ignore[no-untyped-call]

    def collection(self, name: str) -> CollectionReference:
        """The collection of that name under the prefix."""
        return self.client.collection(f"{self._prefix}{name}")

    def path_of(self, reference: DocumentReference) -> str:
        """The document's path from the project on, as the protocol has it."""
        return f"projects/{self._project}/databases/{self._database}/documents/{reference.path}"

    def get(self, references: Iterable[DocumentReference], fields: Sequence[str] | None = None) -> Found:
        """What is there of these documents, by path, as they were at one moment; `fields` None means all of each."""
        wanted = list(references)

        def read() -> list[Snapshot]:
            return list(self.client.get_all(wanted, fields, retry=_ONCE, timeout=self._attempt_seconds()))

        found = self.ask(read) if wanted else []
        return {snapshot.reference.path: snapshot for snapshot in found if snapshot.exists}

    def find(self, query: Query, at: datetime | None = None) -> list[Snapshot]:
        """All that the query finds, or found at that moment in the last hour; keep it small with a limit."""
        return self.ask(lambda: list(query.stream(retry=_ONCE, timeout=self._attempt_seconds(), read_time=at)))

    def pages(self, query: Query, limit: int | None = None, at: datetime | None = None) -> Iterator[Snapshot]:
        """The same of any size, read in pages of which none asks for more than is still wanted."""
        left = limit
        while left is None or left > 0:
            rows = DOCUMENTS_A_READ if left is None else min(left, DOCUMENTS_A_READ)
            found = self.find(query.limit(rows), at)
            yield from found
            if len(found) < rows:
                return
            query = query.start_after(found[-1])
            left = None if left is None else left - rows

    def count(self, query: Query) -> int:
        """How many documents the query finds, counted by the server."""
        counted: Any = query.count()  # the library's types do not know that `get` is a method of it
        return int(self.ask(lambda: counted.get(retry=_ONCE, timeout=self._attempt_seconds()))[0][0].value)

    def send(self, batch: WriteBatch, writes: Iterable[Write] = ()) -> None:
        """Commit, with these writes besides. Raises `google.api_core.exceptions` as they are, for the caller."""
        batch._add_write_pbs(list(writes))  # noqa: SLF001 - the one way in for writes that are encoded already
        self._patience.call(lambda: batch.commit(retry=_ONCE, timeout=self._attempt_seconds()), _may_pass)

    def ask(self, attempt: Callable[[], Answer]) -> Answer:
        """The answer, after as many attempts as it takes within the bound. Raises StoreError or ConfigurationError."""
        with self._explaining():
            return self._patience.call(attempt, _may_pass)

    def explained(self, error: Exception) -> EvalForgeError:
        """The line for a person. Nothing of the server's own text, which is long and may name documents."""
        emulated = f"FIRESTORE_EMULATOR_HOST={self._emulator} ({self.name})"
        where = emulated if self._emulator else f"EVALFORGE_STORE={self.name}"
        project = f"--project {self._project}"
        within = f"{self._patience.seconds:g} s"
        create = f"gcloud firestore databases create {project} --database '{self._database}' --location LOCATION"
        match error:
            case google_errors.RetryError() if isinstance(error.cause, google_errors.GoogleAPIError):
                return self.explained(error.cause)
            case google_errors.RetryError() | google_errors.ServiceUnavailable() | google_errors.DeadlineExceeded():
                advice = "start the emulator or unset it" if self._emulator else "check the network, then try again"
                return StoreError(f"{where}: no answer from Firestore within {within}; {advice}")
            case google_errors.Forbidden() if _API_DISABLED in str(error):
                return ConfigurationError(
                    f"{where}: this project does not use Firestore yet; enable it and wait a minute: "
                    f"gcloud services enable firestore.googleapis.com {project}"
                )
            case google_errors.Forbidden():
                return ConfigurationError(
                    f"{where}: permission denied; check the project's name, and give this account roles/datastore.user"
                )
            case google_errors.Unauthenticated() | GoogleAuthError():
                return ConfigurationError(
                    f"{where}: there are no usable Google credentials; run gcloud auth application-default login, "
                    "or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
                )
            case google_errors.NotFound():
                return ConfigurationError(
                    f"{where}: there is no such project or database; create it with: {create} (such as eur3 or nam5)"
                )
            case google_errors.FailedPrecondition() if "index" in str(error):
                return ConfigurationError(
                    f"{where}: an index is missing or not built yet; deploy them as the README says under Firestore: "
                    f"cd deploy && npx firebase-tools deploy --only firestore:indexes {project}"
                )
            case google_errors.FailedPrecondition():
                return ConfigurationError(f"{where}: this database is not one in Firestore's native mode; name another")
            case google_errors.ResourceExhausted():
                return StoreError(f"{where}: the quota is used up; wait, or raise it in the Google Cloud console")
            case google_errors.Aborted():
                return StoreError(f"{where}: others write the same documents; find out what does, then try again")
            case google_errors.InternalServerError():
                return StoreError(f"{where}: Firestore failed within itself for {within}; try again later")
            case google_errors.Unknown() | google_errors.Cancelled():
                return StoreError(f"{where}: the connection broke off for {within}; check the network, then try again")
        return StoreError(f"{where}: Firestore refused with {type(error).__name__}; nothing more was written")

    def _attempt_seconds(self) -> float:
        return min(ATTEMPT_SECONDS, self._patience.allowed)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (google_errors.GoogleAPIError, GoogleAuthError) as error:
            raise self.explained(error) from error
