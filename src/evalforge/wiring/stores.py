"""Settings -> the store: which one, and whether it is there."""

import os
from collections.abc import Callable

from evalforge.common.config import FirestoreDatabase, Settings, data_folder, silence_grpc
from evalforge.common.errors import ConfigurationError
from evalforge.ports import CaptureStore
from evalforge.storage.sqlite import SqliteStore

Stop = Callable[[], bool]
PATIENCE_SECONDS, REQUESTS_PATIENCE_SECONDS = 10.0, 3.0
"""How long a run or a command waits for a store that does not answer; and a request over HTTP."""


def open_store(
    settings: Settings, patience_seconds: float = PATIENCE_SECONDS, stop: Stop = lambda: False
) -> CaptureStore:
    """The store, made if it is not there yet. `stop` tells when the process must end soon, and every call with it."""
    if settings.firestore is not None:
        return _firestore(settings, settings.firestore, patience_seconds, stop)
    path = settings.store_path
    if settings.store is None:
        data_folder()
    return SqliteStore(path, patience_seconds, stop)


def open_store_to_read(settings: Settings) -> CaptureStore:
    """The store if it is there, else an empty one in memory, so that looking creates no file."""
    return open_store(settings) if store_exists(settings) else SqliteStore(None)


def store_exists(settings: Settings) -> bool:
    """Whether there is a store already; of Firestore that shows when it is used."""
    return settings.firestore is not None or os.path.lexists(settings.store_path)


def _firestore(settings: Settings, place: FirestoreDatabase, patience_seconds: float, stop: Stop) -> CaptureStore:
    silence_grpc()
    try:
        from evalforge.storage.firestore import FirestoreStore
    except ImportError as error:
        raise ConfigurationError(
            f"EVALFORGE_STORE={settings.store}: Firestore's client is not installed ({error.name} is missing); "
            "run `make gcp` in the clone of EvalForge"
        ) from None
    prefix, emulator = settings.collection_prefix, settings.firestore_emulator
    return FirestoreStore(place.project, place.database, prefix, emulator, patience_seconds, stop)
