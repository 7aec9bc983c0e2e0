"""Settings -> the log."""

from typing import IO

from structlog.typing import FilteringBoundLogger

from evalforge import __version__
from evalforge.common.clock import Clock
from evalforge.common.config import Settings
from evalforge.common.logging import ServiceContext, json_logger, tell_of_libraries


def logger(settings: Settings, stream: IO[bytes], clock: Clock) -> FilteringBoundLogger:
    """A logger of the level that is set, for the program under the name that Cloud Run gives it.

    What libraries log goes there too, from now on.
    """
    context = ServiceContext(settings.service or "evalforge", settings.revision or __version__)
    log = json_logger(stream, clock, settings.log_level, context)
    tell_of_libraries(log)
    return log
