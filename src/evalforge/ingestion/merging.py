"""The capture law: many readings of a trace's spans, one capture (design, "What the words mean": capture).

Within a run a merge is a join: commutative, associative, idempotent, so any order, split or duplicate of the spans
gives the same capture. Between runs the later reading of a span replaces the earlier one. Signals are never removed.
The backlog's `status` and `processed`, and `fetched_at`, stay as they were first stored.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from evalforge.ingestion.ancestry import by_start, choose_context, is_whole, unknown_parents
from evalforge.ingestion.permalink import trace_url
from evalforge.ingestion.pii.checks import evaluator as is_plain_name
from evalforge.ingestion.pii.names import united_names
from evalforge.ingestion.summary import redaction_counts, span_rank, summarise
from evalforge.models import (
    CapturedSpan,
    ContextReason,
    FailureCapture,
    Redaction,
    Signal,
    TracePayload,
)

SPANS_KEPT = 24
"""Failing spans kept of one trace: with 24 KB a span, a capture stays under Firestore's 1 MiB."""
SIGNALS_KEPT = 200

Part = TypeVar("Part", CapturedSpan, Signal)
Key: TypeAlias = str | tuple[str, str, str]
"""What tells a part of a capture from its others: a span's id, or a signal's identity."""
Standing: TypeAlias = Literal["unread", "now", "earlier"]
"""What a run has read of a stored part: nothing, a version since its last commit, or one that it has committed."""


def merge(stored: FailureCapture, read: FailureCapture) -> FailureCapture:
    """One capture of two readings of the same trace by one run."""
    return settle(unite(stored, read), stored)


def unite(
    stored: FailureCapture, read: FailureCapture, standing: Callable[[Key], Standing] = lambda _: "earlier"
) -> FailureCapture:
    """All spans and signals of both, past the caps too; what follows from them is for `settle`.

    `standing` tells what this run has read of a stored part before. What is read for the first time in a run replaces
    what an earlier run stored of it. Of two versions read by one run (Datadog's pages shift while they are read) the
    one that failed worse is kept, then the one with the greater encoding: an order that depends on nothing but the
    versions themselves, and is also the order of the caps, so that what is cut cannot hide what would have been kept.
    What an earlier run stored goes also where the new version of it is past the caps of what was read, and what another
    policy of the sanitiser made of what is read anew goes with that policy.
    """
    if stored.redaction.policy != read.redaction.policy:
        stored = _without_the_other_policys(stored, read)
    kept, seen = stored.trace_payload, read.trace_payload
    return msgspec.structs.replace(
        stored,
        schema_version=read.schema_version,
        signals=_united(stored.signals, read.signals, _signal_key, _signal_rank, standing),
        failed_at=_earliest(stored.failed_at, read.failed_at),
        last_failed_at=_latest(stored.last_failed_at, read.last_failed_at),
        datadog_site=read.datadog_site,
        trace_payload=TracePayload(
            spans=_united(kept.spans, seen.spans, _span_key, span_rank, standing),
            context=_united(kept.context, seen.context, _span_key, span_rank, standing),
        ),
        truncated=stored.truncated or read.truncated,
        redaction=read.redaction,
        known_names=united_names(stored.known_names, read.known_names),
    )


def settle(whole: FailureCapture, stored: FailureCapture, lacking: ContextReason | None = None) -> FailureCapture:
    """What `unite` gave, cut to the caps and with all that follows from what is kept.

    `lacking` is why context that is still missing is missing, if that is known; else it follows from `stored`.
    """
    spans, signals, cut = keep_strongest(whole.trace_payload.spans, whole.signals)
    context, context_cut = choose_context(spans, whole.trace_payload.context)
    facts = summarise(spans, signals, context)
    first = _earliest(whole.failed_at, facts["failed_at"])
    last = _latest(whole.last_failed_at, facts["last_failed_at"])
    facts.update(failed_at=first, last_failed_at=last)
    why = "cut" if context_cut else lacking or _why_lacking(stored, spans, context)
    return msgspec.structs.replace(
        whole,
        **facts,
        **context_standing(spans, context, why),
        signals=signals,
        datadog_url=trace_url(whole.datadog_site, whole.trace_id, first, last),
        trace_payload=TracePayload(spans=spans, context=context),
        truncated=cut or context_cut or whole.truncated or any(span.truncated for span in (*spans, *context)),
        redaction=Redaction(policy=whole.redaction.policy, counts=redaction_counts((*spans, *context))),
    )


def at_the_caps(capture: FailureCapture) -> bool:
    """Whether there may be more of it than is kept, which what is read next may bring back."""
    return len(capture.trace_payload.spans) >= SPANS_KEPT or len(capture.signals) >= SIGNALS_KEPT


def is_cut(whole: FailureCapture) -> bool:
    """Whether the caps leave out any span or signal of it."""
    return len(whole.trace_payload.spans) > SPANS_KEPT or len(whole.signals) > SIGNALS_KEPT


def still_open(whole: FailureCapture, standing: Callable[[Key], Standing]) -> FailureCapture | None:
    """What must be remembered of a capture that loses something now, for as long as its run goes on; None if nothing.

    What is stored and was not read again yet may still be replaced by something weaker, and what it displaced would
    then be kept after all. Of what was read no more can ever be kept than the caps let through. A version of a span
    that is yet to come may name a parent in the context stored, which the version before it does not lead to.
    """
    old_spans, new_spans = _apart(whole.trace_payload.spans, _span_key, standing)
    old_signals, new_signals = _apart(whole.signals, _signal_key, standing)
    may_give_way = is_cut(whole) and (old_spans or old_signals)
    if not may_give_way and not _loses_context(whole):
        return None
    kept_spans, kept_signals, _ = keep_strongest(new_spans, new_signals)
    payload = TracePayload(spans=(*old_spans, *kept_spans), context=whole.trace_payload.context)
    return msgspec.structs.replace(whole, signals=(*old_signals, *kept_signals), trace_payload=payload)


