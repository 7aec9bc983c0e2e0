"""`evalforge doctor` on the store: its mark, killed doctors, full disks, read-only folders, missing indexes."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from evalforge.doctor.findings import examine, ok
from evalforge.storage.sqlite import SqliteStore
from helpers.commands import Result, environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog
from helpers.firestore_emulator import new_project
from helpers.firestore_server import refusing_server
from helpers.indexing_server import indexing_server

KILLED = """
import os, signal, sys
from evalforge import wiring
from evalforge.common.config import read_settings
examination = wiring.open_examination(read_settings())
examination.write("2026-01-01T00:00:00.000Z")
os.kill(os.getpid(), signal.SIGKILL)
"""


def said(done: Result, check: str) -> dict[str, Any]:
    assert done.err == ""
    return next(one for one in json.loads(done.out)["findings"] if one["check"] == check)


def content(path: Path) -> list[str]:
    """Everything in the store."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def killed_between(env: dict[str, str]) -> None:
    """A doctor that wrote its mark and was killed before it could remove it."""
    done = subprocess.run([sys.executable, "-c", KILLED], env=env)
    assert done.returncode == -signal.SIGKILL


def test_the_mark_is_gone_afterwards_and_nothing_else_changed(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with FakeDatadog(spans=[failed(1, trace="aa")]) as server:
        assert evalforge("capture", env=environment(store, server.url)).code == 0
    before = content(store)
    done = evalforge("doctor", "--offline", env=environment(store))
    assert said(done, "store writing")["found"] == "a mark was written, read and removed"
    assert said(done, "last run")["state"] == "ok"
    assert said(done, "last run")["found"].startswith("complete, begun 20")
    assert content(store) == before


def test_the_mark_of_a_doctor_that_was_killed_is_removed_by_the_next(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    SqliteStore(store).close()
    before = content(store)
    killed_between(environment(store))
    assert content(store) != before
    done = evalforge("doctor", "--offline", env=environment(store))
    assert (done.code, said(done, "store writing")["state"]) == (0, "ok")
    assert "so was that of a doctor that was killed" in said(done, "store writing")["found"]
    assert content(store) == before


def test_in_firestore_too_the_mark_is_gone_and_so_is_that_of_one_that_was_killed(
    firestore_emulator: str, tmp_path: Path
) -> None:
    from google.cloud.firestore import Client

    project = new_project()
    env = environment(tmp_path, EVALFORGE_STORE=f"firestore://{project}", FIRESTORE_EMULATOR_HOST=firestore_emulator)
    with closing(Client(project=project)) as client:
        client.collection("warm").document("up").delete(timeout=30)  # the emulator's first commit takes it a while
        killed_between(env)
        stored = [one.id for one in client.collection("evalforge_state").stream()]
        assert stored == ["doctor_probe"]
        done = evalforge("doctor", "--offline", env=env)
        assert (done.code, said(done, "store writing")["state"]) == (0, "ok"), done.out
        assert "killed" in said(done, "store writing")["found"]
        assert [one.id for one in client.collections()] == []
    assert said(done, "indexes")["found"].startswith("each of the 13 kinds of queries is answered; the emulator needs")


def test_a_missing_index_is_named_with_the_command_and_the_link_that_make_it(tmp_path: Path) -> None:
    with indexing_server(lacking={"service_name", "dead_letter_id"}) as server:
        env = environment(tmp_path, EVALFORGE_STORE="firestore://some-project", FIRESTORE_EMULATOR_HOST=server)
        done = evalforge("doctor", "--offline", env=env)
    found = said(done, "indexes")
    assert (done.code, found["state"]) == (2, "problem")
    assert (
        "evalforge_raw_traces (service_name ascending, last_failed_at descending, trace_id ascending)" in found["found"]
    )
    assert "evalforge_dead_letters (first_seen_at descending, dead_letter_id ascending)" in found["found"]
    assert "severity" not in found["found"]
    assert (
        "gcloud firestore indexes composite create --project=some-project --database='(default)' "
        "--collection-group=evalforge_dead_letters --query-scope=collection "
        "--field-config=field-path=first_seen_at,order=descending "
        "--field-config=field-path=dead_letter_id,order=ascending"
    ) in found["advice"]
    assert (
        "https://console.firebase.google.com/v1/r/project/some-project/firestore/indexes?create_composite="
        in (found["advice"])
    )


def test_an_index_that_is_being_built_is_waited_for(tmp_path: Path) -> None:
    with indexing_server(lacking={"service_name"}, being_built=True) as server:
        env = environment(tmp_path, EVALFORGE_STORE="firestore://some-project", FIRESTORE_EMULATOR_HOST=server)
        found = said(evalforge("doctor", "--offline", env=env), "indexes")
    assert (found["state"], found["advice"]) == ("warning", "wait some minutes, then run doctor again")


def test_a_link_to_anywhere_else_is_not_shown(tmp_path: Path) -> None:
    text = (
        "The query requires an index. You can create it here: https://console.firebase.google.com/v1/r/project/other/x"
    )
    with refusing_server(grpc.StatusCode.FAILED_PRECONDITION, text + " or http://evil.example/x") as server:
        env = environment(tmp_path, EVALFORGE_STORE="firestore://some-project", FIRESTORE_EMULATOR_HOST=server)
        done = evalforge("doctor", "--offline", env=env)
    assert said(done, "indexes")["state"] == "problem"
    assert "project/other" not in done.out
    assert "evil" not in done.out


@pytest.mark.parametrize(
    ("status", "told"),
    [(grpc.StatusCode.PERMISSION_DENIED, "roles/datastore.user"), (grpc.StatusCode.UNAVAILABLE, "no answer from")],
)
def test_a_firestore_that_refuses_is_told_by_each_check_and_the_others_go_on(
    tmp_path: Path, status: grpc.StatusCode, told: str
) -> None:
    with refusing_server(status) as server, FakeDatadog() as datadog:
        more = {"EVALFORGE_STORE": "firestore://some-project", "FIRESTORE_EMULATOR_HOST": server}
        done = evalforge("doctor", env=environment(tmp_path, datadog.url, **more))
    for check in ("store", "store writing", "indexes", "last run"):
        assert said(done, check)["state"] == "problem"
        assert told in said(done, check)["found"]
    assert said(done, "Datadog")["state"] == "ok"


# Disks

NAMESPACE = ["unshare", "--map-root-user", "--mount", "sh", "-c"]


def in_a_file_system(options: str, folder: Path, script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What a shell script says, in a folder with a file system of its own."""
    mount = f'mount -t tmpfs -o {options} tmpfs "$1" && cd "$1" && ' + script
    if (
        not shutil.which("unshare")
        or subprocess.run([*NAMESPACE, 'mount -t tmpfs tmpfs "$1"', "sh", folder]).returncode
    ):
        pytest.skip("no file system of its own can be mounted here")
    command = [*NAMESPACE, mount, "sh", str(folder), sys.executable]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=90)


FILLED = '"$2" -m evalforge captures list >/dev/null && "$2" -m evalforge capture >/dev/null 2>&1; '
FILLED += "dd if=/dev/zero of=filler bs=4096 2>/dev/null; "
READ_ONLY = '"$2" -m evalforge capture >/dev/null 2>&1; mount -o remount,ro "$1"; '


def doctors(done: subprocess.CompletedProcess[str], check: str) -> dict[str, Any]:
    return next(one for one in json.loads(done.stdout)["findings"] if one["check"] == check)


def test_a_full_disk_is_told_by_doctor_capture_and_serve(tmp_path: Path) -> None:
    with FakeDatadog(spans=[failed(1, trace="aa")]) as server:
        env = environment(tmp_path / "store.db", server.url)
        done = in_a_file_system("size=2m", tmp_path, FILLED + '"$2" -m evalforge doctor', env)
        found = doctors(done, "store writing")
        assert (done.returncode, found["state"]) == (1, "problem"), done.stderr
        assert "room" in found["found"]
        assert f"the disk of {tmp_path}" in found["found"]
        assert doctors(done, "Datadog")["state"] == "ok"
        server.spans = [failed(number, trace=f"b{number}") for number in range(200)]
        done = in_a_file_system("size=2m", tmp_path, FILLED + '"$2" -m evalforge capture', env)
        last = done.stderr.splitlines()[-1]
        assert done.returncode == 1
        assert last.startswith(f"evalforge: the store {tmp_path}/store.db could not be used")
        assert f"the disk of {tmp_path}" in last
        assert "Traceback" not in done.stderr


def test_a_disk_that_is_almost_full_is_told_before_there_is_a_store(tmp_path: Path) -> None:
    env = environment(tmp_path / "store.db", "http://127.0.0.1:9")
    done = in_a_file_system("size=2m", tmp_path, '"$2" -m evalforge doctor --offline', env)
    found = doctors(done, "store writing")
    assert (found["state"], found["advice"]) == (
        "warning",
        f"free some on the disk of {tmp_path}, before a run finds it full",
    )


def test_a_read_only_folder_is_told_by_doctor_capture_and_serve(tmp_path: Path) -> None:
    with FakeDatadog(spans=[failed(1, trace="aa")]) as server:
        env = environment(tmp_path / "store.db", server.url)
        for command in ("capture", "serve --port 0"):
            done = in_a_file_system("size=2m", tmp_path, f'{READ_ONLY}"$2" -m evalforge {command}', env)
            last = done.stderr.splitlines()[-1]
            assert done.returncode in (1, 2), done.stderr
            assert last.startswith("evalforge: ")
            assert str(tmp_path) in last
            assert "give this user the right to write" in last or "can be written" in last
            assert "Traceback" not in done.stderr
        done = in_a_file_system("size=2m", tmp_path, f'{READ_ONLY}"$2" -m evalforge doctor', env)
        assert doctors(done, "store")["state"] == "problem"
        assert "write" in doctors(done, "store")["found"]
        assert doctors(done, "Datadog")["state"] == "ok"
        done = in_a_file_system("size=2m", tmp_path, 'mount -o remount,ro "$1"; "$2" -m evalforge doctor', env)
        assert "nothing can be written in the folder" in doctors(done, "store")["found"]


# Bounds


def test_a_check_that_never_ends_is_told_and_the_rest_goes_on() -> None:
    begun: list[str] = []
    started = time.monotonic()
    never = lambda: time.sleep(60)  # noqa: E731
    found = list(examine([("first", never), ("second", lambda: ok("second", "well"))], 0.2, begun.append))  # type: ignore[list-item]
    assert [(one.check, one.state, one.exit_code) for one in found] == [("first", "problem", 1), ("second", "ok", 0)]
    assert "not done within 0.2 s" in found[0].found
    assert begun == ["first", "second"]
    assert time.monotonic() - started < 3


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process keeps the store locked."""
    script = (
        "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('BEGIN IMMEDIATE')\n"
    )
    script += "print('held', flush=True)\nsys.stdin.read()\n"
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


def test_a_store_that_is_locked_is_told_within_seconds(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    SqliteStore(store).close()
    with held(store):
        began = time.monotonic()
        done = evalforge("doctor", "--offline", env=environment(store))
    assert said(done, "store writing")["state"] == "problem"
    assert "another process keeps it locked" in said(done, "store writing")["found"]
    assert time.monotonic() - began < 20


def test_a_store_of_a_port_that_is_open_and_silent_is_told_within_seconds(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        env = environment(tmp_path, EVALFORGE_STORE="firestore://some-project", FIRESTORE_EMULATOR_HOST=host)
        done = evalforge("doctor", "--offline", env=env)
    assert said(done, "store writing")["state"] == "problem"
    assert "no answer from Firestore within 3 s" in said(done, "store writing")["found"]
    assert os.environ.get("FIRESTORE_EMULATOR_HOST") != host
