"""The checks of what is around a run: who may start it, where its numbers go, and what its dollars are made of."""

import socket
from datetime import timedelta
from urllib.parse import urlsplit

from evalforge import wiring
from evalforge.common.admission import check_callers_are_told, check_may_listen
from evalforge.common.clock import Clock
from evalforge.common.config import Settings
from evalforge.common.errors import ConfigurationError
from evalforge.doctor.findings import Finding, ok, warning
from evalforge.models.costs import prices

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what the image listens on; nothing is bound here
SECONDS_TO_CONNECT = 3.0
PRICES_HOLD = timedelta(days=365)


def callers(check: str, settings: Settings, clock: Clock) -> Finding:
    """Whether `serve` would start with what EVALFORGE_AUTH says, and whom it would let in."""
    if settings.on_cloud_run:
        check_may_listen(settings, ANY_ADDRESS)
    if settings.auth == "cloud-run":
        try:
            check_callers_are_told(settings)
        except ConfigurationError as error:
            return warning(check, str(error), "nothing, if these settings are meant for the service on Cloud Run")
        return ok(check, "Cloud Run lets in whom its IAM allows; the service itself lets in all of them")
    check_callers_are_told(settings)
    if settings.auth == "none":
        return ok(check, "EVALFORGE_AUTH=none: serve listens on this machine only, and lets in everybody on it")
    wiring.check_callers(settings, clock)
    odd = [one for one in settings.oidc_emails if one.count("@") != 1]
    if odd:
        return warning(check, f"EVALFORGE_OIDC_EMAILS: {', '.join(odd)}", "no token has such an address: correct it")
    audiences, emails = ", ".join(settings.oidc_audience), ", ".join(settings.oidc_emails)
    return ok(check, f"tokens of Google for {audiences}, of {emails}")


def metrics(check: str, settings: Settings, *, online: bool) -> Finding:
    """Whether what sends the numbers of runs is installed, and somebody is there to take them."""
    wiring.metrics_in_force(settings)
    if settings.metrics == "none":
        return ok(check, "the numbers of runs are sent nowhere (EVALFORGE_METRICS=none)")
    url = settings.base_url if settings.metrics == "datadog" else wiring.otlp_endpoint()
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if settings.metrics == "datadog" or not online:
        return ok(check, f"to {shown} ({settings.metrics})")
    try:
        address = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection(address, SECONDS_TO_CONNECT).close()
    except (OSError, ValueError):
        advice = "start the collector, or set OTEL_EXPORTER_OTLP_ENDPOINT to where it takes OTLP over HTTP"
        return warning(check, f"nobody takes connections at {shown}; runs go on without", advice)
    return ok(check, f"to {shown} ({settings.metrics}), where somebody takes connections")


def price_table(check: str, clock: Clock) -> Finding:
    """How old the prices are by which runs are estimated, and stopped."""
    table = prices()
    oldest = min(table.firestore.as_of, table.cloud_run.as_of, table.scheduler.as_of, table.internet.as_of)
    found = f"of {oldest}, for the estimates of runs and EVALFORGE_MAX_RUN_COST_USD"
    if clock.now().date() - oldest > PRICES_HOLD:
        return warning(
            check, f"{found}: more than a year old", "install a newer EvalForge, or check them against Google's"
        )
    return ok(check, found)
