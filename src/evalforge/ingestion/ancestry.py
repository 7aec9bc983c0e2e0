"""Which spans are the context of a capture: the root of its trace, and the parents of its failing spans up to it.

Pure, and a function of the spans alone: neither their order nor when they were read can change what is chosen.
"""

from collections.abc import Iterable, Sequence

from evalforge.models import CapturedSpan

CONTEXT_KEPT = 12
"""Spans of context kept of one trace. With 24 KB a span, 24 failing spans and 200 signals a capture stays under
Firestore's 1 MiB."""


def choose_context(
    spans: Sequence[CapturedSpan], candidates: Iterable[CapturedSpan]
) -> tuple[tuple[CapturedSpan, ...], bool]:
    """The candidates that are context of these failing spans, in order of start; and whether the cap cut any.

    Kept first is the root, which is the earliest span without a parent; then ancestors, nearest first.
    """
    failing = {span.span_id for span in spans}
    held = {span.span_id: span for span in candidates if span.span_id not in failing}
    if not held:
        return (), False
    distances = _distances(spans, held)
    root = min((span for span in (*spans, *held.values()) if span.parent_id is None), key=by_start, default=None)
    if root is not None and root.span_id in held:
        distances[root.span_id] = 0
    chosen = sorted(
        (held[span_id] for span_id in distances), key=lambda span: (distances[span.span_id], *by_start(span))
    )
    return tuple(sorted(chosen[:CONTEXT_KEPT], key=by_start)), len(chosen) > CONTEXT_KEPT


def unknown_parents(spans: Sequence[CapturedSpan], context: Iterable[CapturedSpan]) -> frozenset[str]:
    """The ids of the ancestors that would come next, were they held."""
    held = {span.span_id: span for span in context}
    known = held.keys() | {span.span_id for span in spans}
    reached = (*spans, *(held[span_id] for span_id in _distances(spans, held)))
    return frozenset(span.parent_id for span in reached if span.parent_id is not None) - known


def is_whole(spans: Sequence[CapturedSpan], context: Sequence[CapturedSpan]) -> bool:
    """Whether the root is held, and every ancestor of every failing span."""
    if not context and len(spans) == 1:
        return spans[0].parent_id is None
    has_root = any(span.parent_id is None for span in (*spans, *context))
    return has_root and not unknown_parents(spans, context)


def by_start(span: CapturedSpan) -> tuple[str, str]:
    """Sorts by start, unknown last, then by id."""
    return span.started_at or "~", span.span_id


def _distances(spans: Sequence[CapturedSpan], held: dict[str, CapturedSpan]) -> dict[str, int]:
    """How many steps above the nearest failing span each ancestor is that can be reached. Rings of parents end."""
    distances: dict[str, int] = {}
    level, parents = 1, [span.parent_id for span in spans]
    while parents:
        found = {parent for parent in parents if parent in held and parent not in distances}
        distances.update(dict.fromkeys((parent for parent in found if parent is not None), level))
        parents = [held[parent].parent_id for parent in found if parent is not None]
        level += 1
    return distances
