"""`evalforge dead-letters replay` as a user runs it, over both stores."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from helpers.commands import environment, evalforge
from helpers.exported import failed, item
from helpers.fake_datadog import FakeDatadog

TRACE, SPAN = "ab" * 16, "14624140233640368399"
BROKEN = f'{{"attributes": {{"trace_id": "{TRACE}", "span_id": "{SPAN}", "status": }}}}'.encode()


@pytest.fixture(params=["sqlite", "firestore"])
def env(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    given = environment(tmp_path / "store.db")
    if request.param == "firestore":
        pytest.importorskip("google.cloud.firestore")
        from helpers.firestore_emulator import HOST_VARIABLE, new_project

        host = request.getfixturevalue("firestore_emulator")
        given |= {"EVALFORGE_STORE": f"firestore://{new_project()}", HOST_VARIABLE: host}
    with FakeDatadog(spans=[BROKEN, failed(2, trace="bb"), failed(3, trace="no id at all")]) as server:
        assert evalforge("capture", env=given | {"EVALFORGE_DATADOG_URL": server.url}).code == 0
    return given


def replayed(env: dict[str, str], spans: list[object], *flags: str) -> tuple[int, dict[str | None, dict[str, object]]]:
    with FakeDatadog(spans=spans) as server:
        done = evalforge("dead-letters", "replay", *flags, env=env | {"EVALFORGE_DATADOG_URL": server.url})
        asked = [request.attributes["filter"]["query"] for request in server.searches]
    assert all(SPAN in query for query in asked), asked
    return done.code, {one["span_id"]: one for one in done.lines}


def kept(env: dict[str, str]) -> dict[str | None, int]:
    return {one["span_id"]: one["attempts"] for one in evalforge("dead-letters", "list", env=env).lines}


def traces(env: dict[str, str]) -> set[str]:
    return {one["trace_id"] for one in evalforge("captures", "list", env=env).lines}


def test_a_span_that_can_be_read_now_is_captured_and_its_dead_letter_goes(env):
    code, told = replayed(env, [failed(1, trace=TRACE, span_id=SPAN), failed(9, trace="cc")])
    assert (code, told[SPAN]["outcome"]) == (0, "captured")
    assert traces(env) == {TRACE, "bb"}, "exactly those spans"
    assert SPAN not in kept(env)


def test_a_span_that_fails_again_is_kept_with_one_attempt_more(env):
    for attempts in (2, 3):
        code, told = replayed(env, [BROKEN])
        assert (code, told[SPAN]["outcome"], told[SPAN]["attempts"]) == (0, "failing", attempts)
        assert kept(env)[SPAN] == attempts
    changed = BROKEN.replace(b"status", b"statuses")
    assert replayed(env, [changed])[1][SPAN]["attempts"] == 4
    assert kept(env)[SPAN] == 4
    assert len(kept(env)) == 2, "one dead letter, not one more beside it"


def test_a_span_that_the_rules_judge_well_now_goes_without_a_capture(env):
    assert replayed(env, [item(1, trace=TRACE, span_id=SPAN)])[1][SPAN]["outcome"] == "no_failure"
    assert (SPAN in kept(env), traces(env)) == (False, {"bb"})


def test_what_datadog_does_not_have_is_said_and_kept(env):
    code, told = replayed(env, [])
    assert (code, told[SPAN]["outcome"], told[SPAN]["reason"]) == (0, "not_found", "Datadog did not have it")
    assert kept(env)[SPAN] == 1


def test_a_scope_that_may_be_why_datadog_does_not_have_it_is_named(env):
    _, told = replayed(env | {"EVALFORGE_SCOPE": "service:other"}, [])
    assert told[SPAN]["reason"] == "Datadog did not have it within EVALFORGE_SCOPE=service:other"


def test_a_dry_run_asks_and_writes_nothing(env):
    code, told = replayed(env, [failed(1, trace=TRACE, span_id=SPAN)], "--dry-run")
    assert (code, told[SPAN]["outcome"]) == (0, "would_read")
    assert (kept(env)[SPAN], traces(env)) == (1, {"bb"})


def test_an_erased_trace_does_not_come_back_by_a_replay(env):
    evalforge("erase", "--trace-id", TRACE, env=env)
    assert SPAN not in kept(env)
    with FakeDatadog(spans=[failed(1, trace=TRACE, span_id=SPAN)]) as server:
        evalforge("dead-letters", "replay", env=env | {"EVALFORGE_DATADOG_URL": server.url})
    assert traces(env) == {"bb"}


def test_datadog_that_cannot_be_reached_leaves_all_as_it_was_and_the_exit_is_partial(env):
    down = env | {"EVALFORGE_DATADOG_URL": "http://127.0.0.1:1", "EVALFORGE_MAX_CALLS": "1"}
    done = evalforge("dead-letters", "replay", env=down)
    assert done.code == 3, done.err
    assert "not_read" in {one["outcome"] for one in done.lines}
    assert kept(env)[SPAN] == 1


def test_a_trace_whose_document_was_broken_is_captured_anew_once_that_was_deleted(tmp_path: Path) -> None:
    env = environment(tmp_path / "store.db")
    stored, changed = failed(2, trace="bb"), failed(2, trace="bb", name="another")
    for spans, broken in (([stored], None), ([changed], "UPDATE captures SET document = '{'")):
        with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
            connection.execute(broken) if broken else None
        with FakeDatadog(spans=spans) as server:
            assert evalforge("capture", env=env | {"EVALFORGE_DATADOG_URL": server.url}).code == 0
    [letter] = evalforge("dead-letters", "list", env=env).lines
    assert letter["reason"] == "its stored document cannot be read"
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
        connection.execute("DELETE FROM captures")
    with FakeDatadog(spans=[stored]) as server:
        done = evalforge("dead-letters", "replay", env=env | {"EVALFORGE_DATADOG_URL": server.url})
    assert [one["outcome"] for one in done.lines] == ["captured"], done.err
    assert (traces(env), kept(env)) == ({"bb"}, {})
