"""When the simulated time begins."""

from datetime import UTC, datetime

BASE = datetime(2026, 11, 23, 3, tzinfo=UTC)
BASE_NS = int(BASE.timestamp()) * 10**9
MINUTE, HOUR = 60.0, 3600.0


def seconds_of(moment: str) -> float:
    """An RFC 3339 moment in simulated seconds."""
    return (datetime.fromisoformat(moment) - BASE).total_seconds()
