"""A client of a fake Datadog, unpaced and on a clock that tests move; and what its search gave."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evalforge.common.clock import Clock
from evalforge.common.errors import EvalForgeError
from evalforge.ingestion.datadog_client import DatadogClient
from evalforge.ingestion.search.pacing import Pacer
from evalforge.models import Window
from helpers.clocks import FakeClock
from helpers.fake_datadog import FakeDatadog

API_KEY, APP_KEY = "canary-api-key-1a2b", "canary-app-key-3c4d"
WINDOW = Window(start="2026-11-22T12:00:00.000Z", end="2026-11-23T12:00:00.000Z")
START_MS = 1_795_392_000_000
UNPACED = 1e9


def spans(count: int) -> list[dict[str, Any]]:
    return [
        {"id": str(n), "type": "span", "attributes": {"span_id": str(n), "start_ns": START_MS + n}}
        for n in range(count)
    ]


@contextmanager
def client_of(server: FakeDatadog | str, clock: Clock | None = None, **options: Any) -> Iterator[DatadogClient]:
    clock = clock or FakeClock()
    settings: dict[str, Any] = {
        "base_url": server if isinstance(server, str) else server.url,
        "api_key": API_KEY,
        "app_key": APP_KEY,
        "page_limit": 100,
        "pacer": Pacer(clock, options.pop("rate", UNPACED)),
        "max_calls": 2500,
        "deadline": clock.monotonic() + 810,
        "clock": clock,
        "random": lambda: 0.5,
        **options,
    }
    with DatadogClient(**settings) as client:
        yield client


def collect(client: DatadogClient) -> tuple[int, EvalForgeError | None]:
    """How many items came, and the error that ended the search."""
    count = 0
    try:
        for page in client.search("@status:error", WINDOW):
            count += len(page.items)
    except EvalForgeError as error:
        return count, error
    return count, None
