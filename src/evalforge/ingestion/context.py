"""Context: the root and the parent chain of failing spans, fetched for captures that lack them and sanitised alike.

It holds the user's question, the agent's steps to the failing one and, as a rule, the only trace of who the user was
(facts: datadog.md §6: annotated tags stay on their span). It never causes a capture and changes no verdict.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from evalforge.common.clock import timestamp
from evalforge.common.ids import PLAIN_ID
from evalforge.ingestion.ancestry import CONTEXT_KEPT, by_start, unknown_parents
from evalforge.ingestion.decoding import UndecodableSpan, decode_span
from evalforge.ingestion.failure_rules import RuleSet
from evalforge.ingestion.merging import at_the_caps, is_better, with_context
from evalforge.ingestion.models import Page, TraceSource
from evalforge.ingestion.pii_sanitizer import SanitizationFailed, Sanitizer
from evalforge.ingestion.query.compiler import quoted
from evalforge.ingestion.run_journal import Journal
from evalforge.ingestion.search.errors import SearchInterrupted, SearchRefused
from evalforge.models import CapturedSpan, ContextReason, FailureCapture, Window

TRACES_A_CALL = 50
"""Design, "What the words mean": context."""
PARENTS_A_CALL = 200
"""Bounds the query: a failing trace asks for up to 24 parents at once, one for each failing span kept."""
MOST_ROUNDS = CONTEXT_KEPT
"""Each round reads one generation of parents; more of them than this the cap would cut again."""
ROOTS_KEPT = CONTEXT_KEPT
"""Roots of one trace held while it is read, of the thousands that there may be. The capture keeps the earliest, and
others only as ancestors of what failed; to hold a few of those may save a call."""
START_MARGIN = timedelta(hours=24)
"""How much earlier than its failing spans a trace may have begun. Datadog's intake takes spans up to 24 hours old."""
RETENTION = timedelta(days=15)
"""Datadog docs, "Data Retention Periods": traces and spans."""
MAY_STILL_RUN = timedelta(hours=1)
"""A span is sent when it ends, so that the root of a running trace arrives after the failing span below it: for so
long after the last failure what Datadog did not have is asked for again."""


def wants_context(capture: FailureCapture, *, changed: bool, now: datetime) -> bool:
    """Whether context is missing and worth asking for, of a capture of which a span was read in full.

    So it is if the capture changed, or if its context was never read. What Datadog did not have is asked for again
    too: for a span is read in full until it was asked for late enough (`context_may_come`), however long no run was
    made. Not so what reached the caps, which is read in full by every run: of that only while it may come.
    """
    if capture.context_state == "whole":
        return False
    if changed or capture.context_reason == "not_read":
        return True
    return capture.context_reason == "not_found" and (not at_the_caps(capture) or context_may_come(capture, now))


def context_may_come(capture: FailureCapture, now: datetime) -> bool:
    """Whether it may yet arrive, as its trace may still run; also where it is there already and was not asked for."""
    last = capture.last_failed_at
    lacking = capture.context_state != "whole" and capture.context_reason == "not_found"
    return lacking and last is not None and last > timestamp(now - MAY_STILL_RUN)


def context_window(window: Window) -> Window:
    """The run's window with an earlier start, because a root begins before what fails below it."""
    start, end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
    earliest = max(start - START_MARGIN, end - RETENTION)
    return Window(start=timestamp(min(start, earliest)), end=window.end)


class _Trace:
    """A capture, and what was asked for and found around it."""

    def __init__(self, capture: FailureCapture) -> None:
        self.capture = capture
        self._found: dict[str, CapturedSpan] = {}
        self._roots: dict[str, CapturedSpan] = {}
        self._names: set[str] = set()
        self._answered: set[str] = set()
        self._in_part = False
        self._lacking: ContextReason = "not_read"

    def wanted(self) -> frozenset[str]:
        """The ids of parents that are neither held nor were asked for."""
        payload = self.capture.trace_payload
        known = {span.span_id: span for span in payload.context} | self._roots | self._found
        return unknown_parents(payload.spans, known.values()) - self._answered

    def take(self, span: CapturedSpan, names: Iterable[str], wanted: frozenset[str]) -> None:
        """Keep the names that it told, and the span if it is wanted or one of the earliest roots.

        Of two versions the earlier is kept, then the one with the greater encoding, so that neither their order nor
        that of the roots can change what is kept. A root that was not kept is asked for if it turns out a parent.
        """
        self._names.update(names)
        if span.span_id in wanted or span.span_id in self._found:
            _keep(span, self._found)
        elif span.parent_id is None:
            _keep(span, self._roots)
            if len(self._roots) > ROOTS_KEPT:
                del self._roots[max(self._roots.values(), key=by_start).span_id]

    def answered(self, wanted: frozenset[str], *, in_part: bool) -> None:
        """These were asked for; `in_part`: Datadog gave up before it had looked everywhere."""
        self._answered |= wanted
        self._in_part |= in_part
        self._lacking = "not_read" if self._in_part else "not_found"

    def goes_on(self, *, read_on: bool) -> None:
        """There are parents still to ask for: they are read next, or else they are past the last round."""
        self._lacking = "not_read" if read_on else "cut"

    def completed(self, sanitizer: Sanitizer) -> FailureCapture:
        """The capture with the context found, and with the names that this told replaced in all of it."""
        return with_context(
            self.capture,
            (*self._roots.values(), *self._found.values()),
            self._lacking,
            self._names,
            lambda whole: sanitizer.with_known_names(whole, self.capture),
        )


