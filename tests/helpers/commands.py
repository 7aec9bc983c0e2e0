"""The `evalforge` command as a user runs it: its own process, its own environment."""

import atexit
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryFile
from typing import Any

from helpers import command_nursery

API_KEY, APP_KEY = "canary-api-key-5f1d2c3b4a", "canary-app-key-9e8d7c6b5a"
HASH_KEY = "canary-of-the-hash-5b0e93c7a1f84d26be7c10f59d3a8e42"

RULE_CACHE = {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")}
"""Where Kingfisher keeps its compiled rules. Without one, each process that reads texts compiles them for seconds."""

READ_LATER = re.compile(
    r"(?:EVALFORGE_.*|DD_.*|XDG_.*|PATH|HOME|PORT|K_SERVICE|FIRESTORE_EMULATOR_HOST|SECRET_MANAGER_EMULATOR_HOST|GOOGLE_CLOUD_PROJECT|PYTHONWARNINGS)\Z"
)
"""Variables that nothing reads while Python starts and loads the modules."""
ASKING = threading.Lock()


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object on the last line of stdout."""
        return json.loads(self.out.splitlines()[-1])

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def log(self) -> list[dict[str, Any]]:
        """Stderr as JSON lines."""
        return [json.loads(line) for line in self.err.splitlines()]


def environment(store: Path, url: str | None = None, **more: str) -> dict[str, str]:
    """All that `evalforge capture` needs and nothing of the test's own environment but the path.

    Texts are withheld unless a test is about them: reading them costs each process the engine's half second.
    """
    given = {
        "PATH": os.environ["PATH"],
        "EVALFORGE_STORE": f"sqlite://{store}",
        "EVALFORGE_HASH_KEY": HASH_KEY,
        "DD_API_KEY": API_KEY,
        "DD_APP_KEY": APP_KEY,
        "EVALFORGE_REQUESTS_PER_MINUTE": "60000",
        "EVALFORGE_TEXT": "withhold",
        "PYTHONWARNINGS": "error",
    }
    return given | ({"EVALFORGE_DATADOG_URL": url} if url else {}) | more


def evalforge(*arguments: str, env: dict[str, str], stdin: bytes = b"", timeout: float = 60) -> Result:
    """Run the command to its end, in a process of its own that finds its modules loaded.

    Where the environment changes how Python itself starts, it is started.
    """
    if env.get("PYTHONWARNINGS") == "error" and all(map(READ_LATER.match, env)):
        return _forked(arguments, env, stdin, timeout)
    done = subprocess.run(
        [sys.executable, "-m", "evalforge", *arguments], env=env, input=stdin, capture_output=True, timeout=timeout
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def _forked(arguments: Sequence[str], env: dict[str, str], stdin: bytes, timeout: float) -> Result:
    request = {"arguments": arguments, "environment": env, "folder": str(Path.cwd())}
    body = json.dumps(request).encode()
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        read, write = os.pipe()
        with os.fdopen(read, "rb") as told:
            streams = [given.fileno(), out.fileno(), err.fileno(), write]
            with ASKING:
                nursery = _nursery()
                socket.send_fds(nursery, [command_nursery.LENGTH.pack(len(body))], streams)
                nursery.sendall(body)
            os.close(write)
            process = int(told.readline())
            if not select.select([told], [], [], timeout)[0]:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(["evalforge", *arguments], timeout)
            code = int(told.readline())
        for stream in (out, err):
            stream.seek(0)
        return Result(code, out.read().decode(), err.read().decode())


@lru_cache(maxsize=1)
def _nursery() -> socket.socket:
    """The socket of `helpers.command_nursery`, which ends when this process does."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, command_nursery.__file__, str(theirs.fileno())]
    env = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
    with theirs:
        process = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()], stdin=DEVNULL, stdout=DEVNULL)

    def end() -> None:
        ours.close()
        process.wait(timeout=10)

    atexit.register(end)
    return ours


def on_a_terminal(*arguments: str, env: dict[str, str], typed: bytes = b"", columns: str = "120") -> tuple[int, str]:
    """Exit code and all that a person sees, stdout and stderr together; who types `typed`."""
    controller, terminal = pty.openpty()
    given = env | {"COLUMNS": columns, "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "evalforge", *arguments]
    with subprocess.Popen(command, env=given, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        os.write(controller, typed)
        seen, end = b"", time.monotonic() + 30
        while time.monotonic() < end:
            ready, _, _ = select.select([controller], [], [], 0.1)
            try:
                chunk = os.read(controller, 65536) if ready else b""
            except OSError:
                break
            seen += chunk
            if not ready and process.poll() is not None:
                break
    os.close(controller)
    return process.returncode, seen.decode()
