"""What Datadog's headers say of the rate limit. Anything absent or absurd is None, never an error.

Headers: Datadog API reference, "Rate Limits": `X-RateLimit-Limit`, `-Period` (s), `-Remaining`, `-Reset` (s until the
reset), `-Name`. `Retry-After`: RFC 9110, 10.2.3; Datadog does not document it, proxies in between send it.
Header names come in lower case; a header that came twice has its values joined by ", ", which makes it unusable.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from evalforge.ingestion.pii.checks import identifier
from evalforge.models import RateLimit

LARGEST_LIMIT = 1_000_000
LONGEST_PERIOD_SECONDS = 86_400
TOO_MANY_REQUESTS = 429

_NUMBER = re.compile(r"[0-9]{1,40}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
_DAY = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_HTTP_DATE = re.compile(
    rf"{_DAY}, [0-9]{{2}} [A-Z][a-z]{{2}} [0-9]{{4}} {_CLOCK} GMT"
    rf"|{_DAY}[a-z]*, [0-9]{{2}}-[A-Z][a-z]{{2}}-[0-9]{{2}} {_CLOCK} GMT"
    rf"|{_DAY} [A-Z][a-z]{{2}} [ 0-9][0-9] {_CLOCK} [0-9]{{4}}"
)
"""The three forms of RFC 9110, 5.6.7."""


def read_rate_limit(headers: Mapping[str, str]) -> RateLimit:
    """The rate limit that an answer's headers tell; None where a header is absent or out of bounds."""
    limit = _number(headers.get("x-ratelimit-limit"), 1, LARGEST_LIMIT)
    remaining = _number(headers.get("x-ratelimit-remaining"), 0, LARGEST_LIMIT)
    name = headers.get("x-ratelimit-name", "").strip()
    return RateLimit(
        name=identifier(name),
        limit=None if limit is None else int(limit),
        period_seconds=_number(headers.get("x-ratelimit-period"), 1, LONGEST_PERIOD_SECONDS),
        remaining=None if remaining is None else int(remaining),
        reset_seconds=_number(headers.get("x-ratelimit-reset"), 0, LONGEST_PERIOD_SECONDS),
    )


def told_wait(headers: Mapping[str, str], status: int, now: datetime) -> float | None:
    """The seconds that the answer told to wait: `Retry-After`, else for a 429 `X-RateLimit-Reset`, else None.

    Never negative, NaN or infinite; as large as was told, for the caller to bound. A date in the past is 0.
    """
    told = _retry_after(headers.get("retry-after", "").strip(), now)
    if told is None and status == TOO_MANY_REQUESTS:
        return _number(headers.get("x-ratelimit-reset"))
    return told


def _retry_after(value: str, now: datetime) -> float | None:
    if not _HTTP_DATE.fullmatch(value):
        return _number(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the 31st of February, the 25th hour
        return None
    return max(0.0, (moment.replace(tzinfo=UTC) - now).total_seconds())


def _number(value: str | None, least: float = 0, most: float = math.inf) -> float | None:
    if value is None or not _NUMBER.fullmatch(value.strip()):
        return None
    number = float(value)
    return number if math.isfinite(number) and least <= number <= most else None
