"""One version of a secret, read from Secret Manager. An error names the secret's resource, never what is in it.

Statuses: Secret Manager API, `AccessSecretVersion`: NOT_FOUND for a secret or version that is not there,
PERMISSION_DENIED without `roles/secretmanager.secretAccessor`, FAILED_PRECONDITION for a version that is disabled or
destroyed.
"""

from collections.abc import Callable

import grpc
from google.api_core import exceptions as google_errors
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from evalforge.common.errors import ConfigurationError, SecretsUnreachable
from evalforge.common.secret_sources import SecretSource

PATIENCE_SECONDS, ATTEMPT_SECONDS = 8.0, 3.0
"""In all, and for each attempt. A run asks at most for three secrets, once, and again when Datadog rejects a key."""
TRANSIENT = (
    google_errors.ServiceUnavailable,
    google_errors.DeadlineExceeded,
    google_errors.InternalServerError,
    google_errors.ResourceExhausted,
)
ROLE = "roles/secretmanager.secretAccessor"
REASONS: tuple[tuple[type[google_errors.GoogleAPICallError], str], ...] = (
    (google_errors.NotFound, "Secret Manager knows no such secret or version; check project, name and version"),
    (
        google_errors.PermissionDenied,
        f"the service's account may not read it; grant it {ROLE} on this secret, and see that the API "
        "secretmanager.googleapis.com is enabled in the project",
    ),
    (google_errors.FailedPrecondition, "this version is disabled or destroyed; enable it, or name another version"),
    (google_errors.Unauthenticated, "Google does not accept this machine's credentials; log in again"),
    (google_errors.InvalidArgument, "Secret Manager does not take it for the name of a version"),
)


def read_secret(source: SecretSource, emulator: str | None = None, stop: Callable[[], bool] = lambda: False) -> str:
    """What the version holds, without space around it.

    `emulator` is the host:port of a server without TLS that is asked instead. Once `stop` says that the process must
    end soon, no further attempt is made. Raises ConfigurationError where trying again would not help, and
    SecretsUnreachable after eight seconds of trying.
    """
    unanswered = SecretsUnreachable(f"{source.shown}: a signal came before Secret Manager answered")
    if stop():
        raise unanswered
    try:
        with _client(emulator) as client:
            answer = client.access_secret_version(name=source.place, retry=_patience(stop), timeout=ATTEMPT_SECONDS)
        content = answer.payload.data.decode().strip()
    except GoogleAuthError:
        raise ConfigurationError(
            f"{source.shown}: no credentials for Google Cloud were found or they cannot be used; "
            "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
        ) from None
    except (*TRANSIENT, google_errors.RetryError):
        if stop():
            raise unanswered from None
        raise SecretsUnreachable(
            f"{source.shown}: Secret Manager did not answer within {PATIENCE_SECONDS:g} s"
        ) from None
    except google_errors.GoogleAPICallError as error:
        why = next((told for kind, told in REASONS if isinstance(error, kind)), f"it answered {_status(error)}")
        raise ConfigurationError(f"{source.shown}: {why}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{source.shown}: the secret is not UTF-8 text") from None
    if not content:
        raise ConfigurationError(f"{source.shown}: the secret is empty")
    return content


def _client(emulator: str | None) -> SecretManagerServiceClient:
    if emulator is None:
        return SecretManagerServiceClient()
    return SecretManagerServiceClient(
        transport=SecretManagerServiceGrpcTransport(channel=grpc.insecure_channel(emulator))
    )


def _patience(stop: Callable[[], bool]) -> Retry:
    def may_pass(error: Exception) -> bool:
        return isinstance(error, TRANSIENT) and not stop()

    return Retry(may_pass, initial=0.2, maximum=1.0, multiplier=2.0, timeout=PATIENCE_SECONDS)


def _status(error: google_errors.GoogleAPICallError) -> str:
    status = error.grpc_status_code
    return "an error" if status is None else str(status.name)
