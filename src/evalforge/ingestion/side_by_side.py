"""Searches read side by side: while one waits for an answer, others ask, and what has come is taken in.

One search alone is bound by how long answers take, for a page's cursor comes with the page before. So as many searches
are read at once as use the allowed rate (`TraceSource.searches_at_once`):

    searches --> readers, a thread for each search --> a bounded queue --> whoever iterates over `read`

A reader only fetches. Which search begins when is decided by the one who takes the pages in; where too few searches are
left, a reader gives the later half of its own away. Pages of one search come in its own order, those of several in any.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Generic, Protocol, Self, TypeAlias, TypeVar

import msgspec

from evalforge.common.threads import Threads
from evalforge.ingestion.models import Page
from evalforge.ingestion.search.errors import SearchInterrupted

MOST_BYTES_WAITING = 8 * 1024 * 1024
"""Of pages that were read and not taken in yet, but for one that is larger; one more may be in each reader's hands."""
MOST_BYTES_UNDER_WAY = 64 * 1024 * 1024
"""Of pages that are being read: where pages are large, fewer searches are read at once."""
SECONDS_TO_END = 2.0


class Search(Protocol):
    """One search, to be read."""

    def pages(self) -> Iterator[Page]:
        """Its pages. Raises SearchInterrupted."""

    def cut(self, page: Page) -> Self | None:
        """Another search over the later half of what is left after this page, which this one then leaves out; None if
        that is not worth it. Asked by its reader between two pages."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A search is over: whole, or why not."""

    failure: BaseException | None = None


S = TypeVar("S", bound=Search)
Come: TypeAlias = tuple[S, Page | Ended | S]
"""What comes of a search: a page, its end, or another search to which it gave its later half."""


def in_turn(searches: Sequence[S]) -> Generator[Come[S], None, None]:
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
        self._pending: deque[S] = deque()
        self._meeting = threads.meeting()
        self._come: deque[tuple[S, Page | Ended | S, int]] = deque()
        self._bytes = self._largest = self._started = self._running = 0
        self._wanting = self._closed = False

    def read(self, searches: Sequence[S]) -> Generator[Come[S], None, None]:
        """What the searches give, as it comes. Closed early, it ends them all."""
        self._pending.extend(searches)
        under_way = 0
        try:
            while True:
                while self._pending and under_way < self._most():
                    self._start(self._pending.popleft())
                    under_way += 1
                if not under_way:
                    return
                search, what = self._next(wanting=not self._pending and under_way < self._most())
                if isinstance(what, Ended):
                    under_way -= 1
                elif not isinstance(what, Page):
                    self._pending.append(what)
                yield search, what
        finally:
            self._end()

    def start_no_more(self) -> None:
        """What has not begun is not read."""
        self._pending.clear()

    def _most(self) -> int:
        fit = MOST_BYTES_UNDER_WAY // self._largest if self._largest else 1
        return max(1, min(self._at_once(), fit))

    def _next(self, *, wanting: bool) -> Come[S]:
        """What comes next; `wanting` if one more search could be read."""
        with self._meeting:
            self._wanting = wanting
            while not self._come:
                self._meeting.wait()
            search, what, size = self._come.popleft()
            self._bytes -= size
            self._meeting.notify_all()
            return search, what

    def _start(self, search: S) -> None:
        self._started += 1
        with self._meeting:
            self._running += 1
        self._threads.start(lambda: self._read(search), f"evalforge-search-{self._started}")

    def _read(self, search: S) -> None:
        """What a reader does."""
        failure: BaseException | None = None
        try:
            for page in search.pages():
                self._put(search, page, sum(map(len, page.items)))
                if self._closed:
                    break
                if self._wanting and page.more and (half := search.cut(page)) is not None:
                    self._wanting = False
                    self._put(search, half)
        except BaseException as error:  # noqa: BLE001 - raised where pages are taken in
            failure = error
        self._put(search, Ended(failure=failure))

    def _put(self, search: S, what: Page | Ended | S, size: int = 0) -> None:
        with self._meeting:
            while self._bytes and self._bytes + size > MOST_BYTES_WAITING and not self._closed:
                self._meeting.wait()
            self._largest = max(self._largest, size)
            self._bytes += size
            self._come.append((search, what, size))
            self._running -= isinstance(what, Ended)
            self._meeting.notify_all()

    def _end(self) -> None:
        with self._meeting:
            self._closed = True
            self._come.clear()
            self._meeting.notify_all()
            if not self._running:
                return
        self._halt()
        with self._meeting:
            while self._running and self._meeting.wait(SECONDS_TO_END):
                pass
