"""The HTTP service in the test's own process, as fixtures."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from helpers.fake_datadog import FakeDatadog
from helpers.services import Opener, app_over, settings_for


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def log() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def client_of(store: Path, log: io.BytesIO) -> Opener:
    def opener(url: str = "http://127.0.0.1:9", hosts: set[str] | None = None, **more: str) -> TestClient:
        return TestClient(app_over(settings_for(store, url, **more), log, hosts=hosts))

    return opener


@pytest.fixture
def client(client_of: Opener) -> TestClient:
    return client_of()


@pytest.fixture
def datadog() -> Iterator[FakeDatadog]:
    with FakeDatadog() as server:
        yield server
