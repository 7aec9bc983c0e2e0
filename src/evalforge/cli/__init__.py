"""The commands. Thin: each reads its flags, asks `wiring` for the work and renders what comes back."""

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TextIO

from typer import Abort
from typer.exceptions import TyperException

from evalforge.cli.application import app
from evalforge.common.errors import EvalForgeError

USAGE, UNEXPECTED, INTERRUPTED = 2, 1, 130
LONGEST_LINE = 800


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Errors become one or two lines on stderr, with a traceback only under --debug."""
    debug = "--debug" in arguments
    given = [one for one in arguments if one != "--debug"]
    _make_streams_safe()
    if all(map(_is_text, given)):
        code = _run(given, debug=debug)
    else:
        code = _complain("an argument is not UTF-8 text", USAGE, debug=False)
    _let_go(sys.stderr)
    return code


def _run(given: Sequence[str], *, debug: bool) -> int:
    try:
        code = app(args=list(given), prog_name="evalforge", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        return _misused(error, debug=debug)
    except (Abort, KeyboardInterrupt):
        return _complain("interrupted", INTERRUPTED, debug=False)
    except EvalForgeError as error:
        return _complain(str(error), error.exit_code, debug=debug)
    except (BrokenPipeError, SystemExit):  # typer turns a broken pipe into SystemExit
        _let_go(sys.stdout)
        return 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        what = f"something unexpected happened ({type(error).__name__}); run again with --debug for the details"
        code = _complain(what, UNEXPECTED, debug=debug)
        _let_go(sys.stdout)
        return code
    return code if isinstance(code, int) else 0


def _misused(error: TyperException, *, debug: bool) -> int:
    """A group without a command shows its help; any other misuse says what was wrong."""
    message = error.format_message()
    if message.startswith("Usage:"):
        print(message)
        return USAGE
    return _complain(f"{message.rstrip('.')}; see evalforge --help", USAGE, debug=debug)


def _complain(message: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(message.split()))
    with contextlib.suppress(OSError):
        print(f"evalforge: {line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + '…'}", file=sys.stderr)
    return code


def _make_streams_safe() -> None:
    """A closed stream swallows what is written, and what a terminal's encoding lacks becomes a question mark."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123 - stays open for the life of the process
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _let_go(stream: TextIO) -> None:
    """What cannot be written any more goes nowhere, so that the interpreter's last flush is silent and no error."""
    try:
        stream.flush()
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True
