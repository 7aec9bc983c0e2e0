"""The Export API and the list of custom evaluators, as Datadog documents them.

Sources: Datadog docs, "Export API"; OpenAPI operations SearchLLMObsSpans, ListLLMObsSpans, ListLLMObsCustomEvalConfigs.
"""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from evalforge.sandbox.answer import Answer, BadRequest, plain_refusal, refusal
from evalforge.sandbox.faults import NO_INDEXES, faulty
from evalforge.sandbox.mapping import exported
from evalforge.sandbox.query import QueryError, compile_query
from evalforge.sandbox.query_parser import parse
from evalforge.sandbox.query_tree import has_or
from evalforge.sandbox.search_request import SearchRequest, cursor_of, of_body, of_parameters
from evalforge.sandbox.state import Sandbox

EVENTS = "/api/v2/llm-obs/v1/spans/events"
EVALUATORS = "/api/unstable/llm-obs/config/evaluators/custom"
JUDGE_SINCE = "2026-01-15T09:00:00Z"
JUDGE_OWNER = {"email": "llm-platform@example.com"}


def routes(sandbox: Sandbox) -> list[Route]:
    """The routes of the Export API."""

    async def search(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(_answered, sandbox, request.headers, lambda: of_body(body, sandbox.clock.now()))

    def listed(request: Request) -> Response:
        return _answered(sandbox, request.headers, lambda: of_parameters(request.query_params, sandbox.clock.now()))

    def evaluators(request: Request) -> Response:
        refused, headers = _admitted(sandbox, request.headers, "llm_obs_evaluators")
        judges = Answer(200, {"data": [_judge(name) for name in sandbox.settings.judges]})
        return _response(refused or judges, headers)

    return [
        Route(f"{EVENTS}/search", search, methods=["POST"]),
        Route(EVENTS, listed, methods=["GET"]),
        Route(EVALUATORS, evaluators, methods=["GET"]),
    ]


def _answered(sandbox: Sandbox, headers: Mapping[str, str], parsed: Callable[[], SearchRequest]) -> Response:
    """Keys, rate limit, request, fault, search: in the order in which Datadog would object."""
    refused, limits = _admitted(sandbox, headers, "llm_obs_spans_export")
    if refused is not None:
        return _response(refused, limits)
    try:
        request = parsed()
        fault = sandbox.faults.next_for(cursor=request.cursor, uses_or=has_or(parse(request.query)))
        if fault is None:
            answer = search_spans(sandbox, request)
        else:
            answer = faulty(fault, sandbox.clock, request.cursor, lambda: search_spans(sandbox, request))
    except (BadRequest, QueryError) as error:
        answer = refusal(400, str(error), "Invalid Request")
    return _response(answer, limits)


def search_spans(sandbox: Sandbox, request: SearchRequest) -> Answer:
    """One page of the search. Raises BadRequest and QueryError."""
    began = sandbox.clock.monotonic()
    holds = compile_query(request.query)
    after = request.after
    if not sandbox.span_count:
        return refusal(500, NO_INDEXES)
    spans, last = sandbox.search(holds, request.window_ns, request.limit, after, newest_first=request.newest_first)
    data = [
        {
            "id": span["span_id"],
            "type": "span",
            "attributes": exported(span, sandbox.settings, attachments=request.attachments),
        }
        for span in spans
    ]
    meta: dict[str, Any] = {
        "elapsed": int((sandbox.clock.monotonic() - began) * 1000),
        "request_id": f"sandbox-{sandbox.next_request_number()}",
        "status": "done",
    }
    if last is not None:
        meta["page"] = {"after": cursor_of(last)}
    elif sandbox.settings.last_page != "absent":
        meta["page"] = {"no_after": {"total": len(data)}, "null": None, "empty": {}}[sandbox.settings.last_page]
    return Answer(200, {"data": data, "meta": meta})


def _admitted(sandbox: Sandbox, headers: Mapping[str, str], limit_name: str) -> tuple[Answer | None, dict[str, str]]:
    """What refuses the request, if anything, and the rate-limit headers of its answer."""
    allowed, limits = sandbox.limiter.count(limit_name)
    keys = (
        (headers.get("dd-api-key"), sandbox.settings.api_keys),
        (headers.get("dd-application-key"), sandbox.settings.app_keys),
    )
    if not all(key and (not accepted or key in accepted) for key, accepted in keys):
        return plain_refusal(403, "Forbidden"), limits
    return (None if allowed else plain_refusal(429, "Too many requests")), limits


def _response(answer: Answer, limits: Mapping[str, str]) -> Response:
    return Response(answer.body, answer.status, headers={**limits, **answer.headers}, media_type=answer.media_type)


def _judge(name: str) -> dict[str, Any]:
    """A custom evaluator as the list shows it: a categorical judge over every root span."""
    return {
        "id": name,
        "type": "evaluator_config",
        "attributes": {
            "eval_name": name,
            "category": "Quality",
            "created_at": JUDGE_SINCE,
            "updated_at": JUDGE_SINCE,
            "created_by": JUDGE_OWNER,
            "last_updated_by": JUDGE_OWNER,
            "target": {"application_name": "*", "enabled": True, "root_spans_only": True, "sampling_percentage": 100.0},
            "llm_judge_config": {"inference_params": {"temperature": 0.0}, "assessment_criteria": {"pass_when": True}},
        },
    }
