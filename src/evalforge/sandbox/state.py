"""What the sandbox knows: spans in the order of their start, and evaluations with or without their span.

In memory, bounded (`SandboxSettings.max_spans`: the oldest starts go first), safe for threads.
"""

import threading
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from evalforge.common.clock import Clock, SystemClock
from evalforge.sandbox.faults import Faults
from evalforge.sandbox.mapping import Attributes, attributes_of, entry_of
from evalforge.sandbox.rate_limit import RateLimiter
from evalforge.sandbox.settings import SandboxSettings

Position = tuple[int, str, str]
"""Start in ns, trace id, span id: where a span stands in the stable order."""
Target = tuple[str, ...]
"""What an evaluation joins on: `("span", span_id)`, `("root", trace_id)` or `("tag", key, value)`."""

MAX_PAGE = 5_000


@dataclass
class _Spans:
    """Spans by position and by id."""

    order: list[Position] = field(default_factory=list)
    at: dict[Position, Attributes] = field(default_factory=dict)
    by_span_id: defaultdict[str, set[Position]] = field(default_factory=lambda: defaultdict(set))

    def put(self, attributes: Attributes) -> None:
        """Add the span, or replace the one with the same ids."""
        for known in tuple(self.by_span_id.get(attributes["span_id"], ())):
            if known[1] == attributes["trace_id"]:
                self.drop(known)
        position = (attributes["start_ns"], attributes["trace_id"], attributes["span_id"])
        insort(self.order, position)
        self.at[position] = attributes
        self.by_span_id[attributes["span_id"]].add(position)

    def drop(self, position: Position) -> None:
        """Forget the span."""
        del self.order[bisect_left(self.order, position)]
        del self.at[position]
        self.by_span_id[position[2]].discard(position)
        if not self.by_span_id[position[2]]:
            del self.by_span_id[position[2]]

    def joined_by(self, target: Target) -> Iterator[Attributes]:
        """The spans that an evaluation of this target is about."""
        if target[0] == "span":
            candidates = [self.at[position] for position in self.by_span_id.get(target[1], ())]
        else:
            candidates = list(self.at.values())
        return (span for span in candidates if target in targets_of(span))


def targets_of(span: Attributes) -> set[Target]:
    """Every target that would reach this span."""
    root = {("root", span["trace_id"])} if span.get("parent_id") in (None, "", "undefined") else set()
    tags = {("tag", *tag.partition(":")[::2]) for tag in span["tags"]}
    return {("span", span["span_id"]), ("span", span["span_id"], span["trace_id"]), *root, *tags}


def target_of(metric: Mapping[str, Any]) -> Target | None:
    """What the evaluation metric joins on; None where it names no span (a session's feedback, for one)."""
    match metric:
        case {"join_on": {"span": {"span_id": str(span_id), "trace_id": str(trace_id)}}}:
            return "span", span_id, trace_id
        case {"join_on": {"tag": {"key": str(key), "value": str(value)}}}:
            return "tag", key, value.lower()
        case {"span_id": str(span_id), "trace_id": str(trace_id)}:
            return "span", span_id, trace_id
        case {"span_id": str(span_id)}:
            return "span", span_id
        case {"trace_id": str(trace_id)}:
            return "root", trace_id
        case {"feedback_join_key": str(value)}:
            return "tag", "feedback_join_key", value.lower()
    return None


class Sandbox:
    """The state behind the sandbox's HTTP faces."""

    def __init__(self, settings: SandboxSettings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or SandboxSettings()
        self.clock: Clock = clock or SystemClock()
        self.faults = Faults(self.settings.faults)
        self.limiter = RateLimiter(self.settings.rate_limit, self.settings.rate_period_seconds, self.clock)
        self._lock = threading.Lock()
        self._spans = _Spans()
        self._metrics: dict[Target, dict[tuple[str, str], Attributes]] = {}
        self._requests = count(1)

    @property
    def span_count(self) -> int:
        """How many spans are held."""
        return len(self._spans.order)

    @property
    def trace_count(self) -> int:
        """How many traces the held spans belong to."""
        with self._lock:
            return len({trace_id for _, trace_id, _ in self._spans.order})

    def next_request_number(self) -> int:
        """A number that no answer of this sandbox had before."""
        return next(self._requests)

    def ingest_spans(self, events: Iterable[Mapping[str, Any]]) -> int:
        """Take span events; how many could be taken. One without ids or a start is left out, as intake does."""
        taken = [attributes_of(event) for event in events if _is_span(event)]
        with self._lock:
            for span in taken:
                for target in targets_of(span):
                    for (family, label), entry in self._metrics.get(target, {}).items():
                        span.setdefault(family, {})[label] = entry
                self._spans.put(span)
            for position in self._spans.order[: max(0, len(self._spans.order) - self.settings.max_spans)]:
                self._spans.drop(position)
        return len(taken)

    def ingest_evaluations(self, metrics: Iterable[Mapping[str, Any]]) -> int:
        """Take evaluation metrics and feedback, before or after their span; how many could be joined or kept.

        The later one of the same label on the same span wins.
        """
        taken = 0
        with self._lock:
            for metric in metrics:
                target, label = target_of(metric), metric.get("label")
                if target is None or not isinstance(label, str):
                    continue
                taken += 1
                family = "feedback" if metric.get("event_kind") == "feedback" else "evaluation"
                entry = entry_of(metric)
                self._metrics.setdefault(target, {})[family, label] = entry
                for span in self._spans.joined_by(target):
                    span[family] = {**span.get(family, {}), label: entry}
            while len(self._metrics) > self.settings.max_spans:
                del self._metrics[next(iter(self._metrics))]
        return taken

    def search(
        self,
        holds: Callable[[Attributes], bool],
        window_ns: tuple[int, int],
        limit: int,
        after: Position | None = None,
        *,
        newest_first: bool = False,
    ) -> tuple[list[Attributes], Position | None]:
        """The next spans that started within the window (inclusive), and where to go on; None at the end."""
        low, high = (window_ns[0], "", ""), (window_ns[1] + 1, "", "")
        with self._lock:
            order = self._spans.order
            begin, end = bisect_left(order, low), bisect_left(order, high)
            if after is not None and newest_first:
                end = min(end, bisect_left(order, after))
            elif after is not None:
                begin = max(begin, bisect_left(order, (*after[:2], after[2] + "\0")))
            places = range(end - 1, begin - 1, -1) if newest_first else range(begin, end)
            found: list[Position] = []
            for place in places:
                if holds(self._spans.at[order[place]]):
                    found.append(order[place])
                    if len(found) > limit:
                        break
            page = [dict(self._spans.at[position]) for position in found[:limit]]
        return page, found[limit - 1] if len(found) > limit else None


def _is_span(event: Mapping[str, Any]) -> bool:
    start, duration = event.get("start_ns"), event.get("duration")
    timed = isinstance(start, int) and isinstance(duration, (int, float)) and not isinstance(start, bool)
    return timed and bool(event.get("span_id")) and bool(event.get("trace_id"))
