"""What a backfill will take, from a sample of its range: one page at each of some places, spread evenly."""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from statistics import stdev

from evalforge.common.clock import timestamp
from evalforge.ingestion.context import TRACES_A_CALL
from evalforge.ingestion.decoding import UndecodableSpan, decode_span
from evalforge.ingestion.models import NS_PER_MS, Page, Span, TraceSource
from evalforge.ingestion.parts import Parts
from evalforge.ingestion.searches import Searcher
from evalforge.models import BackfillEstimate, Window
from evalforge.models.costs import cost_of_captures

MOST_SEARCHES = 12
GOLDEN = 0.618
"""Its multiples spread the places within their parts, so that not each is at the same hour of a day."""
CALLS_A_TURN = 3
"""Each asks for evaluators' names first."""
SHORTEST = timedelta(seconds=1)


def estimate(
    parts: Parts, searcher: Searcher, window: Window, *, page_spans: int, calls_a_minute: float, pause_seconds: float
) -> BackfillEstimate:
    """What reading the window will take. Raises SearchInterrupted and SearchRefused."""
    start, end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
    apps = parts.ml_apps or (None,)
    number = max(1, MOST_SEARCHES // len(apps))
    length = (end - start) / number
    totals: list[float] = []
    failing, matching, searches = set[str](), 0, 0
    for place in range(number):
        begin = start + length * (place + 0.5 * ((place * GOLDEN) % 1))
        part = Window(start=timestamp(begin), end=timestamp(max(start + length * (place + 1), begin + SHORTEST)))
        total = 0.0
        for app in apps:
            query = searcher.query_known(app)
            if query is None:
                continue
            page = _first(parts.source, query, part)
            searches += 1
            spans = list(_decoded(page))
            total += len(page.items) / _read_seconds(page, spans, part) * length.total_seconds()
            matching += len(page.items)
            failing |= {one.trace_id for one in spans if one.trace_id and parts.rules.findings(one)}
        totals.append(total)
    spans_in_all = sum(totals)
    doubt = 2 * math.sqrt(number) * stdev(totals) if number > 1 else spans_in_all
    captures = spans_in_all * len(failing) / matching if matching else 0.0
    days = math.ceil((end - start) / timedelta(days=1))

    def calls_for(spans: float) -> int:
        context = captures * spans / spans_in_all / TRACES_A_CALL if parts.context and spans_in_all else 0.0
        pages = spans / page_spans + context
        turns = max(days, pages / max(1.0, calls_a_minute / 2))
        return math.ceil(pages + turns * (CALLS_A_TURN + len(apps)))

    calls = calls_for(spans_in_all)
    turns = max(days, calls / max(1.0, calls_a_minute / 2))
    return BackfillEstimate(
        searches=searches,
        calls=calls,
        calls_most=calls_for(spans_in_all + doubt),
        minutes=round(calls / calls_a_minute + turns * pause_seconds / 60, 1),
        captures=round(captures),
        dollars=cost_of_captures(round(captures), parts.store.operations.kind),
        spans_a_second=round(spans_in_all / max(1.0, (end - start).total_seconds()), 6),
    )


def _first(source: TraceSource, query: str, window: Window) -> Page:
    return next(iter(source.search(query, window)), Page(items=()))


def _read_seconds(page: Page, spans: Sequence[Span], part: Window) -> float:
    """The time in which the spans of the page lie: all of the part where no page follows."""
    begin, end = (datetime.fromisoformat(moment).timestamp() for moment in (part.start, part.end))
    if page.more:
        last = max((one.start_ns for one in spans if one.start_ns), default=None)
        end = min(end, (last / NS_PER_MS / 1000) if last else end)
    return max(end - begin, 0.001)


def _decoded(page: Page) -> Iterator[Span]:
    for raw in page.items:
        with suppress(UndecodableSpan):
            yield decode_span(raw)
