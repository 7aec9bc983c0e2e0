"""`evalforge erase`: in a pipe, on a terminal, with bad flags, and against a run that would bring a trace back."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import capture, dead_letter, span
from helpers.commands import environment, evalforge, on_a_terminal
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = SqliteStore(tmp_path / "store.db")
    lease = store.acquire_lease("r1", NOON, 60)
    users = {"a1": "u1_alice", "b2": "u1_alice", "c3": "u1_bob"}
    captures = [capture(trace_id, [span(user_hash=user)]) for trace_id, user in users.items()]
    store.commit(lease, Batch(captures=captures, dead_letters=[dead_letter("d1", trace_id="a1")]))
    store.release_lease(lease)
    store.close()
    return tmp_path / "store.db"


def left(path: Path) -> list[str]:
    return [one["trace_id"] for one in evalforge("captures", "list", env=environment(path)).lines]


def test_a_trace_is_erased_and_what_was_removed_is_told_as_json(path: Path) -> None:
    done = evalforge("erase", "--trace-id", "a1", env=environment(path))
    assert (done.code, done.lines) == (0, [{"trace_ids": ["a1"], "dead_letters": 1}])
    assert "Removed 1 capture and 1 dead letter of the trace a1" in done.err
    assert left(path) == ["b2", "c3"]


def test_a_user_is_erased(path: Path) -> None:
    done = evalforge("erase", "--user-hash", "u1_alice", env=environment(path))
    assert (done.code, done.lines) == (0, [{"trace_ids": ["a1", "b2"], "dead_letters": 1}])
    assert "every trace of the user u1_alice: a1, b2" in done.err
    assert left(path) == ["c3"]


@pytest.mark.parametrize("which", [["--trace-id", "zz"], ["--trace-id", "a/b"], ["--user-hash", "u1_nobody"]])
def test_finding_nothing_is_no_error_and_is_said(path: Path, which: list[str]) -> None:
    done = evalforge("erase", *which, env=environment(path))
    assert (done.code, done.lines) == (0, [{"trace_ids": [], "dead_letters": 0}])
    assert "nothing was removed" in done.err
    assert left(path) == ["a1", "b2", "c3"]


@pytest.mark.parametrize(
    "flags", [[], ["--trace-id", "a1", "--user-hash", "u1_alice"], ["--trace-id", " "], ["--user-hash", ""]]
)
def test_exactly_one_of_trace_and_user_is_taken(path: Path, flags: list[str]) -> None:
    done = evalforge("erase", *flags, env=environment(path))
    assert done.code == 2
    assert "exactly one of --trace-id ID and --user-hash HASH" in done.err
    assert left(path) == ["a1", "b2", "c3"]


def test_a_person_is_asked_and_can_say_no(path: Path) -> None:
    code, seen = on_a_terminal("erase", "--trace-id", "a1", env=environment(path), typed=b"n\n")
    assert code != 0
    assert f"Remove the trace a1 from {path} for good?" in seen
    assert left(path) == ["a1", "b2", "c3"]
    code, seen = on_a_terminal("erase", "--trace-id", "a1", env=environment(path), typed=b"y\n")
    assert (code, left(path)) == (0, ["b2", "c3"])
    code, seen = on_a_terminal("erase", "--trace-id", "b2", "--yes", env=environment(path))
    assert (code, left(path)) == (0, ["c3"])
    assert "for good?" not in seen


def test_a_run_inside_the_lookback_does_not_bring_an_erased_trace_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with FakeDatadog(spans=[failed(1, trace="aa"), failed(2, trace="bb")]) as server:
        env = environment(path, server.url)
        assert evalforge("capture", env=env).report["tally"]["captures_created"] == 2
        evalforge("erase", "--trace-id", "aa", env=env)
        again = evalforge("capture", env=env)
    assert again.code == 0
    assert again.report["tally"]["spans_excluded"]["erased"] == 1
    assert again.report["tally"]["captures_created"] == 0
    assert left(path) == ["bb"]
