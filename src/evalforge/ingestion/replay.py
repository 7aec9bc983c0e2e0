"""Dead letters read again from Datadog, by the same steps as a run and under its lease, after what was wrong is mended.

The captures are committed before their dead letters go: a kill between leaves some that the next replay finds captured.
The records of runs stay as they are, and so does what that of coverage says of time, since nothing is read but these
spans; it remembers how many calls they took, so that the next run keeps the pace.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from evalforge.common.clock import timestamp
from evalforge.common.errors import EvalForgeError
from evalforge.common.ids import PLAIN_ID
from evalforge.ingestion.context import RETENTION
from evalforge.ingestion.decoding import UndecodableSpan, decode_span
from evalforge.ingestion.earlier_runs import close_abandoned, with_calls_outside
from evalforge.ingestion.heartbeat import Heartbeat
from evalforge.ingestion.models import Page
from evalforge.ingestion.page_reader import ERASED, NO_FAILURE
from evalforge.ingestion.parts import Parts, Remembered
from evalforge.ingestion.query.compiler import quoted
from evalforge.ingestion.run import Run
from evalforge.ingestion.search.errors import SearchInterrupted, SearchRefused
from evalforge.ingestion.slices import KEPT_APART
from evalforge.models import RESOLVED, DeadLetter, Replayed, ReplayOutcome, Window
from evalforge.ports import Batch

LETTERS_A_CALL = 100
"""Bounds the query to some 7,000 characters."""
MARGIN = timedelta(hours=1)
"""How far the clocks of an app and of a run may be apart."""
UNASKABLE = "its ids are unknown or hashed, so that Datadog cannot be asked for it"
PAST_RETENTION = "past retention: Datadog has it no longer"
NOT_FOUND = "Datadog did not have it"
WORST_FIRST: tuple[ReplayOutcome, ...] = ("failing", "erased", "captured", "no_failure")


def askable(letter: DeadLetter) -> bool:
    """Whether Datadog can be asked for the span: by its own id, else by its trace's."""
    return any(PLAIN_ID.match(one or "") for one in (letter.span_id, letter.trace_id))


def foreseen(letters: Sequence[DeadLetter], now: datetime) -> list[Replayed]:
    """What a replay would ask for, without asking."""
    return [
        told(one, "would_read" if askable(one) else "unaskable", None if askable(one) else UNASKABLE)
        if not _is_gone(one, now)
        else told(one, "not_found", PAST_RETENTION)
        for one in letters
    ]


def told(letter: DeadLetter, outcome: ReplayOutcome, reason: str | None = None) -> Replayed:
    """What became of the letter."""
    return Replayed(
        dead_letter_id=letter.dead_letter_id,
        trace_id=letter.trace_id,
        span_id=letter.span_id,
        outcome=outcome,
        reason=reason,
        attempts=letter.attempts,
    )


def replay(parts: Parts) -> list[Replayed]:
    """Read every dead letter again, the oldest first. Raises LeaseHeld or CredentialsRejected.

    What an interrupted reading did not reach is `not_read`; what was resolved before is kept.
    """
    started = parts.clock.now()
    lease = parts.store.acquire_lease(parts.run_id, started, parts.lease_seconds)
    with Heartbeat(parts.store, lease, parts.clock, parts.lease_seconds) as heartbeat:
        close_abandoned(parts.store, lease, timestamp(started))
        return _Replay(parts, lease, started, heartbeat, Remembered.of(parts.store)).read_again()


