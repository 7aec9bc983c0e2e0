"""The routes that ddtrace sends to: those of a Datadog agent, and those that the agent proxies to LLM Observability.

Source: ddtrace 4.16 on the wire. Answers are the agent's own: sampling rates for traces, `{}` for telemetry and
tracer statistics, 202 for what the proxy passes on, 404 for what this agent does not have.
"""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from evalforge.sandbox.answer import BadRequest
from evalforge.sandbox.intake import Event, evaluations_of, spans_of_envelopes, spans_of_traces, unpacked
from evalforge.sandbox.state import Sandbox

TRACES = "/v0.4/traces"
SPANS = "/api/v2/llmobs"
EVALUATIONS = ("/api/intake/llm-obs/v1/eval-metric", "/api/intake/llm-obs/v2/eval-metric")
PROXIES = ("/evp_proxy/v2", "/evp_proxy/v4")
INFO: dict[str, Any] = {
    "version": "7.70.0",
    "endpoints": [TRACES, "/v0.6/stats", "/telemetry/proxy/", *(f"{proxy}/" for proxy in PROXIES)],
    "client_drop_p0s": True,
    "span_meta_structs": True,
    "long_running_spans": False,
    "config": {"default_env": "none"},
}


def routes(sandbox: Sandbox) -> list[Route]:
    """The routes of the intake."""

    def receiver(decode: Callable[[bytes], list[Event]], keep: Callable[[list[Event]], int], status: int) -> Any:
        def receive(body: bytes, encoding: str | None) -> Response:
            try:
                keep(decode(unpacked(body, encoding)))
            except BadRequest as error:
                return JSONResponse({"errors": [str(error)]}, 400)
            return JSONResponse({"rate_by_service": {}} if status == 200 else {}, status)

        async def route(request: Request) -> Response:
            body = await request.body()
            return await run_in_threadpool(receive, body, request.headers.get("content-encoding"))

        return route

    traces = receiver(spans_of_traces, sandbox.ingest_spans, 200)
    spans = receiver(spans_of_envelopes, sandbox.ingest_spans, 202)
    evaluations = receiver(evaluations_of, sandbox.ingest_evaluations, 202)
    return [
        Route("/info", _info, methods=["GET"]),
        Route(TRACES, traces, methods=["PUT", "POST"]),
        *(Route(f"{proxy}{SPANS}", spans, methods=["POST"]) for proxy in ("", *PROXIES)),
        *(Route(f"{proxy}{path}", evaluations, methods=["POST"]) for proxy in ("", *PROXIES) for path in EVALUATIONS),
        Route("/v0.6/stats", _accepted, methods=["PUT", "POST"]),
        Route("/telemetry/proxy/{path:path}", _accepted, methods=["POST"]),
    ]


def _info(_: Request) -> Response:
    return JSONResponse(INFO)


async def _accepted(request: Request) -> Response:
    async for _ in request.stream():
        pass
    return JSONResponse({})
