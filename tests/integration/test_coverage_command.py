"""`evalforge coverage`, and counts that are only lower bounds, as a person and a script see them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from helpers.commands import environment, evalforge, on_a_terminal
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def capture_whole(store: Path) -> None:
    with FakeDatadog(spans=[failed(1)]) as server:
        assert evalforge("capture", env=environment(store, server.url)).code == 0


def capture_in_part(store: Path) -> None:
    with FakeDatadog(spans=[failed(1)]) as server:
        done = evalforge("capture", env=environment(store, server.url, EVALFORGE_MAX_CALLS="3"))
    assert done.code == 3


def test_coverage_in_a_pipe_is_json_a_line_for_each_stretch(store: Path) -> None:
    capture_whole(store)
    shown = evalforge("coverage", env=environment(store))
    assert shown.code == 0
    assert shown.report["state"] == "complete"
    assert set(shown.report) == {"state", "reason", "start", "end", "read_at"}


def test_coverage_on_a_terminal_tells_state_reason_and_times_with_their_zone(store: Path) -> None:
    capture_in_part(store)
    code, seen = on_a_terminal("coverage", env=environment(store))
    assert code == 0
    assert "partial" in seen
    assert "call budget of 3 calls" in seen
    assert seen.count(" UTC") >= 3
    assert "The next run reads what is partial" in seen


def test_coverage_of_no_store_says_what_to_do(store: Path) -> None:
    code, seen = on_a_terminal("coverage", env=environment(store))
    assert code == 0
    assert "run evalforge capture" in seen
    piped = evalforge("coverage", env=environment(store))
    assert (piped.code, piped.out) == (0, "")


def test_coverage_in_a_format_that_is_none_is_refused(store: Path) -> None:
    shown = evalforge("coverage", "--format", "xml", env=environment(store))
    assert shown.code == 2


def test_counts_say_at_least_while_something_was_not_read_whole(store: Path) -> None:
    capture_in_part(store)
    for command in (("captures", "list"), ("runs", "list"), ("coverage",)):
        _, seen = on_a_terminal(*command, env=environment(store))
        assert ("at least" in seen.lower()) is (command != ("coverage",))
    run_id = evalforge("runs", "list", "--limit", "1", env=environment(store)).report["run_id"]
    assert "at least" in on_a_terminal("runs", "show", run_id, env=environment(store))[1]
    capture_whole(store)
    assert "At least" not in on_a_terminal("captures", "list", env=environment(store))[1]


BROKEN = {
    "a moment that is none": '{"asked": "a", "since": "x", "slices": [{"start": "x", "end": "y"}]}',
    "an hour at the end of time": '{"asked": "a", "since": "2026-11-23T10:00:00.000Z", "slices": '
    '[{"start": "9999-12-31T22:00:00.000Z", "end": "9999-12-31T23:00:00.000Z", "spans": 1}]}',
    "hours that overlap": '{"asked": "a", "since": "2026-11-23T10:00:00.000Z", "slices": ['
    '{"start": "2026-11-23T10:00:00.000Z", "end": "2026-11-23T12:00:00.000Z"}, '
    '{"start": "2026-11-23T11:00:00.000Z", "end": "2026-11-23T13:00:00.000Z"}]}',
    "no JSON": "{",
}


@pytest.mark.parametrize("document", BROKEN.values(), ids=BROKEN)
def test_a_record_of_coverage_that_cannot_be_ours_is_none_and_the_next_run_makes_it_whole(
    store: Path, document: str
) -> None:
    with FakeDatadog() as server:
        env = environment(store, server.url)
        evalforge("capture", env=env)
        with closing(sqlite3.connect(store)) as connection, connection:
            connection.execute("UPDATE coverage SET document = ?", (document,))
        assert evalforge("coverage", env=env).code == 0
        again = evalforge("capture", "--json", env=env, timeout=20)
    assert (again.code, again.report["outcome"]) == (0, "complete"), again.err
    assert {line["state"] for line in evalforge("coverage", env=env).lines} == {"complete"}
