"""`POST /ingestion/run-once` and `GET /health`. Statuses: design, "Contract of the command line, HTTP and the ..."."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Protocol

import msgspec
from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from evalforge.common.clock import Clock
from evalforge.common.config import HIGHEST_THRESHOLD, MAX_LOOKBACK_HOURS
from evalforge.common.correlation import Trigger
from evalforge.common.errors import EvalForgeError, StoreError
from evalforge.common.guard import TRIGGER
from evalforge.common.problems import documented
from evalforge.ingestion.health import Health, Liveness, health_of
from evalforge.models import IngestionRun
from evalforge.ports import CaptureStore


class Runner(Protocol):
    """One run with the service's settings, but for what is given. Raises what a run raises."""

    def __call__(
        self, *, lookback_hours: float | None, quality_threshold: float | None, trigger: Trigger
    ) -> IngestionRun: ...


class RunOnce(BaseModel):
    """What a caller may set for one run; the service's settings stand for what is left out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    lookback_hours: float | None = Field(
        None, alias="lookbackHours", gt=0, le=MAX_LOOKBACK_HOURS, description="How far back to read, in hours."
    )
    quality_threshold: float | None = Field(
        None,
        alias="qualityThreshold",
        ge=-HIGHEST_THRESHOLD,
        le=HIGHEST_THRESHOLD,
        allow_inf_nan=False,
        description="A quality score below it fails.",
    )


def router(
    run: Runner,
    stores: Callable[[], AbstractContextManager[CaptureStore]],
    clock: Clock,
    *,
    lookback_hours: float,
    longest_run_seconds: float,
) -> APIRouter:
    """The routes. Handlers are sync: each waits in a thread of its own, so that a slow Datadog holds up nobody else."""
    routes = APIRouter()

    @routes.post(
        "/ingestion/run-once",
        operation_id="runOnce",
        summary="Start a run",
        response_class=Response,
        responses=documented(IngestionRun, "The report of the run: complete or partial.", 400, 409, 502),
    )
    def run_once(request: Request, wanted: Annotated[RunOnce | None, Body()] = None) -> Response:
        """Read the failed traces of the last hours and store a capture of each; answered when the run is over.

        A caller that goes away does not stop it.
        """
        asked = wanted or RunOnce.model_validate({})
        try:
            report = run(
                lookback_hours=asked.lookback_hours,
                quality_threshold=asked.quality_threshold,
                trigger=request.scope[TRIGGER],
            )
        except StoreError as error:
            raise EvalForgeError("the run could not use the store") from error
        return Response(msgspec.json.encode(report), media_type="application/json")

    @routes.get(
        "/health",
        operation_id="health",
        summary="How the service is doing",
        response_class=Response,
        responses=documented(
            Health,
            "How it is doing, read from the store (degraded is 200 too); that it is alive, where callers are checked "
            "and this one shows no token.",
            or_noun=Liveness,
        ),
    )
    def health() -> Response:
        """Last run, coverage, rate limit, captures waiting and dead letters. Never content."""
        with stores() as store:
            found = health_of(
                store, clock.now(), lookback_hours=lookback_hours, longest_run_seconds=longest_run_seconds
            )
        return Response(msgspec.json.encode(found), media_type="application/json")

    return routes
