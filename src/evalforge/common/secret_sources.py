"""Where a secret comes from: the environment, a mounted file, or a version of a secret in Secret Manager."""

import re
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, SecretStr

from evalforge.common.errors import ConfigurationError

SECRETS = ("DD_API_KEY", "DD_APP_KEY", "EVALFORGE_HASH_KEY")
SECRET_MANAGER_NAME = re.compile(
    r"projects/[a-z0-9.:-]{1,100}/secrets/[A-Za-z0-9_-]{1,255}/versions/[A-Za-z0-9_-]{1,63}\Z"
)
"""Secret Manager API, `AccessSecretVersion`; a version is a number, an alias or `latest`."""
LARGEST_SECRET_FILE = 65_536
HASH_KEY_BYTES = 32


class SecretSource(NamedTuple):
    """A place other than the environment: `kind` says which, `place` is a path or a resource name."""

    setting: str
    kind: Literal["file", "secret manager"]
    place: str

    @property
    def shown(self) -> str:
        """The setting and the place, as messages name them; never the secret, even where it stands for a path."""
        if self.kind == "secret manager":
            return f"{self.setting}={self.place}"
        if "/" not in self.place:
            return f"{self.setting}_FILE (value not shown, as it has no folder and may be the key itself)"
        return f"{self.setting}_FILE={self.place}"


def in_secret_manager(setting: str, value: str) -> SecretSource | None:
    """The secret that a value names, if it names one. Raises ConfigurationError for a name that cannot be one.

    No key of Datadog begins with `projects/`; what does is never sent to anybody as a key.
    """
    if not value.startswith("projects/"):
        return None
    if not SECRET_MANAGER_NAME.match(value):
        raise ConfigurationError(
            f"{setting} is no resource name of Secret Manager (value not shown): accepted is "
            "projects/PROJECT/secrets/SECRET/versions/VERSION, with a number or latest as the version"
        )
    return SecretSource(setting, "secret manager", value)


def read_secret_file(source: SecretSource, accepted: str) -> str:
    """What the file holds, without space around it. Raises ConfigurationError."""
    path = Path(source.place)
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{source.shown}: it is no regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST_SECRET_FILE).decode().strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{source.shown}: the file cannot be read: {why}") from None
    if not content:
        raise ConfigurationError(f"{source.shown}: the file is empty; it must hold {accepted}")
    return content


def _one_word(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("no key")
    return key


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < HASH_KEY_BYTES:
        raise ValueError("too short")
    return key


Key = Annotated[SecretStr, AfterValidator(_one_word)]
HashKey = Annotated[SecretStr, AfterValidator(_long_enough)]
