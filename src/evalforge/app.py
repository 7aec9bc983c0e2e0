"""The ASGI app: the routers of ingestion and backlog on one FastAPI; every error is a problem document."""

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from evalforge import __version__
from evalforge.backlog import api as backlog
from evalforge.common.clock import Clock
from evalforge.common.errors import ConfigurationError, CredentialsRejected, EvalForgeError, LeaseHeld, StoreError
from evalforge.common.guard import Guard, told
from evalforge.common.problems import PROBLEM_JSON, Problem, problem
from evalforge.ingestion import health
from evalforge.ingestion import main as ingestion
from evalforge.models import FailureCapture, IngestionRun
from evalforge.ports import CaptureStore

NOUNS = (IngestionRun, health.Health, FailureCapture, backlog.CapturePage, Problem)
BAD_REQUEST, SERVER_ERROR = 400, 500
MOST_ERRORS_TOLD, LONGEST_NAME = 3, 80
SETTING = re.compile(r"(?:EVALFORGE|DD)_[A-Z_]+")
TELEMETRY_OFF: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)

STATUSES: tuple[tuple[type[EvalForgeError], int, str], ...] = (
    (ConfigurationError, 400, "the service is not set up for this; its log says what is wrong with"),
    (CredentialsRejected, 502, "Datadog rejected the service's keys"),
    (LeaseHeld, 409, ""),
    (StoreError, 503, "the store cannot be reached or used"),
    (EvalForgeError, 500, "something unexpected happened"),
)
"""Design, "Contract of the command line, HTTP and the environment"; 503 where only the store was asked."""


def create_app(
    *,
    run: ingestion.Runner,
    stores: Callable[[], AbstractContextManager[CaptureStore]],
    clock: Clock,
    log: FilteringBoundLogger,
    new_id: Callable[[], str],
    lookback_hours: float,
    longest_run_seconds: float,
    hosts: Collection[str] | None = None,
) -> FastAPI:
    """The app. `stores` opens the store for one request; `hosts` are the names it answers to (None: any)."""
    app = FastAPI(
        title="EvalForge",
        description="Failed LLM traces of Datadog as a PII-free backlog in the team's own store.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=TELEMETRY_OFF,
    )
    app.include_router(
        ingestion.router(run, stores, clock, lookback_hours=lookback_hours, longest_run_seconds=longest_run_seconds)
    )
    app.include_router(backlog.router(stores, clock))
    app.add_middleware(Guard, log=log, new_id=new_id, hosts=hosts)
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]  # FastAPI documents this as the way

    def answer(status: int, detail: str, headers: Mapping[str, str] | None = None, **about: Any) -> Response:
        document = problem(status, detail, new_id())
        if about:
            tell = log.error if status >= SERVER_ERROR else log.warning
            tell("request failed", request_id=document.instance.rpartition(":")[2], **about)
        return Response(msgspec.json.encode(document), status, headers, PROBLEM_JSON)

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> Response:
        return answer(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(BAD_REQUEST, "; ".join(map(_wrong, error.errors()[:MOST_ERRORS_TOLD])))

    @app.exception_handler(EvalForgeError)
    def failed(_: Request, error: EvalForgeError) -> Response:
        status, detail = _told_to_callers(error)
        return answer(status, detail, reason=str(error), **told(error))

    return app


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the nouns as they are written and without the answers that never come."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, nouns = msgspec.json.schema_components(NOUNS, ref_template="#/components/schemas/{name}")
        schemas = document["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas |= {name: always_whole(schema) for name, schema in nouns.items()}
        for operation in (one for path in document["paths"].values() for one in path.values()):
            operation["responses"].pop("422", None)
        app.openapi_schema = document
    return app.openapi_schema


def capture_schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a capture as the service writes it."""
    _, nouns = msgspec.json.schema_components([FailureCapture], ref_template="#/$defs/{name}")
    whole = {name: always_whole(schema) for name, schema in nouns.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole.pop(FailureCapture.__name__),
        "$defs": whole,
    }


def always_whole(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a noun that is written with every field, whether it has a default or not; what it is in a line."""
    described = {**schema, "description": schema["description"].splitlines()[0]}
    return {**described, "required": list(schema["properties"])}


def _told_to_callers(error: EvalForgeError) -> tuple[int, str]:
    status, detail = next((status, detail) for kind, status, detail in STATUSES if isinstance(error, kind))
    if isinstance(error, ConfigurationError):
        named = SETTING.search(str(error))
        detail = f"{detail} {named[0] if named else 'its settings'}"
    return status, detail or str(error)


def _wrong(found: Mapping[str, Any]) -> str:
    place = ".".join(str(part)[:LONGEST_NAME] for part in found["loc"])
    if place == "body" or found["type"] == "json_invalid":
        return "body: accepted is a JSON object, sent as application/json"
    return f"{place}: {found['msg']}"
