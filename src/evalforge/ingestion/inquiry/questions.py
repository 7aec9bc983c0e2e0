"""What no document settles about the Export API (facts: datadog.md §9), each by a stable name, and what was seen."""

from collections.abc import Iterator

import msgspec

from evalforge.ingestion.inquiry import known_fields as known
from evalforge.ingestion.inquiry.shapes import CUSTOM_KEY, Shapes
from evalforge.ingestion.inquiry.times import Timed, duration_unit, sorted_by
from evalforge.models import RateLimit

QUESTIONS = {
    "error-fields": "Are the error's type, message and stack in the answer?",
    "start-unit": "In which unit is start_ns?",
    "duration-unit": "In which unit is duration?",
    "query-evaluation": "Does @evaluation.<name>.assessment:fail work in filter.query?",
    "query-evaluation-any": "Does @evaluation.*.assessment:fail work in filter.query?",
    "query-feedback": "Does @feedback.<label>.value work in filter.query?",
    "query-child": "Does @child.@status:error work in filter.query?",
    "timestamp": "Is a span's timestamp its start, its end or its ingestion?",
    "rate-limit": "What are name, limit and period of the rate limit?",
    "template-evaluations": "Under which names and types do evaluations of templates come?",
    "evaluator-list": "Can the list of custom evaluators be read?",
    "documents-and-prompt": "Are documents and prompt in the answer?",
    "feedback": "Is user feedback in the answer?",
    "cursor": "Can a cursor be used twice, and do pages overlap?",
    "order": "Does the same search give the same order?",
}
NOT_SEEN, NOT_ASKED = "not seen", "not asked"


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One question by its name, and what was seen: fixed words and numbers alone."""

    name: str
    question: str
    answer: str


class QueryTried(msgspec.Struct, frozen=True, kw_only=True):
    """What a form of query gave. `spans_that_fit`: how many have a failed evaluation."""

    status: int
    spans: int
    spans_that_fit: int


class Evidence(msgspec.Struct, kw_only=True):
    """What the calls brought, besides the shape of spans. None: not asked."""

    page_read: bool = False
    empty_org: bool = False
    trouble: str = ""
    rate_limit: RateLimit = RateLimit()
    times: list[Timed] = []
    same_order: bool | None = None
    overlap: int | None = None
    cursor_reused: bool | None = None
    queries: dict[str, QueryTried] = {}
    evaluators_status: int | None = None
    evaluators: int | None = None


def answers(evidence: Evidence, everything: Shapes, failing: Shapes) -> list[Answered]:
    """Each question with its answer, in their order."""
    found = dict(_answers(evidence, everything, failing))
    return [Answered(name=name, question=text, answer=found[name]) for name, text in QUESTIONS.items()]


def _answers(evidence: Evidence, everything: Shapes, failing: Shapes) -> Iterator[tuple[str, str]]:
    yield "error-fields", _error_fields(failing)
    starts = everything.at("span.attributes.start_ns").units
    unit = starts.most_common(1)[0][0] if starts else "none"
    yield "start-unit", _counted(starts)
    duration, pairs = duration_unit(evidence.times, unit)
    told = f"{duration}, by {pairs} children that begin within their parents" if duration else None
    yield (
        "duration-unit",
        told or f"{NOT_SEEN}: {pairs} children that begin after their parents are too few",
    )
    for name in ("query-evaluation", "query-evaluation-any", "query-feedback", "query-child"):
        yield name, _query(evidence.queries.get(name), evaluations=name.startswith("query-evaluation"))
    order = sorted_by(evidence.times, unit, duration)
    yield "timestamp", f"the page is sorted by: {order} ({len(evidence.times)} spans)"
    yield "rate-limit", _rate_limit(evidence.rate_limit)
    yield "template-evaluations", _templates(everything, failing)
    yield "evaluator-list", _evaluators(evidence)
    yield "documents-and-prompt", _present(everything, failing, _DOCUMENTS)
    yield "feedback", _present(everything, failing, ("span.attributes.feedback",))
    yield "cursor", _cursor(evidence)
    same = {None: NOT_ASKED, True: "the same, asked twice at once", False: "another, asked twice at once"}
    yield "order", same[evidence.same_order]


_DOCUMENTS = tuple(
    f"span.attributes.{place}" for place in ("input.documents", "output.documents", "input.prompt", "meta.input.prompt")
)
_ERRORS = tuple(
    f"span.attributes.{place}{part}"
    for place in ("error", "meta.error")
    for part in ("", ".type", ".message", ".stack")
)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{unit} x {number}" for unit, number in sorted(counts.items())) or NOT_SEEN


def _error_fields(failing: Shapes) -> str:
    spans = failing.at("span").seen
    if not spans:
        return f"{NOT_SEEN}: no span with status error"
    seen = [f"{path.removeprefix('span.attributes.')} on {failing.at(path).seen}" for path in _ERRORS]
    present = [text for text, path in zip(seen, _ERRORS, strict=True) if failing.at(path).seen]
    tags = failing.at("span.attributes.tags").words["error_type"]
    return f"{', '.join(present) or 'none'}; tag error_type on {tags}; of {spans} failing spans"


def _query(tried: QueryTried | None, *, evaluations: bool) -> str:
    if tried is None:
        return NOT_ASKED
    if tried.status != 200:
        return f"refused: HTTP {tried.status}"
    if not tried.spans:
        return "accepted; nothing found, so that it may just be ignored or match nothing"
    fit = f", {tried.spans_that_fit} of them with a failed evaluation" if evaluations else ""
    return f"accepted; {tried.spans} spans found{fit}"


def _rate_limit(limit: RateLimit) -> str:
    if limit == RateLimit():
        return f"{NOT_SEEN}: no such headers"
    parts = {"name": limit.name, "limit": limit.limit, "period_seconds": limit.period_seconds}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)


def _templates(everything: Shapes, failing: Shapes) -> str:
    places = [shapes.at("span.attributes.evaluation") for shapes in (everything, failing)]
    counts = places[0].words + places[1].words
    documented = {name: counts[name] for name in sorted(known.EVALUATIONS) if counts[name]}
    custom = places[0].unnamed[CUSTOM_KEY] + places[1].unnamed[CUSTOM_KEY]
    kinds = everything.at("span.attributes.evaluation.*.eval_metric_type").words
    if not documented and not custom:
        return NOT_SEEN
    return f"{_counted(documented)}; <custom evaluation> x {custom}; types: {_counted(kinds)}"


def _evaluators(evidence: Evidence) -> str:
    if evidence.evaluators_status is None:
        return NOT_ASKED
    if evidence.evaluators is None:
        return f"no: HTTP {evidence.evaluators_status}"
    return f"yes: {evidence.evaluators} listed"


def _present(everything: Shapes, failing: Shapes, paths: tuple[str, ...]) -> str:
    counts = {path.removeprefix("span.attributes."): everything.at(path).seen + failing.at(path).seen for path in paths}
    return ", ".join(f"{path} on {number}" for path, number in counts.items() if number) or NOT_SEEN


def _cursor(evidence: Evidence) -> str:
    if evidence.overlap is None:
        return f"{NOT_SEEN}: there was no second page, or it was not asked for"
    reused = {
        None: "not used twice",
        True: "used twice with the same answer",
        False: "changed or refused when used twice",
    }
    return f"{reused[evidence.cursor_reused]}; {evidence.overlap} spans on both pages; how long it lives was not tried"
