"""How the service is doing, read from the store alone, so that it is as true on a fresh instance. Never content."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from evalforge.models import IngestionRun, Outcome, RateLimit, Window
from evalforge.ports import CaptureFilter, CaptureStore

RUNS_LOOKED_AT = 20
"""A finished run is looked for among so many of the newest: runs that were killed leave a record without an end."""


class LastRun(msgspec.Struct, frozen=True, kw_only=True):
    """The newest run, which may still be at work."""

    run_id: str
    outcome: Outcome
    started_at: str
    finished_at: str | None


class LastCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest finished run read: the window, whole or in part and why."""

    state: Literal["complete", "partial"]
    reasons: tuple[str, ...]
    window: Window


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`degraded` with its reasons: a run that was partial, failed, died or is overdue, or dead letters."""

    status: Literal["ok", "degraded", "never_run"]
    reasons: tuple[str, ...]
    last_run: LastRun | None
    coverage: LastCoverage | None
    rate_limit: RateLimit | None
    captures_waiting: int
    dead_letters: int


def health_of(store: CaptureStore, now: datetime, *, lookback_hours: float, longest_run_seconds: float) -> Health:
    """The service's health at a moment. Raises StoreError."""
    runs = list(store.list_runs(RUNS_LOOKED_AT))
    newest = runs[0] if runs else None
    finished = next((run for run in runs if run.outcome != "running"), None)
    dead_letters = store.count_dead_letters()
    reasons = [f"{dead_letters} dead letter{'' if dead_letters == 1 else 's'}"] if dead_letters else []
    if newest is not None and newest is not finished and _age(newest.started_at, now) > longest_run_seconds:
        reasons.append("the last run never ended")
    if finished is not None:
        reasons += _doubts(finished, now, lookback_hours)
    return Health(
        status="never_run" if finished is None else "degraded" if reasons else "ok",
        reasons=tuple(reasons),
        last_run=_last_run(newest),
        coverage=_coverage(finished),
        rate_limit=finished.rate_limit if finished else None,
        captures_waiting=store.count_captures(CaptureFilter(status="new")),
        dead_letters=dead_letters,
    )


def _doubts(run: IngestionRun, now: datetime, lookback_hours: float) -> list[str]:
    ended = "failed" if run.outcome == "failed" else f"was {run.outcome}"
    doubts = [] if run.outcome == "complete" else [f"the last finished run {ended}"]
    age = timedelta(seconds=_age(run.finished_at or run.started_at, now))
    if age > timedelta(hours=lookback_hours):
        hours = age.total_seconds() / 3600
        doubts.append(f"no run has finished for {hours:.0f} h, longer than the look-back of {lookback_hours:g} h")
    return doubts


def _age(moment: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(moment)).total_seconds()


def _last_run(run: IngestionRun | None) -> LastRun | None:
    if run is None:
        return None
    return LastRun(run_id=run.run_id, outcome=run.outcome, started_at=run.started_at, finished_at=run.finished_at)


def _coverage(run: IngestionRun | None) -> LastCoverage | None:
    if run is None:
        return None
    return LastCoverage(state=run.coverage.state, reasons=run.coverage.reasons, window=run.window)
