"""How the service is doing, read from the store alone, so that it is as true on a fresh instance. Never content."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Literal, NamedTuple

import msgspec

from evalforge.common.clock import timestamp
from evalforge.common.config import MAX_LOOKBACK_HOURS
from evalforge.ingestion.earlier_runs import CLOCKS_APART
from evalforge.models import (
    CoveredTime,
    IngestionRun,
    LastRun,
    Lateness,
    RateLimit,
    Window,
    covered,
    may_lack,
    together,
)
from evalforge.ports import CaptureFilter, CaptureStore

FEW_RUNS, MANY_RUNS = 20, 1_100
"""Of the newest runs so many are read, and more only where the few leave a gap: 72 h of runs every four minutes."""
MOST_SECONDS_BETWEEN_RUNS = 3600
"""Four runs of a timer of 15 minutes; an hourly one is never overdue, for the longest run comes on top."""

MOST_OF_THE_LOOKBACK = 0.8
"""Later failures are too close to being missed by the normal runs."""


class LastCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest finished run read: the window, whole or in part and why."""

    state: Literal["complete", "partial"]
    reasons: tuple[str, ...]
    window: Window


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the service is doing: `degraded` with its reasons, `never_run` before the first run has ended, or `ok`.

    status: degraded while the last finished run was not complete; while a part of the look-back was read whole by no
        complete run; from an hour and the longest run after the last moment read whole (after the look-back if that
        is shorter); when a run never ended; for 72 hours after a dead letter was first seen; and while so many failures
        are seen late that the look-back is almost too short.
    reasons: what degrades it, in words; empty if nothing does.
    last_run: the newest run, which may still be at work; null if there was none.
    coverage: what the newest finished run read; null if there was none.
    slices: what all runs together have read, oldest first; empty if nothing was recorded.
    lateness: how long after it happened each failure was first seen, over the newest runs.
    rate_limit: Datadog's last word to the newest finished run; null if there was none.
    captures_waiting: how many captures nobody has looked at: their status is new.
    at_least: whether there may be more of them, for something was not read whole.
    dead_letters: how many spans could not be captured and are not erased, whatever their age.
    """

    status: Literal["ok", "degraded", "never_run"]
    reasons: tuple[str, ...]
    last_run: LastRun | None
    coverage: LastCoverage | None
    slices: tuple[CoveredTime, ...]
    lateness: Lateness
    rate_limit: RateLimit | None
    captures_waiting: int
    at_least: bool
    dead_letters: int


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """That the service answers, and nothing else, for who shows no token where one is needed.

    status: always alive.
    """

    status: Literal["alive"] = "alive"


class Gap(NamedTuple):
    """A stretch of time that no complete run read."""

    start: datetime
    end: datetime


def health_of(store: CaptureStore, now: datetime, *, lookback_hours: float, longest_run_seconds: float) -> Health:
    """The service's health at a moment. Raises StoreError."""
    lookback, longest_run = timedelta(hours=lookback_hours), timedelta(seconds=longest_run_seconds)
    runs, gaps = _read(store, now, lookback)
    newest = runs[0] if runs else None
    finished = next((run for run in runs if run.outcome != "running"), None)
    dead_letters, record, lateness = (
        store.count_dead_letters(),
        store.coverage(),
        together(run.lateness for run in runs),
    )
    reasons = _dead_letter_doubts(store, dead_letters, now)
    if newest is not None and newest is not finished and now - _moment(newest.started_at) > longest_run:
        reasons.append("the last run never ended")
    if finished is not None:
        if finished.outcome != "complete":
            ended = "failed" if finished.outcome == "failed" else f"was {finished.outcome}"
            reasons.append(f"the last finished run {ended}")
        between_runs = timedelta(seconds=MOST_SECONDS_BETWEEN_RUNS) + longest_run
        reasons += _gap_doubts(gaps, now, lookback, min(between_runs, lookback))
    reasons += _lateness_doubts(lateness, lookback_hours)
    return Health(
        status="never_run" if finished is None else "degraded" if reasons else "ok",
        reasons=tuple(reasons),
        last_run=LastRun.of(newest) if newest else None,
        coverage=_coverage(finished),
        slices=covered(record, now),
        lateness=lateness,
        rate_limit=finished.rate_limit if finished else None,
        captures_waiting=store.count_captures(CaptureFilter(status="new")),
        at_least=may_lack(record, newest, now),
        dead_letters=dead_letters,
    )


