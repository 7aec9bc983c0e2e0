"""What is wrong outside of EvalForge has one line that says what, with which value, and how to mend it.

Full disks and read-only folders, which need a file system of their own, are in `test_doctor_store.py`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from helpers.commands import API_KEY, APP_KEY, HASH_KEY, Result, environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog
from helpers.firestore_server import refusing_server
from helpers.indexing_server import indexing_server

NOWHERE = "http://127.0.0.1:9"


def last_line(done: Result) -> str:
    """The one line; nothing of a traceback or a key before it."""
    shown = f"{done.out}\n{done.err}"
    assert "Traceback" not in shown
    assert [key for key in (API_KEY, APP_KEY, HASH_KEY) if key in shown] == []
    return done.err.splitlines()[-1]


@pytest.mark.parametrize("site", ["https://datadoghq.eu", "app.datadoghq.com", "api.datadoghq.eu", "datadoghq"])
@pytest.mark.parametrize("command", ["capture", "serve --port 0", "probe", "rules"])
def test_a_site_that_is_none(tmp_path: Path, command: str, site: str) -> None:
    done = evalforge(*command.split(), env=environment(tmp_path / "store.db", DD_SITE=site))
    assert done.code == 2
    assert last_line(done) == (
        f"evalforge: DD_SITE={site}: accepted is a Datadog site such as datadoghq.eu or us5.datadoghq.com, "
        "without https://, app. or api."
    )


def test_keys_of_another_site_or_without_the_permission(tmp_path: Path) -> None:
    with FakeDatadog(app_key="another") as server:
        for command in ("capture", "probe"):
            done = evalforge(command, env=environment(tmp_path / "store.db", server.url))
            line = last_line(done)
            assert (done.code, line.startswith("evalforge: ")) == (4, True)
            assert "the application key needs the permission llm_observability_read" in line
            assert "site" in line.lower()


def test_a_datadog_that_is_not_there(tmp_path: Path) -> None:
    done = evalforge("capture", env=environment(tmp_path / "store.db", NOWHERE))
    told = json.loads(last_line(done))
    assert (done.code, told["severity"]) == (3, "ERROR")
    assert told["message"] == "nothing could be read"
    assert (told["url"], told["reason"]) == (NOWHERE, "no connection, in each of 3 attempts")
    assert told["advice"] == "check DD_SITE, EVALFORGE_DATADOG_URL and the network; evalforge doctor says more"
    assert done.report["run_id"] == told["run_id"]


def test_an_organisation_that_answers_is_not_said_to_be_unreadable(tmp_path: Path) -> None:
    with FakeDatadog(spans=[failed(1)]) as server:
        done = evalforge("capture", env=environment(tmp_path / "store.db", server.url))
    assert "nothing could be read" not in done.err


Case = tuple[grpc.StatusCode, int, str]
STORES: dict[str, Case] = {
    "unreachable": (grpc.StatusCode.UNAVAILABLE, 1, "no answer from Firestore within"),
    "forbidden": (grpc.StatusCode.PERMISSION_DENIED, 2, "give this account roles/datastore.user"),
    "no database": (grpc.StatusCode.NOT_FOUND, 2, "gcloud firestore databases create --project some-project"),
    "no credentials": (grpc.StatusCode.UNAUTHENTICATED, 2, "run gcloud auth application-default login"),
    "full": (grpc.StatusCode.RESOURCE_EXHAUSTED, 1, "the quota is used up"),
}


@pytest.mark.parametrize("case", STORES.values(), ids=STORES)
@pytest.mark.parametrize("command", ["capture", "captures list"])
def test_a_firestore_that_refuses(tmp_path: Path, command: str, case: Case) -> None:
    status, code, told = case
    with refusing_server(status) as host, FakeDatadog() as server:
        done = evalforge(*command.split(), env=on_firestore(tmp_path, server.url, host))
    line = last_line(done)
    assert (done.code, line.startswith("evalforge: FIRESTORE_EMULATOR_HOST=")) == (code, True)
    assert told in line


@pytest.mark.parametrize("command", ["captures list", "captures list --service x"])
def test_a_missing_index(tmp_path: Path, command: str) -> None:
    with indexing_server(lacking={"last_failed_at"}) as host:
        done = evalforge(*command.split(), env=on_firestore(tmp_path, NOWHERE, host))
    assert done.code == 2
    assert "an index is missing or not built yet; deploy them as the README says" in last_line(done)
    assert "deploy --only firestore:indexes --project some-project" in last_line(done)


def on_firestore(folder: Path, url: str, host: str) -> dict[str, str]:
    return environment(folder, url, EVALFORGE_STORE="firestore://some-project", FIRESTORE_EMULATOR_HOST=host)


def folder_missing(path: Path) -> Path:
    return path / "nowhere" / "store.db"


def a_folder(path: Path) -> Path:
    return path


def of_another_program(path: Path) -> Path:
    other = path / "other.db"
    other.write_bytes(b"no database, and long enough to be read as one " * 40)
    return other


PLACES: list[tuple[Callable[[Path], Path], str]] = [
    (folder_missing, "does not exist; create it first"),
    (a_folder, "is a folder; name a file in it"),
    (of_another_program, "is not an EvalForge store"),
]


@pytest.mark.parametrize(("place", "told"), PLACES, ids=lambda one: getattr(one, "__name__", ""))
@pytest.mark.parametrize("command", ["capture", "serve --port 0", "doctor --offline"])
def test_a_place_that_can_hold_no_store(tmp_path: Path, command: str, place: Any, told: str) -> None:
    done = evalforge(*command.split(), env=environment(place(tmp_path), NOWHERE))
    assert done.code == 2
    line = done.out if command.startswith("doctor") else last_line(done)
    assert told in line
    assert "EVALFORGE_STORE: " in line
