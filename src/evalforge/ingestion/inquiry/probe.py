"""`probe`: a few calls, and of what came back names, types, units and counts alone. Bodies end here.

The calls, at most ten: a page of everything; the same again; the next page, twice; a page of failing spans; one span
for each form of query that no document settles; the list of evaluators.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from evalforge import __version__
from evalforge.common.errors import CredentialsRejected, PartialRun
from evalforge.ingestion.datadog_client import EVALUATORS_PATH, PERMISSION, read_evaluator_names
from evalforge.ingestion.decoding import NotJson, UndecodableSpan, decode_json, decode_span
from evalforge.ingestion.inquiry import known_fields as known
from evalforge.ingestion.inquiry.calls import Calls, Heard
from evalforge.ingestion.inquiry.examination import REJECTED, THROTTLED
from evalforge.ingestion.inquiry.questions import Answered, Evidence, QueryTried, answers
from evalforge.ingestion.inquiry.shapes import UNKNOWN_FIELD, Field, Shapes
from evalforge.ingestion.inquiry.times import Timed
from evalforge.ingestion.search.attempts import EMPTY_ORG
from evalforge.ingestion.search.bounded_http import NoAnswer
from evalforge.ingestion.search.pages import BrokenBody, PageEnvelope, split_page
from evalforge.models import RateLimit, Window

MOST_CALLS = 10
ITEMS_A_PAGE, ITEMS_A_QUERY = 100, 5
QUERIES: Mapping[str, str] = {
    "query-evaluation-any": "@evaluation.*.assessment:fail",
    "query-feedback": "@feedback.user_satisfaction.value:thumbs_down",
    "query-child": "@child.@status:error",
}
OK = 200


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where the answers are not as the decoder expects them. `field` is a path of known names."""

    field: str
    difference: str
    count: int


class ProbeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What may be pasted in public. `site` is one of Datadog's, or `another address`."""

    version: str
    site: str
    calls: int
    spans: int
    undecodable: int
    statuses: dict[str, int]
    rate_limit: RateLimit
    clock_ahead_seconds: float | None
    answer: list[Field]
    fields: list[Field]
    failing: list[Field]
    differences: list[Difference]
    questions: list[Answered]


class _Enough(Exception):
    """No further call may be made."""


class Probe:
    """One probe of one organisation."""

    def __init__(
        self, calls: Calls, window: Window, most_calls: int, told: Callable[[int], None] = lambda _: None
    ) -> None:
        self._calls, self._window, self._most, self._told = calls, window, most_calls, told
        self._around, self._all, self._failing = Shapes(), Shapes(), Shapes()
        self._evidence = Evidence()
        self._statuses: dict[str, int] = {}
        self._last: Heard | None = None
        self._undecodable = self._spans = 0

    def report(self, site: str) -> ProbeReport:
        """Ask, and say what was seen. Raises CredentialsRejected; PartialRun where not even one page was had."""
        with suppress(_Enough):
            self._ask()
        if self._last is None or not self._evidence.page_read:
            raise PartialRun(f"{self._evidence.trouble or 'no page was had'}: evalforge doctor says what to do")
        evidence = self._evidence
        return ProbeReport(
            version=__version__,
            site=site,
            calls=self._calls.made,
            spans=self._spans,
            undecodable=self._undecodable,
            statuses=self._statuses,
            rate_limit=evidence.rate_limit,
            clock_ahead_seconds=self._last.clock_ahead_seconds,
            answer=self._around.fields(),
            fields=self._all.fields(),
            failing=self._failing.fields(),
            differences=differences(self._all, self._spans),
            questions=answers(evidence, self._all, self._failing),
        )

    def _ask(self) -> None:
        first = self._page("*", self._all, ITEMS_A_PAGE)
        if first is None:
            return
        evidence = self._evidence
        evidence.page_read, evidence.times = True, _times(first.items)
        again = self._page("*", None, ITEMS_A_PAGE)
        evidence.same_order = None if again is None or not first.items else _ids(again.items) == _ids(first.items)
        if first.cursor is not None:
            following = self._page("*", self._all, ITEMS_A_PAGE, first.cursor)
            evidence.overlap = None if following is None else len(set(_ids(first.items)) & set(_ids(following.items)))
            reused = self._page("*", None, ITEMS_A_PAGE, first.cursor)
            evidence.cursor_reused = (
                reused is not None and following is not None and _ids(reused.items) == _ids(following.items)
            )
        failing = self._page("@status:error", self._failing, ITEMS_A_PAGE)
        items = [*first.items, *(failing.items if failing else ())]
        self._try("query-evaluation", f"@evaluation.{_evaluator(items)}.assessment:fail")
        for name, query in QUERIES.items():
            self._try(name, query)
        listed = self._heard(lambda: self._calls.get(EVALUATORS_PATH))
        evidence.evaluators_status = listed.status
        evidence.evaluators = _number_listed(listed)

    def _try(self, name: str, query: str) -> None:
        heard = self._searched(query, ITEMS_A_QUERY)
        page = self._split(heard)
        fits = sum(map(_has_failed_evaluation, page.items)) if page else 0
        number = len(page.items) if page else 0
        self._evidence.queries[name] = QueryTried(status=heard.status, spans=number, spans_that_fit=fits)

    def _page(self, query: str, shapes: Shapes | None, limit: int, cursor: str | None = None) -> PageEnvelope | None:
        heard = self._searched(query, limit, cursor)
        page = self._split(heard)
        if page is not None and shapes is not None:
            self._take_in(heard.body, page, shapes)
        return page

    def _searched(self, query: str, limit: int, cursor: str | None = None) -> Heard:
        """The answer to a search; limits are per endpoint, so that only these tell the search's."""
        heard = self._heard(lambda: self._calls.search(query, self._window, limit, cursor))
        if heard.rate_limit != RateLimit():
            self._evidence.rate_limit = heard.rate_limit
        return heard

    def _heard(self, ask: Callable[[], Heard]) -> Heard:
        """An answer. Raises CredentialsRejected, _Enough."""
        if self._calls.made >= self._most:
            raise _Enough
        self._told(self._calls.made + 1)
        try:
            heard = ask()
        except NoAnswer as error:
            self._count("no answer")
            self._evidence.trouble = self._evidence.trouble or f"Datadog gave no answer ({error})"
            raise _Enough from None
        self._last = heard
        self._count(str(heard.status))
        if heard.status in REJECTED and not self._evidence.page_read:
            raise CredentialsRejected(
                f"Datadog rejected the keys (HTTP {heard.status}): they and DD_SITE must belong together, and the "
                f"application key needs the permission {PERMISSION}; evalforge doctor says which it is"
            )
        if heard.status == THROTTLED or heard.rate_limit.remaining == 0:
            self._evidence.trouble = self._evidence.trouble or f"the rate limit is used up (HTTP {heard.status})"
            if heard.status == THROTTLED:
                raise _Enough
        return heard

    def _count(self, status: str) -> None:
        self._statuses[status] = self._statuses.get(status, 0) + 1

    def _split(self, heard: Heard) -> PageEnvelope | None:
        if heard.status >= 500 and EMPTY_ORG in heard.body:
            self._evidence.empty_org = True
            return PageEnvelope(items=())
        trouble = f"Datadog answered a search with HTTP {heard.status}"
        if heard.status == OK:
            try:
                return split_page(heard.body)
            except BrokenBody as error:
                trouble = str(error)
        self._evidence.trouble = self._evidence.trouble or trouble
        return None

    def _take_in(self, body: bytes, page: PageEnvelope, shapes: Shapes) -> None:
        whole = _decoded(body)
        if isinstance(whole, dict):
            self._around.add({key: value for key, value in whole.items() if key != "data"}, known.ANSWER, "answer")
        for raw in page.items:
            try:
                decode_span(raw)
            except UndecodableSpan:
                self._undecodable += shapes is self._all
            item = _decoded(raw)
            self._spans += shapes is self._all
            shapes.add(item, known.ITEM, "span")


