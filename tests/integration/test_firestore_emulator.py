"""How the tests treat the emulator: loudly skipped or failed where there is none, and never left running."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONE_TEST = ["tests/contract/test_capture_store.py", "-k", "test_an_empty_commit_still_needs_the_lease"]


def session_without_an_emulator(tmp_path: Path, *chosen: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A test session on a machine that has neither java nor gcloud."""
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", *chosen]
    return subprocess.run(command, cwd=ROOT, env={"PATH": str(tmp_path), **more}, capture_output=True, text=True)


def test_where_none_can_be_started_its_tests_are_skipped_with_a_loud_line(tmp_path: Path) -> None:
    done = session_without_an_emulator(tmp_path, *ONE_TEST)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("1 FIRESTORE TESTS DID NOT RUN") == 1
    assert "firestore tests run: 0" in done.stdout
    assert "1 passed, 1 skipped" in done.stdout


def test_where_none_can_be_started_in_ci_its_tests_fail(tmp_path: Path) -> None:
    done = session_without_an_emulator(tmp_path, *ONE_TEST, CI="true")
    assert done.returncode == 1
    assert "no Firestore emulator can be started: neither java" in done.stdout


def test_in_ci_a_session_without_any_firestore_test_fails(tmp_path: Path) -> None:
    chosen = ["tests/unit/test_signature.py"]
    assert session_without_an_emulator(tmp_path, *chosen).returncode == 0
    done = session_without_an_emulator(tmp_path, *chosen, CI="true")
    assert done.returncode == 1
    assert "firestore tests run: 0" in done.stdout


@pytest.mark.usefixtures("firestore_emulator")
def test_an_emulator_ends_with_the_process_that_started_it_however_that_ends() -> None:
    script = (
        "import time\nfrom helpers.firestore_emulator import running_emulator\n"
        "with running_emulator() as host:\n    print(host, flush=True)\n    time.sleep(60)\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    with subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        host, _, port = process.stdout.readline().strip().partition(":")
        assert listens(host, int(port))
        process.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while listens(host, int(port)):
        assert time.monotonic() < end, "the emulator is still running"
        time.sleep(0.1)


def listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
