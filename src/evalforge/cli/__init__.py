"""The commands. Thin: each reads its flags, asks `wiring` for the work and renders what comes back."""

import os
import sys
import traceback
from collections.abc import Sequence

from typer import Abort
from typer.exceptions import TyperException

from evalforge.cli.application import app
from evalforge.common.errors import EvalForgeError

USAGE, UNEXPECTED, INTERRUPTED = 2, 1, 130


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Errors become one or two lines on stderr, with a traceback only under --debug."""
    debug = "--debug" in arguments
    given = [one for one in arguments if one != "--debug"]
    try:
        code = app(args=given, prog_name="evalforge", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        return _misused(error, debug=debug)
    except (Abort, KeyboardInterrupt):
        return _complain("interrupted", INTERRUPTED, debug=False)
    except EvalForgeError as error:
        return _complain(str(error), error.exit_code, debug=debug)
    except BrokenPipeError:
        return _reader_went_away()
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        what = f"something unexpected happened ({type(error).__name__}); run again with --debug for the details"
        return _complain(what, UNEXPECTED, debug=debug)
    return code if isinstance(code, int) else 0


def _reader_went_away() -> int:
    """`| head` is no error; what is left in the buffer goes nowhere, so that the interpreter's last flush is silent."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return 0


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
    print(f"evalforge: {' '.join(message.split())}", file=sys.stderr)
    return code
