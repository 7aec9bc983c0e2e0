"""Metrics of a run as OTLP over HTTP, in protobuf. Needs the extra `otel`; import it only when it is used.

Where to, with which headers and certificates is the SDK's own to read, from the standard variables
`OTEL_EXPORTER_OTLP_*` (OpenTelemetry specification, "OTLP Exporter Configuration"): to read them here too would be a
second, lesser reader of the same. What is sent is collected and exported at once, for an instance may be without CPU
between two runs.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from requests import Session
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from evalforge.common.errors import MetricsNotSent
from evalforge.metrics.measures import ABOUT, PREFIX, measures_of
from evalforge.metrics.sending import OF_A_SOCKET, keep_quiet, reason_of, within
from evalforge.models import IngestionRun

UNITS = {"second": "s", "hour": "h", "byte": "By", "dollar": "{USD}", None: "1"}
"""UCUM's words for Datadog's."""
ATTRIBUTES = {"service": "service.name", "version": "service.version", "env": "deployment.environment.name"}
"""OpenTelemetry's names for Datadog's tags (semantic conventions, "Resource")."""
PER_RUN: dict[type, AggregationTemporality] = {Counter: AggregationTemporality.DELTA}
"""A run counts for itself: the next one begins at nothing, in another process perhaps."""


class OtlpMetrics:
    """`ports.RunMetrics` by OpenTelemetry's SDK and its exporter; `tags` go with each as attributes of the resource."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        keep_quiet("opentelemetry", "urllib3", "requests")
        ours = Resource({ATTRIBUTES[name]: value for name, value in tags.items()})
        self._resource = ours.merge(OTELResourceDetector().detect())

    def publish(self, run: IngestionRun, seconds: float) -> None:
        """As `ports.RunMetrics.publish`."""
        within(seconds, lambda: _send(self._collected(run), seconds * OF_A_SOCKET))

    def _collected(self, run: IngestionRun) -> MetricsData | None:
        reader = InMemoryMetricReader(preferred_temporality=PER_RUN)
        provider = MeterProvider([reader], resource=self._resource, shutdown_on_exit=False)
        meter = provider.get_meter("evalforge")
        instruments: dict[str, Any] = {}
        for name, about in ABOUT.items():
            make = meter.create_counter if about.kind == "count" else meter.create_gauge
            instruments[name] = make(PREFIX + name, unit=UNITS[about.unit], description=about.meaning)
        for measure in measures_of(run):
            instrument = instruments[measure.name]
            record = instrument.add if measure.about.kind == "count" else instrument.set
            record(measure.value, dict(measure.tags))
        data = reader.get_metrics_data()
        provider.shutdown()
        return data


class _Watched(HTTPAdapter):
    """Remembers what came of the last attempt, which the exporter tells to a log alone."""

    reason = "nothing was sent"

    def send(self, *given: Any, **more: Any) -> Any:
        try:
            answer = super().send(*given, **more)
        except RequestException as error:
            self.reason = reason_of(error.args[0] if error.args and isinstance(error.args[0], Exception) else error)
            raise
        self.reason = f"HTTP {answer.status_code}"
        return answer


def _send(data: MetricsData | None, seconds: float) -> None:
    if data is None:
        raise MetricsNotSent("OpenTelemetry's SDK is switched off (OTEL_SDK_DISABLED)")
    watched, session = _Watched(), Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, watched)
    exporter = OTLPMetricExporter(session=session, timeout=seconds)
    try:
        if exporter.export(data) is not MetricExportResult.SUCCESS:
            raise MetricsNotSent(watched.reason)
    finally:
        exporter.shutdown()
