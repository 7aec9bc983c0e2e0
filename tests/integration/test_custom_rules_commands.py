"""Recognizers and allowed keys of the user's own, through the commands: in force everywhere, and refused everywhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.commands import HASH_KEY, RULE_CACHE, Result, environment, evalforge, on_a_terminal
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog

README = Path(__file__).parents[2] / "README.md"
CARD = "4111111111111111"
RULES = r"""
[[recognizer]]
name = "ticket"
type = "TICKET"
pattern = '\bTCK-\d{6}\b'
positive = ["see «TCK-123456», please"]
negative = ["TCK-12"]

[pii]
allow_keys = ["order_number"]
"""
BAD = RULES.replace(r"\d{6}", "[0-9")
TEXT = f"TCK-123456 order_number={CARD} card {CARD}"
SPAN = failed(1, trace="aa", input={"value": TEXT}, metadata={"orderNumber": int(CARD)})


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def reading(tmp_path: Path, url: str | None = None, **more: str) -> dict[str, str]:
    return environment(tmp_path / "store.db", url, EVALFORGE_TEXT="redact", **RULE_CACHE, **more)


def captured(tmp_path: Path, **more: str) -> dict[str, Any]:
    with FakeDatadog(spans=[SPAN]) as server:
        done = evalforge("capture", env=reading(tmp_path, server.url, **more))
    assert done.code == 0, done.err
    return evalforge("captures", "show", "aa", "--json", env=reading(tmp_path)).report


def test_the_rules_are_in_force_in_a_capture_and_in_its_verification(tmp_path: Path, rules: Path) -> None:
    capture = captured(tmp_path, EVALFORGE_RULES=str(rules))
    (span,) = capture["trace_payload"]["spans"]
    text = span["attributes"]["input"]["value"]
    assert re.fullmatch(rf"\[TICKET_\w{{6}}\] order_number={CARD} card \[CREDIT_CARD_\w{{6}}\]", text)
    assert span["attributes"]["metadata"]["orderNumber"] == int(CARD)
    assert capture["redaction"]["counts"]["TICKET"] == 1
    assert re.fullmatch(r"redact-1\+[0-9a-f]{8}", capture["redaction"]["policy"])
    with_them = evalforge("pii", "verify", env=reading(tmp_path, EVALFORGE_RULES=str(rules)))
    without = evalforge("pii", "verify", env=reading(tmp_path))
    assert (with_them.code, with_them.lines) == (0, [])
    assert without.code == 1
    assert {one["type"] for one in without.lines} == {"CREDIT_CARD"}


def test_what_an_older_policy_let_through_is_found_with_todays_recognizers(tmp_path: Path, rules: Path) -> None:
    captured(tmp_path)
    found = evalforge("pii", "verify", env=reading(tmp_path, EVALFORGE_RULES=str(rules)))
    assert found.code == 1
    assert {one["type"] for one in found.lines} == {"TICKET"}


def test_a_changed_set_of_rules_sanitises_a_capture_anew_on_the_next_run(tmp_path: Path, rules: Path) -> None:
    first = captured(tmp_path)
    assert first["redaction"]["policy"] == "redact-1"
    assert "TCK-123456" in json.dumps(first)
    second = captured(tmp_path, EVALFORGE_RULES=str(rules))
    assert "TCK-123456" not in json.dumps(second)
    rules.write_text("# nothing new\n" + RULES)
    assert captured(tmp_path, EVALFORGE_RULES=str(rules)) == second


def test_rules_lists_what_is_added(tmp_path: Path, rules: Path) -> None:
    env = reading(tmp_path, EVALFORGE_RULES=str(rules))
    shown = evalforge("rules", env=env).report
    told = {"name": "ticket", "type": "TICKET", "pattern": r"\bTCK-\d{6}\b", "check": None, "context": [], "after": []}
    assert shown["recognizers"] == [told]
    assert shown["allow_keys"] == ["order_number"]
    assert shown["policy"].startswith("redact-1+")
    assert len(shown["rules"]) > 10
    _, seen = on_a_terminal("rules", env=env)
    assert "ticket" in seen
    assert "order_number" in seen
    assert "redact-1+" in seen
    plain = evalforge("rules", env=reading(tmp_path)).report
    assert (plain["recognizers"], plain["allow_keys"], plain["policy"]) == ([], [], "redact-1")


@pytest.mark.parametrize("command", ["capture", "sanitize", "rules", "pii verify", "serve"])
def test_a_bad_recognizer_is_refused_by_each_command_with_file_and_line_before_anything_is_done(
    command: str, tmp_path: Path, rules: Path
) -> None:
    if command == "pii verify":
        captured(tmp_path)
    rules.write_text(BAD)
    with FakeDatadog(spans=[SPAN]) as server:
        done = evalforge(*command.split(), env=reading(tmp_path, server.url, EVALFORGE_RULES=str(rules)))
        assert server.searches == []
    assert_refused(done, rules)


def test_rules_tells_the_check_and_the_context_of_a_recognizer(tmp_path: Path, rules: Path) -> None:
    more = 'check = "luhn"\ncontext = ["member", "no"]\nafter = ["is"]\n'
    text = """[[recognizer]]
name = "member"
type = "MEMBER"
pattern = '\\b\\d{8}-\\d\\b'
positive = ["member «12345678-2» is"]
negative = ["part 12345678-3"]
"""
    rules.write_text(text + more)
    env = reading(tmp_path, EVALFORGE_RULES=str(rules))
    (shown,) = evalforge("rules", env=env).report["recognizers"]
    assert (shown["check"], shown["context"], shown["after"]) == ("luhn", ["member", "no"], ["is"])
    _, seen = on_a_terminal("rules", env=env)
    assert "luhn" in seen
    assert "member, no" in seen


def test_a_bad_recognizer_is_refused_by_a_check_of_the_file(tmp_path: Path, rules: Path) -> None:
    rules.write_text(BAD)
    with FakeDatadog(spans=[SPAN]) as server:
        done = evalforge("rules", "--check", str(rules), env=reading(tmp_path, server.url))
        assert server.searches == []
    assert_refused(done, rules)


def assert_refused(done: Result, rules: Path) -> None:
    assert done.code == 2
    assert done.out == ""
    assert f"{rules}:5: recognizer 'ticket' has a pattern that RE2 refuses" in done.err
    assert "Traceback" not in done.err


def test_a_command_that_reads_no_text_does_not_load_what_reads_texts(tmp_path: Path, rules: Path) -> None:
    code = (
        "import sys; from evalforge.__main__ import main; sys.argv = ['evalforge', 'captures', 'list'];\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert not {'re2', 'kingfisher_sdk', 'phonenumbers'} & set(sys.modules)"
    )
    env = reading(tmp_path, EVALFORGE_RULES=str(rules))
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


def test_the_readmes_example_does_what_the_readme_says(tmp_path: Path) -> None:
    def block(name: str) -> str:
        found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
        assert found is not None
        return found[1]

    (tmp_path / "my-rules.toml").write_text(block("custom rules"))
    (tmp_path / "span.json").write_text(block("custom span"))
    rules = str(tmp_path / "my-rules.toml")
    env = {"PATH": os.environ["PATH"], "EVALFORGE_HASH_KEY": HASH_KEY, "EVALFORGE_RULES": rules, **RULE_CACHE}
    done = evalforge("sanitize", "--explain", str(tmp_path / "span.json"), env=env)
    assert done.code == 0, done.err
    lines = block("custom output").splitlines()
    assert lines
    for line in lines:
        assert re.search(re.escape(line).replace("…", "[0-9a-f]{6}"), done.out), line
