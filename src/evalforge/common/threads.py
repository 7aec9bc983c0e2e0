"""Threads as a parameter: the system's, and the protocol that tests implement in virtual time."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self


class Meeting(Protocol):
    """Where threads wait for each other: a condition variable, with its lock."""

    def __enter__(self) -> object: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def wait(self, timeout: float | None = None) -> object:
        """Let go of the lock until others notify, or so many seconds have passed; holds it again then."""

    def notify_all(self) -> None:
        """Wake all that wait."""


class Threads(Protocol):
    """What the code may know of threads."""

    def start(self, work: Callable[[], None], name: str) -> None:
        """Do this beside all else. It must not raise."""

    def meeting(self) -> Meeting:
        """A new one."""


class SystemThreads:
    """The machine's threads. None outlives the process, whatever it waits for."""

    def start(self, work: Callable[[], None], name: str) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    def meeting(self) -> "_Condition":
        return _Condition()


class _Condition(threading.Condition):
    """A condition variable; the standard one is a Meeting but for the types of `__enter__`."""

    def __enter__(self) -> Self:  # type: ignore[override]
        super().__enter__()
        return self