def unread(windows: Iterable[Window], since: datetime, now: datetime) -> list[Gap]:
    """The stretches from `since` to `now` that are in none of the windows, oldest first."""
    gaps, read_until = [], since
    for start, end in sorted((_moment(window.start), _moment(window.end)) for window in windows):
        if read_until < min(start, now):
            gaps.append(Gap(read_until, min(start, now)))
        read_until = max(read_until, end)
    return gaps if read_until >= now else [*gaps, Gap(read_until, now)]


def _read(store: CaptureStore, now: datetime, lookback: timedelta) -> tuple[Sequence[IngestionRun], Sequence[Gap]]:
    """The newest runs, and what of the look-back none of them read whole, but for the time since the newest of them."""
    for number in (FEW_RUNS, MANY_RUNS):
        listed = list(store.list_runs(number))
        runs = [run for run in listed if _moment(run.started_at) <= now + CLOCKS_APART]
        gaps = unread((run.window for run in runs if run.outcome == "complete"), now - lookback, now)
        if len(listed) < number or all(gap.start > now - lookback and gap.end == now for gap in gaps):
            break
    return runs, gaps


def _gap_doubts(gaps: Sequence[Gap], now: datetime, lookback: timedelta, between_runs: timedelta) -> list[str]:
    """A gap that ends now is only the time since the last run, until that is too long."""
    doubts = []
    earlier = [gap for gap in gaps if gap.end < now]
    overdue = now - gaps[-1].start if len(gaps) > len(earlier) else timedelta()
    if overdue >= lookback:
        doubts.append(f"nothing of the last {_length(lookback)} was read whole")
    elif overdue > between_runs:
        since = f"since {timestamp(now - overdue)}, {_length(overdue)} ago"
        doubts.append(f"nothing was read whole {since}; a run is overdue after {_length(between_runs)}")
    if earlier:
        start, end = earlier[0]
        more = f", and {len(earlier) - 1} more" if len(earlier) > 1 else ""
        doubts.append(f"no complete run read {timestamp(start)} to {timestamp(end)} ({_length(end - start)}){more}")
    return doubts


def _dead_letter_doubts(store: CaptureStore, number: int, now: datetime) -> list[str]:
    """Beyond the longest look-back no run can read the span again: what then remains is for a person, not an alarm."""
    newest = next(store.list_dead_letters(1), None) if number else None
    if newest is None or now - _moment(newest.first_seen_at) > timedelta(hours=MAX_LOOKBACK_HOURS):
        return []
    return [
        f"{number} dead letter{'s' if number > 1 else ''}, the newest first seen {newest.first_seen_at}: "
        "see why with `evalforge dead-letters list`, mend it, then run `evalforge dead-letters replay`"
    ]


def _lateness_doubts(lateness: Lateness, lookback_hours: float) -> list[str]:
    """What comes later than the look-back is found by the deep pass alone, and past that by nothing."""
    p99 = lateness.p99_hours
    if p99 is None or p99 <= MOST_OF_THE_LOOKBACK * lookback_hours:
        return []
    told = (
        f"1 failure in 100 is seen {p99:g} h or more after its span, over 80 % of the look-back of {lookback_hours:g} h"
    )
    longer = min(MAX_LOOKBACK_HOURS, ceil(p99 / MOST_OF_THE_LOOKBACK))
    if longer > lookback_hours:
        return [f"{told}: set EVALFORGE_LOOKBACK_HOURS={longer:g}, or have evaluations run sooner"]
    return [f"{told}, which cannot be longer: have evaluations run sooner"]


def _length(time: timedelta) -> str:
    minutes = time.total_seconds() / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.3g} h"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _coverage(run: IngestionRun | None) -> LastCoverage | None:
    if run is None:
        return None
    return LastCoverage(state=run.coverage.state, reasons=run.coverage.reasons, window=run.window)
