"""What the local evaluation adds to Datadog's language."""

import json
from typing import Any

import pytest

from evalforge.ingestion.query.evaluator import predicate
from evalforge.ingestion.query.syntax import parse
from evalforge.ingestion.query.view import plain_view
from helpers.spans import make_span
from helpers.time_limits import within


def evaluators_matched(query: str, **attributes: Any) -> tuple[str, ...] | None:
    return predicate(parse(query))(plain_view(make_span(**attributes)))


EVALUATIONS = {
    "Prompt-Injection": {"assessment": "fail"},
    "toxicity": {"assessment": "pass", "value": 0.1},
    "policy": {"assessment": "fail", "value": 0.9},
}


@pytest.mark.parametrize(
    ("query", "matched"),
    [
        ("@evaluation.*.assessment:fail", ("Prompt-Injection", "policy")),
        ("@evaluation.*injection*.assessment:fail", ("Prompt-Injection",)),
        ("@evaluation.p?licy.assessment:fail", ("policy",)),
        ("@evaluation.*tox*.assessment:fail", None),
        ("-@evaluation.*tox*.assessment:fail", ()),
        ("@status:error OR @evaluation.policy.assessment:fail", ("policy",)),
        ("@status:error @evaluation.policy.assessment:fail", ("policy",)),
        ("@evaluation.*.assessment:fail OR @evaluation.policy.value:>0.5", ("Prompt-Injection", "policy")),
        ("@status:error", ()),
    ],
)
def test_a_match_names_the_evaluators_that_made_it(query: str, matched: tuple[str, ...] | None) -> None:
    assert evaluators_matched(query, status="error", evaluation=EVALUATIONS) == matched


def test_a_path_goes_on_into_text_that_holds_json() -> None:
    answer = json.dumps({"isError": True, "content": [{"text": "no such order"}]})
    assert evaluators_matched("@output.value.isError:true", output={"value": answer}) == ()
    assert evaluators_matched("@output.value.content.text:*order", output={"value": answer}) == ()
    assert evaluators_matched("@output.messages.content.isError:true", output={"messages": [{"content": answer}]}) == ()


@pytest.mark.parametrize(
    "text", ["isError", '{"isError": tru', "[" * 100_000, '{"isError": "true"', "\ud800{", "", None, 7]
)
def test_text_that_is_no_json_leads_nowhere(text: object) -> None:
    assert evaluators_matched("@output.value.isError:true", output={"value": text}) is None


def test_json_text_above_the_bound_is_not_read() -> None:
    text = json.dumps({"isError": True, "pad": "x" * 256 * 1024})
    assert evaluators_matched("@output.value.isError:true", output={"value": text}) is None


def test_the_status_code_is_also_read_from_the_errors_message() -> None:
    error = {"error": {"message": "Error code: 429 - slow down"}}
    assert evaluators_matched("@http.status_code:429", **error) == ()
    assert evaluators_matched("@http.status_code:[500 TO 599]", **error) is None


def test_many_wildcards_over_a_long_text_take_no_time() -> None:
    query = predicate(parse("@name:" + "*a" * 40 + "b"))
    view = plain_view(make_span(name="a" * 100_000))
    assert within(1, lambda: query(view)) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"evaluation": [1]},
        {"evaluation": {"x": None, "y": [], "z": {"assessment": {}}}},
        {"input": 7, "output": [[[["text"]]]], "error": "boom", "meta": 3},
        {"tags": {"a": 1}, "metadata": ["x"], "metrics": "many"},
        {"metadata": {"n": 10**400, "m": float("nan"), "i": float("inf")}},
    ],
)
def test_odd_spans_are_evaluated_without_an_error(odd: dict[str, Any]) -> None:
    for query in ("@evaluation.*.assessment:fail", '"text"', "@error:boom", "a:1", "@metadata.n:>1", "@metadata.i:>=1"):
        evaluators_matched(query, **odd)
    assert evaluators_matched("@metadata.m:>0", **odd) is None
