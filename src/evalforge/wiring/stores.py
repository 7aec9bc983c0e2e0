"""Settings -> the store: which one, and whether it is there."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from evalforge.common.config import Settings, data_folder, silence_grpc
from evalforge.common.errors import ConfigurationError
from evalforge.common.value_forms import FirestoreDatabase
from evalforge.ports import CaptureStore, StoreExamination
from evalforge.storage.sqlite import SqliteStore
from evalforge.storage.sqlite_examination import SqliteExamination

Stop = Callable[[], bool]
GCP_INSTALL = "run `make gcp` in the clone of EvalForge"
PATIENCE_SECONDS, REQUESTS_PATIENCE_SECONDS = 10.0, 3.0
"""How long a run or a command waits for a store that does not answer; and a request over HTTP."""


def open_store(
    settings: Settings, patience_seconds: float = PATIENCE_SECONDS, stop: Stop = lambda: False
) -> CaptureStore:
    """The store, made if it is not there yet. `stop` tells when the process must end soon, and every call with it."""
    if settings.firestore is not None:
        return _firestore(settings, settings.firestore, patience_seconds, stop)
    path = settings.store_path
    if settings.retention_days:
        raise ConfigurationError(
            f"EVALFORGE_RETENTION_DAYS={settings.retention_days}: only Firestore deletes by itself; unset it, "
            "or set EVALFORGE_STORE=firestore://PROJECT"
        )
    if settings.store is None:
        data_folder()
    return SqliteStore(path, patience_seconds, stop)


def open_store_to_read(settings: Settings) -> CaptureStore:
    """The store if it is there, else an empty one in memory, so that looking creates no file."""
    return open_store(settings) if store_exists(settings) else SqliteStore(None)


def store_exists(settings: Settings) -> bool:
    """Whether there is a store already; of Firestore that shows when it is used."""
    return settings.firestore is not None or os.path.lexists(settings.store_path)


def open_examination(settings: Settings) -> StoreExamination:
    """What looks whether the store can be used; call it only where `store_exists`."""
    place = settings.firestore
    if place is None:
        return SqliteExamination(settings.store_path, REQUESTS_PATIENCE_SECONDS)
    with _clients_needed(settings):
        from evalforge.storage.firestore_examination import FirestoreExamination
    prefix, emulator = settings.collection_prefix, settings.firestore_emulator
    return FirestoreExamination(place.project, place.database, prefix, emulator, REQUESTS_PATIENCE_SECONDS)


def _firestore(settings: Settings, place: FirestoreDatabase, patience_seconds: float, stop: Stop) -> CaptureStore:
    with _clients_needed(settings):
        from evalforge.storage.firestore import FirestoreStore
    prefix, emulator = settings.collection_prefix, settings.firestore_emulator
    retention = timedelta(days=settings.retention_days) or None
    return FirestoreStore(place.project, place.database, prefix, emulator, patience_seconds, stop, retention)


@contextmanager
def _clients_needed(settings: Settings) -> Iterator[None]:
    silence_grpc()
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(
            f"EVALFORGE_STORE={settings.store}: Firestore's client is not installed ({error.name} is missing); "
            f"{GCP_INSTALL}"
        ) from None
