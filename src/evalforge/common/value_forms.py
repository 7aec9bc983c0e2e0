"""The forms that values of settings have, as types for `common.config`."""

import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

COLLECTION_PREFIX = re.compile(r"(?!__)[A-Za-z0-9_-]{1,100}\Z")
HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})\Z")
HIGHEST_PORT = 65_535
LONGEST_TAG = 200
SHORTEST_RETENTION_DAYS, LONGEST_RETENTION_DAYS = 7, 3650
"""Below the longest look-back a capture that was deleted could still be read, and would be missed as known."""
FIRESTORE = re.compile(
    r"(?P<project>(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9])"
    r"(?:/(?P<database>\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]))?/?\Z"
)
"""Project ids: Resource Manager, "Creating and managing projects". Database ids: Firestore, "Manage databases"."""
BASE_URL = re.compile(
    r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*)"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[A-Za-z0-9._~/-]*)?"
)


class FirestoreDatabase(NamedTuple):
    """A database in a Google Cloud project."""

    project: str
    database: str


def _comma_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _retention(days: int) -> int:
    if days and not SHORTEST_RETENTION_DAYS <= days <= LONGEST_RETENTION_DAYS:
        raise ValueError("no retention")
    return days


def _site(site: str) -> str:
    if not re.fullmatch(r"(?!(?:app|api|www)\.)[a-z0-9-]+(\.[a-z0-9-]+)+", site):
        raise ValueError("no site")
    return site


def _base_url(url: str) -> str:
    found = BASE_URL.fullmatch(url)
    if found is None or int(found["port"] or 0) > HIGHEST_PORT:
        raise ValueError("no base URL")
    return url.rstrip("/")


def _collection_prefix(prefix: str) -> str:
    if not COLLECTION_PREFIX.match(prefix):
        raise ValueError("no prefix")
    return prefix


def _host_and_port(address: str) -> str:
    found = HOST_AND_PORT.match(address)
    if found is None or not 0 < int(found["port"]) <= HIGHEST_PORT:
        raise ValueError("no host and port")
    return address


def _tag_value(value: str) -> str:
    """As Datadog makes one of it (Datadog documentation, "Getting Started with Tags")."""
    return re.sub(r"[^\w./:-]", "_", value.lower())[:LONGEST_TAG]


CommaList = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Site = Annotated[str, AfterValidator(_site)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
CollectionPrefix = Annotated[str, AfterValidator(_collection_prefix)]
HostAndPort = Annotated[str, AfterValidator(_host_and_port)]
TagValue = Annotated[str, AfterValidator(_tag_value)]
RetentionDays = Annotated[int, AfterValidator(_retention)]
