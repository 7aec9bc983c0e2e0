"""One JSON object a line with the field names of Cloud Logging. Ids and counts, never customer text.

Field names: Cloud Logging, "Structured logging" (`severity`, `message`, `time`, `logging.googleapis.com/...`). What
libraries log is told without its texts, which may hold anything.
"""

import inspect
import logging as python_logging
from contextlib import suppress
from pathlib import PurePath
from types import FrameType
from typing import IO, Any, NamedTuple, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from evalforge import __version__
from evalforge.common.clock import Clock, timestamp
from evalforge.common.errors import EvalForgeError
from evalforge.common.log_lines import encoded
from evalforge.common.tracebacks import REPORTED_EVENT, redacted_stack

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
LABELLED = ("run_id", "request_id")
"""What tells the lines of one run, or of one request, apart from all others."""
HEAD = ("severity", "message", "time", *LABELLED)
OURS = (__name__, "structlog.", "evalforge.ingestion.run_journal")
"""Modules through which others write."""
APART = "google"
"""Google's clients keep what they log from the root logger (`google.api_core.client_logging`)."""
TOLD = "__evalforge_told__"


class ServiceContext(NamedTuple):
    """What Error Reporting is told of the program."""

    service: str = "evalforge"
    version: str = __version__


def json_logger(
    stream: IO[bytes], clock: Clock, level: str = "info", context: ServiceContext | None = None
) -> FilteringBoundLogger:
    """A logger that writes to `stream`. Bind `run_id` to it; each call's name becomes `message`.

    An error given as `exc_info` is told with a stack that Error Reporting groups, once, unless it is one of ours, whose
    message says it all.
    """
    named = context or ServiceContext()

    def stamped(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        head = {"severity": method.upper(), "message": event.pop("event"), "time": timestamp(clock.now())}
        error = event.pop("exc_info", None)
        more: dict[str, Any] = _reported(error, named) if isinstance(error, BaseException) else {}
        if labels := {name: str(event[name]) for name in LABELLED if name in event}:
            more["logging.googleapis.com/labels"] = labels
        more["logging.googleapis.com/sourceLocation"] = _caller()
        return {**head, **event, **head, **more}  # whatever an event brings along, these are the line's own

    logger = structlog.wrap_logger(
        structlog.BytesLogger(cast("Any", stream)),
        processors=[stamped, structlog.processors.JSONRenderer(serializer=_line)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("FilteringBoundLogger", logger)


def tell_of_libraries(log: FilteringBoundLogger) -> None:
    """Warnings and errors that libraries log become lines too: whose, where and how bad, never what they say."""
    for logger in (python_logging.getLogger(), python_logging.getLogger(APART)):
        for handler in [one for one in logger.handlers if isinstance(one, _LibraryLines)]:
            logger.removeHandler(handler)
        logger.addHandler(_LibraryLines(log))
    python_logging.getLogger(APART).propagate = False
    python_logging.captureWarnings(capture=True)


class _LibraryLines(python_logging.Handler):
    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(python_logging.WARNING)
        self._log = log

    def emit(self, record: python_logging.LogRecord) -> None:
        tell = self._log.error if record.levelno >= python_logging.ERROR else self._log.warning
        tell("library", logger=record.name[:100], at=f"{PurePath(record.pathname).name}:{record.lineno}")

    def handleError(self, record: python_logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Nothing: logging itself would print the message."""


def _reported(error: BaseException, context: ServiceContext) -> dict[str, Any]:
    if isinstance(error, EvalForgeError) or getattr(error, TOLD, False):
        return {}
    with suppress(AttributeError):
        setattr(error, TOLD, True)
    return {"@type": REPORTED_EVENT, "serviceContext": context._asdict(), "stack_trace": redacted_stack(error)}


def _caller() -> dict[str, str]:
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(OURS):
        frame = frame.f_back
    if frame is None:
        return {}
    module = str(frame.f_globals.get("__name__", ""))
    return {"file": module.replace(".", "/") + ".py", "line": str(frame.f_lineno), "function": frame.f_code.co_name}


def _line(event: EventDict, **_: Any) -> bytes:
    return encoded(event, HEAD)
