"""`evalforge pii verify`: the store and logs as they are, read by the real engine in a process of its own."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from helpers.commands import environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog

CANARY = "canary-7f3a-ünïque"
PERSON = "write to jane.doe@example.com or call +1 415 555 0132"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a capture of a span that is full of what must not be stored."""
    path = tmp_path / "store.db"
    span = failed(1, trace="aa", name=PERSON, input={"value": f"{PERSON} {CANARY}"}, metadata={PERSON: CANARY})
    with FakeDatadog(spans=[span]) as server:
        assert evalforge("capture", env=environment(path, server.url)).code == 0
    return path


def test_nothing_is_found_in_what_a_run_stored(store: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.write_text(f"{CANARY}\n\njane.doe@example.com\n", encoding="utf-8")
    done = evalforge("pii", "verify", "--canaries", str(planted), env=environment(store))
    assert (done.code, done.lines) == (0, [])
    assert "0 findings" in done.err
    assert "2 planted texts" in done.err


def test_what_got_into_the_store_and_the_logs_is_told_by_place_and_type_and_never_shown(
    store: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        document = connection.execute("SELECT document FROM captures").fetchone()[0].decode()
        leaking = document.replace('"env":"prod"', f'"env":"{PERSON} {CANARY}"', 1)
        assert leaking != document
        connection.execute("UPDATE captures SET document = ?", (leaking.encode(),))
    log, planted = tmp_path / "log", tmp_path / "planted"
    log.write_text(f'{{"message":"{PERSON}"}}\n', encoding="utf-8")
    planted.write_text(CANARY, encoding="utf-8")
    done = evalforge("pii", "verify", "--canaries", str(planted), "--log", str(log), env=environment(store))
    assert done.code == 1
    assert {(one["where"], one["path"], one["type"]) for one in done.lines} >= {
        ("captures/aa", "env", "EMAIL"),
        ("captures/aa", "env", "PHONE"),
        ("captures/aa", "env", "CANARY"),
        (str(store), "", "CANARY"),
        (f"{log}:1", "message", "EMAIL"),
    }
    assert "jane" not in done.out + done.err
    assert "canary-7f3a" not in done.out + done.err


@pytest.mark.parametrize("flag", ["--canaries", "--log"])
def test_a_file_that_cannot_be_read_is_named(store: Path, tmp_path: Path, flag: str) -> None:
    done = evalforge("pii", "verify", flag, str(tmp_path / "missing"), env=environment(store))
    assert done.code == 2
    assert f"{flag}={tmp_path / 'missing'}: the file cannot be read: No such file or directory" in done.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no canary in the file"),
        (b"\n  \n", "no canary in the file"),
        (b"\xef\xbb\xbf\n", "no canary in the file"),
        (b"long-enough\nshort\n", "line 2: a canary has at least 6 characters"),
    ],
)
def test_a_file_that_could_find_nothing_is_refused(store: Path, tmp_path: Path, content: bytes, said: str) -> None:
    planted = tmp_path / "planted"
    planted.write_bytes(content)
    done = evalforge("pii", "verify", "--canaries", str(planted), env=environment(store))
    assert (done.code, done.lines) == (2, [])
    assert f"--canaries={planted}: {said}" in done.err


def test_a_mark_of_byte_order_hides_no_canary(store: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.write_bytes(b"\xef\xbb\xbfBOMcanary7\n")
    log = tmp_path / "log"
    log.write_text('{"message":"x bomcanary7"}\n{}\n', encoding="utf-8")
    done = evalforge("pii", "verify", "--canaries", str(planted), "--log", str(log), env=environment(store))
    assert done.code == 1
    assert [(one["where"], one["type"]) for one in done.lines] == [(f"{log}:1", "CANARY")]
    assert re.search(r"1 finding in 2 records of \S+, the file's bytes, 2 log lines, searched for 1 planted", done.err)


def test_without_a_store_nothing_is_said_to_be_clean(tmp_path: Path) -> None:
    done = evalforge("pii", "verify", env=environment(tmp_path / "missing.db"))
    assert done.code == 2
    assert "there is no store" in done.err
    assert list(tmp_path.iterdir()) == []
