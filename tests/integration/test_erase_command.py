"""`evalforge erase`: in a pipe, on a terminal, with bad flags, and against a run that would bring a trace back."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import capture, dead_letter, span
from helpers.commands import HASH_KEY, environment, evalforge, on_a_terminal
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE, BOB, NOBODY = (f"u1_{digit * 40}" for digit in "ab0")
ODD_TRACE = f"h1_{'c' * 40}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = SqliteStore(tmp_path / "store.db")
    lease = store.acquire_lease("r1", NOON, 60)
    users = {"a1": ALICE, "b2": ALICE, "c3": BOB}
    captures = [capture(trace_id, [span(user_hash=user)]) for trace_id, user in users.items()]
    letters = [dead_letter("d1", trace_id="a1"), dead_letter("d2", trace_id=ODD_TRACE)]
    store.commit(lease, Batch(captures=captures, dead_letters=letters))
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


@pytest.mark.parametrize("spelt", [ALICE, ALICE.upper(), f" {ALICE} "])
def test_a_user_is_erased_by_hash_however_it_is_spelt(path: Path, spelt: str) -> None:
    done = evalforge("erase", "--user-hash", spelt, env=environment(path))
    assert (done.code, done.lines) == (0, [{"trace_ids": ["a1", "b2"], "dead_letters": 1}])
    assert f"Removed 2 captures and 1 dead letter of the user {ALICE}: a1, b2." in done.err
    assert left(path) == ["c3"]


def test_a_trace_id_in_upper_case_and_a_hashed_one_are_found(path: Path) -> None:
    assert evalforge("erase", "--trace-id", "A1", env=environment(path)).report["trace_ids"] == ["a1"]
    assert evalforge("erase", "--trace-id", ODD_TRACE, env=environment(path)).report["dead_letters"] == 1
    assert evalforge("dead-letters", "list", env=environment(path)).lines == []


def test_a_user_that_is_not_there_is_no_error_and_is_said(path: Path) -> None:
    done = evalforge("erase", "--user-hash", NOBODY, env=environment(path))
    assert (done.code, done.lines) == (0, [{"trace_ids": [], "dead_letters": 0}])
    assert f"Nothing of the user {NOBODY} is in {path}: nothing was removed. The hash is remembered" in done.err
    assert left(path) == ["a1", "b2", "c3"]


def test_erasing_a_trace_that_was_not_captured_says_that_it_never_will_be(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with FakeDatadog(spans=[failed(2, trace="bb")]) as server:
        evalforge("capture", env=environment(path, server.url))
    done = evalforge("erase", "--trace-id", "aa", env=environment(path))
    with FakeDatadog(spans=[failed(1, trace="aa")]) as server:
        evalforge("capture", env=environment(path, server.url))
    assert (done.code, done.lines) == (0, [{"trace_ids": [], "dead_letters": 0}])
    assert f"Nothing of the trace aa is in {path}: nothing was removed. Its id is remembered" in done.err
    assert "no later run stores it" in done.err
    assert left(path) == ["bb"]


FLAGS = "exactly one of --trace-id ID, --user-hash HASH and --user-id -"
RAW = "jane-7@example.com"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], FLAGS),
        (["--trace-id", "a1", "--user-hash", ALICE], FLAGS),
        (["--user-id", "-", "--user-hash", ALICE], FLAGS),
        (["--trace-id", " "], "--trace-id: "),
        (["--trace-id", RAW], "--trace-id: "),
        (["--trace-id", "a/b"], "--trace-id: "),
        (["--trace-id", "../raw_traces/a1"], "--trace-id: "),
        (["--user-hash", ""], "--user-hash: "),
        (["--user-hash", RAW], "--user-id -"),
        (["--user-hash", "u1_alice"], "u1_ and 40 hex digits"),
        (["--user-hash", f"s1_{'a' * 40}"], "u1_ and 40 hex digits"),
        (["--user-id", RAW], "process lists"),
    ],
)
def test_what_is_no_id_or_hash_is_refused_and_not_said_again(path: Path, flags: list[str], said: str) -> None:
    done = evalforge("erase", *flags, env=environment(path))
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert RAW not in done.err
    assert left(path) == ["a1", "b2", "c3"]


@pytest.mark.parametrize("flags", [["--trace-id", "a1"], ["--user-hash", ALICE], ["--user-id", "-"]])
def test_without_a_store_nothing_is_made_and_nothing_is_called_erased(tmp_path: Path, flags: list[str]) -> None:
    done = evalforge("erase", *flags, env=environment(tmp_path / "mistyped.db"), stdin=b"jane-7\n")
    assert (done.code, done.out) == (2, "")
    assert f"there is no store at {tmp_path / 'mistyped.db'}" in done.err
    at_home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "EVALFORGE_HASH_KEY": HASH_KEY}
    assert evalforge("erase", *flags, env=at_home, stdin=b"jane-7\n").code == 2
    assert list(tmp_path.iterdir()) == []


def captured_of_jane(path: Path) -> str:
    """A store with a trace of `jane-7` and one of someone else; the hash that the captures show."""
    spans = [failed(1, trace="aa", tags=["user_id:jane-7"]), failed(2, trace="bb", tags=["user_id:bob"])]
    with FakeDatadog(spans=spans) as server:
        evalforge("capture", env=environment(path, server.url))
    return {one["trace_id"]: one["user_hash"] for one in evalforge("captures", "list", env=environment(path)).lines}[
        "aa"
    ]


@pytest.mark.parametrize("line", [b"jane-7\n", b"jane-7", b"  jane-7 \r\n\n"])
def test_a_person_is_erased_by_the_raw_id_which_is_read_from_stdin_and_never_shown(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "store.db"
    hashed = captured_of_jane(path)
    done = evalforge("erase", "--user-id", "-", env=environment(path), stdin=line)
    assert (done.code, done.lines) == (0, [{"trace_ids": ["aa"], "dead_letters": 0}])
    assert f"Removed 1 capture of the user {hashed}: aa." in done.err
    assert "jane" not in done.out + done.err
    assert left(path) == ["bb"]


def test_a_person_whose_id_has_capitals_is_erased_under_the_hash_of_the_tag_too(tmp_path: Path) -> None:
    """Datadog lower-cases tags: the app sent `Jane-7` in both places."""
    path = tmp_path / "store.db"
    spans = [failed(1, trace="aa", tags=["user_id:jane-7"]), failed(2, trace="bb", metadata={"user_id": "Jane-7"})]
    with FakeDatadog(spans=[*spans, failed(3, trace="cc", tags=["user_id:bob"])]) as server:
        evalforge("capture", env=environment(path, server.url))
    done = evalforge("erase", "--user-id", "-", env=environment(path), stdin=b"Jane-7\n")
    assert (done.code, done.lines) == (0, [{"trace_ids": ["aa", "bb"], "dead_letters": 0}])
    assert left(path) == ["cc"]


def test_a_person_at_a_terminal_types_the_raw_id_and_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    hashed = captured_of_jane(path)
    code, seen = on_a_terminal("erase", "--user-id", "-", env=environment(path), typed=b"jane-7\ny\n")
    assert code == 0, seen
    assert f"Remove every trace of the user {hashed} from {path} for good?" in seen.replace("\r\n", "")
    assert left(path) == ["bb"]


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "1 to 256 characters"),
        (b" \n", "1 to 256 characters"),
        (b"jane" * 70, "1 to 256 characters"),
        (b"jane-7\njane-8\n", "one line"),
        (b"jane-\xff\n", "UTF-8"),
    ],
)
def test_what_is_no_raw_id_is_refused_and_not_said_again(path: Path, stdin: bytes, said: str) -> None:
    done = evalforge("erase", "--user-id", "-", env=environment(path), stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "jane" not in done.err


def test_a_raw_id_needs_the_hash_key_and_another_key_than_the_last_runs_is_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    captured_of_jane(path)
    without = {name: value for name, value in environment(path).items() if name != "EVALFORGE_HASH_KEY"}
    refused = evalforge("erase", "--user-id", "-", env=without, stdin=b"jane-7\n")
    assert (refused.code, "EVALFORGE_HASH_KEY is not set" in refused.err) == (2, True)
    other = environment(path, EVALFORGE_HASH_KEY="x" * 40)
    done = evalforge("erase", "--user-id", "-", env=other, stdin=b"jane-7\n")
    assert (done.code, done.report["trace_ids"]) == (0, [])
    assert "EVALFORGE_HASH_KEY is not the key of the last run" in done.err
    assert left(path) == ["bb", "aa"]


def test_a_person_is_asked_and_can_say_no(path: Path) -> None:
    code, seen = on_a_terminal("erase", "--trace-id", "a1", env=environment(path), typed=b"n\n")
    assert code == 1
    assert "Nothing was erased." in seen
    assert "interrupted" not in seen
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
