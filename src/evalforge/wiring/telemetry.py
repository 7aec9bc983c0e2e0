"""Settings -> where the metrics of runs go, and telling them there without ever disturbing a run."""

import re
from contextlib import suppress

from evalforge import __version__
from evalforge.common.config import Settings, chosen
from evalforge.common.errors import ConfigurationError, EvalForgeError, MetricsNotSent
from evalforge.ingestion.run_journal import Log
from evalforge.models import IngestionRun
from evalforge.ports import CaptureStore, RunMetrics

OTLP_ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
OTLP_USUAL_ENDPOINT = "http://localhost:4318"
SECONDS, SECONDS_WHEN_STOPPED = 3.0, 1.0
"""How long a run that is over may wait for its metrics; and one that a signal ended, whose process must go."""


def metrics_in_force(settings: Settings) -> RunMetrics | None:
    """What EVALFORGE_METRICS asks for. Raises ConfigurationError where it is not installed or cannot be set up."""
    tags = {"service": "evalforge", "version": __version__} | ({"env": settings.env} if settings.env else {})
    try:
        if settings.metrics == "datadog":
            from evalforge.metrics.datadog import DatadogMetrics

            return None if settings.api_key is None else DatadogMetrics(settings.base_url, settings.api_key, tags)
        if settings.metrics == "otlp":
            from evalforge.metrics.otlp import OtlpMetrics

            return OtlpMetrics(tags)
    except ImportError as error:
        raise ConfigurationError(
            f"EVALFORGE_METRICS={settings.metrics}: what sends them is not installed ({error.name} is missing); "
            "run `make metrics` in the clone of EvalForge"
        ) from None
    except ValueError as error:  # OpenTelemetry's SDK reads some of its variables as it is imported
        named = re.search(r"OTEL_[A-Z_]+", str(error))
        raise ConfigurationError(
            f"EVALFORGE_METRICS={settings.metrics}: OpenTelemetry's SDK does not accept what "
            f"{named[0] if named else 'a variable OTEL_*'} holds (value not shown): mend it or unset it"
        ) from None
    return None


def otlp_endpoint() -> str:
    """Where the SDK sends to (OpenTelemetry specification, "OTLP Exporter Configuration"), for messages."""
    told = chosen(*OTLP_ENDPOINTS)
    return next((told[name] for name in OTLP_ENDPOINTS if name in told), OTLP_USUAL_ENDPOINT)


def publish(metrics: RunMetrics | None, run: IngestionRun | None, log: Log, *, stopped: bool) -> None:
    """Tell of a run that is over; where that fails the log says so, once, and nothing else happens."""
    if metrics is None or run is None or run.outcome == "running":
        return
    try:
        metrics.publish(run, SECONDS_WHEN_STOPPED if stopped else SECONDS)
    except MetricsNotSent as error:
        log.warning("metrics not sent", reason=str(error))


def run_that_failed(metrics: RunMetrics | None, store: CaptureStore, run_id: str) -> IngestionRun | None:
    """Its report, which it left in the store; None where it left none, as where another run held the lease."""
    with suppress(EvalForgeError):
        return store.run(run_id) if metrics is not None else None
    return None
