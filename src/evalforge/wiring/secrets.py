"""Settings -> the secrets they name: read when first needed, kept for the life of the process, and read again."""

import threading

from pydantic import SecretStr
from structlog.typing import FilteringBoundLogger

from evalforge.common.config import Settings, silence_grpc, variable
from evalforge.common.errors import ConfigurationError, EvalForgeError
from evalforge.common.secret_sources import SecretSource, read_secret_file
from evalforge.wiring.stores import GCP_INSTALL, Stop

DATADOG_KEYS = ("api_key", "app_key")

Keys = tuple[SecretStr, SecretStr]
"""The API key and the application key."""


class Secrets:
    """The secrets of one process. What the environment holds cannot change; files and Secret Manager can.

    `stop` tells when the process must end soon; Secret Manager is then not waited for any longer.
    """

    def __init__(self, stop: Stop = lambda: False) -> None:
        self._stop = stop
        self._values: dict[SecretSource, str] = {}
        self._reading = threading.Lock()

    def resolved(self, settings: Settings, *fields: str) -> Settings:
        """The settings with these secrets in them. Raises ConfigurationError or SecretsUnreachable.

        Of Secret Manager each is asked for once in the life of the process, as long as nobody says `renewed`; not at
        all where the settings have been resolved before.
        """
        settings.required(*fields)
        for field in fields:
            source = settings.source(field)
            if source is None:
                continue
            with self._reading:
                wanted = source.kind == "secret manager" and getattr(settings, field) is None
                if wanted and source not in self._values:
                    self._values[source] = _read(source, settings, self._stop)
                value = self._values.get(source)
            if value is not None:
                settings = settings.with_secret(source, value)
        return settings

    def renewed(self, settings: Settings, log: FilteringBoundLogger) -> Keys | None:
        """Datadog's keys, read again where they come from; None where they are what they were, or cannot be read.

        `settings` hold the keys that were rejected.
        """
        sources = [source for source in map(settings.source, DATADOG_KEYS) if source is not None]
        if not sources:
            return None
        try:
            found = {source: _read(source, settings, self._stop) for source in sources}
            fresh = settings
            for source, value in found.items():
                fresh = fresh.with_secret(source, value)
        except EvalForgeError as error:
            log.warning("keys not read again", reason=str(error))
            return None
        with self._reading:
            self._values.update(found)
        changed = [variable(field) for field in DATADOG_KEYS if getattr(fresh, field) != getattr(settings, field)]
        log.info("keys read again", changed=changed)
        return datadog_keys(fresh) if changed else None


def datadog_keys(settings: Settings) -> Keys:
    """Both keys of settings that have them."""
    assert settings.api_key is not None
    assert settings.app_key is not None
    return settings.api_key, settings.app_key


def _read(source: SecretSource, settings: Settings, stop: Stop) -> str:
    if source.kind == "file":
        return read_secret_file(source, "the key")
    silence_grpc()
    try:
        from evalforge.cloud.secret_manager import read_secret
    except ImportError as error:
        raise ConfigurationError(
            f"{source.shown}: Secret Manager's client is not installed ({error.name} is missing); {GCP_INSTALL}"
        ) from None
    return read_secret(source, settings.secret_manager_emulator, stop)


def with_secrets(settings: Settings, *fields: str) -> Settings:
    """The settings with these secrets in them, wherever they are; without fields, with every secret that they name.

    Raises ConfigurationError or SecretsUnreachable.
    """
    return Secrets().resolved(settings, *(fields or _named(settings)))


def with_reachable_secrets(settings: Settings) -> tuple[Settings, dict[str, str]]:
    """The settings with every secret that they name and that can be had; and by name, for each other, why not."""
    wrong: dict[str, str] = {}
    for field in _named(settings):
        try:
            settings = with_secrets(settings, field)
        except EvalForgeError as error:
            wrong[variable(field)] = str(error)
    return settings, wrong


def _named(settings: Settings) -> list[str]:
    return [field for field in (*DATADOG_KEYS, "hash_key") if settings.source(field) is not None]
