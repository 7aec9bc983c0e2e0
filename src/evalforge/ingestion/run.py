"""One run under its lease: plan the window, search, classify, sanitise, merge, commit, report.

Knows ports, not adapters. Failure of one trace never stops the run. All is done by one thread, but for the searches of
slices, which may be read side by side (`slice_searches`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing, suppress
from datetime import datetime
from typing import TypeAlias

from evalforge.common.clock import timestamp
from evalforge.common.errors import DocumentUnreadable, EvalForgeError
from evalforge.ingestion.context import TRACES_A_CALL, ContextReader, context_may_come, wants_context
from evalforge.ingestion.earlier_runs import other_key, recent_calls, recent_runs
from evalforge.ingestion.first_seen import FirstSeen
from evalforge.ingestion.heartbeat import Heartbeat
from evalforge.ingestion.known_spans import KnownSpans
from evalforge.ingestion.manifests import HOUR_FORMAT, PIPELINE_VERSION, Manifests, hours_between
from evalforge.ingestion.merging import settle, still_open, unite
from evalforge.ingestion.models import Page
from evalforge.ingestion.page_reader import ERASED, Gathered, PageReader
from evalforge.ingestion.parts import Parts, Remembered
from evalforge.ingestion.run_coverage import RunCoverage, digest_of
from evalforge.ingestion.run_journal import Journal, fraction_read
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.searches import Searcher, SearchPlan
from evalforge.ingestion.slice_searches import Saw, read, searches_of
from evalforge.ingestion.slices import KEPT_APART, Segment, window_of
from evalforge.ingestion.still_open import StillOpen
from evalforge.models import DeadLetter, FailureCapture, IngestionRun, Lease, Outcome, Window
from evalforge.ports import Batch, Committed

SECONDS_BETWEEN_REPORTS = 60.0

Decision: TypeAlias = tuple[FailureCapture, str]
"""A capture as it is to be stored, and whether that is created, updated or unchanged."""


class Run:
    """One run under its lease; `ingestion.replay` and `ingestion.backfill_turn` read by the same steps."""

    def __init__(
        self,
        parts: Parts,
        lease: Lease,
        started: datetime,
        heartbeat: Heartbeat,
        remembered: Remembered,
        window: Window | None = None,
    ) -> None:
        self._parts, self._lease, self._heartbeat = parts, lease, heartbeat
        self._started_at = timestamp(started)
        self._window = self._context_window = window or window_of(started, parts.lookback_hours)
        self._journal = Journal(parts.log, run_id=parts.run_id, started_at=self._started_at, window=self._window)
        self._coverage = RunCoverage(
            remembered.coverage,
            asked=digest_of(parts.ml_apps, parts.scope or "", str(parts.scan_all), parts.rules.digest),
            window=self._window,
            deep_hours=parts.deep_lookback_hours,
            read_at=self._started_at,
        )
        self._evaluators = remembered.evaluators
        self._first_seen = FirstSeen(started, self._coverage.was_read)
        salted_with = ("manifest", PIPELINE_VERSION, parts.rules.digest, str(parts.context))
        hours = hours_between(*map(datetime.fromisoformat, (self._window.start, self._window.end)))
        hours += [f"{hour:{HOUR_FORMAT}}" for segment in self._coverage.deep_segments for hour in segment.slices]
        self._manifests = Manifests(parts.sanitizer.key_for(*salted_with), hours)
        self._known = KnownSpans(self._manifests)
        self._reader = PageReader(
            rules=parts.rules,
            sanitizer=parts.sanitizer,
            ml_apps=parts.ml_apps,
            run_id=parts.run_id,
            fetched_at=self._started_at,
            known=self._known,
        )
        self._saved_at = parts.clock.monotonic()
        self._started = started
        self._lacking_context: Counter[str] = Counter()
        self._still_open = StillOpen()
        self._decisions: dict[str, str] = {}
        self._excluded: dict[str, str] = {}
        self._seen = 0

    def execute(self) -> IngestionRun:
        self._announce()
        try:
            self._parts.store.save_run(self._report("running"))
            self._read_everything()
            self._forget_old_manifests()
            self._close_decisions()
        except BaseException as error:
            self._fail(error)
            raise
        run = self._report("partial" if self._journal.reasons else "complete", finished=True)
        self._parts.store.save_run(run)
        self._journal.announce(run)
        return run

    def _announce(self) -> None:
        parts = self._parts
        self._journal.log.info(
            "window", start=self._window.start, end=self._window.end, ml_apps=list(parts.ml_apps), scope=parts.scope
        )
        runs = recent_runs(parts.store, self._started)
        if other := other_key(runs, parts.sanitizer.key_id):
            self._journal.note(other)
        parts.source.resume(*recent_calls(runs, self._coverage.stored, self._started))
        names = [rule.name for rule in parts.rules.rules]
        self._journal.log.info("rules in force", rules=names, digest=parts.rules.digest)

    def _read_everything(self) -> None:
        parts = self._parts
        self._manifests.load(parts.store.manifests(self._manifests.hours))
        plan = SearchPlan(
            window=self._window,
            ml_apps=parts.ml_apps,
            scope=parts.scope,
            scan_all=parts.scan_all,
            evaluators=parts.evaluators | self._evaluators,
        )
        searcher = Searcher(parts.source, parts.rules, plan, self._journal, self._reader)
        if self._read_within_budget(lambda: self._read_slices(searcher)) and self._coverage.deep_segments:
            self._read_within_budget(lambda: self._read_deep(searcher))

    def _read_within_budget(self, read: Callable[[], object]) -> bool:
        """Whether nothing ended it; what was read until then is committed, and then its context is read."""
        try:
            read()
        except SearchInterrupted as interrupted:
            self._journal.partial(interrupted.reason)
            self._coverage.interrupted(interrupted.reason)
            self._commit()
            self._leave_context(len(self._lacking_context))
            return False
        self._commit()
        self._read_context()
        return True

    def _forget_old_manifests(self) -> None:
        """Once an hour, so that other runs need not even look: those of hours that no run will read again."""
        if self._coverage.has_new_hour:
            self._parts.store.forget_manifests((self._started - KEPT_APART).strftime(HOUR_FORMAT))

    def _read_slices(self, searcher: Searcher) -> None:
        names = searcher.names()
        self._read_segments(searcher, self._coverage.segments, names)
        new = searcher.names_since(names)
        if new:
            try:
                for page in searcher.pages_for_new(new):
                    self._take(page)
            except SearchInterrupted:
                self._coverage.doubted()
                raise

    def _read_deep(self, searcher: Searcher) -> None:
        """What the deep pass cannot read is left to the next run, and does not make this one partial."""
        segments = self._coverage.deep_segments
        self._journal.reading_deep, self._lacking_context = True, Counter()
        self._context_window = Window(start=min(one.window.start for one in segments), end=self._window.end)
        self._read_segments(searcher, segments, searcher.names_known(), deep=True)

    def _read_segments(
        self, searcher: Searcher, segments: Sequence[Segment], names: frozenset[str], *, deep: bool = False
    ) -> None:
        parts = self._parts
        searches = searches_of(self._coverage, segments, searcher, names, deep=deep)
        with closing(read(searches, parts.source, parts.threads, self._journal.partial)) as pages:
            for page, saw in pages:
                self._take(page, saw)
        self._coverage.interrupted("")

    def _take(self, page: Page, saw: Saw = lambda _: None) -> None:
        """Read a page, and tell `saw` of the hours in it: what lies before it in time may have been read whole."""
        self._reader.read(page)
        saw(self._known.take_hours())
        self._seen += len(page.items)
        if len(self._reader.gathered.captures) >= self._parts.traces_a_commit:
            self._commit()
        self._heartbeat.keep()
        self._show_progress()

    def _commit(self) -> None:
        gathered, store = self._reader.take(), self._parts.store
        gathered.leave_out(store.erased_among(gathered.traces))
        stored = self._stored(list(gathered.captures))
        for trace_id in gathered.captures.keys() - stored.keys():
            letter = self._reader.letter_of_unreadable(trace_id)
            gathered.dead_letters[letter.dead_letter_id] = letter
            gathered.give_up(trace_id)
        decisions = {trace_id: self._decision(stored[trace_id], read) for trace_id, read in gathered.captures.items()}
        changed = [capture for capture, decision in decisions.values() if decision != "unchanged"]
        lacking = {trace_id for trace_id, decision in decisions.items() if self._wants_context(*decision)}
        letters = tuple(gathered.dead_letters.values())
        batch = Batch(
            captures=changed,
            dead_letters=letters,
            evaluators=gathered.evaluators - self._evaluators,
            manifests=self._known.settled([capture for capture, _ in decisions.values()], lacking),
            coverage=self._coverage.unsaved(),
        )
        done = store.commit(self._lease, batch)
        gathered.leave_out(done.erased)
        for letter in done.refused:
            gathered.give_up(letter.trace_id or "")
        self._not_stored(batch, done)
        self._reader.readings.committed()
        decided = [decisions[trace_id] for trace_id in gathered.captures]
        for capture, _ in decided:
            self._first_seen.note(stored.get(capture.trace_id), capture)
        self._note(gathered, decided, (*gathered.dead_letters.values(), *done.refused))
        self._journal.count(dead_letters_new=done.dead_letters_new)
        self._save_now_and_then()

    def _not_stored(self, batch: Batch, done: Committed) -> Collection[str]:
        """The traces of which the store took nothing: no manifest may say otherwise, and the others are written."""
        trace_ids = {*done.erased, *(letter.trace_id or "" for letter in done.refused)}
        if trace_ids:
            if done.refused:
                self._known.not_written(batch.manifests)
            self._known.forget(trace_ids)
            if manifests := self._known.settled((), ()):
                self._parts.store.commit(self._lease, Batch(manifests=manifests))
        return trace_ids

    def _wants_context(self, capture: FailureCapture, decision: str) -> bool:
        return self._parts.context and wants_context(capture, changed=decision != "unchanged", now=self._started)

    def _save_now_and_then(self) -> None:
        """So that a run that is killed has told how far it was; not with each commit, for every write is billed."""
        now = self._parts.clock.monotonic()
        if now - self._saved_at >= SECONDS_BETWEEN_REPORTS:
            self._saved_at = now
            self._parts.store.save_run(self._report("running"))

    def _note(self, gathered: Gathered, decided: Sequence[Decision], letters: Sequence[DeadLetter]) -> None:
        """Count, log and remember what was committed."""
        for capture, decision in decided:
            self._decide(capture, decision)
            if self._wants_context(capture, decision):
                self._lacking_context[capture.trace_id] += gathered.included[capture.trace_id]
        self._excluded.update(gathered.excluded_traces)
        self._journal.count(
            gathered.excluded,
            spans_seen=gathered.seen,
            spans_included=gathered.included.total(),
            dead_letters=gathered.buried,
        )
        unchanged = sum(decision == "unchanged" for _, decision in decided)
        self._journal.committed(captures=len(decided) - unchanged, unchanged=unchanged, dead_letters=letters)

    def _stored(self, trace_ids: Sequence[str]) -> dict[str, FailureCapture | None]:
        """What is stored of each trace; those that cannot be read are left out, found by halving."""
        try:
            found = self._parts.store.captures_of(trace_ids)
        except DocumentUnreadable:
            if len(trace_ids) == 1:
                return {}
            middle = len(trace_ids) // 2
            return self._stored(trace_ids[:middle]) | self._stored(trace_ids[middle:])
        return {trace_id: found.get(trace_id) for trace_id in trace_ids}

    def _decision(self, stored: FailureCapture | None, read: FailureCapture) -> Decision:
        if stored is None:
            named = self._parts.sanitizer.with_known_names(read)
            return read if named is read else settle(named, read), "created"
        merged = self._merged(stored, read)
        return merged, "unchanged" if merged == stored else "updated"

    def _read_context(self) -> None:
        """Context comes last and has its own commits, so that what it costs in calls and time costs no capture."""
        parts = self._parts
        if not parts.context:
            return
        reader = ContextReader(
            source=parts.source, sanitizer=parts.sanitizer, rules=parts.rules, scope=parts.scope, journal=self._journal
        )
        queue = sorted(self._lacking_context)
        while queue and not reader.stopped:
            self._heartbeat.keep()
            trace_ids, queue = queue[:TRACES_A_CALL], queue[TRACES_A_CALL:]
            stored = parts.store.captures_of(trace_ids)
            lacking = [stored[trace_id] for trace_id in trace_ids if trace_id in stored]
            completed = reader.completed([one for one in lacking if one.context_state != "whole"], self._context_window)
            changed = [capture for capture in completed if capture != stored[capture.trace_id]]
            batch = Batch(captures=changed, manifests=self._known.settled(completed, self._still_lacking(completed)))
            done = parts.store.commit(self._lease, batch)
            for trace_id in done.erased:
                self._take_back(trace_id)
            left_out = self._not_stored(batch, done)
            written = [capture for capture in changed if capture.trace_id not in left_out]
            for capture in written:
                self._decide(capture, "updated")
            same = len(completed) - len(changed)
            self._journal.committed(captures=len(written), unchanged=same, dead_letters=done.refused)
            self._journal.count(dead_letters_new=done.dead_letters_new)
            self._save_now_and_then()
        self._leave_context(len(queue))

    def _still_lacking(self, captures: Iterable[FailureCapture]) -> set[str]:
        """Those whose context was asked for in vain, or too early, and is to be asked for again."""
        return {
            one.trace_id for one in captures if one.context_reason == "not_read" or context_may_come(one, self._started)
        }

    def _take_back(self, trace_id: str) -> None:
        """The trace was captured, and its context named a user who was erased: nothing of it is stored after all."""
        spans = self._lacking_context[trace_id]
        self._decisions.pop(trace_id, None)
        self._journal.count({ERASED: spans}, spans_included=-spans)
        self._excluded[trace_id] = ERASED

    def _leave_context(self, captures: int) -> None:
        """A later run reads what this one did not reach; until then the captures say that they lack it."""
        if self._parts.context and captures:
            self._journal.partial(f"the context of {captures} captures was not reached")

    def _merged(self, stored: FailureCapture, read: FailureCapture) -> FailureCapture:
        standing = self._reader.readings.of(read.trace_id)
        whole = unite(self._still_open.take(read.trace_id) or stored, read, standing)
        if (remembered := still_open(whole, standing)) is not None:
            self._still_open.remember(remembered)
        return settle(self._parts.sanitizer.with_known_names(whole, stored), stored)

    def _decide(self, capture: FailureCapture, decision: str) -> None:
        """One decision per trace and run: what a later commit adds to it changes only an `unchanged`."""
        known = self._decisions.get(capture.trace_id)
        if known is None or (known == "unchanged" and decision != known):
            self._decisions[capture.trace_id] = decision
            self._journal.decided(capture, decision)

    def _close_decisions(self) -> None:
        for trace_id, reason in self._excluded.items():
            if trace_id not in self._decisions:
                self._journal.excluded(trace_id, reason)

    def _show_progress(self) -> None:
        read = fraction_read(self._window, self._reader.latest_start_ns)
        self._parts.progress(self._seen, len(self._decisions) + len(self._reader.gathered.captures), read)

    def _decided(self) -> Counter[str]:
        """How many traces were created, updated and unchanged, the last also as the manifests tell."""
        decided = {self._manifests.trace_hash(trace_id) for trace_id in self._decisions}
        return Counter(self._decisions.values()) + Counter(unchanged=len(self._known.unchanged_traces - decided))

    def _report(self, outcome: Outcome, *, finished: bool = False) -> IngestionRun:
        return self._journal.report(
            outcome,
            decisions=self._decided(),
            calls=self._parts.source.calls,
            rate_limit=self._parts.source.rate_limit,
            usage=self._parts.usage(),
            finished_at=timestamp(self._parts.clock.now()) if finished else None,
            hash_key_id=self._parts.sanitizer.key_id,
            spans_unchanged=self._known.unchanged,
            slices=self._coverage.stretches() if outcome in ("complete", "partial") else (),
            deep_due=self._coverage.deep_due,
            deep_read=self._coverage.deep_read,
            lateness=self._first_seen.lateness(),
        )

    def _fail(self, error: BaseException) -> None:
        what = str(error) if isinstance(error, EvalForgeError) else type(error).__name__
        self._journal.errors.append(what)
        self._journal.log.error("run failed", error=what, exc_info=error)
        run = self._report("failed", finished=True)
        with suppress(EvalForgeError):
            self._parts.store.save_run(run)
        self._journal.announce(run)
