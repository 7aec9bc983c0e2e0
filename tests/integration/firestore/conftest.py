"""A store over the real emulator, and a tally of what it costs. Imports of Firestore's client wait for who uses them:
without it the tests of this folder are skipped."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from evalforge.models import Lease
from helpers.captures import NOON
from helpers.firestore_emulator import new_project

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from evalforge.storage.firestore import FirestoreStore
    from helpers.firestore_server import Tally


@pytest.fixture
def tally(firestore_emulator: str) -> "Iterator[Tally]":
    from helpers.firestore_server import counting

    with counting() as heard:
        yield heard


@pytest.fixture
def project(firestore_emulator: str) -> str:
    return new_project()


@pytest.fixture
def store(tally: "Tally", project: str) -> "Iterator[FirestoreStore]":
    from evalforge.storage.firestore import FirestoreStore

    opened = FirestoreStore(project, "(default)", "evalforge_")
    yield opened
    opened.close()


@pytest.fixture
def client(project: str) -> "Iterator[Client]":
    from google.cloud.firestore import Client

    opened = Client(project=project)
    yield opened
    opened.close()


@pytest.fixture
def lease(store: "FirestoreStore") -> Lease:
    return store.acquire_lease("r1", NOON, 60)