def _keep(span: CapturedSpan, among: dict[str, CapturedSpan]) -> None:
    known = among.get(span.span_id)
    if known is None or is_better(span, known, by_start):
        among[span.span_id] = span


_Asking: TypeAlias = tuple[_Trace, frozenset[str]]
"""A trace, and the spans that are asked for in this round."""


class ContextReader:
    """Reads the context of captures within a run's budget. `stopped`: something ended the reading for this run."""

    def __init__(
        self, *, source: TraceSource, sanitizer: Sanitizer, rules: RuleSet, scope: str | None, journal: Journal
    ) -> None:
        self._source, self._sanitizer, self._journal = source, sanitizer, journal
        self._scope = rules.search_query(ml_app=None, scope=scope, evaluators=(), all_spans=True)
        self.stopped = self._scope is None

    def completed(self, captures: Sequence[FailureCapture], window: Window) -> list[FailureCapture]:
        """The captures (at most TRACES_A_CALL) with their context, or with as much of it as could be had.

        Raises CredentialsRejected. What else goes wrong is in the journal, and the captures say what they lack.
        """
        traces = [_Trace(capture) for capture in captures]
        calls = self._source.calls
        try:
            self._read(traces, context_window(window))
        except SearchInterrupted as interrupted:
            self._stop(interrupted.reason)
        except SearchRefused as refused:
            self._stop(f"Datadog refused {refused.reason} (HTTP {refused.status})")
        self._journal.count(context_calls=self._source.calls - calls)
        return [trace.completed(self._sanitizer) for trace in traces]

    def _read(self, traces: Sequence[_Trace], window: Window) -> None:
        """The parents, then their parents, until nothing is asked for. Of any app, for a trace may cross apps."""
        asking = [(trace, trace.wanted()) for trace in traces]
        for number in range(1, MOST_ROUNDS + 1):
            for batch in _batches(asking):
                self._ask(batch, window)
            asking = [(trace, wanted) for trace, _ in asking if (wanted := trace.wanted())]
            for trace, _ in asking:
                trace.goes_on(read_on=number < MOST_ROUNDS)

    def _ask(self, batch: Sequence[_Asking], window: Window) -> None:
        asked = {trace.capture.trace_id: (trace, wanted) for trace, wanted in batch}
        query = context_query(list(asked), frozenset[str]().union(*(wanted for _, wanted in batch)))
        in_part: str | None = None
        for page in self._source.search(query if self._scope == "*" else f"{self._scope} AND {query}", window):
            self._journal.answered()
            self._take(page, asked)
            in_part = in_part or page.in_part
        for trace, wanted in batch:
            trace.answered(wanted, in_part=in_part is not None)
        if in_part:
            self._journal.partial(f"Datadog answered meta.status {in_part}: some context was not read")

    def _take(self, page: Page, asked: Mapping[str, _Asking]) -> None:
        for raw in page.items:
            try:
                span = decode_span(raw)
                trace, wanted = asked[span.trace_id or ""]
                clean, names = self._sanitizer.context(span)
            except (UndecodableSpan, KeyError, SanitizationFailed):
                continue
            self._journal.count(context_spans=1)
            trace.take(clean, names, wanted)

    def _stop(self, reason: str) -> None:
        self.stopped = True
        self._journal.partial(f"some context was not read: {reason}")


def context_query(trace_ids: Sequence[str], parents: Collection[str]) -> str:
    """Asks for the roots of these traces and for these spans of them. An id that we hashed cannot be asked for."""
    ids = sorted(span_id for span_id in parents if PLAIN_ID.match(span_id))
    spans = f"(@parent_id:undefined OR @span_id:({_any(ids)}))" if ids else "@parent_id:undefined"
    return f"@trace_id:({_any(trace_ids)}) AND {spans}"


def _any(ids: Sequence[str]) -> str:
    return " OR ".join(map(quoted, ids))


def _batches(asking: Sequence[_Asking]) -> Iterator[Sequence[_Asking]]:
    """At most TRACES_A_CALL traces and, unless one trace alone has more, PARENTS_A_CALL parents."""
    batch: list[_Asking] = []
    parents = 0
    for trace, wanted in asking:
        if batch and (len(batch) == TRACES_A_CALL or parents + len(wanted) > PARENTS_A_CALL):
            yield batch
            batch, parents = [], 0
        batch.append((trace, wanted))
        parents += len(wanted)
    if batch:
        yield batch
