"""Reads the segments of a run, each by one search per app, in turn or side by side, and credits what was read."""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

from evalforge.common.clock import timestamp
from evalforge.common.threads import Threads
from evalforge.ingestion.models import Page, TraceSource, nanoseconds
from evalforge.ingestion.run_coverage import RunCoverage
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.searches import Searcher
from evalforge.ingestion.segment_reading import PartReading, SegmentReading
from evalforge.ingestion.side_by_side import SideBySide, in_turn
from evalforge.ingestion.slices import Segment
from evalforge.models import Window

START = re.compile(rb'"start_ns"\s*+:\s*+([0-9]{1,20})')
PAGES_WORTH_CUTTING = 5
"""As many have come, and as many are expected to be left at least: a search that is cut costs about a call."""
SHORTEST_PART = timedelta(seconds=2)
OVERLAP = timedelta(seconds=1)
"""How far a search goes on past the beginning of what it gave away: a moment may be rounded otherwise there."""
FAILURES_IN_A_ROW = 2
"""Searches that end early without a page of any in between: then Datadog is failing, and not a search."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Saw = Callable[[Iterable[str]], None]


class SliceSearch:
    """One search over a segment, or over a part of it. `pages` and `cut` are for its reader, the rest for the taker."""

    def __init__(self, searcher: Searcher, names: frozenset[str], segment: SegmentReading, window: Window) -> None:
        self._searcher, self._names, self._segment, self._window = searcher, names, segment, window
        self._end = datetime.fromisoformat(window.end)
        self._past: datetime | None = None
        self._first: datetime | None = None
        self._pages, self._passed = 0, timedelta(0)
        self.part = PartReading(segment, window)

    def pages(self) -> Iterator[Page]:
        """As of Search."""
        for page in self._searcher.pages_of(self._window, self._names):
            self._pages += 1
            self._first = self._first or next(iter(_starts(page.items[:1])), None)
            yield page
            if self._past is not None and self._past < next(reversed(_starts(page.items)), self._past):
                return

    def cut(self, page: Page) -> "SliceSearch | None":
        """As of Search. What is left is told by how many pages came in the time since its first span."""
        starts = _starts(page.items) if self._is_sure else []
        if not starts or self._first is None:
            return None
        passed, left = self._passed + starts[-1] - self._first, self._end - starts[-1]
        if self._pages < PAGES_WORTH_CUTTING or self._pages * left < PAGES_WORTH_CUTTING * passed:
            return None
        if left < 2 * SHORTEST_PART:
            return None
        middle, end = starts[-1] + left / 2, self._end
        rest = Window(start=timestamp(middle), end=timestamp(end))
        half = SliceSearch(self._searcher.apart(), self._names, self._segment, rest)
        half._pages, half._passed = self._pages, passed
        self._end, self._past = middle, middle + OVERLAP
        return half

    def saw(self, hours: Iterable[str]) -> None:
        """Its next page was taken in, with spans of these hours."""
        self._segment.begun = True
        self.part.saw(hours, sure=self._is_sure)

    def gave(self, half: "SliceSearch") -> None:
        """The later half of what was left is read by another."""
        self._segment.begun = True
        self.part.cut(half.part)

    def ended(self, reason: str | None = None) -> None:
        """It came to its end, or ended early."""
        self._segment.begun = True
        self.part.ended(reason or next(iter(self._searcher.doubts), None))

    @property
    def _is_sure(self) -> bool:
        """Nothing makes doubtful that its pages come from one search, in the order of time, and whole."""
        return not self._searcher.doubts and self._searcher.in_one_search(self._names)


def _starts(items: Sequence[bytes]) -> list[datetime]:
    """When these spans began; none if that cannot be told of each, or if they are not in the order of time."""
    found = [START.search(raw) for raw in items]
    starts = [nanoseconds(int(one[1]), None)[0] if one else None for one in found]
    known = [one for one in starts if one is not None]
    if len(known) < len(items) or known != sorted(known):
        return []
    return [EPOCH + timedelta(microseconds=one // 1000) for one in known]


def searches_of(
    coverage: RunCoverage, segments: Iterable[Segment], searcher: Searcher, names: frozenset[str], *, deep: bool = False
) -> list[SliceSearch]:
    """The searches of the segments, in their order: one for each app."""
    found = []
    for segment in segments:
        reading = coverage.reading(segment, deep=deep)
        for one in searcher.of_each_app():
            found.append(SliceSearch(one, names, reading, segment.window))
            reading.add(found[-1].part)
    return found


def read(
    searches: Sequence[SliceSearch], source: TraceSource, threads: Threads | None, partial: Callable[[str], None]
) -> Generator[tuple[Page, Saw], None, None]:
    """Every page, with whom to tell of the hours in it. Raises SearchInterrupted when none is left that may be read.

    A search that ends early costs only its own segment, unless no other would fare better. Without threads, one search
    is read after the other. Close it to end the searches under way.
    """
    side = None if threads is None else SideBySide[SliceSearch](threads, source.searches_at_once, source.halt)
    over: SearchInterrupted | None = None
    in_a_row = 0
    with closing(in_turn(searches) if side is None else side.read(searches)) as coming:
        for search, what in coming:
            if isinstance(what, Page):
                in_a_row = 0
                yield what, search.saw
            elif isinstance(what, SliceSearch):
                search.gave(what)
            elif what.failure is None:
                search.ended()
            elif isinstance(what.failure, SearchInterrupted):
                in_a_row += 1
                search.ended(what.failure.reason)
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
