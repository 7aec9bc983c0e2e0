"""`evalforge doctor`: the command as a user runs it, on real stores, against the sandbox and servers that misbehave."""

import json
import os
import socket
from pathlib import Path

import pytest

from evalforge.doctor.findings import Finding, examine, exit_code, ok, problem
from evalforge.ingestion.pii.not_covered import ALWAYS, WITHOUT_NER, not_covered
from evalforge.sandbox.server import running
from helpers.commands import API_KEY, APP_KEY, HASH_KEY, Result, environment, evalforge, on_a_terminal
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog

CALM = {"EVALFORGE_REQUESTS_PER_MINUTE": "200"}
NOT_THERE = "http://127.0.0.1:9"
"""Nothing listens on the port of `discard`."""


def findings(done: Result) -> dict[str, dict[str, str]]:
    assert done.err == ""
    return {one["check"]: one for one in json.loads(done.out)["findings"]}


def states(done: Result) -> dict[str, str]:
    return {name: one["state"] for name, one in findings(done).items()}


def redacting(store: Path, url: str | None = None, **more: str) -> dict[str, str]:
    """With the cache of whoever runs the tests, or each process would compile Kingfisher's rules for some seconds."""
    return environment(store, url, EVALFORGE_TEXT="redact", HOME=os.environ.get("HOME", "/"), **more)


def test_where_all_is_well_nothing_is_a_problem_and_no_store_is_made(tmp_path: Path) -> None:
    with running() as sandbox:
        done = evalforge("doctor", env=redacting(tmp_path / "store.db", sandbox.url, EVALFORGE_NER="on", **CALM))
    told = states(done)
    assert (done.code, {name for name, state in told.items() if state != "ok"}) == (
        0,
        {"store writing", "indexes", "last run", "Datadog"},
    )
    assert {told[name] for name in ("store writing", "indexes", "last run")} == {"skipped"}
    assert "no LLM data yet" in findings(done)["Datadog"]["found"]
    assert "redact-1+ner-1" in findings(done)["texts"]["found"]
    assert list(tmp_path.iterdir()) == []


def test_datadog_is_asked_for_one_item_and_for_the_list_of_evaluators(tmp_path: Path) -> None:
    with FakeDatadog(spans=[failed(1, trace="aa")]) as server:
        assert evalforge("doctor", env=environment(tmp_path / "store.db", server.url)).code == 0
        assert [request.attributes["page"]["limit"] for request in server.searches] == [1]
        assert [request.method for request in server.requests] == ["POST", "GET"]


def test_nothing_is_asked_of_datadog_offline(tmp_path: Path) -> None:
    with FakeDatadog() as server:
        done = evalforge("doctor", "--offline", env=environment(tmp_path / "store.db", server.url))
        assert server.requests == []
    assert (done.code, findings(done)["Datadog"]["found"]) == (0, "not asked (--offline)")


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_keys_end_with_4(tmp_path: Path, status: int) -> None:
    script = [lambda connection: connection.answer(status, b'{"errors":["no"]}')]
    with FakeDatadog(script=script) as server:
        done = evalforge("doctor", env=environment(tmp_path / "store.db", server.url))
    assert (done.code, states(done)["Datadog"]) == (4, "problem")
    assert "rejected the keys" in findings(done)["Datadog"]["found"]


def test_a_datadog_that_cannot_be_reached_is_a_problem(tmp_path: Path) -> None:
    done = evalforge("doctor", env=environment(tmp_path / "store.db", NOT_THERE))
    assert (done.code, states(done)["Datadog"]) == (2, "problem")
    assert NOT_THERE in findings(done)["Datadog"]["found"]
    assert "EVALFORGE_DATADOG_URL" in findings(done)["Datadog"]["advice"]


