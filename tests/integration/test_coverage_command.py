"""`evalforge coverage`, and counts that are only lower bounds, as a person and a script see them."""

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
