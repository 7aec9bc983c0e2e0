"""A traceback as Error Reporting groups it, without what an error says: its message may hold anybody's text.

Form: Error Reporting, "Format errors in logs": the language's own stack trace in `stack_trace`, with `serviceContext`.
What stays is code: file, line, function and source line of each frame, and the types of the errors. Values of variables
are never looked at.
"""

import re
import traceback
from collections.abc import Iterator
from pathlib import PurePath

REPORTED_EVENT = "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
MOST_ERRORS, MOST_FRAMES, LONGEST_LINE = 5, 40, 200
PLAIN_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_.<>]{0,200}\Z")
PLACE = re.compile(r".*/(?:site-packages|src|lib/python[0-9.]+)/")
"""What of a path says where this machine keeps its packages."""
CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
NOT_SHOWN = "(message not shown)"


def redacted_stack(error: BaseException) -> str:
    """The error and what caused it, the cause first, as Python prints it, without any message."""
    return CAUSED.join(map(_one, reversed(list(_chain(error)))))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(seen) < MOST_ERRORS:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _one(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    lines = [line for frame in frames for line in _frame(frame)]
    return "\n".join(["Traceback (most recent call last):", *lines, f"{type_name(error)}: {NOT_SHOWN}"]) + "\n"


def _frame(frame: traceback.FrameSummary) -> Iterator[str]:
    """Only code that lies in a file has a source line: what was made from a text at run time may hold that text."""
    file = PLACE.sub("", frame.filename)
    made_up = frame.filename.startswith("<") or PurePath(frame.filename).suffix != ".py"
    name = frame.name if PLAIN_TYPE.match(frame.name) else "?"
    yield f'  File "{"?" if made_up else file[-LONGEST_LINE:]}", line {frame.lineno}, in {name}'
    if frame.line and not made_up:
        yield f"    {frame.line[:LONGEST_LINE]}"


def type_name(error: BaseException) -> str:
    """The error's type with its module, if that is a plain name."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return name if PLAIN_TYPE.match(name) else "Exception"
