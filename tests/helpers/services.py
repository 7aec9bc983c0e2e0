"""The HTTP service in the test's own process, with a real store and everything real but Datadog."""

import io
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from evalforge.common.clock import SystemClock
from evalforge.common.config import Settings, read_settings
from evalforge.models import FailureCapture
from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from evalforge.wiring import service
from helpers.captures import capture
from helpers.commands import API_KEY, APP_KEY, HASH_KEY, environment

Opener = Callable[..., TestClient]
"""Opens a client of the service: the fixture `client_of` of the integration tests."""
NEWEST = "2026-11-23T10:00:59.000Z"


def settings_for(store: Path, url: str = "http://127.0.0.1:9", **more: str) -> Settings:
    return read_settings({name: value for name, value in environment(store, url, **more).items() if value})


def app_over(
    settings: Settings, log: io.BytesIO | None = None, stop: threading.Event | None = None, **more: Any
) -> Any:
    """The app as `evalforge serve` has it, but for the socket."""
    stop = stop or threading.Event()
    return service(
        settings, log or io.BytesIO(), stop.is_set, SystemClock(stop), more.get("hosts"), more.get("certificates")
    )


def captures_of(number: int) -> list[FailureCapture]:
    """Captures one second apart, the newest first; the ids count up from 0 in hex."""
    return [
        capture(
            f"{position:032x}", last_failed_at=f"2026-11-23T10:{59 - position // 60:02}:{59 - position % 60:02}.000Z"
        )
        for position in range(number)
    ]


def fill(path: Path, batch: Batch, runs: Mapping[str, Any] | None = None) -> None:
    """Put these into the store."""
    store = SqliteStore(path)
    clock = SystemClock()
    lease = store.acquire_lease("filler", clock.now(), 60)
    store.commit(lease, batch)
    store.release_lease(lease)
    for run in (runs or {}).values():
        store.save_run(run)
    store.close()


CANARIES = (API_KEY, APP_KEY, HASH_KEY, "canary", "Traceback", ".py", "sqlite")


def problem_of(answer: Any, status: int) -> str:
    """The detail of a problem document that is whole and gives nothing away."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    found = answer.json()
    assert list(found) == ["type", "title", "status", "detail", "instance"]
    assert found["status"] == status
    assert not [canary for canary in CANARIES if canary in answer.text]
    return str(found["detail"])
