"""What an examination finds. Pure: the checks are given, and whatever one of them raises becomes a finding."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Literal

import msgspec

from evalforge.common.errors import ConfigurationError, EvalForgeError

State = Literal["ok", "warning", "problem", "skipped"]
SECONDS_A_CHECK = 45.0
"""More than any check takes where all is well: the first text on a machine takes some seconds, a call at most ten."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check says. `advice` is what to do ('' if nothing, or if `found` says it); `exit_code` of a problem."""

    check: str
    state: State
    found: str
    advice: str = ""
    exit_code: int = 0


Check = tuple[str, Callable[[], Finding]]
"""Its name, and what examines it; it may raise anything."""


class Skipped(EvalForgeError):
    """The check cannot be made; the message says why."""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check=check, state="ok", found=found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, and somebody should know."""
    return Finding(check=check, state="warning", found=found, advice=advice)


def problem(check: str, found: str, advice: str = "", exit_code: int = ConfigurationError.exit_code) -> Finding:
    """A run would fail."""
    return Finding(check=check, state="problem", found=found, advice=advice, exit_code=exit_code)


def skipped(check: str, why: str) -> Finding:
    """Nothing was looked at."""
    return Finding(check=check, state="skipped", found=why)


def examine(
    checks: Iterable[Check], seconds: float = SECONDS_A_CHECK, begun: Callable[[str], None] = lambda _: None
) -> Iterator[Finding]:
    """What each check finds, in order, each within `seconds`. `begun` is told the name of each as it begins.

    Errors become problems: ours as they say, others by their class alone.
    """
    for name, check in checks:
        begun(name)
        outcome = _bounded(check, seconds)
        match outcome:
            case Finding():
                yield outcome
            case None:
                advice = "whatever it reads or waits for does not answer: look there, then run doctor again"
                yield problem(name, f"not done within {seconds:g} s", advice, EvalForgeError.exit_code)
            case KeyboardInterrupt() | SystemExit():
                raise outcome
            case Skipped():
                yield skipped(name, str(outcome))
            case EvalForgeError():
                yield problem(name, str(outcome), exit_code=outcome.exit_code)
            case _:
                what = f"something unexpected happened ({type(outcome).__name__})"
                yield problem(name, what, exit_code=EvalForgeError.exit_code)


def _bounded(check: Callable[[], Finding], seconds: float) -> Finding | BaseException | None:
    """What came of it; None where nothing did in time. A thread that hangs then ends with the process."""
    outcome: SimpleQueue[Finding | BaseException] = SimpleQueue()

    def work() -> None:
        try:
            outcome.put(check())
        except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception; whatever it is, the rest goes on
            outcome.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return outcome.get(timeout=seconds)
    except Empty:
        return None


def exit_code(findings: Sequence[Finding]) -> int:
    """0 without a problem; that of the problems where they agree, else that of a setting that cannot be used."""
    codes = {one.exit_code for one in findings if one.state == "problem"}
    return 0 if not codes else codes.pop() if len(codes) == 1 else ConfigurationError.exit_code
