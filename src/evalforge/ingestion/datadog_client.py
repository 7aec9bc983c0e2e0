"""The search of Datadog's LLM Observability Export API, page by page. Knows no rule and no store.

Facts: datadog.md §1 (Export API), §3 (evaluator list), §4 (limits and known errors). The official client is not used:
it loses a page over a missing `meta.page` and ignores `Retry-After`.
"""

import math
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from evalforge.common.clock import Clock
from evalforge.common.errors import ConfigurationError, CredentialsRejected
from evalforge.ingestion.decoding import NotJson, decode_json
from evalforge.ingestion.models import Page
from evalforge.ingestion.search.attempts import Attempts, Reply, Request
from evalforge.ingestion.search.bounded_http import BoundedHttp, Exchanger
from evalforge.ingestion.search.errors import SearchInterrupted, SearchRefused
from evalforge.ingestion.search.pacing import Pacer
from evalforge.ingestion.search.page_limit import AdaptivePageLimit, FixedPageLimit
from evalforge.ingestion.search.pages import BrokenBody, PageEnvelope, split_page
from evalforge.ingestion.search.turns import Limits
from evalforge.models import RateLimit, Window

SEARCH_PATH = "/api/v2/llm-obs/v1/spans/events/search"
EVALUATORS_PATH = "/api/unstable/llm-obs/config/evaluators/custom"
PERMISSION = "llm_observability_read"

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, TOO_LARGE = 400, 401, 403, 413
DONE, STATUS = "done", re.compile(r"[A-Za-z_]{1,30}\Z")
MOST_SEARCHES_AT_ONCE = 32
QUICK = 0.7
"""Of the time between two requests: an answer within it leaves one search time for what else it does."""

T = TypeVar("T")


class Secret(Protocol):
    """A string that no repr shows, like pydantic's SecretStr."""

    def get_secret_value(self) -> str:
        """The string itself."""


