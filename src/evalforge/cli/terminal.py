"""What every command shares of the terminal: is a person looking, progress, signals, JSON lines."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

import msgspec

from evalforge.common.errors import ConfigurationError

WIDTH_IN_A_PIPE = 200
HIGHEST_PORT = 65_535
LAST_MOMENT_SECONDS = 7.5
"""After SIGTERM; Cloud Run kills ten seconds after it, and says nothing."""


def out_is_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty()


def err_is_terminal() -> bool:
    """Whether a person sees stderr."""
    return sys.stderr.isatty()


def asks() -> bool:
    """Whether a person is there to answer a question."""
    return sys.stdin.isatty() and err_is_terminal()


def program() -> str:
    """How to call this program again."""
    if shutil.which("evalforge"):
        return "evalforge"
    return f"{sys.executable} -m evalforge" if sys.argv[0].endswith("__main__.py") else sys.argv[0]


def width() -> int:
    """Columns to print a table in: the terminal's, or as many as it takes in a pipe."""
    return int(console().width)


def print_json(noun: Any) -> None:
    """One JSON object on one line."""
    sys.stdout.buffer.write(msgspec.json.encode(noun) + b"\n")
    sys.stdout.buffer.flush()


def note(text: str) -> None:
    """A line for the person, apart from the data."""
    print(text, file=sys.stderr)


def counted(number: int, noun: str) -> str:
    """`1 span`, `2,000 spans`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def console(*, stderr: bool = False) -> Any:
    """A rich console that takes texts as they are, and in a pipe breaks no lines."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, markup=False, width=None if stream.isatty() else WIDTH_IN_A_PIPE)


def whole(text: str | None, flag: str, lowest: int, highest: int) -> int | None:
    """A whole number within bounds; None stays None. Raises ConfigurationError naming the flag."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12 and lowest <= int(text) <= highest):
        raise ConfigurationError(f"{flag}={text[:80]}: accepted is a whole number from {lowest} to {highest}")
    return int(text)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set, so that a run commits, gives its lease back and says so.

    A store that does not answer is then tried briefly (`storage.patience`). Where even that takes too long, as with a
    server that hangs in the middle of a call, the process ends: whatever is under way then is as if it had been killed.
    Its lease is left to run out, for only the store could take it back; the next run goes on from what was committed.
    """
    stop = threading.Event()
    last_moment = threading.Timer(LAST_MOMENT_SECONDS, _end)
    last_moment.daemon = True

    def obey(_: int, __: FrameType | None) -> None:
        if not stop.is_set():
            stop.set()
            last_moment.start()

    before = {number: signal.signal(number, obey) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        last_moment.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end() -> None:
    sink = LogSink()
    sink.write(
        f"evalforge: ended by force: the store did not answer within {LAST_MOMENT_SECONDS:g} s of the signal; "
        "what was committed is kept, and once its lease has run out the next run goes on from there\n".encode()
    )
    sink.flush()
    os._exit(1)


class LogSink:
    """Stderr as bytes. Whoever reads the log may stop reading: the run goes on."""

    def write(self, line: bytes) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.buffer.write(line)
        return len(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.buffer.flush()


def error_stream() -> IO[bytes]:
    """Where log lines go."""
    return LogSink()  # type: ignore[return-value]


@contextmanager
def log_and_progress(
    *, verbose: bool, label: str, logs_in_a_pipe: bool = True, seen: str = "spans"
) -> Iterator[tuple[IO[bytes], Any]]:
    """Where log lines go and what is told of progress: a bar on a terminal, log lines in a pipe or with --verbose."""
    with ExitStack() as stack:
        if verbose or (logs_in_a_pipe and not err_is_terminal()):
            yield error_stream(), lambda *_: None
            return
        sink = stack.enter_context(Path(os.devnull).open("wb"))
        yield sink, stack.enter_context(progress_bar(label, seen)) if err_is_terminal() else lambda *_: None


@contextmanager
def progress_bar(label: str, seen: str = "spans", found: str = "failing traces") -> Iterator[Any]:
    """A bar on stderr that takes (number seen, number found, fraction)."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=1.0, counts="")

        def show(number_seen: int, number_found: int, fraction: float) -> None:
            bar.update(task, completed=fraction, counts=f"{number_seen:,} {seen}, {number_found:,} {found}")

        yield show
