"""Searches read side by side, each in a thread, by one who takes their pages in."""

import threading
import time
from collections.abc import Iterator, Sequence

from evalforge.common.threads import SystemThreads
from evalforge.ingestion.models import Page
from evalforge.ingestion.search.errors import SearchInterrupted
from evalforge.ingestion.side_by_side import MOST_BYTES_WAITING, Ended, SideBySide

MB = 1024 * 1024


class Given:
    """A search of so many pages of so many bytes; `made` counts the bytes of all."""

    made = 0

    def __init__(self, pages: int, size: int, error: Exception | None = None) -> None:
        self._pages, self._size, self._error = pages, size, error

    def pages(self) -> Iterator[Page]:
        for _ in range(self._pages):
            Given.made += self._size
            yield Page(items=(bytes(self._size),))
        if self._error:
            raise self._error

    def cut(self) -> Sequence["Given"]:
        return ()


def side(at_once: int) -> SideBySide[Given]:
    return SideBySide(SystemThreads(), lambda: at_once, lambda: None)


def test_what_was_read_and_not_taken_in_stays_within_bounds_however_much_there_is() -> None:
    Given.made, taken, most = 0, 0, 0
    for _, what in side(8).read([Given(40, 4 * MB) for _ in range(8)]):
        time.sleep(0.001)
        most = max(most, Given.made - taken)
        if isinstance(what, Page):
            taken += len(what.items[0])
    assert taken == 8 * 40 * 4 * MB
    assert most <= MOST_BYTES_WAITING + 8 * 4 * MB + 4 * MB


def test_where_pages_are_large_fewer_searches_are_read_at_once() -> None:
    before = threading.active_count()
    reading = side(8).read([Given(2, 24 * MB) for _ in range(12)])
    seen = [threading.active_count() - before for _ in reading]
    assert max(seen[9:]) <= 8
    assert max(seen[-6:]) <= 2


def test_all_pages_come_and_each_search_tells_how_it_ended() -> None:
    searches = [Given(3, 10), Given(2, 10, SearchInterrupted("x")), Given(5, 10)]
    come = list(side(2).read(searches))
    assert sum(isinstance(what, Page) for _, what in come) == 10
    ends = {search: what.failure for search, what in come if isinstance(what, Ended)}
    assert [type(ends[search]) for search in searches] == [type(None), SearchInterrupted, type(None)]


def test_who_stops_taking_pages_in_ends_all_threads() -> None:
    before = threading.active_count()
    reading = side(4).read([Given(100, 4 * MB) for _ in range(4)])
    next(reading)
    reading.close()
    assert threading.active_count() <= before