class DatadogClient:
    """A TraceSource over HTTP, for several threads at once; a context manager. `page_limit`: spans a page, or "auto".

    `deadline` is in seconds of `clock.monotonic()`; `random` gives numbers in [0, 1); `on_request` gets one event per
    HTTP attempt: method, path, attempt, wait (s), status, problem, spans, bytes, rate_limit, elapsed_ms. `connect`
    makes the connection, given what tells whether to stop; `used_up` tells why no further attempt may be made, or None.
    `renew` is asked once, when Datadog rejects the keys: for others, or None where there are none; with others the
    request is made once more.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | Secret,
        app_key: str | Secret,
        page_limit: int | Literal["auto"],
        pacer: Pacer,
        max_calls: int,
        deadline: float,
        clock: Clock,
        random: Callable[[], float],
        stop: Callable[[], bool] = lambda: False,
        on_request: Callable[[dict[str, Any]], None] = lambda _: None,
        attempt_timeout: float = 30.0,
        connect: Callable[[Callable[[], bool]], Exchanger] = BoundedHttp,
        used_up: Callable[[], str | None] = lambda: None,
        renew: Callable[[], tuple[str | Secret, str | Secret] | None] = lambda: None,
    ) -> None:
        self._renew, self._renewing, self._renewals = renew, threading.Lock(), 0
        self._may_renew = True
        self._page_limit = AdaptivePageLimit() if page_limit == "auto" else FixedPageLimit(page_limit)
        self._saw_spans = False
        self._server = _without_credentials(base_url)
        self._attempts = Attempts(
            base_url=base_url.rstrip("/"),
            headers=request_headers(api_key, app_key),
            limits=Limits(max_calls=max_calls, deadline=deadline, attempt_seconds=attempt_timeout),
            pacer=pacer,
            clock=clock,
            random=random,
            stop=stop,
            on_request=on_request,
            connect=connect,
            used_up=used_up,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._attempts.close()

    @property
    def calls(self) -> int:
        """HTTP attempts so far; each counts against the budget."""
        return self._attempts.turns.calls

    @property
    def rate_limit(self) -> RateLimit:
        """The last usable word about the search's rate limit."""
        return self._attempts.rate_limit

    def resume(self, seconds_ago: float, calls: int) -> None:
        """So many calls were made before, the last of them so long ago: the pace goes on from there."""
        self._attempts.turns.resume(seconds_ago, calls)

    def halt(self) -> None:
        """No request starts any more, and those under way are given up."""
        self._attempts.turns.halt()

    def searches_at_once(self) -> int:
        """So many searches side by side use the allowed rate: one while answers are quick, and one to spare."""
        under_way = self._attempts.turns.at_once
        return 1 if under_way <= QUICK else min(MOST_SEARCHES_AT_ONCE, math.ceil(under_way) + 1)

    def search(self, query: str, window: Window) -> Iterator[Page]:
        """Every page of one search. Raises CredentialsRejected; SearchInterrupted when it ends early; SearchRefused."""
        asked: set[str] = set()
        cursor: str | None = None
        pages = _Pages(self._ask_for_page, self._page_limit, query, window)
        while True:
            found = self._page(pages, cursor)
            if found is None:
                return
            in_part = _in_part(found.status)
            pages.came(whole=in_part is None)
            self._saw_spans = self._saw_spans or bool(found.items)
            yield Page(items=found.items, in_part=in_part, more=found.cursor is not None)
            if found.cursor_unusable:
                raise SearchInterrupted("Datadog gave a cursor that is no text")
            if found.cursor is None:
                return
            if found.cursor in asked:
                raise SearchInterrupted("Datadog gave the same cursor twice")
            cursor = found.cursor
            asked.add(cursor)

    def evaluator_names(self) -> frozenset[str]:
        """The names of the org's custom evaluators. Raises CredentialsRejected, SearchInterrupted or SearchRefused."""
        request = Request(method="GET", path=EVALUATORS_PATH, read=read_evaluator_names, paced_by_answer=False)
        reply = self._ask(request, rejected=(UNAUTHORIZED,))
        if reply.status == UNAUTHORIZED:
            raise self._rejected(reply.status)
        if reply.empty_org:
            return frozenset()
        if reply.value is None:
            raise SearchRefused(reply.status, "the list of custom evaluators")
        return reply.value

    def _page(self, pages: "_Pages", cursor: str | None) -> PageEnvelope | None:
        """One page, or None for an org without any data."""
        reply = pages.ask(cursor)
        if reply.status in (UNAUTHORIZED, FORBIDDEN):
            raise self._rejected(reply.status)
        if reply.empty_org and not self._saw_spans:
            return None
        if reply.empty_org:
            raise SearchInterrupted("Datadog says that the org has no data, after it had sent some")
        if reply.value is None and cursor is not None:
            raise SearchInterrupted(f"Datadog refused to go on from its own cursor (HTTP {reply.status})")
        if reply.value is None:
            raise SearchRefused(reply.status, "the query" if reply.status == BAD_REQUEST else "the search")
        return reply.value

    def _ask_for_page(self, request: Request[PageEnvelope]) -> Reply[PageEnvelope]:
        return self._ask(request, rejected=(UNAUTHORIZED, FORBIDDEN))

    def _ask(self, request: Request[T], rejected: tuple[int, ...]) -> Reply[T]:
        """The reply; where it rejects the keys and there are others by now, the reply to those."""
        renewals = self._renewals
        reply = self._attempts.ask(request)
        return self._attempts.ask(request) if reply.status in rejected and self._has_others(renewals) else reply

    def _has_others(self, renewals: int) -> bool:
        """Whether there are other keys than after so many renewals: who asks at the same time gets them too."""
        with self._renewing:
            if self._may_renew and self._renewals == renewals:
                self._may_renew = False
                keys = self._renew()
                if keys is not None:
                    self._attempts.use(request_headers(*keys))
                    self._renewals += 1
            return self._renewals > renewals

    def _rejected(self, status: int) -> CredentialsRejected:
        key = "DD_API_KEY, then DD_APP_KEY" if status == UNAUTHORIZED else "DD_APP_KEY, then DD_API_KEY"
        return CredentialsRejected(
            f"{self._server} rejected the keys (HTTP {status}): check {key}; both must be of this site and "
            f"the application key needs the permission {PERMISSION}"
        )


