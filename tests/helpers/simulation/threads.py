"""Threads of a simulated process in virtual time: one has its turn at a time, so that nothing needs a lock."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from helpers.simulation.process import Killed, Process
from helpers.simulation.scheduler import Scheduler


class ThreadsOfProcess:
    """A Threads. `most` is how many were at work at once."""

    def __init__(self, process: Process, scheduler: Scheduler) -> None:
        self._process, self._scheduler = process, scheduler
        self.most = 0

    def start(self, work: Callable[[], None], name: str) -> None:
        """As of Threads."""

        def counted() -> None:
            process = self._process
            process.searches += 1
            self.most = max(self.most, process.searches)
            with suppress(Killed):
                work()
            process.searches -= 1

        self._scheduler.start(self._scheduler.seconds, counted)

    def meeting(self) -> "MeetingOfProcess":
        """As of Threads."""
        return MeetingOfProcess(self._process, self._scheduler)


class MeetingOfProcess:
    """A Meeting. Who waits in a process that is killed is killed."""

    def __init__(self, process: Process, scheduler: Scheduler) -> None:
        self._process, self._scheduler = process, scheduler
        self._parked: list[Any] = []
        process.at_death.append(self.notify_all)

    def __enter__(self) -> "MeetingOfProcess":
        return self

    def __exit__(self, *_: object) -> None:
        """There was no lock."""

    def wait(self, timeout: float | None = None) -> bool:
        """As of Meeting."""
        self._process.check_alive()  # and nothing that gives the turn away: a wake-up in between would be lost
        before = self._scheduler.seconds
        self._scheduler.park(self._parked, timeout)
        self._process.pass_time(0)
        return timeout is None or self._scheduler.seconds < before + timeout

    def notify_all(self) -> None:
        """As of Meeting."""
        self._scheduler.wake(self._parked)
