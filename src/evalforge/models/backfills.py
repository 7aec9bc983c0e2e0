"""A backfill: time past the look-back that is read once, and how far that has come."""

from typing import Literal

import msgspec

from evalforge.models.captures import Moment

BackfillState = Literal["waiting", "running", "partial", "complete"]


class BackfillEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample of the range says of the rest of it.

    searches: pages that were sampled.
    calls: HTTP attempts that it will take.
    calls_most: the same, two standard errors of the sample higher.
    minutes: at the allowed rate, with the pauses that are left for live runs.
    captures: failing traces.
    dollars: US dollars for what the store is asked for them, at the prices of `models/prices.toml`.
    spans_a_second: matching spans in a second of the range.
    """

    searches: int
    calls: int
    calls_most: int
    minutes: float
    captures: int
    dollars: float = 0.0
    spans_a_second: float


class BackfillRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One backfill, or one task's part of it. It is no run, and coverage knows nothing of it.

    backfill_id: a digest of the range, the service, the task and how many there are: the same command, the same record.
    start: what was asked for begins here.
    end: and ends here.
    service: of this service alone; null for all.
    task: which part of the range this is, from 0.
    tasks: in how many equal parts the range was cut.
    state: waiting (for approval), running, partial or complete.
    read_until: everything from the start up to here is read, or is told in `gone`.
    gone: what of it Datadog had no longer, as two moments each.
    created_at: when it was first asked for.
    updated_at: when this was written.
    calls: HTTP attempts so far, with those of the estimates.
    calls_allowed: when so many are spent, it stops and asks for approval.
    captures_created: traces.
    captures_updated: traces.
    captures_unchanged: traces; one that is read by two turns counts for each.
    dead_letters: new ones.
    estimate: the last, of what was left then; null before the first.
    approved_by: who approved last: a user of the machine, or the Cloud Run job; null if nobody.
    approved_at: and when.
    reasons: why it is partial or waits.
    """

    backfill_id: str
    start: Moment
    end: Moment
    service: str | None = None
    task: int = 0
    tasks: int = 1
    state: BackfillState = "running"
    read_until: Moment
    gone: tuple[tuple[Moment, Moment], ...] = ()
    created_at: Moment
    updated_at: Moment
    calls: int = 0
    calls_allowed: int = 0
    captures_created: int = 0
    captures_updated: int = 0
    captures_unchanged: int = 0
    dead_letters: int = 0
    estimate: BackfillEstimate | None = None
    approved_by: str | None = None
    approved_at: Moment | None = None
    reasons: tuple[str, ...] = ()
