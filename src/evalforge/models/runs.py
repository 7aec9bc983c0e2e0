"""What a run is, asked, read and left behind."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from evalforge.common.clock import timestamp
from evalforge.models.captures import Moment
from evalforge.models.coverage import Coverage, CoverageRecord, covered
from evalforge.models.lateness import Lateness

Outcome = Literal["running", "complete", "partial", "failed"]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A span that could not be captured: ids, the reason and the shape of it. Never its text.

    `dead_letter_id` is a keyed hash of the span's raw bytes, so that the same span is one dead letter however often
    it is read. `trace_id` and `span_id` are kept if hex or decimal, else as keyed hashes. `attempts` counts the times
    that a person had it read again in vain, and the first.
    """

    dead_letter_id: str
    trace_id: str | None = None
    span_id: str | None = None
    reason: str
    shape: str
    first_seen_at: Moment
    run_id: str
    attempts: int = 1


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The absolute time that a run read: two RFC 3339 strings, the end not later than the run's start."""

    start: Moment
    end: Moment


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The last usable word of Datadog's `X-RateLimit-*` headers; None where a header was absent or absurd."""

    name: str | None = None
    limit: int | None = None
    period_seconds: float | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the spans and traces of a run. Spans: seen = included + excluded + dead letters.

    Of the spans included, the unchanged ones were not read: they are stored as they are. Context is counted apart: the
    HTTP attempts that asked for it, and the spans of it that were read.
    """

    spans_seen: int = 0
    spans_included: int = 0
    spans_unchanged: int = 0
    spans_excluded: dict[str, int] = {}
    captures_created: int = 0
    captures_updated: int = 0
    captures_unchanged: int = 0
    dead_letters: int = 0
    dead_letters_new: int = 0
    context_calls: int = 0
    context_spans: int = 0


class DeepPass(msgspec.Struct, frozen=True, kw_only=True):
    """What a run read again of the time before its window, with what the window had left over of its budget.

    due: hours that were to be read again.
    read: those of them that were read whole; the next run goes on with the others.
    reasons: why not all of them were.
    """

    due: int = 0
    read: int = 0
    reasons: tuple[str, ...] = ()


class IngestionRun(msgspec.Struct, frozen=True, kw_only=True):
    """One execution: what it asked, read, decided and wrote. Also the report that a person sees.

    outcome: running, complete, partial (what was read is kept) or failed.
    window: the time that it read.
    queries: every query for failures that was sent, in order.
    calls: HTTP attempts at Datadog.
    pages: answers that held a page.
    tally: what became of the spans and traces.
    rate_limit: Datadog's last word on the rate limit.
    estimated_cost_usd: what the run cost.
    coverage: whether the window was read whole, and if not why.
    deep_pass: what it read again of the time before the window.
    lateness: how long after it happened each failure was first seen.
    errors: what ended a failed run.
    hash_key_id: tells two hash keys apart without telling either.
    """

    run_id: str
    outcome: Outcome
    started_at: Moment
    finished_at: Moment | None = None
    window: Window
    queries: tuple[str, ...] = ()
    calls: int = 0
    pages: int = 0
    tally: Tally = Tally()
    rate_limit: RateLimit = RateLimit()
    estimated_cost_usd: float = 0.0
    coverage: Coverage
    deep_pass: DeepPass = DeepPass()
    lateness: Lateness = Lateness()
    errors: tuple[str, ...] = ()
    hash_key_id: str | None = None


class LastRun(msgspec.Struct, frozen=True, kw_only=True):
    """The newest run in short, and how sure it is of what it read; it may still be at work.

    run_id: the id of the run.
    outcome: running, complete, partial or failed.
    started_at: its start.
    finished_at: its end; null while it works, or if it was killed.
    window: the time that it reads.
    state: complete if everything in the window was read, else partial.
    reasons: why not everything was read; empty if it was.
    """

    run_id: str
    outcome: Outcome
    started_at: Moment
    finished_at: Moment | None
    window: Window
    state: Literal["complete", "partial"]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, run: IngestionRun) -> "LastRun":
        """The run in short."""
        return cls(
            run_id=run.run_id,
            outcome=run.outcome,
            started_at=run.started_at,
            finished_at=run.finished_at,
            window=run.window,
            state=run.coverage.state,
            reasons=run.coverage.reasons,
        )


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to run. `fence` grows by one with each lease ever given and rides in every data commit.

    `taken_from` is the run whose lease had run out without being given back: it was killed, or hangs.
    """

    holder: str
    fence: int
    expires_at: Moment
    taken_from: str | None = None


LONGEST_LEASE = timedelta(hours=25)
"""The longest that can be set, and an hour by which clocks may differ."""


def lease_holds(expires_at: str, now: datetime) -> bool:
    """Whether a lease with this end is another's still; not if only a clock that was far ahead can have given it."""
    return timestamp(now) < expires_at <= timestamp(now + LONGEST_LEASE)


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure removed: the traces whose captures are gone, and how many dead letters went with them."""

    trace_ids: tuple[str, ...] = ()
    dead_letters: int = 0


def may_lack(
    record: CoverageRecord | None, newest: IngestionRun | None, now: datetime, since: datetime | None = None
) -> bool:
    """Whether there may be more than what is stored: the newest run was not complete, or time was not read whole.

    `since` leaves out the time before it. Where nothing ever ran, nothing is claimed.
    """
    if newest is None:
        return False
    if record is None or not record.slices or newest.coverage.state != "complete":
        return True
    start = timestamp(since) if since is not None else ""
    return any(one.state != "complete" and one.end > start for one in covered(record, now))


ReplayOutcome = Literal[
    "captured", "no_failure", "erased", "failing", "not_found", "unaskable", "not_read", "would_read"
]
RESOLVED: tuple[ReplayOutcome, ...] = ("captured", "no_failure", "erased")
"""Of which the dead letter goes."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one dead letter that was to be read again.

    dead_letter_id: the dead letter.
    trace_id: as the dead letter has it.
    span_id: as the dead letter has it.
    outcome: captured, no_failure (the rules judge it well) and erased let the dead letter go; it is kept if failing
        again, not_found, unaskable (its ids are unknown or hashed), not_read (the reading ended early) or would_read.
    reason: why it is kept; null if it is not.
    attempts: how often it was read in vain.
    """

    dead_letter_id: str
    trace_id: str | None
    span_id: str | None
    outcome: ReplayOutcome
    reason: str | None
    attempts: int
