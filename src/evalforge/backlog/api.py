"""`GET /captures` and `GET /captures/{trace_id}`: the filters of the command line, page by page."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from evalforge.backlog.cursor import LONGEST, BadCursor, from_cursor, to_cursor
from evalforge.common.clock import Clock, timestamp
from evalforge.common.errors import ConfigurationError
from evalforge.common.ids import stored_id
from evalforge.common.problems import documented
from evalforge.common.times import moment
from evalforge.models import FailureCapture, FailureType, LastRun, Severity, may_lack
from evalforge.ports import CaptureFilter, CaptureStore, Position

BAD_REQUEST, NOT_FOUND = 400, 404
LARGEST_PAGE_BYTES = 16 * 1024 * 1024
"""A page ends early past it: Cloud Run refuses answers above 32 MiB (Cloud Run, "Quotas and limits")."""

Unset = SkipJsonSchema[None]
"""A parameter may be left out; there is no way to write null in a query."""

Stores = Callable[[], AbstractContextManager[CaptureStore]]
TraceId = Annotated[
    str, Path(pattern="^[0-9a-fA-F]{1,64}$", description="1 to 64 hex or decimal digits, in upper or lower case.")
]


class CaptureQuery(BaseModel):
    """Which captures, how many, and from where on."""

    model_config = ConfigDict(extra="forbid")

    since: str | Unset = Field(None, max_length=64, description="Failed since: 24h, 7d or 2026-11-23T10:00:00Z.")
    service: str | Unset = Field(None, max_length=200, description="Only this service.")
    type: FailureType | Unset = Field(None, description="Only this failure type.")
    severity: Severity | Unset = Field(None, description="Only this severity.")
    limit: int = Field(50, ge=1, le=500, description="At most so many captures a page.")
    cursor: str | Unset = Field(None, max_length=LONGEST, description="The next_cursor of the page before.")


class CapturePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some captures in a stable order, and how sure the store is of them.

    items: newest failure first (unknown last), then by trace id.
    next_cursor: what to send as cursor for the next page; null on the last page.
    at_least: whether there may be more than the pages show, for something of that time was not read whole.
    last_run: the newest run, so that an empty page is not taken for a healthy app; null if nothing ever ran.
    """

    items: list[FailureCapture]
    next_cursor: str | None
    at_least: bool
    last_run: LastRun | None


def router(stores: Stores, clock: Clock) -> APIRouter:
    """The routes over a store that is opened for each request."""
    routes = APIRouter()

    @routes.get(
        "/captures",
        operation_id="listCaptures",
        summary="List captures, newest failure first",
        response_class=Response,
        responses=documented(CapturePage, "A page of captures.", 400, 503),
    )
    def list_captures(query: Annotated[CaptureQuery, Query()]) -> Response:
        """A page of the captures that match every parameter given, and what the last run read."""
        try:
            since = timestamp(moment(query.since, "since", clock.now())) if query.since is not None else None
            after = from_cursor(query.cursor) if query.cursor is not None else None
        except (ConfigurationError, BadCursor) as error:
            raise HTTPException(BAD_REQUEST, str(error)) from None
        wanted = CaptureFilter(since=since, service=query.service, type=query.type, severity=query.severity)
        with stores() as store:
            return _json(_page(store, wanted, query.limit, after, clock.now()))

    @routes.get(
        "/captures/{trace_id}",
        operation_id="showCapture",
        summary="Show one capture",
        response_class=Response,
        responses=documented(FailureCapture, "The capture of the trace.", 400, 404, 503),
    )
    def show_capture(trace_id: TraceId) -> Response:
        """The capture of one failing trace, whole."""
        with stores() as store:
            found = next(iter(store.captures_of([stored_id(trace_id)]).values()), None)
        if found is None:
            raise HTTPException(NOT_FOUND, "there is no capture of this trace")
        return _json(msgspec.json.encode(found))

    return routes


def _page(store: CaptureStore, wanted: CaptureFilter, limit: int, after: Position | None, now: datetime) -> bytes:
    """One capture more than asked for is read, to know whether there is a next page.

    The last run and the coverage are read first: they may claim less than the page shows, never more.
    """
    newest = next(store.list_runs(1), None)
    since = datetime.fromisoformat(wanted.since) if wanted.since is not None else None
    page: dict[str, Any] = {
        "items": [],
        "next_cursor": None,
        "at_least": may_lack(store.coverage(), newest, now, since),
        "last_run": LastRun.of(newest) if newest else None,
    }
    items: list[msgspec.Raw] = page["items"]
    size, last = 0, after
    for capture in store.list_captures(wanted, limit + 1, after):
        if len(items) == limit or size >= LARGEST_PAGE_BYTES:
            assert last is not None
            page["next_cursor"] = to_cursor(last)
            break
        items.append(msgspec.Raw(msgspec.json.encode(capture)))
        size += len(bytes(items[-1]))
        last = Position(last_failed_at=capture.last_failed_at or "", trace_id=capture.trace_id)
    return msgspec.json.encode(page)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
