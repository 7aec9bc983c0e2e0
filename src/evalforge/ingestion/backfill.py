"""A backfill: time past the look-back, read once, in turns under the one lease, so that live runs get in between.

The rate of requests is shared by construction: each turn keeps the pace of whoever was before. How far it has come is
in its record: the same command goes on from there after a kill, and what a turn that was broken off has committed is
kept.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from evalforge.common.clock import timestamp
from evalforge.common.errors import CredentialsRejected, LeaseHeld
from evalforge.ingestion.backfill_estimate import estimate
from evalforge.ingestion.backfill_turn import Opened, Turn, Waiting, in_turn
from evalforge.ingestion.run_journal import Log
from evalforge.ingestion.search.errors import SearchInterrupted, SearchRefused
from evalforge.models import RETENTION, BackfillEstimate, BackfillRecord, BackfillState, IngestionRun, Window
from evalforge.ports import CaptureStore

TURN_SECONDS, PAUSE_SECONDS = 30.0, 5.0
NARROWEST, WIDEST = timedelta(seconds=1), timedelta(hours=24)
OVERLAP = timedelta(seconds=1)
"""Read twice where two turns meet, since a moment may be rounded otherwise there."""
FAILURES_IN_A_ROW = 3
MOST_CALLS_OVER = 2
"""A backfill that has spent so many times what was approved asks anew."""
LEAST_CALLS = 50
"""For a sample with its attempts, and for what was approved however little it is."""
FILLED = 0.4
"""Of the calls that a turn has time for, the first is planned with: the estimate may be too low."""
INTERRUPTED = "it was asked to stop"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a backfill may use. `calls_a_run` and `dollars_a_run`: what one run may spend, and a backfill without
    approval."""

    calls_a_run: int
    dollars_a_run: float
    calls_a_minute: float
    page_spans: int
    pause_seconds: float = PAUSE_SECONDS

    @property
    def turn_seconds(self) -> float:
        """Longer at rates so low that nothing could be read in the usual time."""
        return max(TURN_SECONDS, 20 * 60 / self.calls_a_minute)


def asked_for(start: datetime, end: datetime, service: str | None, task: int, tasks: int, now: str) -> BackfillRecord:
    """The record of a backfill that was not begun: of the range, or of this task's part of it."""
    told = "\0".join((timestamp(start), timestamp(end), service or "", str(task), str(tasks)))
    begin, stop = (timestamp(start + (end - start) * number / tasks) for number in (task, task + 1))
    return BackfillRecord(
        backfill_id=hashlib.sha256(told.encode()).hexdigest()[:16],
        start=begin,
        end=stop,
        service=service,
        task=task,
        tasks=tasks,
        read_until=begin,
        created_at=now,
        updated_at=now,
    )


