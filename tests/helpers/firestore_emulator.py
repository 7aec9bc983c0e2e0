"""The real Firestore emulator, started for as long as it is needed and never longer.

It runs under a shell that ends it as soon as the shell's standard input closes, which is when this process ends, in
whatever way.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

HOST_VARIABLE = "FIRESTORE_EMULATOR_HOST"
JAR = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
SECONDS_TO_START = 40.0
UNTIL_STDIN_CLOSES = '"$@" & read -r _; kill 0'


class NoEmulator(Exception):
    """No emulator can be started here; says why."""


class Emulator(NamedTuple):
    """A fresh emulator: `host:port`, and its process group."""

    host: str
    group: int

    def pause(self) -> None:
        """Let it keep its connections and say nothing more; a signal takes a moment to stop every thread."""
        os.killpg(self.group, signal.SIGSTOP)
        while not all(state == "T" for state in self._states()):
            time.sleep(0.001)

    def _states(self) -> Iterator[str]:
        """Of each thread of the group."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.getpgid(int(process.name)) == self.group:
                    for thread in (process / "task").iterdir():
                        yield (thread / "stat").read_text().rpartition(") ")[2][0]

    def resume(self) -> None:
        """Let it go on, with what it was asked meanwhile."""
        os.killpg(self.group, signal.SIGCONT)


@contextmanager
def running_emulator() -> Iterator[str]:
    """`host:port` of a fresh emulator, which the environment names too while the block lasts. Raises NoEmulator."""
    before = os.environ.get(HOST_VARIABLE)
    with own_emulator() as emulator:
        try:
            os.environ[HOST_VARIABLE] = emulator.host
            yield emulator.host
        finally:
            os.environ.pop(HOST_VARIABLE, None)
            if before is not None:
                os.environ[HOST_VARIABLE] = before


@contextmanager
def own_emulator() -> Iterator[Emulator]:
    """A fresh emulator that only its holder knows. Raises NoEmulator."""
    port = _free_port()
    with tempfile.TemporaryFile() as output:
        command = ["sh", "-c", UNTIL_STDIN_CLOSES, "sh", *_command(port)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True)
        try:
            _wait_for(port)
            yield Emulator(f"127.0.0.1:{port}", process.pid)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def new_project() -> str:
    """A project id that nothing was ever stored under."""
    return f"test-{uuid.uuid4().hex[:20]}"


def _command(port: int) -> list[str]:
    jar = _jar()
    if jar is not None and shutil.which("java"):
        arguments = ["start", "--host=127.0.0.1", f"--port={port}", "--database-mode=firestore-native"]
        return ["java", os.environ.get("FIRESTORE_EMULATOR_HEAP", "-Xmx512m"), "-cp", str(jar), MAIN_CLASS, *arguments]
    if shutil.which("gcloud"):
        return ["gcloud", "emulators", "firestore", "start", f"--host-port=127.0.0.1:{port}", "--quiet"]
    raise NoEmulator("neither java with the emulator's jar nor gcloud is installed")


def _jar() -> Path | None:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return None
    beside = Path(gcloud).resolve().parents[1] / JAR
    if beside.is_file():
        return beside
    asked = subprocess.run(
        ["gcloud", "info", "--format=value(installation.sdk_root)"], capture_output=True, text=True, timeout=60
    )
    told = Path(asked.stdout.strip() or "/nowhere") / JAR
    return told if told.is_file() else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise NoEmulator(f"the emulator did not answer within {SECONDS_TO_START:g} s")
