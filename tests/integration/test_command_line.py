"""The commands as people and scripts meet them: help, lists, empty states, terminals, pipes and bad input."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.commands import HASH_KEY, RULE_CACHE, environment, evalforge, on_a_terminal
from helpers.exported import failed, item, judged
from helpers.fake_datadog import FakeDatadog, page, reply

COMMANDS = ["demo", "capture", "captures", "runs", "coverage", "dead-letters", "erase", "rules", "sanitize", "sandbox"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def filled(store: Path) -> Path:
    spans = [failed(1), judged("tone", 2), failed(3, trace="no id at all")]
    with FakeDatadog(spans=spans) as server:
        assert evalforge("capture", env=environment(store, server.url)).code == 0
    return store


def test_help_names_every_command_and_says_where_to_start(tmp_path: Path) -> None:
    shown = evalforge("--help", env=environment(tmp_path / "x"))
    assert shown.code == 0
    assert all(f"  {command} " in shown.out for command in COMMANDS)
    assert "evalforge demo" in shown.out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, tmp_path: Path) -> None:
    shown = evalforge(command, "--help", env=environment(tmp_path / "x"))
    assert shown.code == 0
    assert len(shown.out.splitlines()) > 5


BAD_INPUT: dict[str, tuple[list[str], dict[str, str], list[str]]] = {
    "an unknown command": (["bogus"], {}, ["bogus"]),
    "an unknown flag": (["capture", "--bogus"], {}, ["--bogus"]),
    "a lookback that is none": (["capture", "--lookback", "24x"], {}, ["--lookback", "24x", "24h"]),
    "a lookback past the bound": (["capture", "--lookback", "73h"], {}, ["--lookback", "73h", "72h"]),
    "no API key": (["capture"], {"DD_API_KEY": ""}, ["DD_API_KEY"]),
    "no hash key": (["capture"], {"EVALFORGE_HASH_KEY": ""}, ["EVALFORGE_HASH_KEY", "32 bytes"]),
    "a short hash key": (["sanitize"], {"EVALFORGE_HASH_KEY": "canary-short"}, ["EVALFORGE_HASH_KEY", "32 bytes"]),
    "a page limit of 0": (["capture"], {"EVALFORGE_PAGE_LIMIT": "0"}, ["EVALFORGE_PAGE_LIMIT", "0", "1 to 5000"]),
    "a retention that sqlite would not keep": (
        ["capture"],
        {"EVALFORGE_RETENTION_DAYS": "30"},
        ["EVALFORGE_RETENTION_DAYS=30", "Firestore"],
    ),
    "a use of text that is none": (["capture"], {"EVALFORGE_TEXT": "hide"}, ["EVALFORGE_TEXT", "hide", "redact"]),
    "a store elsewhere": (["captures", "list"], {"EVALFORGE_STORE": "redis://x"}, ["EVALFORGE_STORE", "redis://x"]),
    "a scope that does not parse": (["capture"], {"EVALFORGE_SCOPE": "env:(prod"}, ["EVALFORGE_SCOPE", "env:(prod"]),
    "rules that are not there": (["capture"], {"EVALFORGE_RULES": "/nowhere/rules.toml"}, ["/nowhere/rules.toml"]),
    "a check of rules that are not there": (["rules", "--check", "/nowhere/r.toml"], {}, ["/nowhere/r.toml"]),
    "a trace that is not captured": (["captures", "show", "abc"], {}, ["abc", "captures list"]),
    "a run that was not": (["runs", "show", "abc"], {}, ["abc", "runs list"]),
    "a type that is none": (["captures", "list", "--type", "bug"], {}, ["--type", "bug", "toxicity"]),
    "a severity that is none": (["captures", "list", "--severity", "bad"], {}, ["--severity", "bad", "critical"]),
    "a since without a zone": (["captures", "list", "--since", "2026-11-23T10:00"], {}, ["--since", "zone"]),
    "a format that is none": (["captures", "list", "--format", "xml"], {}, ["--format", "xml", "jsonl"]),
    "a limit of 0": (["captures", "list", "--limit", "0"], {}, ["--limit", "0"]),
    "a port that is none": (["sandbox", "--port", "99999"], {}, ["--port", "99999", "65535"]),
    "a file that is not there": (["sanitize", "/nowhere/spans.jsonl"], {}, ["/nowhere/spans.jsonl"]),
    "a missing argument": (["captures", "show"], {}, ["TRACE_ID"]),
    "a scope that asks for nothing": (["capture"], {"EVALFORGE_SCOPE": "NOT *"}, ["EVALFORGE_SCOPE", "NOT *"]),
    "a scope over any evaluator": (
        ["capture"],
        {"EVALFORGE_SCOPE": "@evaluation.*.assessment:fail"},
        ["EVALFORGE_SCOPE", "rules only"],
    ),
    "rules that are a device": (["rules", "--check", "/dev/null"], {}, ["/dev/null", "regular"]),
    "a store that is a device": (["captures", "list"], {"EVALFORGE_STORE": "sqlite:///dev/null"}, ["/dev/null"]),
    "a store with a very long name": (["capture"], {"EVALFORGE_STORE": f"sqlite:///{'x' * 300}"}, ["EVALFORGE_STORE"]),
    "a since before time": (["captures", "list", "--since", "999999d"], {}, ["--since", "999999d"]),
    "a very long value": (["captures", "list", "--type", "x" * 50_000], {}, ["--type", "xxx"]),
    "an argument with a terminal's control codes": (["captures", "show", "a\x1b[31m"], {}, ["a?[31m"]),
    "a window of no check": (["rules", "--lookback", "2h"], {}, ["--lookback", "2h", "--check"]),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_a_line_with_name_value_and_what_is_accepted_and_writes_nothing(case: str, store: Path) -> None:
    arguments, settings, said = BAD_INPUT[case]
    env = environment(store, "http://127.0.0.1:9", **settings)
    result = evalforge(*arguments, env={name: value for name, value in env.items() if value})
    assert result.code == 2, result.err
    assert 1 <= len(result.err.splitlines()) <= 2
    assert all(word in result.err for word in said), result.err
    assert "canary" not in result.err
    assert "Traceback" not in result.err
    assert not list(store.parent.iterdir())


def test_a_bad_rules_file_is_refused_with_file_line_and_reason_before_anything_is_fetched(
    store: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "a"\nquery = "@x:1 OR @y:2 @z:3"\ntype = "toxicity"\nseverity = "high"\n')
    with FakeDatadog() as server:
        env = environment(store, server.url, EVALFORGE_RULES=str(rules))
        result = evalforge("capture", env=env)
        assert server.requests == []
    assert result.code == 2
    assert f"{rules}:3: " in result.err
    assert not store.exists()


def test_debug_shows_the_traceback(store: Path) -> None:
    assert "Traceback" in evalforge("--debug", "captures", "show", "abc", env=environment(store)).err


def test_looking_at_a_store_that_is_not_there_says_so_and_creates_nothing(store: Path) -> None:
    for command in ("captures", "runs", "dead-letters"):
        code, seen = on_a_terminal(command, "list", env=environment(store))
        assert code == 0
        assert "no store" in seen
        assert evalforge(command, "list", env=environment(store)).out == ""
    assert not store.exists()


def test_lists_are_tables_on_a_terminal_and_json_in_a_pipe(filled: Path) -> None:
    code, seen = on_a_terminal("captures", "list", env=environment(filled))
    assert code == 0
    assert "Severity" in seen
    assert f"{1:032x}" in seen
    assert "UTC" in seen
    assert {line["trace_id"] for line in evalforge("captures", "list", env=environment(filled)).lines} == {
        f"{1:032x}",
        f"{2:032x}",
    }
    as_table = evalforge("captures", "list", "--format", "table", env=environment(filled))
    assert f"{1:032x}" in as_table.out


def test_a_capture_is_shown_with_its_reasons_and_the_link_to_the_trace(filled: Path) -> None:
    code, seen = on_a_terminal("captures", "show", f"{2:032x}", env=environment(filled))
    assert code == 0
    for part in ("tone", "evaluation_failure", "https://app.datadoghq.com/llm/traces?query=trace_id:"):
        assert part in seen
    whole = evalforge("captures", "show", f"{2:032x}", env=environment(filled)).report
    assert whole["trace_payload"]["spans"][0]["attributes"]["model_name"] == "gpt-4o-mini"


def test_filters_narrow_the_list(filled: Path) -> None:
    env = environment(filled)
    assert [one["failure_type"] for one in evalforge("captures", "list", "--type", "llm_error", env=env).lines] == [
        "llm_error"
    ]
    assert evalforge("captures", "list", "--since", "10m", env=env).lines == []
    assert len(evalforge("captures", "list", "--since", "2h", "--service", "shop-api", env=env).lines) == 2
    assert len(evalforge("captures", "list", "--limit", "1", env=env).lines) == 1


def test_runs_and_dead_letters_are_listed_and_shown(filled: Path) -> None:
    env = environment(filled)
    [run] = evalforge("runs", "list", env=env).lines
    assert evalforge("runs", "show", run["run_id"], env=env).report == run
    [letter] = evalforge("dead-letters", "list", env=env).lines
    assert "trace id" in letter["reason"]
    assert run["outcome"] in on_a_terminal("runs", "show", run["run_id"], env=env)[1]
    assert "trace id" in on_a_terminal("dead-letters", "list", env=env)[1]


def test_lists_need_the_store_and_nothing_else(filled: Path) -> None:
    bare = {"PATH": os.environ["PATH"], "EVALFORGE_STORE": f"sqlite://{filled}"}
    assert evalforge("captures", "list", env=bare).code == 0
    assert evalforge("rules", env=bare).code == 0


def test_capture_on_a_terminal_shows_a_bar_and_a_report_and_no_json(store: Path) -> None:
    with FakeDatadog(spans=[failed(1), item(2)]) as server:
        code, seen = on_a_terminal("capture", env=environment(store, server.url))
    assert code == 0
    assert "Capturing" in seen
    assert "1 created" in seen
    assert '"severity":"INFO"' not in seen


def test_an_empty_window_says_so_and_how_sure_it_is(store: Path) -> None:
    with FakeDatadog(spans=[item(1)]) as server:
        _, seen = on_a_terminal("capture", env=environment(store, server.url))
        assert "No failures in this window (everything was read)" in seen
        _, listed = on_a_terminal("captures", "list", env=environment(store))
        assert "0 captures" in listed
        assert "complete" in listed
        server.script += [page([]), reply(404)]
        _, seen = on_a_terminal("capture", env=environment(store, server.url))
    assert "only in part" in seen


def test_verbose_shows_the_log_on_a_terminal(store: Path) -> None:
    with FakeDatadog() as server:
        _, seen = on_a_terminal("capture", "--verbose", env=environment(store, server.url))
    assert '"severity":"INFO"' in seen


def test_rules_prints_the_rules_and_what_they_compile_to(store: Path) -> None:
    env = environment(store, EVALFORGE_ML_APPS="shop,chat", EVALFORGE_EVALUATORS="my_judge")
    shown = evalforge("rules", env=env).report
    assert {"name", "query", "type", "severity", "server"} <= set(shown["rules"][0])
    assert len(shown["queries"]) == 2
    assert all("@evaluation.my_judge.assessment" in query for query in shown["queries"])
    assert "my_judge" in on_a_terminal("rules", env=env)[1].replace("\r\n", "")


RULES = """
[[rule]]
name = "slow"
query = "@duration:>50ms"
type = "llm_error"
severity = "low"
"""


def test_a_check_of_changed_rules_names_the_traces_gained_and_lost_and_writes_nothing(
    store: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    spans = [failed(1, duration=10), item(2, duration=900), failed(3, duration=900), item(4, duration=10)]
    with FakeDatadog(spans=spans) as server:
        env = environment(store, server.url)
        result = evalforge("rules", "--check", str(rules), env=env)
        _, seen = on_a_terminal("rules", "--check", str(rules), env=env)
    assert result.code == 0, result.err
    check: dict[str, Any] = result.report
    assert [one["trace_id"] for one in check["gained"]] == [f"{2:032x}"]
    assert [one["trace_id"] for one in check["lost"]] == [f"{1:032x}"]
    [change] = check["changed"]
    assert change["before"]["trace_id"] == change["after"]["trace_id"] == f"{3:032x}"
    assert (change["before"]["severity"], change["after"]["severity"]) == ("medium", "low")
    assert "medium llm_error" in seen
    assert "low llm_error" in seen
    assert "Nothing was written" in seen
    assert not store.exists()


def test_sanitize_gives_a_line_for_a_line_in_order_and_keeps_input_and_output() -> None:
    spans = [failed(1, input={"value": "canary-1"}), b'{"broken": canary-2', item(3, output={"value": "canary-3"})]
    feed = b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in spans)
    env = {"PATH": os.environ["PATH"], "EVALFORGE_HASH_KEY": HASH_KEY, "EVALFORGE_TEXT": "withhold"}
    for arguments in (("sanitize",), ("sanitize", "-"), ("sanitize", "-", "--explain")):
        result = evalforge(*arguments, env=env, stdin=feed)
        assert result.code == 0, result.err
        first, second, third = result.lines
        assert first["attributes"]["input"] == {"value": "[WITHHELD chars=8]"}
        assert second == {"withheld": "not JSON at character 11"}
        assert third["attributes"]["output"] == {"value": "[WITHHELD chars=8]"}
        assert "canary" not in result.out + result.err
        assert ("explain" in first) is ("--explain" in arguments)


def test_sanitize_reads_texts_and_explains_by_type_and_place() -> None:
    feed = json.dumps(failed(1, input={"value": "I am canary@example.com"})).encode() + b"\n{canary"
    env = {"PATH": os.environ["PATH"], "EVALFORGE_HASH_KEY": HASH_KEY}
    result = evalforge("sanitize", "--explain", env=env, stdin=feed)
    first, _ = result.lines
    assert re.fullmatch(r"I am \[EMAIL_[0-9a-f]{6}\]", first["attributes"]["input"]["value"])
    assert {"path": "input.value", "action": "redacted", "reason": "EMAIL", "rule": "email"} in first["explain"]
    assert "canary" not in result.out + result.err


def test_sanitize_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "spans.jsonl").write_text(json.dumps(failed(1)) + "\n")
    env = {"PATH": os.environ["PATH"], "EVALFORGE_HASH_KEY": HASH_KEY}
    assert len(evalforge("sanitize", str(tmp_path / "spans.jsonl"), env=env).lines) == 1


def test_a_setting_that_means_nothing_is_pointed_out(store: Path) -> None:
    with FakeDatadog() as server:
        result = evalforge("capture", env=environment(store, server.url, EVALFORGE_LOOKBCK_HOURS="3"))
        _, seen = on_a_terminal("capture", env=environment(store, server.url, EVALFORGE_LOOKBCK_HOURS="3"))
    assert [line["name"] for line in result.log if line["message"] == "setting ignored"] == ["EVALFORGE_LOOKBCK_HOURS"]
    assert "EVALFORGE_LOOKBCK_HOURS is not a setting" in seen


@pytest.mark.parametrize(
    ("redirection", "code"),
    [("2>/dev/full", 0), ("2>&-", 0), (">&-", 0), ("2> >(head -c 1 >/dev/null)", 0), ("| true", 0), (">/dev/full", 1)],
)
def test_a_log_or_report_that_nobody_can_read_costs_no_capture(store: Path, redirection: str, code: int) -> None:
    with FakeDatadog(spans=[failed(number) for number in range(1, 300)]) as server:
        command = f"set -o pipefail; {sys.executable} -m evalforge capture --json {redirection}"
        done = subprocess.run(["bash", "-c", command], env=environment(store, server.url), capture_output=True)
    assert done.returncode == code, done.stderr[-300:]
    assert b"Traceback" not in done.stderr
    assert len(evalforge("captures", "list", env=environment(store)).lines) == 299
    assert evalforge("runs", "list", env=environment(store)).lines[0]["outcome"] == "complete"


def test_a_reader_that_goes_away_is_no_error(filled: Path) -> None:
    command = f"set -o pipefail; {sys.executable} -m evalforge captures list | head -c 1"
    done = subprocess.run(["bash", "-c", command], env=environment(filled), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_list_fits_a_terminal_of_80_columns_with_type_count_and_the_whole_id(filled: Path) -> None:
    for columns in ("80", "120"):
        _, seen = on_a_terminal("captures", "list", env=environment(filled), columns=columns)
        rows = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", seen).splitlines() if f"{1:032x}" in line]
        assert len(rows) == 1
        assert len(rows[0].rstrip()) <= int(columns)
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d ", rows[0])
        assert "llm_error" in rows[0]
        assert re.search(rf" 1 {1:032x}", rows[0])


def test_a_terminal_is_told_what_was_done_to_a_capture_in_words(filled: Path) -> None:
    _, seen = on_a_terminal("captures", "show", f"{1:032x}", env=environment(filled))
    assert re.search(r"\d texts? withheld whole", seen)


def test_a_server_that_cannot_be_reached_is_named_and_not_called_a_window_without_failures(store: Path) -> None:
    code, seen = on_a_terminal("capture", env=environment(store, "http://127.0.0.1:9"))
    assert code == 3
    assert "Nothing could be read from http://127.0.0.1:9" in seen
    assert "No failures" not in seen


def test_an_app_without_any_spans_is_not_taken_for_a_healthy_one(store: Path) -> None:
    with FakeDatadog() as server:
        result = evalforge("capture", env=environment(store, server.url, EVALFORGE_ML_APPS="nope"))
    assert result.code == 0
    assert any("'nope'" in note for note in result.report["coverage"]["notes"])


def test_another_hash_key_than_the_last_runs_is_noticed_and_neither_is_shown(store: Path) -> None:
    with FakeDatadog(spans=[failed(1)]) as server:
        evalforge("capture", env=environment(store, server.url))
        same = evalforge("capture", env=environment(store, server.url))
        other = evalforge("capture", env=environment(store, server.url, EVALFORGE_HASH_KEY="x" * 40))
    assert not any("EVALFORGE_HASH_KEY" in note for note in same.report["coverage"]["notes"])
    assert any("EVALFORGE_HASH_KEY" in note for note in other.report["coverage"]["notes"])
    assert same.report["hash_key_id"] != other.report["hash_key_id"]


def test_after_the_demo_a_look_at_the_missing_store_points_to_the_demos(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONWARNINGS": "error", **RULE_CACHE}
    assert evalforge("demo", env=env).code == 0
    assert "demo.db" in on_a_terminal("captures", "list", env=env)[1]