class Backfill:
    """`run` may be called once. `opened` gives the parts of a turn that may make so many calls in so many seconds."""

    def __init__(
        self,
        record: BackfillRecord,
        waiting: Waiting,
        opened: Callable[[int, float], Opened],
        bounds: Bounds,
        *,
        approver: str | None,
        stop: Callable[[], bool],
        progress: Callable[[BackfillRecord], None],
        log: Log,
    ) -> None:
        self._store: CaptureStore = waiting.store
        self._record = self._store.backfill(record.backfill_id) or record
        self._waiting, self._opened, self._bounds = waiting, opened, bounds
        self._approver, self._stop, self._progress, self._log = approver, stop, progress, log
        self._clock = waiting.clock
        self._width: timedelta | None = None
        self._failures = 0

    def run(self) -> BackfillRecord:
        """The record as it is then: complete, partial, or waiting for approval. Raises CredentialsRejected."""
        if self._record.state == "complete":
            return self._record
        try:
            while not self._is_over():
                self._progress(self._record)
                self._read_window()
                if self._record.state == "running" and self._left():
                    self._clock.sleep(self._bounds.pause_seconds)
        except (LeaseHeld, SearchInterrupted, SearchRefused) as ended:
            self._end("partial", INTERRUPTED if self._stop() else getattr(ended, "reason", str(ended)))
        except CredentialsRejected as rejected:
            self._end("partial", str(rejected))
            raise
        self._log.info("backfill", record=msgspec.to_builtins(self._record))
        return self._record

    def _is_over(self) -> bool:
        """Whether nothing is left to be read, or nothing more may be."""
        self._leave_gone()
        if not self._left():
            self._end("complete")
        elif self._stop():
            self._end("partial", INTERRUPTED)
        elif self._failures >= FAILURES_IN_A_ROW:
            self._end("partial", *self._record.reasons)
        elif not self._is_permitted():
            self._end("waiting", self._why_waiting())
        else:
            return False
        return True

    def _left(self) -> timedelta:
        return _moment(self._record.end) - _moment(self._record.read_until)

    def _leave_gone(self) -> None:
        """What Datadog has no longer cannot be read; the record says so."""
        record, kept = self._record, timestamp(self._clock.now() - RETENTION)
        if record.read_until < min(kept, record.end):
            lost = (record.read_until, min(kept, record.end))
            gone = record.gone
            if gone and gone[-1][1] == lost[0]:
                gone, lost = gone[:-1], (gone[-1][0], lost[1])
            self._record = msgspec.structs.replace(record, gone=(*gone, lost), read_until=lost[1])

    def _is_permitted(self) -> bool:
        """Whether a turn may be had: approved, or so small that it need not be."""
        record = self._record
        if record.estimate is None or (record.state != "waiting" and record.calls >= record.calls_allowed):
            record = self._estimated()
        if record.state != "waiting":
            self._record = msgspec.structs.replace(record, state="running", reasons=())
            return True
        assert record.estimate is not None
        wanted = record.estimate.calls
        is_small = record.calls + wanted <= self._bounds.calls_a_run
        is_cheap = record.estimate.dollars <= self._bounds.dollars_a_run
        if record.approved_by is None and is_small and is_cheap:
            allowed = self._bounds.calls_a_run
        elif self._approver is not None:
            now = timestamp(self._clock.now())
            record = msgspec.structs.replace(record, approved_by=self._approver, approved_at=now)
            self._approver, allowed = None, record.calls + max(MOST_CALLS_OVER * wanted, LEAST_CALLS)
        else:
            return False
        self._record = msgspec.structs.replace(record, state="running", reasons=(), calls_allowed=allowed)
        self._save()
        return True

    def _why_waiting(self) -> str:
        record = self._record
        wanted = record.estimate.calls if record.estimate else 0
        spent = f" after the {record.calls:,} spent" if record.approved_by else ""
        dollars = record.estimate.dollars if record.estimate else 0.0
        return (
            f"some {wanted:,} calls and {dollars:.2f} USD are needed{spent}, and one run may make "
            f"{self._bounds.calls_a_run:,} calls (EVALFORGE_MAX_CALLS) and cost {self._bounds.dollars_a_run:g} USD "
            "(EVALFORGE_MAX_RUN_COST_USD)"
        )

    def _estimated(self) -> BackfillRecord:
        """With an estimate of what is left, to be approved."""
        bounds = self._bounds
        window = Window(start=self._record.read_until, end=self._record.end)
        calls = 0

        def sample(turn: Turn) -> BackfillEstimate:
            nonlocal calls
            try:
                return estimate(
                    turn.parts,
                    turn.searcher(),
                    window,
                    page_spans=bounds.page_spans,
                    calls_a_minute=bounds.calls_a_minute,
                    pause_seconds=bounds.pause_seconds,
                )
            finally:
                calls = turn.parts.source.calls

        found = in_turn(self._waiting, self._opened(LEAST_CALLS, bounds.turn_seconds), window, sample)
        self._record = msgspec.structs.replace(
            self._record, estimate=found, state="waiting", calls=self._record.calls + calls
        )
        self._width = None
        self._save()
        return self._record

    def _read_window(self) -> None:
        """One turn; the next is wider if it was quick, and narrower if it was broken off."""
        record, bounds = self._record, self._bounds
        width = self._width or self._first_width()
        begin, end = _moment(record.read_until), min(_moment(record.read_until) + width, _moment(record.end))
        window = Window(start=timestamp(max(begin - OVERLAP, _moment(record.start))), end=timestamp(end))
        opened = self._opened(record.calls_allowed - record.calls, bounds.turn_seconds)
        took, reasons = in_turn(self._waiting, opened, window, lambda turn: self._kept(turn, window))
        if not reasons:
            self._failures = 0
            self._width = min(WIDEST, width * 2) if took < bounds.turn_seconds / 4 else width
            return
        is_long = took >= bounds.turn_seconds / 2
        self._width = max(NARROWEST, width / 2)
        if not self._stop() and self._record.calls < self._record.calls_allowed:
            self._failures += 0 if is_long and width > NARROWEST else 1

    def _kept(self, turn: Turn, window: Window) -> tuple[float, tuple[str, ...]]:
        """How many seconds the turn took, and why the window was not read whole; saved while the lease holds."""
        began, calls_before = self._clock.monotonic(), turn.parts.source.calls
        try:
            report = turn.read()
        except CredentialsRejected:
            self._count(None, turn.parts.source.calls - calls_before, None)
            raise
        whole = report.coverage.state == "complete"
        self._count(report, report.calls, window.end if whole else None)
        return self._clock.monotonic() - began, report.coverage.reasons

    def _count(self, report: IngestionRun | None, calls: int, read_until: str | None) -> None:
        """Add to the record as it is stored: another process may be at the same backfill."""
        known = self._store.backfill(self._record.backfill_id) or self._record
        ours = self._record
        record = msgspec.structs.replace(
            known,
            gone=max(known.gone, ours.gone),
            calls=known.calls + calls,
            read_until=max(known.read_until, ours.read_until, read_until or ""),
        )
        if report is not None:
            tally = report.tally
            record = msgspec.structs.replace(
                record,
                captures_created=record.captures_created + tally.captures_created,
                captures_updated=record.captures_updated + tally.captures_updated,
                captures_unchanged=record.captures_unchanged + tally.captures_unchanged,
                dead_letters=record.dead_letters + tally.dead_letters_new,
                reasons=report.coverage.reasons,
            )
        self._record = record
        self._save()

    def _first_width(self) -> timedelta:
        """As much time as holds what a turn can read by the estimate."""
        assert self._record.estimate is not None
        bounds, density = self._bounds, self._record.estimate.spans_a_second
        spans = FILLED * bounds.calls_a_minute * bounds.turn_seconds / 60 * bounds.page_spans
        seconds = spans / density if density else WIDEST.total_seconds()
        return timedelta(seconds=min(max(seconds, NARROWEST.total_seconds()), WIDEST.total_seconds()))

    def _end(self, state: BackfillState, *reasons: str) -> None:
        self._record = msgspec.structs.replace(self._record, state=state, reasons=reasons)
        self._save()

    def _save(self) -> None:
        self._record = msgspec.structs.replace(self._record, updated_at=timestamp(self._clock.now()))
        self._store.save_backfill(self._record)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
