"""Settings -> the HTTP service."""

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING

from evalforge.common.callers import Callers
from evalforge.common.clock import Clock, random_suffix
from evalforge.common.config import Settings
from evalforge.common.correlation import Trigger
from evalforge.common.errors import ConfigurationError, StoreError
from evalforge.models import IngestionRun
from evalforge.ports import CaptureStore
from evalforge.wiring.logs import logger
from evalforge.wiring.rules import custom_rules_in_force, rules_in_force, scope_in_force
from evalforge.wiring.runs import capture
from evalforge.wiring.secrets import Secrets
from evalforge.wiring.stores import GCP_INSTALL, REQUESTS_PATIENCE_SECONDS, Stop, open_store
from evalforge.wiring.telemetry import metrics_in_force
from evalforge.wiring.texts import scanner_of

if TYPE_CHECKING:
    from fastapi import FastAPI


def service(
    settings: Settings,
    log_stream: IO[bytes],
    stop: Stop,
    clock: Clock,
    hosts: Collection[str] | None,
    certificates_url: str | None = None,
) -> "FastAPI":
    """The HTTP service. Raises ConfigurationError or StoreError where settings or the store cannot be used at all.

    `certificates_url` is asked for Google's certificates (None: Google).
    Keys are not asked for before a run: a service may be there to read the store alone.
    """
    from evalforge.app import create_app

    rules_in_force(settings)
    scope_in_force(settings)
    metrics_in_force(settings)
    scanner_of(settings, custom_rules_in_force(settings))
    callers = check_callers(settings, clock, certificates_url) if settings.auth == "oidc" else None
    opened = open_store(settings, REQUESTS_PATIENCE_SECONDS)
    if settings.firestore is None:
        opened.close()

    secrets = Secrets(stop)

    def run(*, lookback_hours: float | None, quality_threshold: float | None, trigger: Trigger) -> IngestionRun:
        given = {"lookback_hours": lookback_hours, "quality_threshold": quality_threshold}
        if lookback_hours is not None:
            given["deep_lookback_hours"] = 0.0
        changed = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
        return capture(changed, log_stream, lambda *_: None, stop, clock, secrets=secrets, trigger=trigger)

    @contextmanager
    def stores() -> Iterator[CaptureStore]:
        """A file is opened for each request, which takes less than a millisecond; a channel to Firestore is kept."""
        try:
            if settings.firestore is None:
                with closing(open_store(settings, REQUESTS_PATIENCE_SECONDS)) as store:
                    yield store
            else:
                yield opened
        except ConfigurationError as error:  # the settings were good when the service began
            raise StoreError(str(error)) from error

    return create_app(
        run=run,
        stores=stores,
        clock=clock,
        log=logger(settings, log_stream, clock),
        new_id=random_suffix,
        lookback_hours=settings.lookback_hours,
        longest_run_seconds=settings.deadline_seconds + settings.lease_seconds,
        hosts=hosts,
        callers=callers,
        project=settings.trace_project,
    )


def check_callers(settings: Settings, clock: Clock, certificates_url: str | None = None) -> Callers:
    """What checks tokens of Google. Raises ConfigurationError where it is not installed. Asks nobody for anything."""
    try:
        from evalforge.cloud.certificates import GOOGLE_CERTIFICATES, Certificates
        from evalforge.cloud.identity_tokens import GoogleTokens
    except ImportError as error:
        raise ConfigurationError(
            f"EVALFORGE_AUTH=oidc: google-auth is not installed ({error.name} is missing); {GCP_INSTALL}"
        ) from None
    return GoogleTokens(
        audiences=settings.oidc_audience,
        emails=settings.oidc_emails,
        certificates=Certificates(certificates_url or GOOGLE_CERTIFICATES, clock),
        clock=clock,
    )
