"""What counts as a failure: the built-in rules, what they ask the server, and what a bad rules file gets."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalforge.common.errors import RulesError
from evalforge.ingestion.failure_rules import RuleSet, load_rules
from evalforge.ingestion.query.evaluator import predicate
from evalforge.ingestion.query.syntax import QueryError, parse
from evalforge.ingestion.query.view import plain_view
from evalforge.models import FAILURE_TYPES
from helpers.spans import make_span


def built_in(threshold: float = 0.5) -> RuleSet:
    return load_rules(None, quality_threshold=threshold, quality_evaluators=["quality", "quality_score"])


RULES = built_in()


def reasons(**attributes: Any) -> list[tuple[str, str | None]]:
    return [(finding.type, finding.evaluator) for finding in RULES.findings(make_span(**attributes))]


def judged(name: str, **entry: Any) -> dict[str, Any]:
    return {"status": "ok", "evaluation": {name: entry}}


FAILING: list[tuple[dict[str, Any], list[tuple[str, str | None]]]] = [
    (
        {"status": "error", "error": {"type": "agents.OutputGuardrailTripwireTriggered"}},
        [("guardrail_failure", None)],
    ),
    ({"status": "error", "tags": ["error_type:ddtrace.aiguardaborterror"]}, [("guardrail_failure", None)]),
    (
        {"name": "guardrail", "span_kind": "task", "status": "ok", "output": {"value": '{"action":"INTERVENED"}'}},
        [("guardrail_failure", None)],
    ),
    (judged("my-guardrail", assessment="fail"), [("guardrail_failure", "my-guardrail")]),
    (judged("Prompt Injection", assessment="FAIL"), [("prompt_injection", "Prompt Injection")]),
    (judged("prompt_injection", value="found"), [("prompt_injection", "prompt_injection")]),
    (judged("input_toxicity", value="toxic"), [("toxicity", "input_toxicity")]),
    (judged("hallucination", value="hallucination found"), [("hallucination", "hallucination")]),
    (judged("hallucination", value=True, assessment="fail"), [("hallucination", "hallucination")]),
    (judged("rag-faithfulness", assessment="fail"), [("hallucination", "rag-faithfulness")]),
    (judged("failure_to_answer", value="failed to answer"), [("failure_to_answer", "failure_to_answer")]),
    (judged("tone", assessment="fail"), [("evaluation_failure", "tone")]),
    (judged("topic_relevancy", value="irrelevant"), [("evaluation_failure", "topic_relevancy")]),
    (judged("quality", value=0.49), [("quality_degradation", "quality")]),
    (judged("quality_score", value=0.9, assessment="fail"), [("quality_degradation", "quality_score")]),
    ({"status": "error", "span_kind": "llm"}, [("llm_error", None)]),
    ({"status": "ERROR", "span_kind": "llm"}, [("llm_error", None)]),
    ({"status": "error", "span_kind": "tool"}, [("tool_error", None)]),
    ({"status": "error", "tags": ["http.status_code:503"]}, [("infrastructure_error", None)]),
    ({"status": "error", "error": {"message": "Error code: 429 - slow"}}, [("infrastructure_error", None)]),
    ({"status": "error", "error": {"type": "httpx.ReadTimeout"}}, [("infrastructure_error", None)]),
    ({"status": "error", "error": {"message": "[Errno 111] Connection refused"}}, [("infrastructure_error", None)]),
    ({"status": "error", "error": {"message": "Error code: 400 - bad"}}, [("client_error", None)]),
    ({"status": "error", "error": {"type": "openai.AuthenticationError"}}, [("client_error", None)]),
    (
        {"status": "error", "span_kind": "tool", "error": {"message": "HTTP 404"}},
        [("client_error", None), ("tool_error", None)],
    ),
    ({"status": "ok", "span_kind": "tool", "output": {"value": '{"isError": true}'}}, [("tool_error", None)]),
    (
        {"status": "error", "evaluation": {"tone": {"assessment": "fail"}, "toxicity": {"assessment": "fail"}}},
        [("toxicity", "toxicity"), ("evaluation_failure", "tone"), ("llm_error", None)],
    ),
]


@pytest.mark.parametrize(("attributes", "expected"), FAILING, ids=lambda value: str(value)[:50])
def test_a_failure_gets_its_type_and_evaluator(
    attributes: dict[str, Any], expected: list[tuple[str, str | None]]
) -> None:
    assert reasons(**attributes) == expected


@pytest.mark.parametrize(
    "attributes",
    [
        {"status": "ok"},
        {},
        judged("toxicity", value="none"),
        judged("toxicity", value="toxic", assessment="pass"),
        judged("hallucination", value=False),
        judged("hallucination", value="hallucination found", assessment="Pass"),
        judged("hallucination", value="hallucination found", status="ERROR"),
        judged("tone", assessment="fail", status="warn"),
        judged("quality", value=0.1, assessment="pass"),
        judged("quality", value=0.5),
        judged("quality", value="0.1"),
        judged("quality", value=False),
        judged("quality", value=None),
        judged("other_score", value=0.0),
        {"status": "ok", "tags": ["team:guardrail-failover", "toxicity:none", "hallucination:false", "error:0"]},
        {"status": "ok", "name": "guardrail", "span_kind": "task", "output": {"value": '{"action":"NONE"}'}},
        {"status": "ok", "tags": ["http.status_code:503"]},
        {"status": "ok", "span_kind": "tool", "output": {"value": '{"isError": false}'}},
        {"status": "ok", "span_kind": "llm", "output": {"value": '{"isError": true}'}},
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_only_looks_like_a_failure_is_none(attributes: dict[str, Any]) -> None:
    assert reasons(**attributes) == []


def test_the_built_in_rules_use_every_failure_type() -> None:
    assert {rule.type for rule in RULES.rules} == set(FAILURE_TYPES)


def test_the_threshold_and_the_quality_evaluators_are_filled_in() -> None:
    rules = load_rules(None, quality_threshold=1e-7, quality_evaluators=["my score", "b"])
    query = rules.search_query(ml_app=None, scope=None, evaluators=(), only={"quality_degradation"})
    assert query is not None
    assert r"@evaluation.my\ score.value:<0.0000001" in query
    assert "@evaluation.b.assessment:fail" in query
    assert not any(
        rule.name == "quality_degradation"
        for rule in load_rules(None, quality_threshold=0.5, quality_evaluators=[]).rules
    )


# --- what is asked of the server


def test_every_failure_of_a_server_rule_is_fetched_by_the_query_for_the_server() -> None:
    names = RULES.literal_evaluators | {"my-guardrail", "Prompt Injection", "rag-faithfulness", "tone", "toxicity"}
    query = RULES.search_query(ml_app=None, scope=None, evaluators=names)
    assert query is not None
    fetched = predicate(parse(query))
    missed = [attributes for attributes, _ in FAILING if fetched(plain_view(make_span(**attributes))) is None]
    soft = [attributes for attributes, expected in FAILING if "isError" in str(attributes)]
    assert missed == soft


def test_the_query_is_app_and_scope_and_any_rule() -> None:
    query = RULES.search_query(ml_app='a"b', scope="env:prod OR env:test", evaluators=(), only={"llm_error"})
    assert query == r'@ml_app:"a\"b" AND (env:prod OR env:test) AND @status:error'
    assert RULES.search_query(ml_app="x", scope=" ", evaluators=(), all_spans=True) == '@ml_app:"x"'
    assert RULES.search_query(ml_app=None, scope=None, evaluators=(), all_spans=True) == "*"


def test_a_rule_that_is_not_the_servers_or_knows_no_evaluator_asks_for_nothing(tmp_path: Path) -> None:
    assert RULES.search_query(ml_app=None, scope=None, evaluators=("x",), only={"tool_error"}) is None
    rules = load(tmp_path, rule(query="@evaluation.*.assessment:fail"))
    assert rules.with_name_globs
    assert rules.search_query(ml_app="x", scope=None, evaluators=()) is None


def test_the_same_term_is_asked_for_once() -> None:
    query = RULES.search_query(ml_app=None, scope=None, evaluators=("hallucination",))
    assert query is not None
    assert query.count("@evaluation.hallucination.assessment:fail") == 1


def test_a_bad_scope_is_refused() -> None:
    with pytest.raises(QueryError):
        RULES.search_query(ml_app=None, scope="(env:prod", evaluators=())


def test_the_digest_changes_with_the_meaning_of_the_rules_and_not_with_their_place() -> None:
    assert built_in().digest == RULES.digest
    assert built_in(0.6).digest != RULES.digest


# --- files


def rule(**changes: object) -> str:
    values = {"name": "r1", "query": "@status:error", "type": "llm_error", "severity": "low", **changes}
    return "[[rule]]\n" + "".join(
        f"{key} = {str(value).lower() if isinstance(value, bool | int) else repr(value)}\n"
        for key, value in values.items()
        if value is not None
    )


def load(folder: Path, content: str | bytes) -> RuleSet:
    path = folder / "rules.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_rules(path, quality_threshold=0.5, quality_evaluators=["quality"])


def test_a_users_rule_is_used(tmp_path: Path) -> None:
    rules = load(tmp_path, rule(query="@feedback.score.value:<2", type="quality_degradation", severity="high"))
    (finding,) = rules.findings(make_span(feedback={"score": {"value": 1}}))
    assert (finding.rule, finding.type, finding.severity, finding.evaluator) == (
        "r1",
        "quality_degradation",
        "high",
        None,
    )


def test_a_phrase_keeps_its_spaces(tmp_path: Path) -> None:
    rules = load(tmp_path, rule(query='"two  spaces"'))
    assert rules.findings(make_span(input={"value": "two  spaces"}))
    assert not rules.findings(make_span(input={"value": "two spaces"}))


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("", None, "no rules"),
        ("# nothing", None, "no rules"),
        ("[[rule]\n", 1, "not TOML"),
        ("\n\nname = 'x\n", 3, "not TOML"),
        ("[[rule]]\nname = 'a'\nname = 'b'\n", 3, "not TOML"),
        (b"\n# \xff", 2, "UTF-8"),
        (b"\xef\xbb\xbf[[rule]]\n", 1, "name is missing"),
        (rule() + "[other]\n", 6, "'other' is unknown"),
        ("rule = 3\n", 1, "[[rule]]"),
        ("[rule]\nname = 'x'\n", 1, "[[rule]]"),
        ("rule = [3]\n", None, "rule 1: a rule is a table"),
        (rule(colour="red"), 6, "'colour' is unknown"),
        (rule(query=None), 1, "query is missing"),
        (rule(name=7), 2, "name must be text"),
        (rule(name="a b"), 2, "'a b'"),
        (rule(name=""), 2, "1 to 100 letters"),
        (rule(server="yes"), 6, "true or false"),
        (rule(type="oops"), 4, "oops"),
        (rule(type="oops"), 4, "guardrail_failure"),
        (rule(severity="urgent"), 5, "critical, high, medium, low"),
        (rule() + rule(), 7, "'r1' is given to two rules"),
        (rule() + rule(name="r2", query="a b OR c"), 8, "parentheses"),
        (rule(query="@x:{threshold}"), 3, "{threshold} is unknown"),
        (rule(query=""), 3, "empty"),
        (rule(query=3), 3, "query must be text, not a number"),
        ("[[rule]]\nname = 0x" + "f" * 9000, 2, "name must be text"),
        ("[[rule]]\nname = " + "9" * 9000, None, "not TOML"),
        ("x" * (1024 * 1024 + 1), None, "1 MB"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_file_is_refused_with_file_line_and_reason(
    tmp_path: Path, content: str | bytes, line: int | None, reason: str
) -> None:
    with pytest.raises(RulesError) as refusal:
        load(tmp_path, content)
    assert refusal.value.line == line
    assert reason in refusal.value.reason
    assert str(tmp_path / "rules.toml") in str(refusal.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.toml", Path("a\0b")):
        with pytest.raises(RulesError, match=r"cannot be read|no regular file"):
            load_rules(path, quality_threshold=0.5, quality_evaluators=[])


@settings(deadline=None)
@given(text=st.text(alphabet='[]rule="\n{}x.1', max_size=60))
def test_any_file_without_a_whole_rule_is_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(RulesError):
        load(tmp_path_factory.getbasetemp(), text)


def test_a_file_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="TOML"):
        load(tmp_path, "x = " + "[" * 50_000)
