"""What a run says of itself: log lines with ids and counts, and the record that becomes its report."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from evalforge.models import (
    Coverage,
    CoveredTime,
    DeadLetter,
    DeepPass,
    FailureCapture,
    IngestionRun,
    Lateness,
    Outcome,
    RateLimit,
    Tally,
    Window,
)


class Log(Protocol):
    """The part of a structured logger that a run uses."""

    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...
    def error(self, event: str, **fields: Any) -> Any: ...


class Progress(Protocol):
    """Told after each page: spans seen, traces captured, and how far through the window (0 to 1) the search is."""

    def __call__(self, spans_seen: int, captures: int, fraction: float) -> None: ...


def fraction_read(window: Window, latest_start_ns: int | None) -> float:
    """How far through the window a span that began then is: 0 to 1."""
    start, end = (datetime.fromisoformat(moment).timestamp() for moment in (window.start, window.end))
    latest = (latest_start_ns or 0) / 1e9
    return min(1.0, max(0.0, (latest - start) / max(end - start, 0.001)))


class Journal:
    """Gathers the facts of one run as they happen; `report` is the run so far.

    Searches in threads of their own may say what they asked, met and doubt.
    """

    def __init__(self, log: Log, *, run_id: str, started_at: str, window: Window) -> None:
        self.log = log
        self._run_id, self._started_at, self._window = run_id, started_at, window
        self.queries: list[str] = []
        self.reasons: list[str] = []
        self.notes: list[str] = []
        self.errors: list[str] = []
        self.evaluators_asked: frozenset[str] = frozenset()
        self.pages = 0
        self.reading_deep = False
        self.deep_reasons: list[str] = []
        self._searching = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._excluded: Counter[str] = Counter()

    def partial(self, reason: str) -> None:
        """Something could not be read whole: of the window, or (`reading_deep`) of the deep pass alone."""
        reasons = self.deep_reasons if self.reading_deep else self.reasons
        with self._searching:
            if reason not in reasons:
                reasons.append(reason)
                self.log.warning("partial", reason=reason)

    def note(self, text: str) -> None:
        """Something worth knowing that leaves the coverage complete."""
        with self._searching:
            if text not in self.notes:
                self.notes.append(text)
                self.log.info("note", note=text)

    def asked(self, query: str) -> None:
        """A query was sent; the same one for another slice is told once."""
        with self._searching:
            if query not in self.queries:
                self.queries.append(query)

    def asked_for(self, evaluators: frozenset[str]) -> None:
        """These evaluators were asked for."""
        with self._searching:
            self.evaluators_asked |= evaluators

    def answered(self) -> None:
        """An answer held a page."""
        with self._searching:
            self.pages += 1

    def count(self, excluded: Mapping[str, int] | None = None, **counts: int) -> None:
        """Add to the tally, by the names of its fields."""
        self._counts.update(counts)
        self._excluded.update(excluded or {})

    def decided(self, capture: FailureCapture, decision: str) -> None:
        """The one decision of a trace that fails: created, updated or unchanged."""
        self.log.info(
            "decision",
            trace_id=capture.trace_id,
            decision=decision,
            failure_type=capture.failure_type,
            failure_severity=capture.severity,
            signals=len(capture.signals),
            rules=sorted({signal.rule for signal in capture.signals}),
            user_hash=capture.user_hash,
        )

    def excluded(self, trace_id: str, reason: str) -> None:
        """The one decision of a trace of which nothing was captured."""
        self.log.info("decision", trace_id=trace_id, decision="excluded", reason=reason)

    def committed(self, *, captures: int, unchanged: int, dead_letters: Sequence[DeadLetter]) -> None:
        """A batch is in the store."""
        for letter in dead_letters:
            self.log.warning(
                "dead letter",
                dead_letter_id=letter.dead_letter_id,
                trace_id=letter.trace_id,
                span_id=letter.span_id,
                reason=letter.reason,
            )
        self.log.info("commit", captures=captures, unchanged=unchanged, dead_letters=len(dead_letters))

    def report(
        self,
        outcome: Outcome,
        *,
        decisions: Mapping[str, int],
        calls: int,
        rate_limit: RateLimit,
        finished_at: str | None = None,
        hash_key_id: str | None = None,
        spans_unchanged: int = 0,
        slices: tuple[CoveredTime, ...] = (),
        deep_due: int = 0,
        deep_read: int = 0,
        lateness: Lateness = Lateness(),  # noqa: B008 - immutable
    ) -> IngestionRun:
        """The run as it is now; `decisions` counts the traces created, updated and unchanged.

        `spans_unchanged` are included without being read: they are stored as they are.
        """
        unfinished = {"running": ["the run is not finished"], "failed": self.errors}.get(outcome, [])
        reasons = [*self.reasons, *unfinished]
        captures = {f"captures_{decision}": number for decision, number in decisions.items()}
        return IngestionRun(
            run_id=self._run_id,
            outcome=outcome,
            started_at=self._started_at,
            finished_at=finished_at,
            window=self._window,
            queries=tuple(self.queries),
            calls=calls,
            pages=self.pages,
            tally=Tally(
                spans_excluded=dict(sorted(self._excluded.items())),
                **captures,
                **self._counts + Counter(spans_included=spans_unchanged, spans_unchanged=spans_unchanged),
            ),
            rate_limit=rate_limit,
            coverage=Coverage(
                state="partial" if reasons else "complete",
                reasons=tuple(reasons),
                evaluators_asked=tuple(sorted(self.evaluators_asked)),
                notes=tuple(self.notes),
                slices=slices,
            ),
            deep_pass=DeepPass(due=deep_due, read=deep_read, reasons=tuple(self.deep_reasons)),
            lateness=lateness,
            errors=tuple(self.errors),
            hash_key_id=hash_key_id,
        )

    def announce(self, run: IngestionRun) -> None:
        """The report as the last line of the log."""
        self.log.info("report", report=msgspec.to_builtins(run))