def test_without_any_setting_each_thing_that_is_missing_is_told_with_what_to_do(tmp_path: Path) -> None:
    done = evalforge("doctor", env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    told = findings(done)
    assert done.code == 2
    assert {name for name, one in told.items() if one["state"] == "problem"} == {"hash key", "Datadog keys"}
    assert "openssl rand" in told["hash key"]["advice"]
    assert "DD_API_KEY" in told["Datadog keys"]["found"]
    assert told["store"]["found"].endswith("is not there yet; the first run makes it")
    assert list(tmp_path.rglob("*.db")) == []


def test_no_secret_is_shown_and_no_value_of_a_url_with_a_password(tmp_path: Path) -> None:
    env = environment(tmp_path / "store.db", EVALFORGE_STORE="sqlite://me:hunter2@/store.db")
    done = evalforge("doctor", "--offline", env=env)
    assert done.code == 2
    for secret in (API_KEY, APP_KEY, HASH_KEY, "hunter2"):
        assert secret not in done.out
    assert "DD_API_KEY (set, not shown)" in findings(done)["settings"]["found"]


def test_settings_that_cannot_be_used_are_told_all_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    env = environment(tmp_path / "store.db", EVALFORGE_SCAN="some", EVALFORGE_PAGE_LIMIT="0")
    done = evalforge("doctor", "--offline", env=env)
    told = states(done)
    assert (done.code, {name for name, state in told.items() if state == "problem"}) == (2, {"settings"})
    assert "EVALFORGE_SCAN=some: accepted is failures or all" in done.out
    assert "EVALFORGE_PAGE_LIMIT=0: accepted is" in done.out
    assert told["failure rules"] == told["hash key"] == "ok"


def test_where_it_is_not_known_whom_to_ask_nobody_else_is(tmp_path: Path) -> None:
    with FakeDatadog() as server:
        for setting in ({"EVALFORGE_DATADOG_URL": f"{server.url}?x"}, {"DD_API_KEY": "two words"}):
            done = evalforge("doctor", env=environment(tmp_path / "store.db", server.url) | setting)
            assert (done.code, states(done)["Datadog"]) == (2, "skipped")
            assert next(iter(setting)) in findings(done)["Datadog"]["found"]
            assert "two words" not in done.out
        assert server.requests == []
    env = environment(tmp_path, EVALFORGE_STORE="firestore://some-project", FIRESTORE_EMULATOR_HOST="http://x:1")
    done = evalforge("doctor", "--offline", env=env)
    assert {states(done)[name] for name in ("store", "store writing", "indexes", "last run")} == {"skipped"}


def test_a_misspelt_setting_is_a_warning(tmp_path: Path) -> None:
    done = evalforge("doctor", "--offline", env=environment(tmp_path / "store.db", EVALFORGE_TEXTS="redact"))
    assert (done.code, states(done)["settings"]) == (0, "warning")
    assert "EVALFORGE_TEXTS" in findings(done)["settings"]["advice"]


def test_broken_rules_are_told_with_their_line_and_datadog_is_asked_all_the_same(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "x"\nquery = "(("\ntype = "llm_error"\nseverity = "low"\n')
    with FakeDatadog() as server:
        done = evalforge("doctor", env=environment(tmp_path / "store.db", server.url, EVALFORGE_RULES=str(rules)))
    assert (done.code, states(done)["failure rules"], states(done)["Datadog"]) == (2, "problem", "ok")
    assert f"{rules}:" in findings(done)["failure rules"]["found"]


def test_a_scope_that_cannot_be_used_is_a_problem(tmp_path: Path) -> None:
    done = evalforge("doctor", "--offline", env=environment(tmp_path / "store.db", EVALFORGE_SCOPE="(("))
    assert (done.code, states(done)["failure rules"]) == (2, "problem")


def test_a_store_is_told_with_what_it_holds(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with FakeDatadog(spans=[failed(1, trace="aa")]) as server:
        assert evalforge("capture", env=environment(store, server.url)).code == 0
    done = evalforge("doctor", "--offline", env=environment(store))
    assert (done.code, findings(done)["store"]["found"]) == (0, f"{store}: captures 1, runs 1")
    store.chmod(0o644)
    done = evalforge("doctor", "--offline", env=environment(store))
    assert (done.code, states(done)["store"]) == (0, "warning")
    assert "chmod 600" in findings(done)["store"]["advice"]
    done = evalforge("doctor", "--offline", env=environment(store, EVALFORGE_HASH_KEY="another-" + HASH_KEY))
    assert "another hash key" in findings(done)["store"]["found"]


def test_what_is_no_store_and_a_folder_that_is_not_there_are_problems(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_text("this is no database, but long enough to be taken for one at first sight " * 20)
    done = evalforge("doctor", "--offline", env=environment(other))
    assert (done.code, states(done)["store"]) == (2, "problem")
    done = evalforge("doctor", "--offline", env=environment(tmp_path / "nowhere" / "store.db"))
    assert (done.code, states(done)["store"]) == (2, "problem")
    assert not (tmp_path / "nowhere").exists()


def test_a_firestore_that_does_not_answer_is_a_problem_of_the_store(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    env = environment(tmp_path, EVALFORGE_STORE="firestore://some-project", FIRESTORE_EMULATOR_HOST=address)
    done = evalforge("doctor", "--offline", env=env)
    assert (done.code, states(done)["store"]) == (1, "problem")


def test_it_says_plainly_what_is_not_covered_while_names_are_not_looked_for(tmp_path: Path) -> None:
    done = evalforge("doctor", "--offline", env=redacting(tmp_path / "store.db"))
    assert states(done)["names in texts"] == "warning"
    assert "make ner" in findings(done)["names in texts"]["advice"]
    assert json.loads(done.out)["not_covered"] == [WITHOUT_NER[0], *ALWAYS]
    done = evalforge("doctor", "--offline", env=redacting(tmp_path / "store.db", EVALFORGE_NER="on"))
    assert states(done)["names in texts"] == "ok"
    assert json.loads(done.out)["not_covered"] == [WITHOUT_NER[1], *ALWAYS]
    done = evalforge("doctor", "--offline", env=environment(tmp_path / "store.db"))
    assert findings(done)["texts"]["found"] == "withheld whole (policy withhold-2)"
    assert json.loads(done.out)["not_covered"] == []


def test_keys_over_plain_http_and_a_proxy_that_is_not_read_are_warnings(tmp_path: Path) -> None:
    done = evalforge("doctor", "--offline", env=environment(tmp_path / "s.db", "http://proxy.internal:8080"))
    assert (done.code, states(done)["connection"]) == (0, "warning")
    env = environment(tmp_path / "s.db", HTTPS_PROXY="http://user:hunter2@proxy.internal:3128")
    done = evalforge("doctor", "--offline", env=env)
    assert states(done)["connection"] == "warning"
    assert "HTTPS_PROXY" in done.out
    assert "hunter2" not in done.out


@pytest.mark.parametrize("columns", ["60", "120"])
def test_on_a_terminal_it_is_a_table_with_what_to_do_and_the_list_of_what_is_not_covered(
    tmp_path: Path, columns: str
) -> None:
    code, seen = on_a_terminal("doctor", "--offline", env=redacting(tmp_path / "store.db"), columns=columns)
    assert code == 0, seen
    plain = " ".join(seen.split())
    assert "No problems." in plain
    assert "-> make ner" in plain
    assert "Looking at: " in plain
    assert " of 19)" in plain
    for line in not_covered(names=False):
        assert line in plain
    code, seen = on_a_terminal("doctor", "--offline", "--json", env=redacting(tmp_path / "store.db"), columns=columns)
    assert json.loads(seen)["findings"]


def broken() -> Finding:
    raise RecursionError("customer text")


def test_a_check_that_breaks_is_a_problem_without_its_message_and_the_rest_goes_on() -> None:
    found = list(examine([("first", broken), ("second", lambda: ok("second", "well"))]))
    assert [(one.check, one.state) for one in found] == [("first", "problem"), ("second", "ok")]
    assert "customer" not in found[0].found
    assert exit_code(found) == 1


def test_the_exit_code_is_that_of_the_problems_or_2_where_they_differ() -> None:
    one, two, four = (problem("x", "y", exit_code=code) for code in (1, 2, 4))
    assert [exit_code(found) for found in ([], [one], [four], [four, four], [one, four], [two, four])] == [
        *(0, 1, 4, 4, 2, 2)
    ]
