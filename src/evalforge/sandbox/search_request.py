"""One search, as POST body or as GET parameters, checked the way Datadog checks it. Pure.

Source: Datadog docs, "Export API": filters, window, page and sort; `filter.query` wins over the other filters.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from evalforge.sandbox.answer import BadRequest
from evalforge.sandbox.state import MAX_PAGE, Position

DEFAULT_LIMIT = 10
DEFAULT_FROM, DEFAULT_TO = "now-15m", "now"
SORTS = ("timestamp", "-timestamp")
FILTERS = {
    "span_id": "@span_id",
    "trace_id": "@trace_id",
    "span_kind": "@meta.span.kind",
    "span_name": "@name",
    "ml_app": "@ml_app",
}
DATE_MATH = re.compile(r"now(?:([+-])(\d{1,9})(ms|s|m|h|d|w))?\Z")
UNIT_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 604_800 * 10**9}
GET_TAG = re.compile(r"filter\[tag\]\[(.+)\]\Z")


@dataclass(frozen=True)
class SearchRequest:
    """A checked search: one query, an inclusive window in ns, a page."""

    query: str
    window_ns: tuple[int, int]
    limit: int
    cursor: str | None
    newest_first: bool
    attachments: bool

    @property
    def after(self) -> Position | None:
        """The position behind which the page begins. Raises BadRequest for a cursor that is none of ours."""
        return None if self.cursor is None else _position(self.cursor)


def of_body(body: bytes, now: datetime) -> SearchRequest:
    """The search of a POST. Raises BadRequest."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest("the body is no JSON") from error
    data = _object(_object(document, "body").get("data"), "data")
    if data.get("type") != "spans":
        raise BadRequest('data.type must be "spans"')
    attributes = _object(data.get("attributes", {}), "data.attributes")
    filters = _object(attributes.get("filter", {}), "filter")
    page = _object(attributes.get("page", {}), "page")
    options = _object(attributes.get("options", {}), "options")
    return _request(filters, page, attributes.get("sort"), options.get("include_attachments", True), now)


def of_parameters(parameters: Mapping[str, str], now: datetime) -> SearchRequest:
    """The search of a GET. Raises BadRequest."""
    filters: dict[str, Any] = {
        name: parameters[f"filter[{name}]"]
        for name in ("query", "from", "to", *FILTERS)
        if f"filter[{name}]" in parameters
    }
    filters["tags"] = {found[1]: value for name, value in parameters.items() if (found := GET_TAG.match(name))}
    page: dict[str, Any] = {}
    if "page[limit]" in parameters:
        limit = parameters["page[limit]"]
        page["limit"] = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 10 else limit
    if "page[cursor]" in parameters:
        page["cursor"] = parameters["page[cursor]"]
    attachments = parameters.get("include_attachments", "true").lower() != "false"
    return _request(filters, page, parameters.get("sort"), attachments, now)


def cursor_of(position: Position) -> str:
    """An opaque cursor that goes on behind the position."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode()


def _position(cursor: str) -> Position:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[int, str, str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadRequest("page.cursor is not valid") from error


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object")
    return value


def _request(
    filters: dict[str, Any], page: dict[str, Any], sort: Any, attachments: Any, now: datetime
) -> SearchRequest:
    limit = page.get("limit", DEFAULT_LIMIT)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_PAGE:
        raise BadRequest(f"page.limit must be a whole number from 1 to {MAX_PAGE}")
    cursor = page.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise BadRequest("page.cursor must be text")
    sort = sort or "timestamp"
    if sort not in SORTS:
        raise BadRequest("sort must be timestamp or -timestamp")
    start, end = (
        _nanoseconds(filters.get(name, default), name, now)
        for name, default in (("from", DEFAULT_FROM), ("to", DEFAULT_TO))
    )
    return SearchRequest(
        query=_query(filters),
        window_ns=(start, end),
        limit=limit,
        cursor=cursor or None,
        newest_first=sort == "-timestamp",
        attachments=attachments is not False,
    )


def _query(filters: dict[str, Any]) -> str:
    """The query itself if there is one, else the other filters as a query."""
    query = filters.get("query")
    if query is not None and not isinstance(query, str):
        raise BadRequest("filter.query must be text")
    if query:
        return query
    terms = [_term(field, filters[name], name) for name, field in FILTERS.items() if filters.get(name)]
    tags = _object(filters.get("tags") or {}, "filter.tags")
    return " ".join([*terms, *(_term(key, value, f"tags.{key}") for key, value in tags.items())])


def _term(field: str, value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"filter.{name} must be text")
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    escaped = re.sub(r'([\s:"()\\])', r"\\\1", field)
    return f'{escaped}:"{quoted}"'


def _nanoseconds(value: Any, name: str, now: datetime) -> int:
    """ISO 8601, date-math or epoch milliseconds, all as text, in ns. Raises BadRequest, also for a JSON number."""
    if not isinstance(value, str):
        raise BadRequest(f"filter.{name} must be text: ISO 8601, now-15m, or epoch milliseconds in quotes")
    if value.isascii() and value.isdigit() and len(value) < 16:
        return int(value) * 10**6
    found = DATE_MATH.match(value)
    if found:
        sign, amount, unit = found.groups()
        shift = int(amount) * UNIT_NS[unit] if amount else 0
        return epoch_ns(now) + (-shift if sign == "-" else shift)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadRequest(f"filter.{name} is no time") from error
    return epoch_ns(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def epoch_ns(moment: datetime) -> int:
    """An aware datetime as ns since 1970, exact to the microsecond."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1_000
