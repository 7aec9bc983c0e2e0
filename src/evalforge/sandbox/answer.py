"""An answer before it is HTTP, so that a fault can spoil it in one place."""

from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True)
class Answer:
    """A status and either a document (sent as JSON) or raw bytes."""

    status: int
    document: Any = None
    raw: bytes | None = None
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The bytes to send."""
        return msgspec.json.encode(self.document) if self.raw is None else self.raw


class BadRequest(ValueError):
    """The request cannot be answered; the message says why. HTTP 400."""


def refusal(status: int, detail: str, title: str = "Generic Error") -> Answer:
    """A JSON:API errors document."""
    return Answer(status, {"errors": [{"title": title, "status": str(status), "detail": detail}]})


def plain_refusal(status: int, message: str) -> Answer:
    """The short form of an errors document, which Datadog uses for keys and rate limits."""
    return Answer(status, {"errors": [message]})
