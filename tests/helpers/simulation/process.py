"""A simulated process: it may be killed or frozen at any step, and then knows nothing more of the world."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from helpers.simulation.faults import ANY_WRITE, SIDE_BY_SIDE, Doom, Faults
from helpers.simulation.scheduler import Scheduler

MONOTONIC_AT_START = 1000.0


class Killed(BaseException):
    """The process is gone. No handler of the product's catches it."""


class Process:
    """One run's process, and its clock. `thawed_at`: when it last went on after a freeze."""

    def __init__(self, name: str, scheduler: Scheduler, faults: Faults, doom: Doom | None) -> None:
        self.name, self.doom = name, doom
        self._scheduler, self._faults = scheduler, faults
        self._reached: Counter[str] = Counter()
        self.started = scheduler.seconds
        self.searches = 0
        """How many are open side by side."""
        self.dead = self.ended = self.reads_context = False
        self.frozen_until = self.thawed_at = -1.0
        self._died = ""
        self.at_death: list[Callable[[], None]] = []
        """What wakes those of its threads that wait for each other, so that they end with it."""

    def now(self) -> datetime:
        """As of Clock."""
        return self._scheduler.now()

    def monotonic(self) -> float:
        """As of Clock."""
        return MONOTONIC_AT_START + self._scheduler.seconds

    def sleep(self, seconds: float) -> None:
        """As of Clock."""
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        """Let time pass. Raises Killed if that is the end of it."""
        self.check_alive()
        self._scheduler.sleep(seconds)
        if self.frozen_until > self._scheduler.seconds:  # another thread of the process came to where it freezes
            self._scheduler.sleep_until(self.frozen_until)
        self.check_alive()

    def reach(self, phase: str, *, after: bool) -> None:
        """The process is at this point; what was to befall it here does. Raises Killed."""
        self.check_alive()
        names = (phase, SIDE_BY_SIDE if self.searches > 1 else phase) if phase == "search" else (phase, ANY_WRITE)
        if not after:
            self._reached.update(set(names))
        doom = None if self.ended else self.doom
        if doom is None or doom.phase not in names or (doom.count, doom.after) != (self._reached[doom.phase], after):
            return
        self.doom = None
        where = f"{'after' if after else 'before'} {SIDE_BY_SIDE if doom.phase == SIDE_BY_SIDE else phase}"
        if doom.frozen_seconds is None:
            self._faults.note(f"killed {where}")
            self.dead, self._died = True, where
            for wake in self.at_death:
                wake()
            raise Killed(where)
        self._faults.note(f"frozen {where}")
        self.frozen_until = self._scheduler.seconds + doom.frozen_seconds
        self.on_freeze()
        self._scheduler.sleep_until(self.frozen_until)
        self.thawed_at = self._scheduler.seconds
        self.check_alive()

    @property
    def writes(self) -> int:
        """How often it wrote, or tried to."""
        return self._reached[ANY_WRITE]

    def on_freeze(self) -> None:
        """For the world to send another run after it."""

    def check_alive(self) -> None:
        """Raises Killed if it is not."""
        if self.dead:
            raise Killed(self._died)
