"""Reads the segments of a run, each by one search per app, in turn or side by side, and credits what was read."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

from evalforge.common.clock import timestamp
from evalforge.common.threads import Threads
from evalforge.ingestion.models import Page, TraceSource, nanoseconds
from evalforge.ingestion.run_coverage import PartReading, RunCoverage, SegmentReading
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.searches import Searcher
from evalforge.ingestion.side_by_side import FAILURES_IN_A_ROW, SideBySide, in_turn
from evalforge.ingestion.slices import Segment
from evalforge.models import Window

START = re.compile(rb'"start_ns"\s*+:\s*+([0-9]{1,20})')
PAGES_WORTH_CUTTING = 4
"""As many are expected to be left at least; a search that is cut costs about a call."""
SHORTEST_PART = timedelta(seconds=2)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Saw = Callable[[Iterable[str]], None]


class SliceSearch:
    """One search over a segment, or over a part of it. `pages` and `cut` are for the thread that reads it."""

    def __init__(
        self, searcher: Searcher, names: frozenset[str], segment: SegmentReading, window: Window, part: PartReading
    ) -> None:
        self._searcher, self._names, self._segment = searcher, names, segment
        self.window, self.part = window, part
        self._pages = 0
        self._latest_ns = 0
        self._in_order = True

    def pages(self) -> Iterator[Page]:
        """As of Search."""
        for page in self._searcher.pages_of(self.window, self._names):
            self._pages += 1
            if self._in_order and page.more:
                self._note_order(page)
            yield page

    def cut(self) -> "Sequence[SliceSearch]":
        """As of Search. Only of what comes in the order of time, span by span, can the rest be told by time."""
        if not (self._in_order and self._is_sure):
            return ()
        start, end = (datetime.fromisoformat(moment) for moment in (self.window.start, self.window.end))
        reached = EPOCH + timedelta(milliseconds=self._latest_ns // 1_000_000)
        passed, left = reached - start, end - reached
        if passed <= timedelta(0) or left < SHORTEST_PART or self._pages * left < PAGES_WORTH_CUTTING * passed:
            return ()
        middle = timestamp(reached + left / 2)
        windows = Window(start=timestamp(reached), end=middle), Window(start=middle, end=self.window.end)
        return [self._over(window) for window in windows]

    def _over(self, window: Window) -> "SliceSearch":
        part = PartReading(self._segment, window)
        return SliceSearch(self._searcher.apart(), self._names, self._segment, window, part)

    def saw(self, hours: Iterable[str]) -> None:
        """Its next page was taken in, with spans of these hours."""
        self._segment.begun = True
        self.part.saw(hours, sure=self._is_sure)

    def ended(self, cut: "Sequence[SliceSearch]") -> None:
        """It was read to its end, or the rest is read by others."""
        self._segment.begun = True
        if cut:
            self.part.cut([one.part for one in cut])
        else:
            self.part.ended(next(iter(self._searcher.doubts), None))

    def failed(self, reason: str) -> None:
        """It ended early."""
        self._segment.begun = True
        self.part.ended(reason)

    @property
    def _is_sure(self) -> bool:
        return not self._searcher.doubts and self._searcher.in_one_search(self._names)

    def _note_order(self, page: Page) -> None:
        for raw in page.items:
            found = START.search(raw)
            start_ns = nanoseconds(int(found[1]), None)[0] if found else None
            if start_ns is None or start_ns < self._latest_ns:
                self._in_order = False
                return
            self._latest_ns = start_ns


def searches_of(
    coverage: RunCoverage, segments: Iterable[Segment], searcher: Searcher, names: frozenset[str]
) -> list[SliceSearch]:
    """The searches of the segments, in their order: one for each app."""
    found = []
    for segment in segments:
        reading = coverage.reading(segment)
        for one in searcher.of_each_app():
            part = reading.add(PartReading(reading, segment.window))
            found.append(SliceSearch(one, names, reading, segment.window, part))
    return found


def read(
    searches: Sequence[SliceSearch], source: TraceSource, threads: Threads | None, partial: Callable[[str], None]
) -> Iterator[tuple[Page, Saw]]:
    """Every page, with whom to tell of the hours in it. Raises SearchInterrupted when none is left that may be read.

    A search that ends early costs only its own segment, unless no other would fare better. Without threads, one search
    is read after the other.
    """
    side = None if threads is None else SideBySide[SliceSearch](threads, source.searches_at_once, source.halt)
    over: SearchInterrupted | None = None
    in_a_row = 0
    with closing(in_turn(searches) if side is None else side.read(searches)) as coming:
        for search, what in coming:
            if isinstance(what, Page):
                in_a_row = 0
                yield what, search.saw
            elif what.failure is None:
                search.ended(what.cut)
            elif isinstance(what.failure, SearchInterrupted):
                in_a_row += 1
                search.failed(what.failure.reason)
                partial(what.failure.reason)
                if what.failure.ends_run or in_a_row == FAILURES_IN_A_ROW:
                    over = over or what.failure
                    if side is None:
                        break
                    side.start_no_more()
            else:
                raise what.failure
    if over is not None:
        raise over