def differences(shapes: Shapes, spans: int) -> list[Difference]:
    """What the decoder does not expect: required fields that are missing, other types, names that are not known."""
    found: list[Difference] = []
    for name in known.REQUIRED:
        path = f"span.attributes.{name}"
        lacking = spans - shapes.at(path).seen
        if lacking:
            found.append(Difference(field=path, difference="missing though required", count=lacking))
    for name, expected in known.EXPECTED.items():
        for kind, count in sorted(shapes.at(f"span.attributes.{name}").types.items()):
            if kind not in expected:
                said = f"{kind} instead of {' or '.join(expected)}"
                found.append(Difference(field=f"span.attributes.{name}", difference=said, count=count))
    for field in shapes.fields():
        if field.unnamed[UNKNOWN_FIELD]:
            number = field.unnamed[UNKNOWN_FIELD]
            found.append(Difference(field=field.path, difference="fields of a name that is not known", count=number))
    return found


def _decoded(raw: bytes) -> Any:
    try:
        return decode_json(raw)
    except NotJson:
        return None


def _attributes(raw: bytes) -> dict[str, Any]:
    item = _decoded(raw)
    found = item.get("attributes") if isinstance(item, dict) else None
    return found if isinstance(found, dict) else {}


def _ids(items: Sequence[bytes]) -> list[str]:
    return [str(_attributes(raw).get("span_id")) for raw in items]


def _times(items: Sequence[bytes]) -> list[Timed]:
    found = []
    for attributes in map(_attributes, items):
        start, duration = attributes.get("start_ns"), attributes.get("duration")
        if isinstance(start, int | float) and isinstance(duration, int | float):
            ids = str(attributes.get("span_id")), str(attributes.get("parent_id"))
            found.append(Timed(span_id=ids[0], parent_id=ids[1], start=start, duration=duration))
    return found


def _evaluations(raw: bytes) -> dict[str, Any]:
    found = _attributes(raw).get("evaluation")
    return found if isinstance(found, dict) else {}


def _has_failed_evaluation(raw: bytes) -> bool:
    return any(isinstance(one, dict) and one.get("assessment") == "fail" for one in _evaluations(raw).values())


def _evaluator(items: Sequence[bytes]) -> str:
    """One that was seen to fail, else any that was seen and needs no quoting: asked for, never told."""
    seen = [(name, entry) for raw in items for name, entry in _evaluations(raw).items() if name.isidentifier()]
    failed = (name for name, entry in seen if isinstance(entry, dict) and entry.get("assessment") == "fail")
    return next(failed, next((name for name, _ in seen), "failure_to_answer"))


def _number_listed(heard: Heard) -> int | None:
    if heard.status != OK:
        return None
    try:
        return len(read_evaluator_names(heard.body))
    except BrokenBody:
        return None
