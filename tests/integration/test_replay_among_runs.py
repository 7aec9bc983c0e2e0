"""`evalforge dead-letters replay` beside everything else: kills, other runs, the pace, retention, many letters."""

import signal
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evalforge.common.clock import SystemClock, timestamp
from evalforge.models import DeadLetter
from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import dead_letter
from helpers.commands import environment, evalforge, on_a_terminal
from helpers.exported import failed, item
from helpers.fake_datadog import FakeDatadog, page, reply, slow_body
from helpers.services import fill

SPAN = "14624140233640368399"


def ago(**time: float) -> str:
    return timestamp(SystemClock().now() - timedelta(**time))


def letters(number: int, **fields: Any) -> list[DeadLetter]:
    """As an earlier version left them, of spans that this one reads well: `spans` gives these."""
    given = {"first_seen_at": ago(minutes=5), "reason": "it could not be sanitised"} | fields
    return [
        dead_letter(f"{one:064x}", trace_id=f"{one:032x}", span_id=str(14624140233640368324 + one), **given)
        for one in range(1, number + 1)
    ]


def spans(number: int) -> list[Any]:
    return [failed(one) for one in range(1, number + 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def kept(path: Path) -> dict[str | None, DeadLetter]:
    with closing(SqliteStore(path)) as store:
        return {one.trace_id: one for one in store.list_dead_letters()}


def replay(env: dict[str, str], server: FakeDatadog) -> tuple[int, dict[str, int], list[dict[str, Any]]]:
    done = evalforge("dead-letters", "replay", env=env | {"EVALFORGE_DATADOG_URL": server.url})
    outcomes = [one["outcome"] for one in done.lines]
    return done.code, {one: outcomes.count(one) for one in outcomes}, done.lines


def started(env: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "evalforge", "dead-letters", "replay"]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_more_letters_than_a_query_holds_are_all_read(path: Path) -> None:
    fill(path, Batch(dead_letters=letters(250)))
    with FakeDatadog(spans=spans(250)) as server:
        code, outcomes, _ = replay(environment(path), server)
        queries = [one.attributes["filter"]["query"] for one in server.searches if "@span_id" in str(one.body)]
    assert (code, outcomes, kept(path)) == (0, {"captured": 250}, {})
    assert max(map(len, queries)) < 8_000


def test_what_a_small_budget_leaves_unread_is_said_and_the_next_replay_goes_on_with_it(path: Path) -> None:
    fill(path, Batch(dead_letters=letters(250)))
    env = environment(path, EVALFORGE_MAX_CALLS="2", EVALFORGE_CONTEXT="none", EVALFORGE_PAGE_LIMIT="1000")
    with FakeDatadog(spans=spans(250)) as server:
        first = replay(env, server)
        again = replay(env, server)
    assert first[:2] == (3, {"captured": 200, "not_read": 50})
    assert "call budget of 2 calls" in next(one["reason"] for one in first[2] if one["outcome"] == "not_read")
    assert (again[:2], kept(path)) == ((0, {"captured": 50}), {})


def test_letters_past_retention_or_without_an_id_of_their_own_are_kept_and_never_asked_for(path: Path) -> None:
    old = dead_letter("old", trace_id="aa", span_id=SPAN, first_seen_at=ago(days=15, minutes=1))
    hashed = dead_letter("hashed", trace_id="h1_" + "0" * 32, span_id="h1_" + "1" * 32, first_seen_at=ago(hours=1))
    unknown = dead_letter("unknown", first_seen_at=ago(hours=1))
    fill(path, Batch(dead_letters=[old, hashed, unknown]))
    with FakeDatadog(spans=[failed(1, trace="aa", span_id=SPAN)]) as server:
        code, outcomes, told = replay(environment(path), server)
        assert server.requests == []
    assert (code, outcomes) == (0, {"not_found": 1, "unaskable": 2})
    assert all(one["reason"] for one in told)
    assert {one.dead_letter_id: one for one in kept(path).values()} == {
        one.dead_letter_id: one for one in (old, hashed, unknown)
    }


def test_one_whose_traces_id_is_hashed_is_asked_for_by_its_spans_own(path: Path) -> None:
    with FakeDatadog(spans=[failed(1, trace="no id at all", span_id=SPAN)]) as server:
        assert evalforge("capture", env=environment(path, server.url)).code == 0
        code, outcomes, [told] = replay(environment(path), server)
        assert (code, outcomes, told["attempts"]) == (0, {"failing": 1}, 2)
        server.spans = [failed(1, trace="ab", span_id=SPAN)]
        assert replay(environment(path), server)[:2] == (0, {"captured": 1})
    assert kept(path) == {}


def test_two_versions_of_one_span_are_one_dead_letter_after_a_replay_and_none_once_it_is_well(path: Path) -> None:
    first, second = (
        b'{"attributes": {"trace_id": "%s", "span_id": "%s", "status": %s}}' % (b"ab" * 16, SPAN.encode(), rest)
        for rest in (b"", b"?")
    )
    with FakeDatadog() as server:
        for raw in (first, second):
            server.spans = [raw]
            assert evalforge("capture", env=environment(path, server.url)).code == 0
        with closing(SqliteStore(path)) as store:
            assert store.count_dead_letters() == 2
        code, outcomes, _ = replay(environment(path), server)
        assert (code, outcomes) == (0, {"failing": 2})
        with closing(SqliteStore(path)) as store:
            assert [one.attempts for one in store.list_dead_letters()] == [2]


def test_a_version_that_fails_too_takes_the_place_of_the_one_before_and_the_replay_is_complete(path: Path) -> None:
    raw = b'{"attributes": {"trace_id": "%s", "span_id": "%s", "status": }}' % (b"ab" * 16, SPAN.encode())
    with FakeDatadog(spans=[raw]) as server:
        assert evalforge("capture", env=environment(path, server.url)).code == 0
        server.spans = [raw.replace(b"status", b"statuses")]
        code, outcomes, [told] = replay(environment(path), server)
    assert (code, outcomes, told["attempts"]) == (0, {"failing": 1}, 2)


def test_an_erased_trace_that_has_a_dead_letter_loses_it_and_is_not_captured(path: Path) -> None:
    fill(path, Batch(dead_letters=letters(2)))
    with FakeDatadog(spans=spans(2)) as server:
        assert evalforge("erase", "--trace-id", f"{1:032x}", "--yes", env=environment(path)).code == 0
        assert replay(environment(path), server)[:2] == (0, {"captured": 1})
    assert kept(path) == {}
    assert [one["trace_id"] for one in evalforge("captures", "list", env=environment(path)).lines] == [f"{2:032x}"]


def test_an_answer_that_timed_out_resolves_what_it_holds_and_says_nothing_of_the_rest(path: Path) -> None:
    fill(path, Batch(dead_letters=letters(3)))
    with FakeDatadog(script=[page(spans(1), {"status": "timeout"})], spans=spans(3)) as server:
        code, outcomes, _ = replay(environment(path, EVALFORGE_CONTEXT="none"), server)
    assert (code, outcomes) == (3, {"captured": 1, "not_read": 2})
    assert [one.attempts for one in kept(path).values()] == [1, 1]


def test_keys_that_are_rejected_leave_all_as_it_was_with_exit_4(path: Path) -> None:
    fill(path, Batch(dead_letters=letters(3)))
    with FakeDatadog(script=[reply(403)] * 9) as server:
        done = evalforge("dead-letters", "replay", env=environment(path, server.url))
    assert (done.code, len(kept(path))) == (4, 3), done.err


def test_a_store_without_dead_letters_and_one_that_is_not_there_have_nothing_to_replay(path: Path) -> None:
    with FakeDatadog() as server:
        env = environment(path, server.url)
        nothing = evalforge("dead-letters", "replay", env=env)
        assert not path.exists()
        fill(path, Batch())
        empty = evalforge("dead-letters", "replay", env=env)
        code, seen = on_a_terminal("dead-letters", "replay", env=env)
        assert server.requests == []
    assert (nothing.code, nothing.out, empty.code, empty.out, code) == (0, "", 0, "", 0)
    assert nothing.err.splitlines()[-1] == empty.err.splitlines()[-1] == "0 dead letters."
    assert "0 dead letters." in seen


def test_a_pipe_gets_one_json_object_a_letter_and_a_terminal_a_table(path: Path) -> None:
    fill(path, Batch(dead_letters=letters(3)))
    with FakeDatadog(spans=[*spans(1), item(2)]) as server:
        env = environment(path, server.url)
        code, seen = on_a_terminal("dead-letters", "replay", "--dry-run", "--json", env=env)
        assert (code, seen.count('"outcome":"would_read"')) == (0, 3)
        code, seen = on_a_terminal("dead-letters", "replay", env=env)
    assert code == 0
    assert "{" not in seen
    for word in ("captured", "no_failure", "not_found", "Datadog did not have it", "Attempts", "3 dead letters: "):
        assert word in seen


def test_while_a_run_is_at_work_a_replay_says_so_with_exit_5_and_the_other_way_round(path: Path) -> None:
    fill(path, Batch(dead_letters=letters(3)))
    for first, second in (("capture",), ("dead-letters", "replay")), (("dead-letters", "replay"), ("capture",)):
        with FakeDatadog(script=[slow_body(0.2)], evaluators_script=[slow_body(0.2)]) as server:
            env = environment(path, server.url)
            command = [sys.executable, "-m", "evalforge", *first]
            with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as at_work:
                while not server.requests:
                    time.sleep(0.02)
                beside = evalforge(*second, env=env)
                at_work.send_signal(signal.SIGTERM)
                _, err = at_work.communicate(timeout=10)
        assert (beside.code, "is at work" in beside.err) == (5, True), beside.err
        assert at_work.returncode == 3, err
    assert len(kept(path)) == 3


def test_replays_killed_at_any_moment_lose_no_letter_whose_span_is_not_captured(path: Path) -> None:
    number = 300
    fill(path, Batch(dead_letters=letters(number)))
    killed = 0
    with FakeDatadog(spans=spans(number)) as server:
        env = environment(path, server.url, EVALFORGE_LEASE_SECONDS="0.1", EVALFORGE_PAGE_LIMIT="50")
        for moment in range(12):
            asked = len(server.requests)
            replaying = started(env)
            while len(server.requests) <= asked + moment % 6 and replaying.poll() is None:
                time.sleep(0.002)
            time.sleep(0.004 * moment)
            replaying.kill()
            replaying.communicate()
            killed += replaying.returncode == -signal.SIGKILL
            left = {str(trace_id) for trace_id in kept(path)}
            stored = {one["trace_id"] for one in evalforge("captures", "list", env=env).lines}
            assert left | stored == {f"{one:032x}" for one in range(1, number + 1)}
        time.sleep(0.2)
        assert replay(env, server)[0] == 0
    assert kept(path) == {}
    assert killed >= 6
    assert len(evalforge("captures", "list", env=env).lines) == number


def test_a_replay_closes_the_record_of_a_run_that_was_killed_before_it(path: Path) -> None:
    fill(path, Batch(dead_letters=letters(1)))
    with FakeDatadog(script=[slow_body(0.2)]) as server:
        env = environment(path, server.url, EVALFORGE_LEASE_SECONDS="0.1")
        command = [sys.executable, "-m", "evalforge", "capture"]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as at_work:
            while not server.searches:
                time.sleep(0.02)
            at_work.kill()
        time.sleep(0.2)
        replay(env, server)
    [run] = evalforge("runs", "list", env=env).lines
    assert run["outcome"] == "failed"


def test_the_calls_of_a_replay_count_for_the_pace_of_the_run_after_it(path: Path) -> None:
    fill(path, Batch(dead_letters=letters(250)))
    slow = {"EVALFORGE_REQUESTS_PER_MINUTE": "60", "EVALFORGE_CONTEXT": "none", "EVALFORGE_DEADLINE_SECONDS": "30"}
    with FakeDatadog(spans=spans(250)) as server:
        env = environment(path, server.url) | slow | {"EVALFORGE_PAGE_LIMIT": "1000"}
        assert replay(env, server)[0] == 0
        of_replay = len(server.requests)
        run = evalforge("capture", "--json", env=env)
        gap = server.requests[of_replay].at - server.requests[of_replay - 1].at
    assert of_replay == 3
    assert gap >= 1.0, "as far apart as 60 a minute are"
    assert run.code == 0, run.err
