"""The ASGI app: the routers of ingestion and backlog on one FastAPI; every error is a problem document."""

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from math import ceil
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from evalforge import __version__
from evalforge.backlog import api as backlog
from evalforge.common.callers import Callers
from evalforge.common.clock import Clock
from evalforge.common.errors import (
    ConfigurationError,
    CredentialsRejected,
    EvalForgeError,
    LeaseHeld,
    SecretsUnreachable,
    StoreError,
)
from evalforge.common.guard import ABOUT, REQUEST_ID, Guard, told
from evalforge.common.problems import LONGEST_WAIT_SECONDS, PROBLEM_JSON, RETRY_AFTER, Problem, phrase, problem
from evalforge.common.refusals import refusal
from evalforge.common.schemas import Document, schemas_of, without_made_up_titles
from evalforge.ingestion import health
from evalforge.ingestion import main as ingestion
from evalforge.models import FailureCapture, IngestionRun
from evalforge.ports import CaptureStore

NOUNS = (IngestionRun, health.Health, health.Liveness, FailureCapture, backlog.CapturePage, Problem)
BAD_REQUEST, NOT_FOUND, NOT_ALLOWED = 400, 404, 405
TO_ANYBODY = {"/health": msgspec.json.encode(health.Liveness())}
SETTING = re.compile(r"(?:EVALFORGE|DD)_[A-Z_]+")
TELEMETRY_OFF: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)

STATUSES: tuple[tuple[type[EvalForgeError], int, str], ...] = (
    (ConfigurationError, 400, "the service is not set up for this; its log says what is wrong with"),
    (CredentialsRejected, 502, "Datadog rejected the service's keys"),
    (LeaseHeld, 409, ""),
    (SecretsUnreachable, 503, "Secret Manager cannot be reached"),
    (StoreError, 503, "the store cannot be reached or used"),
    (EvalForgeError, 500, "something unexpected happened"),
)
"""Design, "Contract of the command line, HTTP and the environment"; 503 where it is the store
or Secret Manager that does not answer."""


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
    callers: Callers | None = None,
    project: str | None = None,
) -> FastAPI:
    """The app. `stores` opens the store for one request; `hosts` are the names it answers to (None: any).

    `callers` knows who may call (None: whoever can connect); `project` is the one of Google Cloud
    whose traces the log refers to.
    """
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
    app.add_middleware(
        Guard,
        log=log,
        new_id=new_id,
        clock=clock,
        hosts=hosts,
        callers=callers,
        to_anybody=TO_ANYBODY,
        project=project,
    )
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]  # FastAPI documents this as the way

    def answer(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
        document = problem(status, detail, request.scope[REQUEST_ID])
        return Response(msgspec.json.encode(document), status, headers, PROBLEM_JSON)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        headers, detail = error.headers or {}, str(error.detail)
        if (error.status_code, detail) == (NOT_FOUND, phrase(NOT_FOUND)):
            detail = f"nothing is at this address; there are {_addresses(openapi(app))}"
        elif error.status_code == NOT_ALLOWED:
            detail = f"accepted at this address is {headers.get('Allow', 'another method')}"
        return answer(request, error.status_code, detail, headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        path, method = request.scope["route"].path, request.method
        return answer(request, BAD_REQUEST, refusal(error.errors(), openapi(app), path, method))

    @app.exception_handler(EvalForgeError)
    def failed(request: Request, error: EvalForgeError) -> Response:
        status, detail = _told_to_callers(error)
        request.scope[ABOUT].update(reason=str(error), **told(error))
        headers = {RETRY_AFTER: _wait(error.until, clock)} if isinstance(error, LeaseHeld) and error.until else None
        return answer(request, status, detail, headers)

    return app


def openapi(app: FastAPI) -> Document:
    """The OpenAPI document, with the nouns as they are written and without the answers that never come."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas |= schemas_of(NOUNS, "#/components/schemas/{name}")
        for operation in (one for path in document["paths"].values() for one in path.values()):
            operation["responses"].pop("422", None)
        without_made_up_titles(document)
        app.openapi_schema = document
    return app.openapi_schema


def capture_schema() -> Document:
    """The JSON schema (2020-12) of a capture as the service writes it."""
    whole = schemas_of([FailureCapture], "#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole.pop(FailureCapture.__name__),
        "$defs": whole,
    }


def _told_to_callers(error: EvalForgeError) -> tuple[int, str]:
    status, detail = next((status, detail) for kind, status, detail in STATUSES if isinstance(error, kind))
    if isinstance(error, ConfigurationError):
        named = SETTING.search(str(error))
        detail = f"{detail} {named[0] if named else 'its settings'}"
    return status, detail or str(error)


def _addresses(document: Document) -> str:
    known = [f"{method.upper()} {path}" for path, operations in document["paths"].items() for method in operations]
    return ", ".join([*known, "GET /openapi.json"])


def _wait(until: str, clock: Clock) -> str:
    """Whole seconds until a moment: at least one, at most an hour."""
    left = ceil((datetime.fromisoformat(until) - clock.now()).total_seconds())
    return str(max(1, min(left, LONGEST_WAIT_SECONDS)))
