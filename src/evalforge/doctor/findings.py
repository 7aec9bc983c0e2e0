"""What an examination finds. Pure: the checks are given, and whatever one of them raises becomes a finding."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from evalforge.common.errors import ConfigurationError, EvalForgeError

State = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check says. `advice` is what to do ('' if nothing, or if `found` says it); `exit_code` of a problem."""

    check: str
    state: State
    found: str
    advice: str = ""
    exit_code: int = 0


Check = tuple[str, Callable[[], Finding]]
"""Its name, and what examines it; it may raise anything."""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check=check, state="ok", found=found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, and somebody should know."""
    return Finding(check=check, state="warning", found=found, advice=advice)


def problem(check: str, found: str, advice: str = "", exit_code: int = ConfigurationError.exit_code) -> Finding:
    """A run would fail."""
    return Finding(check=check, state="problem", found=found, advice=advice, exit_code=exit_code)


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """What each check finds, in order. Errors become problems: ours as they say, others by their class alone."""
    for name, check in checks:
        try:
            finding = check()
        except (KeyboardInterrupt, SystemExit):
            raise
        except EvalForgeError as error:
            finding = problem(name, str(error), exit_code=error.exit_code)
        except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception; whatever it is, the rest goes on
            what = f"something unexpected happened ({type(error).__name__})"
            finding = problem(name, what, exit_code=EvalForgeError.exit_code)
        yield finding


def exit_code(findings: Sequence[Finding]) -> int:
    """0 without a problem; that of the problems where they agree, else that of a setting that cannot be used."""
    codes = {one.exit_code for one in findings if one.state == "problem"}
    return 0 if not codes else codes.pop() if len(codes) == 1 else ConfigurationError.exit_code
