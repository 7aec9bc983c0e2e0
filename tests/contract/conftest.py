"""Every store there is, for tests of what all of them promise."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evalforge.models import Lease
from evalforge.ports import CaptureStore
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import NOON
from helpers.firestore_emulator import new_project

Opener = Callable[[], CaptureStore]


@pytest.fixture(params=["sqlite", "firestore"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    opened: list[CaptureStore] = []
    if request.param == "firestore":
        request.getfixturevalue("firestore_emulator")
        project = new_project()

    def opener() -> CaptureStore:
        if request.param == "firestore":
            from evalforge.storage.firestore import FirestoreStore

            opened.append(FirestoreStore(project, "(default)", "evalforge_"))
        else:
            opened.append(SqliteStore(tmp_path / "store.db"))
        return opened[-1]

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Opener) -> CaptureStore:
    return open_store()


@pytest.fixture
def lease(store: CaptureStore) -> Lease:
    return store.acquire_lease("r1", NOON, 60)
