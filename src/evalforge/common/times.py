"""Times as people write them, on the command line and over HTTP: `90m`, `24h`, `3d`, `2026-11-23T10:00:00Z`."""

import re
from datetime import UTC, datetime, timedelta

from evalforge.common.errors import ConfigurationError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)([smhd])\Z", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
LONGEST_SHOWN = 80


def duration(text: str, name: str) -> timedelta:
    """`90m`, `24h`, `3d`. Raises ConfigurationError with the name of the flag or parameter."""
    found = DURATION.match(text.strip())
    if found is None or float(found[1]) == 0:
        raise ConfigurationError(f"{name}={text[:LONGEST_SHOWN]}: accepted is a time such as 90m, 24h or 3d")
    return timedelta(**{UNITS[found[2]]: float(found[1])})


def moment(text: str, name: str, now: datetime) -> datetime:
    """An ISO 8601 time with a zone, or a duration before now; UTC. Raises ConfigurationError with the name."""
    try:
        if DURATION.match(text.strip()):
            return now - duration(text, name)
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    shown = text[:LONGEST_SHOWN]
    raise ConfigurationError(f"{name}={shown}: accepted is 24h, 7d or a time with its zone, 2026-11-23T10:00:00Z")


def fixed_moment(text: str, name: str) -> datetime:
    """An ISO 8601 time with a zone, or a date, which is its midnight in UTC. Raises ConfigurationError with the name.

    Nothing that depends on when it is asked, so that the same words mean the same later.
    """
    try:
        parsed = datetime.fromisoformat(text.strip())
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
        if DATE.match(text.strip()):
            return parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    shown = text[:LONGEST_SHOWN]
    raise ConfigurationError(f"{name}={shown}: accepted is a date or a time with its zone, 2026-11-23T10:00:00Z")