def _loses_context(whole: FailureCapture) -> bool:
    candidates = whole.trace_payload.context
    if not candidates:
        return False
    spans, _, _ = keep_strongest(whole.trace_payload.spans, ())
    return len(choose_context(spans, candidates)[0]) < len(candidates)


def with_context(
    capture: FailureCapture,
    found: Sequence[CapturedSpan],
    lacking: ContextReason,
    names: Iterable[str] = (),
    renamed: Callable[[FailureCapture], FailureCapture] = lambda whole: whole,
) -> FailureCapture:
    """The capture with what of these spans is its context; `lacking` is why the rest, if any, is not there.

    What was found replaces what was stored of the same span, and no other. `names` are those that it told, and
    `renamed` replaces them in what failed.
    """
    payload = TracePayload(spans=capture.trace_payload.spans, context=tuple(found))
    known = united_names(capture.known_names, names)
    read = msgspec.structs.replace(capture, trace_payload=payload, known_names=known)
    return settle(renamed(unite(capture, read, lambda _: "unread")), capture, lacking)


def context_standing(
    spans: Sequence[CapturedSpan], context: Sequence[CapturedSpan], lacking: ContextReason
) -> dict[str, Any]:
    """The capture's fields that say how much of its context is there, and why not more."""
    if is_whole(spans, context):
        return {"context_state": "whole", "context_reason": None}
    return {"context_state": "partial" if context else "none", "context_reason": lacking}


def keep_strongest(
    spans: Iterable[CapturedSpan], signals: Iterable[Signal]
) -> tuple[tuple[CapturedSpan, ...], tuple[Signal, ...], bool]:
    """Spans in order of start, signals strongest first, both cut to their caps; and whether anything was cut.

    The spans kept are those that failed worst, then the earliest, then by span id.
    """
    ordered = sorted(signals, key=_signal_rank)
    spans = tuple(spans)
    if len(spans) == 1:
        return spans, tuple(ordered[:SIGNALS_KEPT]), len(ordered) > SIGNALS_KEPT
    kept = tuple(sorted(sorted(spans, key=span_rank)[:SPANS_KEPT], key=by_start))
    return kept, tuple(ordered[:SIGNALS_KEPT]), len(spans) > SPANS_KEPT or len(ordered) > SIGNALS_KEPT


def _why_lacking(
    stored: FailureCapture, spans: Sequence[CapturedSpan], context: Sequence[CapturedSpan]
) -> ContextReason:
    """Still why it was lacking, unless more is missing than was missing then."""
    payload = stored.trace_payload
    missed_then = unknown_parents(payload.spans, payload.context)
    known = stored.context_reason if unknown_parents(spans, context) <= missed_then else None
    return known or "not_read"


def _without_the_other_policys(stored: FailureCapture, read: FailureCapture) -> FailureCapture:
    """What is stored, less the context, which is to be read again, and less the signals of spans read again whose
    evaluator has no plain name: each policy shows it in another way, and one signal would become two."""
    again = {span.span_id for span in read.trace_payload.spans}
    signals = [
        one
        for one in stored.signals
        if one.span_id not in again or one.evaluator is None or is_plain_name(one.evaluator)
    ]
    payload = TracePayload(spans=stored.trace_payload.spans)
    return msgspec.structs.replace(stored, signals=tuple(signals), trace_payload=payload)


def _apart(
    parts: Iterable[Part], key: Callable[[Part], Key], standing: Callable[[Key], Standing]
) -> tuple[list[Part], list[Part]]:
    """What this run has not read, and what it has."""
    unread: list[Part] = []
    read: list[Part] = []
    for part in parts:
        (unread if standing(key(part)) == "unread" else read).append(part)
    return unread, read


def is_better(part: Part, known: Part, rank: Callable[[Part], Any]) -> bool:
    """Which of two versions of a part is kept: the one of the lower rank, then the one with the greater content hash,
    which no name that is learnt later changes, then the one with the greater encoding."""
    if rank(part) != rank(known):
        return bool(rank(part) < rank(known))
    if isinstance(part, CapturedSpan) and isinstance(known, CapturedSpan) and part.content_hash != known.content_hash:
        return (part.content_hash or "") > (known.content_hash or "")
    return msgspec.json.encode(part) > msgspec.json.encode(known)


def _united(
    stored: Sequence[Part],
    read: Sequence[Part],
    key: Callable[[Part], Key],
    rank: Callable[[Part], Any],
    standing: Callable[[Key], Standing],
) -> tuple[Part, ...]:
    """Both as one, each key once: the part read, unless this run had read a better version of it before."""
    found = {key(part): part for part in stored if standing(key(part)) != "now"}
    for part in read:
        known = found.get(key(part))
        if known is None or standing(key(part)) != "earlier" or is_better(part, known, rank):
            found[key(part)] = part
    return tuple(found.values())


def _span_key(span: CapturedSpan) -> str:
    return span.span_id


def _signal_key(signal: Signal) -> tuple[str, str, str]:
    return signal.identity


def _signal_rank(signal: Signal) -> tuple[int, int, str, str, str, str]:
    return signal.strength


def _earliest(*moments: str | None) -> str | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _latest(*moments: str | None) -> str | None:
    return max((moment for moment in moments if moment is not None), default=None)
