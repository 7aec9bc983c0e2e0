"""One call after another, each asked once: no retries, so that what is seen is what Datadog said."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from evalforge.common.clock import Clock
from evalforge.ingestion.datadog_client import SEARCH_PATH, Secret, request_headers, search_body
from evalforge.ingestion.search.bounded_http import Answer, BoundedHttp
from evalforge.ingestion.search.rate_limits import read_rate_limit
from evalforge.models import RateLimit, Window

SECONDS_A_CALL = 10.0


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `body` is raw. `clock_ahead_seconds`: how far this machine's clock is before Datadog's (`Date`)."""

    status: int
    body: bytes
    rate_limit: RateLimit = RateLimit()
    clock_ahead_seconds: float | None = None


class Calls:
    """Asks one server, one call at a time, `interval_seconds` apart. For one thread; close it."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | Secret,
        app_key: str | Secret,
        clock: Clock,
        interval_seconds: float = 0.0,
        seconds_a_call: float = SECONDS_A_CALL,
    ) -> None:
        self._base_url, self._clock = base_url.rstrip("/"), clock
        self._headers = request_headers(api_key, app_key)
        self._interval, self._seconds = interval_seconds, seconds_a_call
        self._http = BoundedHttp()
        self.made = 0

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def search(self, query: str, window: Window, limit: int, cursor: str | None = None) -> Heard:
        """One page. Raises NoAnswer."""
        return self._ask("POST", SEARCH_PATH, search_body(query, window, limit, cursor))

    def get(self, path: str) -> Heard:
        """What is there. Raises NoAnswer."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, content: bytes | None) -> Heard:
        if self.made:
            self._clock.sleep(self._interval)
        self.made += 1
        asked = self._clock.now()
        answer = self._http.exchange(method, self._base_url + path, self._headers, content, self._seconds, lambda: None)
        return Heard(
            status=answer.status,
            body=answer.body,
            rate_limit=self._without_keys(read_rate_limit(answer.headers)),
            clock_ahead_seconds=_ahead(answer, asked, self._clock.now()),
        )

    def _without_keys(self, limit: RateLimit) -> RateLimit:
        return msgspec.structs.replace(limit, name=None) if echoes(limit.name, self._headers) else limit


def echoes(name: str | None, headers: Mapping[str, str]) -> bool:
    """Whether what a server gave as a name is, or is in, something that was sent to it."""
    lower = (name or "").casefold()
    return any(lower in sent.casefold() or sent.casefold() in lower for sent in headers.values() if lower)


def _ahead(answer: Answer, asked: datetime, answered: datetime) -> float | None:
    """RFC 9110, 6.6.1: a date in whole seconds, some time between the question and the answer; 0 where it may be."""
    try:
        dated = parsedate_to_datetime(answer.headers.get("date", ""))
        first, last = dated.replace(tzinfo=UTC), dated.replace(tzinfo=UTC) + timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None
    if asked > last:
        return (asked - last).total_seconds()
    return min(0.0, (answered - first).total_seconds())
