"""The commands over Firestore, each in its own process; and what they say where Firestore cannot be used."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("google.cloud.firestore")

import grpc

from helpers.commands import Result, environment, evalforge, on_a_terminal
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog
from helpers.firestore_emulator import HOST_VARIABLE, new_project
from helpers.firestore_server import refusing_server


@pytest.fixture
def env(firestore_emulator: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    spans = [failed(1, trace="aa"), failed(2, trace="bb"), failed(3, trace="no id at all")]
    with FakeDatadog(spans=spans) as server:
        yield environment(tmp_path / "unused.db", server.url) | {
            "EVALFORGE_STORE": f"firestore://{new_project()}",
            HOST_VARIABLE: firestore_emulator,
        }


def test_a_capture_into_firestore_is_listed_shown_erased_and_does_not_come_back(
    env: dict[str, str], tmp_path: Path
) -> None:
    first = evalforge("capture", env=env)
    assert first.code == 0, first.err
    assert first.report["tally"]["captures_created"] == 2
    assert [one["trace_id"] for one in evalforge("captures", "list", env=env).lines] == ["bb", "aa"]
    assert evalforge("captures", "show", "aa", env=env).report["trace_id"] == "aa"
    assert len(evalforge("dead-letters", "list", env=env).lines) == 1
    assert evalforge("erase", "--trace-id", "aa", env=env).report == {"trace_ids": ["aa"], "dead_letters": 0}
    again = evalforge("capture", env=env)
    assert again.report["tally"]["spans_excluded"]["erased"] == 1
    assert again.report["tally"]["captures_unchanged"] == 1
    assert [one["outcome"] for one in evalforge("runs", "list", env=env).lines] == ["complete", "complete"]
    missing = evalforge("captures", "show", "no/such", env=env)
    assert missing.code == 2
    assert f"no such capture among the 1 in {env['EVALFORGE_STORE']}/(default)" in missing.err
    assert list(tmp_path.iterdir()) == []


def test_a_report_does_not_say_that_firestore_costs_nothing(env: dict[str, str]) -> None:
    code, seen = on_a_terminal("capture", env=env)
    assert code == 0, seen
    run_id = evalforge("runs", "list", env=env).lines[0]["run_id"]
    for shown in (seen, on_a_terminal("runs", "show", run_id, env=env)[1]):
        [cost] = [line for line in shown.splitlines() if "Cost" in line]
        assert "by list prices" in cost
        assert " 0.000000 USD" not in cost
        assert re.search(r"firestore: \d+ reads, \d+ writes, 0 deletes", " ".join(shown.split()))


def one_line(done: Result, code: int) -> str:
    """What a person is told: one line on stderr, and nothing on stdout."""
    assert (done.code, done.out) == (code, ""), done.err
    [line] = done.err.splitlines()
    return line


UNREACHABLE = {"EVALFORGE_STORE": "firestore://some-project", HOST_VARIABLE: "127.0.0.1:1"}


def test_a_refusal_is_one_line_and_nothing_of_grpcs_own(tmp_path: Path) -> None:
    with refusing_server(grpc.StatusCode.PERMISSION_DENIED) as host:
        given = UNREACHABLE | {HOST_VARIABLE: host}
        line = one_line(evalforge("captures", "list", env=environment(tmp_path / "x", **given)), 2)
        failed_run = evalforge("capture", env=environment(tmp_path / "x", "http://127.0.0.1:1", **given))
    assert f"FIRESTORE_EMULATOR_HOST={host} (firestore://some-project/(default)): permission denied" in line
    assert line in failed_run.err


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {HOST_VARIABLE: "http://localhost:8080"},
            "FIRESTORE_EMULATOR_HOST=http://localhost:8080: accepted is host:port",
        ),
        ({"EVALFORGE_STORE": "firestore://Not A Project"}, "firestore://PROJECT[/DATABASE]"),
        ({"FIRESTORE_COLLECTION_PREFIX": "a/b"}, "FIRESTORE_COLLECTION_PREFIX=a/b"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(tmp_path: Path, changed: dict[str, str], told: str) -> None:
    done = evalforge("captures", "list", env=environment(tmp_path / "x", **(UNREACHABLE | changed)))
    assert told in one_line(done, 2)


def test_without_google_credentials_the_line_says_how_to_get_them(tmp_path: Path) -> None:
    given = {"EVALFORGE_STORE": "firestore://some-project", "NO_GCE_CHECK": "true", "HOME": str(tmp_path)}
    line = one_line(evalforge("captures", "list", env=environment(tmp_path / "x", **given)), 2)
    assert "gcloud auth application-default login" in line


def test_without_the_extra_the_line_says_how_to_install_it_and_all_else_works(tmp_path: Path) -> None:
    (tmp_path / "grpc.py").write_text("raise ModuleNotFoundError('not installed', name='grpc')\n")
    given = environment(tmp_path / "store.db", PYTHONPATH=str(tmp_path))
    assert evalforge("--help", env=given).code == 0
    assert evalforge("captures", "list", env=given).code == 0
    line = one_line(evalforge("captures", "list", env=given | UNREACHABLE), 2)
    assert "run `make gcp` in the clone" in line
    assert "grpc" in line
