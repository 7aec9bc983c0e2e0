"""One JSON object a line with the field names of Cloud Logging. Ids and counts, never customer text.

Field names: Cloud Logging, "Structured logging" (`severity`, `message`, `time`).
"""

from typing import IO, Any, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from evalforge.common.clock import Clock, timestamp

INFO = 20


def json_logger(stream: IO[bytes], clock: Clock) -> FilteringBoundLogger:
    """A logger that writes to `stream`. Bind `run_id` to it; each call's name becomes `message`."""

    def stamped(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        head = {"severity": method.upper(), "message": event.pop("event"), "time": timestamp(clock.now())}
        return {**head, **event, **head}  # whatever an event brings along, these three are the line's own

    logger = structlog.wrap_logger(
        structlog.BytesLogger(cast("Any", stream)),
        processors=[stamped, structlog.processors.JSONRenderer(serializer=_encoded)],
        wrapper_class=structlog.make_filtering_bound_logger(INFO),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("FilteringBoundLogger", logger)


def _encoded(event: EventDict, **_: Any) -> bytes:
    return msgspec.json.encode(event)
