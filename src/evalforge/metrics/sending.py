"""Sending that ends: whatever the other side or the resolver of names does, a run waits for some seconds at most.

No timeout of a socket bounds the looking up of a name, nor a server that sends a byte now and then; so what sends has
a thread of its own, which is left behind when the time is over. One at a time, so that they do not pile up.
"""

import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as OutOfTime

from evalforge.common.errors import MetricsNotSent

OF_A_SOCKET = 0.8
"""Of all the time, what one attempt gets; so that its own reason is told rather than that the time was over."""
_under_way = Lock()


def within(seconds: float, send: Callable[[], None]) -> None:
    """Do it, and wait for it so long. Raises MetricsNotSent, with the reason; an error's own text is not told."""
    if not _under_way.acquire(blocking=False):
        raise MetricsNotSent("those of an earlier run are still under way")
    done: SimpleQueue[str | None] = SimpleQueue()

    def attempt() -> None:
        try:
            send()
            done.put(None)
        except MetricsNotSent as error:
            done.put(str(error))
        except Exception as error:  # noqa: BLE001 - no failure of metrics may become one of the run
            done.put(reason_of(error))
        finally:
            _under_way.release()

    try:
        Thread(target=attempt, name="metrics", daemon=True).start()
    except RuntimeError:
        _under_way.release()
        raise MetricsNotSent("the system gives no further thread") from None
    try:
        reason = done.get(timeout=seconds)
    except Empty:
        reason = f"no answer within {seconds:g} s"
    if reason is not None:
        raise MetricsNotSent(reason)


def reason_of(error: BaseException) -> str:
    """What kept an attempt from an answer, in a few words of ours."""
    match error:
        case MaxRetryError() if error.reason is not None:
            return reason_of(error.reason)
        case NameResolutionError():
            return "its name does not resolve"
        case NewConnectionError():
            return "nobody takes connections there"
        case OutOfTime():
            return "no answer in time"
        case HTTPError():
            return f"no connection ({type(error).__name__})"
    return type(error).__name__


def keep_quiet(*names: str) -> None:
    """What libraries log by themselves would stand between the JSON lines of the log, and may show addresses."""
    for name in names:
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
