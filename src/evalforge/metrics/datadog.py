"""Metrics of a run to Datadog, with its official client. Needs the extra `datadog`; import it only when it is used."""

from collections.abc import Mapping
from typing import Protocol

import urllib3
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import ApiException
from datadog_api_client.model_utils import unset
from datadog_api_client.v2.api.metrics_api import MetricsApi
from datadog_api_client.v2.model.metric_intake_type import MetricIntakeType
from datadog_api_client.v2.model.metric_payload import MetricPayload
from datadog_api_client.v2.model.metric_point import MetricPoint
from datadog_api_client.v2.model.metric_series import MetricSeries

from evalforge.common.errors import MetricsNotSent
from evalforge.metrics.measures import Measure, ended_at, measures_of
from evalforge.metrics.sending import OF_A_SOCKET, keep_quiet, within
from evalforge.models import IngestionRun

UNAUTHORIZED, FORBIDDEN = 401, 403


class Secret(Protocol):
    """A string that no repr shows, like pydantic's SecretStr."""

    def get_secret_value(self) -> str:
        """The string itself."""


class DatadogMetrics:
    """`ports.RunMetrics` over `POST /api/v2/series`, in one request without a retry; `tags` go with each."""

    def __init__(self, base_url: str, api_key: Secret, tags: Mapping[str, str]) -> None:
        keep_quiet("datadog_api_client", "urllib3")
        self._base_url, self._api_key = base_url, api_key
        self._tags = tags

    def publish(self, run: IngestionRun, seconds: float) -> None:
        """As `ports.RunMetrics.publish`."""
        within(seconds, lambda: self._send(self._payload(run), seconds * OF_A_SOCKET))

    def _payload(self, run: IngestionRun) -> MetricPayload:
        moment = int(ended_at(run).timestamp())
        return MetricPayload(series=[self._series(one, moment) for one in measures_of(run)])

    def _series(self, measure: Measure, moment: int) -> MetricSeries:
        about = measure.about
        tags = [f"{name}:{value}" for name, value in {**self._tags, **measure.tags}.items()]
        return MetricSeries(
            metric=measure.full_name,
            type=MetricIntakeType.COUNT if about.kind == "count" else MetricIntakeType.GAUGE,
            points=[MetricPoint(timestamp=moment, value=float(measure.value))],
            tags=tags,
            unit=unset if about.unit is None else about.unit,
        )

    def _send(self, payload: MetricPayload, seconds: float) -> None:
        configuration = Configuration(  # type: ignore[no-untyped-call]
            host=self._base_url,
            api_key={"apiKeyAuth": self._api_key.get_secret_value()},
            request_timeout=seconds,
            retry_policy=urllib3.Retry(total=False),  # no redirects either, which would take the key along
        )
        try:
            with ApiClient(configuration) as client:
                MetricsApi(client).submit_metrics(body=payload)  # type: ignore[no-untyped-call]
        except ApiException as error:
            hint = ": check DD_API_KEY and DD_SITE" if error.status in (UNAUTHORIZED, FORBIDDEN) else ""
            raise MetricsNotSent(f"HTTP {error.status}{hint}") from None
