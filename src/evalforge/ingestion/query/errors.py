"""Why a query cannot be used."""

from evalforge.common.errors import ConfigurationError

SHOWN_CHARS = 80


class QueryError(ConfigurationError):
    """A query is not in Datadog's search language, or means something that cannot be evaluated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def shown(piece: str) -> str:
    """The offending piece, quoted and cut, for a message."""
    return repr(piece if len(piece) <= SHOWN_CHARS else piece[:SHOWN_CHARS] + "…")