class _Pages:
    """Asks for the pages of one search, of as many spans as Datadog answers well."""

    def __init__(
        self,
        ask: Callable[[Request[PageEnvelope]], Reply[PageEnvelope]],
        limit: FixedPageLimit | AdaptivePageLimit,
        query: str,
        window: Window,
    ) -> None:
        self._ask, self._limit = ask, limit
        self._query, self._window = query, window
        self._asked = limit.spans
        self._kept: int | None = None

    def ask(self, cursor: str | None) -> Reply[PageEnvelope]:
        """The reply to one page. A cursor is tried with another limit than the page's that it came with; should
        Datadog refuse that, this search keeps its limit. What is too large is asked for again in halves."""
        came_with = self._asked
        reply = self._reply(cursor)
        while reply.status == TOO_LARGE and self._limit.spans < self._asked:
            reply = self._reply(cursor)
        if reply.status == BAD_REQUEST and cursor is not None and self._asked != came_with:
            self._kept = came_with
            reply = self._reply(cursor)
        return reply

    def came(self, *, whole: bool) -> None:
        """The page came, perhaps in part."""
        (self._limit.went_well if whole else self._limit.was_too_much)(self._asked)

    def _reply(self, cursor: str | None) -> Reply[PageEnvelope]:
        reply = self._ask(
            Request(
                method="POST",
                path=SEARCH_PATH,
                content=partial(self._body, cursor),
                failed=self._failed,
                read=split_page,
                spans=lambda page: len(page.items),
            )
        )
        if reply.status == TOO_LARGE:
            self._failed()
        return reply

    def _body(self, cursor: str | None) -> bytes:
        self._asked = self._kept or self._limit.spans
        return search_body(self._query, self._window, self._asked, cursor)

    def _failed(self) -> None:
        self._limit.was_too_much(self._asked)


def _in_part(status: str | None) -> str | None:
    """`timeout` says that the answer is partial (Datadog's API reference knows it and `done`); so may what is new."""
    if status is None or status.lower() == DONE:
        return None
    return status.lower() if STATUS.match(status) else "of a form that is not known"


def search_body(query: str, window: Window, limit: int, cursor: str | None) -> bytes:
    """A search. `filter` holds nothing else, because Datadog ignores the rest beside a query (facts: datadog.md §1)."""
    attributes = {
        "filter": {"from": window.start, "to": window.end, "query": query},
        "page": {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor},
        "sort": "timestamp",
    }
    return msgspec.json.encode({"data": {"type": "spans", "attributes": attributes}})


def request_headers(api_key: str | Secret, app_key: str | Secret) -> dict[str, str]:
    """What each request carries. Raises ConfigurationError where a key is none.

    `application/json` is what the OpenAPI specification, the official client and live clients send.
    """
    return {
        "DD-API-KEY": key_text("DD_API_KEY", api_key),
        "DD-APPLICATION-KEY": key_text("DD_APP_KEY", app_key),
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "User-Agent": "evalforge",
    }


def key_text(setting: str, key: str | Secret) -> str:
    """The key itself. Raises ConfigurationError, without it, where it is none."""
    text = key if isinstance(key, str) else key.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationError(f"{setting} is empty or has characters that no key has (a line end, a space?)")
    return text


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def read_evaluator_names(body: bytes) -> frozenset[str]:
    """The names in a list of evaluators. Raises BrokenBody.

    `data[].attributes.eval_name` in the official client's models; other names of the field are taken too.
    """
    try:
        listed = decode_json(body)
    except NotJson as error:
        raise BrokenBody(f"the list of evaluators is {error.reason}") from None
    entries = listed.get("data") if isinstance(listed, dict) else listed
    if not isinstance(entries, list):
        raise BrokenBody("the list of evaluators has no data")
    return frozenset(filter(None, map(_evaluator_name, entries)))


def _evaluator_name(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return None
    attributes = entry.get("attributes")
    fields = attributes if isinstance(attributes, dict) else entry
    found = (fields.get("eval_name"), fields.get("name"), entry.get("id"))
    return next((name for name in found if isinstance(name, str) and name), None)