class _Replay(Run):
    def read_again(self) -> list[Replayed]:
        store = self._parts.store
        letters = sorted(store.list_dead_letters(), key=lambda one: one.first_seen_at)
        self._announce()
        record = self._coverage.stored
        self._coverage.unsaved()  # this run tells nothing of coverage
        self._manifests.load(store.manifests(self._manifests.hours))
        asked = [one for one in letters if askable(one) and not _is_gone(one, self._started)]
        self._known.forget({one.trace_id for one in asked if one.trace_id})  # each is read in full, stored or not
        done = {one.dead_letter_id: one for one in foreseen(letters, self._started)}
        try:
            self._read_all(asked, done)
        finally:
            if self._parts.source.calls:
                paced = with_calls_outside(record, self._parts.source.calls, self._parts.clock.now())
                with suppress(EvalForgeError):  # what ended the reading is to be told, if anything did
                    store.commit(self._lease, Batch(coverage=paced))
        why = next(iter(self._journal.reasons), "the reading ended early")
        return [
            msgspec.structs.replace(one, outcome="not_read", reason=why) if one.outcome == "would_read" else one
            for one in done.values()
        ]

    def _read_all(self, asked: Sequence[DeadLetter], done: dict[str, Replayed]) -> None:
        """Read them a hundred at a time, and tell what became of each as soon as it is stored."""
        try:
            for at in range(0, len(asked), LETTERS_A_CALL):
                some = asked[at : at + LETTERS_A_CALL]
                done.update(zip((one.dead_letter_id for one in some), self._again(some), strict=True))
                resolved = sum(one.outcome in RESOLVED for one in done.values())
                self._parts.progress(at + len(some), resolved, (at + len(some)) / len(asked))
            self._read_context()
        except (SearchInterrupted, SearchRefused) as ended:
            self._journal.partial(ended.reason)

    def _again(self, letters: Sequence[DeadLetter]) -> list[Replayed]:
        """What becomes of these letters, committed."""
        found: dict[str, tuple[ReplayOutcome, DeadLetter | None]] = {}
        in_part: str | None = None
        for page in self._parts.source.search(self._query_for(letters), _window(letters, self._started)):
            in_part = in_part or page.in_part
            for raw in page.items:
                of = self._letters_of(raw, letters)
                now = self._judge(raw) if of else None
                for one in of:
                    before = found.get(one.dead_letter_id)
                    if now is not None and (before is None or _is_worse(now[0], before[0])):
                        found[one.dead_letter_id] = now
            self._heartbeat.keep()
        if in_part:
            self._journal.partial(f"Datadog answered meta.status {in_part}: a page holds only a part of its spans")
        self._commit()
        lost = "not_read" if in_part else "not_found"
        results, resolved = [], []
        retried: dict[str, DeadLetter] = {}
        for one in letters:
            outcome, failed = self._settled(one, *found.get(one.dead_letter_id, (lost, None)))
            if outcome in RESOLVED:
                resolved.append(one.dead_letter_id)
                results.append(told(one, outcome))
            elif outcome == "failing":
                again = _retried(one, failed)
                if again.dead_letter_id != one.dead_letter_id:  # its bytes changed, and with them its id
                    resolved.append(one.dead_letter_id)
                known = retried.get(again.dead_letter_id, again)
                retried[again.dead_letter_id] = max(known, again, key=lambda letter: letter.attempts)
                results.append(told(again, "failing", again.reason))
            else:
                why = self._not_found if outcome == "not_found" else self._journal.reasons[-1]
                results.append(told(one, outcome, why))
        self._parts.store.commit(self._lease, Batch(retried=[*retried.values()], resolved=resolved))
        return results

    def _judge(self, raw: bytes) -> tuple[ReplayOutcome, DeadLetter | None] | None:
        """Read one span as a run does; None if it is the very span that was read before."""
        gathered = self._reader.gathered
        buried, no_failure, included = gathered.buried, gathered.excluded[NO_FAILURE], gathered.included.total()
        unchanged, letters = self._known.unchanged, gathered.dead_letters.keys() - ()
        self._reader.read(Page(items=(raw,)))
        if gathered.buried > buried:
            new = gathered.dead_letters.keys() - letters
            return "failing", gathered.dead_letters[new.pop()] if new else None
        if gathered.included.total() > included or self._known.unchanged > unchanged:
            return "captured", None
        return ("no_failure", None) if gathered.excluded[NO_FAILURE] > no_failure else None

    def _settled(
        self, letter: DeadLetter, outcome: ReplayOutcome, failed: DeadLetter | None
    ) -> tuple[ReplayOutcome, DeadLetter | None]:
        """The outcome as the store has it: what was read well may be of an erased trace, or refused by the store."""
        trace_id = letter.trace_id
        if trace_id is not None and self._excluded.get(trace_id) == ERASED:
            return "erased", None
        if outcome == "captured" and trace_id is not None and PLAIN_ID.match(trace_id):
            stored = self._stored([trace_id]).get(trace_id)
            return ("failing", None) if stored is None else (outcome, None)
        return outcome, failed

    def _letters_of(self, raw: bytes, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Those that this span is: by its bytes and by both its ids; where there are none, by the id that is known."""
        told_by = self._parts.sanitizer.pseudonym(raw, "dead-letter")
        try:
            span = decode_span(raw)
            trace_id, span_id = span.trace_id, span.span_id
        except UndecodableSpan as error:
            trace_id, span_id = error.trace_id, error.span_id
        same = [one for one in letters if one.dead_letter_id == told_by]
        ids = (trace_id, span_id)
        same += [one for one in letters if one not in same and None not in ids and (one.trace_id, one.span_id) == ids]
        return same or [
            one
            for one in letters
            if (one.span_id is None or one.span_id == span_id)
            and (one.trace_id == trace_id or not PLAIN_ID.match(one.trace_id or ""))
        ]

    @property
    def _not_found(self) -> str:
        scope = self._parts.scope
        return NOT_FOUND if scope is None else f"{NOT_FOUND} within EVALFORGE_SCOPE={scope}"

    def _query_for(self, letters: Sequence[DeadLetter]) -> str:
        spans = sorted({one.span_id for one in letters if one.span_id and PLAIN_ID.match(one.span_id)})
        traces = sorted({one.trace_id for one in letters if one.trace_id and not PLAIN_ID.match(one.span_id or "")})
        terms = [
            f"@{name}:({' OR '.join(map(quoted, ids))})"
            for name, ids in (("span_id", spans), ("trace_id", traces))
            if ids
        ]
        query = f"({' OR '.join(terms)})"
        parts = self._parts
        scope = parts.rules.search_query(ml_app=None, scope=parts.scope, evaluators=(), all_spans=True)
        return query if scope in (None, "*") else f"{scope} AND {query}"


def _retried(letter: DeadLetter, failed: DeadLetter | None) -> DeadLetter:
    again = letter if failed is None else failed
    return msgspec.structs.replace(
        again, first_seen_at=letter.first_seen_at, run_id=letter.run_id, attempts=letter.attempts + 1
    )


def _is_worse(one: ReplayOutcome, other: ReplayOutcome) -> bool:
    return WORST_FIRST.index(one) < WORST_FIRST.index(other)


def _is_gone(letter: DeadLetter, now: datetime) -> bool:
    return letter.first_seen_at < timestamp(now - RETENTION)


def _window(letters: Sequence[DeadLetter], now: datetime) -> Window:
    """When the spans can have begun: at most the longest look-back before they were first seen."""
    moments = [datetime.fromisoformat(one.first_seen_at) for one in letters]
    start = max(min(moments) - KEPT_APART, now - RETENTION)
    return Window(start=timestamp(start), end=timestamp(min(max(moments) + MARGIN, now)))
