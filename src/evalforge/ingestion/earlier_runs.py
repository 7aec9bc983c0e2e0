"""What a run does about those before it: one that was killed is closed, and their pace goes on."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from evalforge.common.clock import timestamp
from evalforge.models import CoverageRecord, IngestionRun, Lease
from evalforge.ports import CaptureStore

PACE_REMEMBERED, RUNS_REMEMBERED = timedelta(minutes=15), 20
"""How far back the calls of earlier runs count for the pace: a timer's distance, so that slow rates hold too."""
CLOCKS_APART = timedelta(minutes=5)
"""Clocks of two machines may differ by as much. What is dated later was written by one that was ahead, and is not of
late whatever it says."""


def close_abandoned(store: CaptureStore, lease: Lease, now: str) -> None:
    """A run whose lease ran out was killed or hangs: its record says so from now on, with what it had committed."""
    run = store.run(lease.taken_from) if lease.taken_from else None
    if run is not None and run.outcome == "running":
        why = "abandoned: it was killed or hung, and its lease ran out"
        coverage = msgspec.structs.replace(run.coverage, state="partial", reasons=(*run.coverage.reasons[:-1], why))
        store.save_run(
            msgspec.structs.replace(run, outcome="failed", finished_at=now, errors=(why,), coverage=coverage)
        )


def other_key(runs: Sequence[IngestionRun], key_id: str | None) -> str | None:
    """What to say if the newest of these runs, which come first, hashed with another key."""
    last = runs[0] if runs else None
    if last is None or not last.hash_key_id or last.hash_key_id == key_id:
        return None
    return f"EVALFORGE_HASH_KEY is not the key of the last run ({last.run_id}): the same user has another hash now"


def recent_runs(store: CaptureStore, now: datetime) -> list[IngestionRun]:
    """The newest runs, newest first: as many as may count for the pace, but never fewer than the last two.

    With a timer's distance between them the older of two is not of late, and the others need not be read.
    """
    last_two = list(store.list_runs(2))
    if len(last_two) == 2 and (last_two[1].finished_at or "~") > timestamp(now - PACE_REMEMBERED):
        return list(store.list_runs(RUNS_REMEMBERED))
    return last_two


def recent_calls(runs: Iterable[IngestionRun], record: CoverageRecord | None, now: datetime) -> tuple[float, int]:
    """How many seconds ago the last run, replay or turn of a backfill ended, and the calls of those of late.

    The pace goes on from there, so that the rate of requests holds in any minute, also in one that began under another
    run.
    """
    since = now - PACE_REMEMBERED
    told = [(run.finished_at, run.calls) for run in runs]
    if record is not None:
        told.append((record.outside_at, record.outside_calls))
    ended = [
        (moment, calls)
        for text, calls in told
        if text and since < (moment := datetime.fromisoformat(text)) <= now + CLOCKS_APART
    ]
    last = max((moment for moment, _ in ended), default=now)
    return (now - last).total_seconds(), sum(calls for _, calls in ended)


def with_calls_outside(record: CoverageRecord | None, calls: int, now: datetime) -> CoverageRecord:
    """The record with the calls of what ends now and is no run, and of others shortly before it."""
    if record is None:
        record = CoverageRecord(asked="", since=timestamp(now))
    _, before = recent_calls((), record, now)
    return msgspec.structs.replace(record, outside_at=timestamp(now), outside_calls=before + calls)
