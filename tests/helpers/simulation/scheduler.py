"""Virtual time: threads that take turns in its order, one at a time, so that a seed always tells the same story.

A thread gives its turn away by `sleep`. Threads that the scheduler did not start may come and sleep too (a pipeline may
have workers); then a thread that does not come back within a moment is taken to wait for another, and loses its turn.
"""

import heapq
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from random import Random

from helpers.simulation.times import BASE

PATIENCE_SECONDS = 0.02
"""Real time, and only once a thread has come that the scheduler did not start."""


class _Turn:
    def __init__(self, thread: int) -> None:
        self.thread, self._gate = thread, threading.Lock()
        self._gate.acquire()
        self.given = False

    def give(self) -> None:
        self.given = True
        self._gate.release()

    def wait(self) -> None:
        self._gate.acquire()


class Scheduler:
    """`seconds` is the time since BASE; it moves while nobody has a turn."""

    def __init__(self, random: Random) -> None:
        self.seconds = 0.0
        self._random, self._numbers = random, count()
        self._changed = threading.Condition()
        self._queue: list[tuple[float, float, int, _Turn | Callable[[], None]]] = []
        self._having_a_turn: set[int] = set()
        self._ours: set[int] = set()
        self._strangers = False

    def now(self) -> datetime:
        """The time as a moment."""
        return BASE + timedelta(seconds=self.seconds)

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this then; it must not sleep."""
        with self._changed:
            self._push(seconds, action)

    def start(self, seconds: float, work: Callable[[], None]) -> None:
        """Begin this then, in a thread, in which it may sleep."""
        self.at(seconds, lambda: self._start(work))

    def sleep(self, seconds: float) -> None:
        """Let time pass for this thread, and others have their turns."""
        self.sleep_until(self.seconds + seconds)

    def sleep_until(self, wake: float) -> None:
        """Let time pass until then for this thread, and others have their turns."""
        me = threading.get_ident()
        with self._changed:
            if self._having_a_turn == {me} and not (self._queue and self._queue[0][0] <= wake):
                self.seconds = wake
                return
            self._strangers = self._strangers or me not in self._ours
            turn = _Turn(me)
            self._push(wake, turn)
            self._end_turn(me)
        turn.wait()

    def park(self, parked: list[_Turn], timeout: float | None = None) -> None:
        """Wait until another thread wakes those that are parked there, or so long; others have their turns."""
        me = threading.get_ident()
        with self._changed:
            turn = _Turn(me)
            parked.append(turn)
            if timeout is not None:
                self._push(self.seconds + timeout, turn)
            self._end_turn(me)
        turn.wait()

    def wake(self, parked: list[_Turn]) -> None:
        """Those parked there go on now."""
        with self._changed:
            while parked:
                self._push(self.seconds, parked.pop())

    def run(self) -> None:
        """Until nothing is left to come."""
        while True:
            with self._changed:
                self._wait_for_quiet()
                if not self._queue:
                    return
                when, _, _, what = heapq.heappop(self._queue)
                self.seconds = max(self.seconds, when)
                if isinstance(what, _Turn):
                    if what.given:
                        continue
                    self._having_a_turn.add(what.thread)
                    what.give()
                    continue
            what()

    def _start(self, work: Callable[[], None]) -> None:
        def body() -> None:
            try:
                work()
            finally:
                with self._changed:
                    me = threading.get_ident()
                    self._ours.discard(me)
                    self._end_turn(me)

        thread = threading.Thread(target=body, daemon=True)
        with self._changed:
            thread.start()
            assert thread.ident is not None
            self._ours.add(thread.ident)
            self._having_a_turn.add(thread.ident)

    def _push(self, seconds: float, what: "_Turn | Callable[[], None]") -> None:
        heapq.heappush(self._queue, (max(seconds, self.seconds), self._random.random(), next(self._numbers), what))

    def _end_turn(self, thread: int) -> None:
        self._having_a_turn.discard(thread)
        self._changed.notify_all()

    def _wait_for_quiet(self) -> None:
        while self._having_a_turn:
            if not self._changed.wait(PATIENCE_SECONDS if self._strangers else None):
                self._having_a_turn.clear()
