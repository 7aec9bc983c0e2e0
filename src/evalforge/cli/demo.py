"""`evalforge sandbox` and `evalforge demo`: Datadog without an account, and the whole loop in one go."""

import secrets
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalforge.cli import terminal

if TYPE_CHECKING:
    from evalforge.models import FailureCapture

REAL_ACCOUNT = """
Point it at your own account:
  export DD_SITE=datadoghq.com            # your site
  export DD_API_KEY=...                   # or DD_API_KEY_FILE
  export DD_APP_KEY=...                   # needs the permission llm_observability_read
  export EVALFORGE_HASH_KEY=$(openssl rand -hex 32)   # keep it: user hashes hang on it
  {command} capture"""


def sandbox(
    port: Annotated[str, typer.Option(metavar="PORT", help="The port on 127.0.0.1; 0 takes a free one.")] = "8126",
    demo: Annotated[bool, typer.Option("--demo", help="Begin with the recorded day of the demo.")] = False,
) -> None:
    """Run a local stand-in for Datadog: what ddtrace sends to it, EvalForge reads from it.

    Listens on 127.0.0.1 only, keeps everything in memory, accepts any pair of keys. Stop it with Ctrl-C.
    """
    from evalforge.common.errors import ConfigurationError
    from evalforge.sandbox.server import serve

    try:
        serve(
            port=terminal.whole(port, "--port", 0, terminal.HIGHEST_PORT) or 0,
            on_started=lambda bound: _welcome(bound.url, demo=demo),
        )
    except OSError as error:
        raise ConfigurationError(f"--port={port}: cannot listen on 127.0.0.1:{port}: {error.strerror}") from None


def demo() -> int:
    """See the loop work: a day of three LLM apps, one capture, and what became of it. Needs no account and no keys.

    The traffic was recorded from the real ddtrace library; a fifth of its traces fail in ways that teams know. It goes
    through a sandbox on 127.0.0.1 and into a store of its own, made anew each time.
    """
    from evalforge import wiring
    from evalforge.cli import tables
    from evalforge.cli.capture import EXIT_CODES
    from evalforge.common.clock import SystemClock
    from evalforge.ports import CaptureFilter
    from evalforge.sandbox.replay import expected_traffic
    from evalforge.sandbox.server import running

    screen, path = terminal.console(), _fresh_store()
    with running() as bound:
        screen.print(f"A sandbox stands in for Datadog at {bound.url}.")
        events = _replay(bound.url)
        expected = expected_traffic()
        screen.print(
            f"Replayed 24 hours of three LLM apps: {len(expected.traces)} traces, {events:,} spans and evaluations, "
            f"{len(expected.failing)} traces failing.\n"
        )
        settings = _demo_settings(bound.url, path)
        with terminal.log_and_progress(verbose=False, label="Capturing", logs_in_a_pipe=False) as (log, progress):
            run = wiring.capture(settings, log, progress, lambda: False, SystemClock())
    store = wiring.open_store(settings)
    try:
        captures = list(store.list_captures(CaptureFilter()))
    finally:
        store.close()
    screen.print(tables.summary_table(captures))
    screen.print()
    screen.print(tables.run_report(run))
    found = {capture.trace_id for capture in captures}
    screen.print(
        f"\nOf {len(expected.failing)} traces that the apps know to have failed, {len(found & expected.failing)} were "
        f"captured; of {len(expected.traces) - len(expected.failing)} that did not, "
        f"{len(found - expected.failing)}.\n"
        "(The demo reads every span, EVALFORGE_SCAN=all, so that it also finds tools that failed without an error.)"
    )
    screen.print(_what_is_left(expected.planted, captures))
    command = terminal.program()
    print(f"\nLook around:\n  export EVALFORGE_STORE=sqlite://{path}\n  {command} captures list")
    print(f"  {command} captures show {captures[0].trace_id}" if captures else "")
    print(REAL_ACCOUNT.format(command=command))
    return EXIT_CODES[run.outcome]


def _what_is_left(planted: Sequence[str], captures: Sequence["FailureCapture"]) -> str:
    """How much of the personal data that the recording plants is in what was stored, read again byte by byte."""
    import msgspec

    kept = b"\n".join(map(msgspec.json.encode, captures)).decode()
    left = sum(value in kept for value in planted)
    told = f"\nOf {len(planted)} values of personal data in the recording {left} are in the captures"
    why = (
        ": names and streets in running text,\nwhich patterns cannot tell. EVALFORGE_TEXT=withhold keeps no text at all"
    )
    return f"{told}{why if left else ''}."


def _fresh_store() -> Path:
    """The demo's own file, without what an earlier demo left."""
    from evalforge.common.config import data_folder

    path = data_folder() / "demo.db"
    for leftover in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        leftover.unlink(missing_ok=True)
    return path


def _demo_settings(url: str, path: Path) -> Any:
    """Settings that owe the environment only what becomes of texts, so that a demo never meets a real account."""
    from evalforge.common.config import chosen, read_settings

    return read_settings(
        {
            "EVALFORGE_DATADOG_URL": url,
            "EVALFORGE_STORE": f"sqlite://{path}",
            "EVALFORGE_HASH_KEY": secrets.token_hex(32),
            "EVALFORGE_REQUESTS_PER_MINUTE": "100000",
            "EVALFORGE_SCAN": "all",
            "DD_API_KEY": "demo",
            "DD_APP_KEY": "demo",
            **chosen("EVALFORGE_TEXT", "EVALFORGE_NER"),
        }
    )


def _replay(url: str) -> int:
    from rich.progress import Progress

    from evalforge.common.clock import SystemClock
    from evalforge.sandbox.replay import replay

    with Progress(console=terminal.console(stderr=True), transient=True, disable=not terminal.err_is_terminal()) as bar:
        task = bar.add_task("Replaying", total=None)
        return replay(url, SystemClock().now(), lambda done, total: bar.update(task, completed=done, total=total))


def _welcome(url: str, *, demo: bool) -> None:
    from evalforge.sandbox.settings import SANDBOX_KEY

    store = Path(tempfile.gettempdir()) / "evalforge-sandbox.db"
    terminal.note(
        f"Sandbox at {url} (Ctrl-C stops it). Send to it with ddtrace:\n"
        f"  DD_TRACE_AGENT_URL={url} DD_LLMOBS_ENABLED=1 DD_LLMOBS_AGENTLESS_ENABLED=0 DD_LLMOBS_ML_APP=my-app \\\n"
        "    ddtrace-run python my_app.py\n"
        "Read from it, into a store of its own:\n"
        f"  export EVALFORGE_DATADOG_URL={url} DD_API_KEY=any DD_APP_KEY=any\n"
        f"  export EVALFORGE_HASH_KEY={SANDBOX_KEY} EVALFORGE_STORE=sqlite://{store}\n"
        f"  {terminal.program()} capture"
    )
    if demo:
        threading.Thread(target=_replay, args=(url,), daemon=True).start()
