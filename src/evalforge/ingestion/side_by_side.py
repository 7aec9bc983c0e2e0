"""Searches read side by side: while one waits for an answer, others ask, and what has come is taken in.

One search alone is bound by how long answers take, for a page's cursor comes with the page before. So as many searches
are read at once as use the allowed rate (`TraceSource.searches_at_once`), each in a thread of its own; and where too
few are left, a long one is cut in two. Pages of one search come in its own order; those of several in any.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Generic, Protocol, Self, TypeVar

import msgspec

from evalforge.common.threads import Threads
from evalforge.ingestion.models import Page
from evalforge.ingestion.search.errors import SearchInterrupted

MOST_BYTES_WAITING = 32 * 1024 * 1024
"""Of pages that were read and not taken in yet. One more page may be in the hands of each search."""
MOST_BYTES_UNDER_WAY = 64 * 1024 * 1024
"""Of pages that are being read: where pages are large, fewer searches are read at once."""
FAILURES_IN_A_ROW = 2
"""Searches that end early without a page of any in between: then Datadog is failing, and not a search."""
SECONDS_TO_END = 2.0


class Search(Protocol):
    """One search, to be read."""

    def pages(self) -> Iterator[Page]:
        """Its pages. Raises SearchInterrupted."""

    def cut(self) -> Sequence[Self]:
        """What is left of it as two searches, if it is long enough and can be cut. Asked between two pages."""


S = TypeVar("S", bound=Search)


class Ended(msgspec.Struct, Generic[S], frozen=True, kw_only=True):
    """A search is over: whole, or why not. `cut` is what is left of it, to be read instead."""

    failure: BaseException | None = None
    cut: Sequence[S] = ()


def in_turn(searches: Sequence[S]) -> Generator[tuple[S, Page | Ended[S]], None, None]:
    """One search after the other, in the caller's thread."""
    for search in searches:
        try:
            for page in search.pages():
                yield search, page
        except SearchInterrupted as interrupted:
            yield search, Ended(failure=interrupted)
        else:
            yield search, Ended()


class SideBySide(Generic[S]):
    """Reads searches in threads. `at_once` tells how many; `halt` makes those under way end soon."""

    def __init__(self, threads: Threads, at_once: Callable[[], int], halt: Callable[[], None]) -> None:
        self._threads, self._at_once, self._halt = threads, at_once, halt
        self._meeting = threads.meeting()
        self._pending: deque[S] = deque()
        self._come: deque[tuple[S, Page | Ended[S], int]] = deque()
        self._bytes = self._largest = 0
        self._started = self._under_way = self._running = self._cutting = 0
        self._no_more = self._closed = False

    def read(self, searches: Sequence[S]) -> Generator[tuple[S, Page | Ended[S]], None, None]:
        """What the searches give, as it comes. Closed early, it ends them all."""
        self._pending.extend(searches)
        try:
            while (come := self._next()) is not None:
                yield come
        finally:
            self._end()

    def start_no_more(self) -> None:
        """What has not begun is not read."""
        with self._meeting:
            self._pending.clear()
            self._no_more = True

    def _next(self) -> tuple[S, Page | Ended[S]] | None:
        with self._meeting:
            while True:
                while self._pending and self._under_way < self._wanted():
                    self._start(self._pending.popleft())
                if self._come:
                    return self._take()
                if not self._under_way:
                    return None
                self._meeting.wait()

    def _take(self) -> tuple[S, Page | Ended[S]]:
        search, what, size = self._come.popleft()
        self._bytes -= size
        if isinstance(what, Ended):
            self._under_way -= 1
            self._cutting -= bool(what.cut)
            if not self._no_more:
                self._pending.extendleft(reversed(what.cut))
        self._meeting.notify_all()
        return search, what

    def _start(self, search: S) -> None:
        self._under_way += 1
        self._running += 1
        self._started += 1
        self._threads.start(lambda: self._work(search), f"evalforge-search-{self._started}")

    def _wanted(self) -> int:
        fit = MOST_BYTES_UNDER_WAY // self._largest if self._largest else 1
        return max(1, min(self._at_once(), fit))

    def _work(self, search: S) -> None:
        try:
            ended = self._hand_over(search)
        except BaseException as error:  # noqa: BLE001 (raised where pages are taken in)
            ended = Ended(failure=error)
        self._put(search, ended, 0)

    def _hand_over(self, search: S) -> Ended[S]:
        for page in search.pages():
            self._put(search, page, sum(map(len, page.items)))
            if self._closed:
                break
            parts = search.cut() if page.more and self._may_cut() else ()
            if parts:
                return Ended(cut=parts)
        return Ended()

    def _put(self, search: S, what: Page | Ended[S], size: int) -> None:
        with self._meeting:
            while self._bytes and self._bytes + size > MOST_BYTES_WAITING and not self._closed:
                self._meeting.wait()
            self._largest = max(self._largest, size)
            self._bytes += size
            self._come.append((search, what, size))
            if isinstance(what, Ended):
                self._running -= 1
                self._cutting += bool(what.cut)
            self._meeting.notify_all()

    def _may_cut(self) -> bool:
        """Whether there is nothing else for another search to read. Two that ask at once may both be cut."""
        with self._meeting:
            waiting = len(self._pending) + self._cutting
            return not self._no_more and self._under_way + waiting < self._wanted()

    def _end(self) -> None:
        with self._meeting:
            self._closed = self._no_more = True
            self._pending.clear()
            self._meeting.notify_all()
            if not self._running:
                return
        self._halt()
        with self._meeting:
            while self._running and self._meeting.wait(SECONDS_TO_END):
                pass
