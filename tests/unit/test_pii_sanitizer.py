"""What the sanitiser lets through, in which shape, and that it fails closed."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from evalforge.ingestion.models import Finding
from evalforge.ingestion.pii.policy import MAX_ITEMS, MAX_KEYS, MAX_SPAN_BYTES
from evalforge.ingestion.pii_sanitizer import SanitizationFailed
from evalforge.models import FailureCapture
from helpers.sanitizing import CANARY, FETCHED, FOUND, KEPT, SANITIZER, TRACE, sanitized, span_of, user_hash, with_ids
from helpers.time_limits import within

# What is kept


def test_all_that_the_allow_list_names_is_kept_as_it_came() -> None:
    item = SANITIZER.item(span_of(KEPT))
    assert item == {"id": "1", "type": "span", "attributes": KEPT}
    assert SANITIZER.span(span_of(KEPT)).redaction == {}


def test_the_fields_of_a_captured_span_follow_from_what_was_kept() -> None:
    span = SANITIZER.span(span_of({**KEPT, "name": "lookup", "metadata": {"user_id": 42}}))
    assert (span.span_id, span.parent_id, span.name) == ("14624140233640368324", None, "[WITHHELD chars=6]")
    assert (span.started_at, span.duration_ms) == ("2025-10-30T14:17:38.897Z", 83_000)
    assert (span.ml_app, span.service_name, span.env) == ("support-bot", "support-api", "prod")
    assert (span.error_type, span.status_code, span.quality_score) == ("openai.RateLimitError", 429, 0.5)
    assert (span.model.name, span.model.provider) == ("gpt-4o-mini-2024-07-18", "openai")
    assert span.user_hash == SANITIZER.span(with_ids(tags=["user_id:42"])).user_hash


def test_a_capture_of_one_span_survives_the_store() -> None:
    capture = SANITIZER.capture(span_of(KEPT), [FOUND], fetched_at=FETCHED)
    assert capture.trace_id == TRACE
    assert capture.datadog_url == (
        f"https://app.datadoghq.com/llm/traces?query=trace_id:{TRACE}&start=1761832958897&end=1761834758897&paused=true"
    )
    encoded = msgspec.json.encode(capture)
    stored = FailureCapture.from_stored(encoded, status="new", processed=False)
    assert stored == capture
    assert msgspec.json.encode(stored) == encoded


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"value": True, "assessment": "fail"}, True),
        ({"value": 3}, 3.0),
        ({"value": "failed to answer"}, "failed to answer"),
        ({"value": "Jane was rude"}, "[WITHHELD chars=13]"),
        ({"value": {"who": "Jane"}}, "[WITHHELD chars=14]"),
        ({"value": 4111111111111111}, "[WITHHELD chars=16]"),
        ({}, None),
    ],
)
def test_a_signal_shows_the_value_of_its_evaluation_if_it_is_known(entry: dict[str, Any], shown: object) -> None:
    span = with_ids(evaluation={"failure_to_answer": entry})
    finding = Finding(rule="r", type="failure_to_answer", severity="medium", evaluator="failure_to_answer")
    (signal,) = SANITIZER.signals(span, [finding, finding])
    assert (signal.evaluator, signal.value, signal.span_id) == ("failure_to_answer", shown, "12")


@pytest.mark.parametrize("state", ["WARN", "ERROR"])
def test_an_evaluation_that_did_not_run_is_no_quality_score(state: str) -> None:
    entries = {"quality": {"value": 0.1, "status": state}, "quality_score": {"value": 0.7}}
    assert SANITIZER.span(with_ids(evaluation=entries)).quality_score == 0.7


# Shape, order, caps


def test_unknown_keys_of_one_length_stay_apart_whatever_their_order() -> None:
    first = sanitized(metadata={"bbb": "1", "aaa": "22", "ccc": "333"})
    second = sanitized(metadata={"ccc": "333", "aaa": "22", "bbb": "1"})
    assert json.dumps(first) == json.dumps(second)
    assert first == {
        "metadata": {
            "[WITHHELD chars=3]": "[WITHHELD chars=2]",
            "[WITHHELD chars=3] #2": "[WITHHELD chars=1]",
            "[WITHHELD chars=3] #3": "[WITHHELD chars=3]",
        }
    }


def test_what_stands_beside_the_attributes_is_sanitised_too() -> None:
    span = span_of({"span_id": "1"}, name="email", value="hello", type="jane", user_id=42, links=["hello"])
    item = SANITIZER.item(span)
    assert item["type"] == "[WITHHELD chars=4]"
    assert item["user_id"] == user_hash(tags=["user_id:42"])
    assert "hello" not in json.dumps(item)


@pytest.mark.parametrize("side", ["hello", {"value": "hello"}, ["hello"], None])
def test_input_and_output_keep_their_keys(side: Any) -> None:
    found = sanitized(input=side, output=side)
    assert set(found) == {"input", "output"}
    assert "hello" not in json.dumps(found)


def test_the_explanation_names_paths_as_shown_and_why() -> None:
    explain: list[dict[str, str]] = []
    span = with_ids(metadata={"jane@example.com": "x", "email": "y", "userId": "z"}, tags=["team:red"])
    SANITIZER.item(span, explain)
    assert [(record["path"], record["action"]) for record in explain] == [
        ("tags.0", "withheld"),
        ("metadata.email", "dropped"),
        ("metadata.[WITHHELD chars=16]", "withheld"),
        ("metadata.[WITHHELD chars=16]", "withheld"),
        ("metadata.user_id", "hashed"),
    ]
    assert all(record["reason"] for record in explain)


def test_a_span_counts_what_was_done_to_it() -> None:
    span = with_ids(
        metadata={"email": "y", "user_id": "z"}, name="n", tags=[f"service:s{n}" for n in range(MAX_ITEMS + 1)]
    )
    captured = SANITIZER.span(span)
    assert captured.redaction == {"DROPPED": 1, "HASHED": 1, "TRUNCATED": 1, "WITHHELD": 1}
    assert captured.truncated


def test_long_lists_and_wide_objects_are_cut_with_what_is_known_kept() -> None:
    wide = {f"key{n:04}": n for n in range(MAX_KEYS + 50)} | {"temperature": 0.5}
    found = sanitized(metadata=wide, output={"value": [1] * (MAX_ITEMS + 5)})
    assert found["metadata"]["temperature"] == 0.5
    assert len(found["metadata"]) == MAX_KEYS + 1
    assert len(found["output"]["value"]) == MAX_ITEMS + 1
    assert found["output"]["value"][-1].startswith("[TRUNCATED chars=")


def test_a_span_of_any_size_comes_out_small_and_valid() -> None:
    messages = [{"role": "user", "content": "x" * 400, "n": n} for n in range(1000)]
    span = with_ids(**{**KEPT, "input": {"messages": messages}, "metadata": {f"k{n}": {"a": [n]} for n in range(5000)}})
    captured = SANITIZER.span(span)
    assert len(msgspec.json.encode(captured)) <= MAX_SPAN_BYTES
    assert captured.truncated
    assert captured.attributes["evaluation"] == KEPT["evaluation"]


# Failing closed


class Odd(str):
    """Text whose every use fails, as a defect of the sanitiser's own would."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise RuntimeError(CANARY)

    __hash__ = str.__hash__

    def __lt__(self, other: str) -> bool:
        raise RuntimeError(CANARY)


@pytest.mark.parametrize("step", ["span", "capture", "item"])
def test_any_failure_inside_withholds_all_and_says_nothing_of_the_span(step: str) -> None:
    span = msgspec.structs.replace(
        with_ids(), attributes={"trace_id": TRACE, "input": {Odd("a"): CANARY, Odd("b"): CANARY}}
    )
    steps: dict[str, Callable[[], object]] = {
        "span": lambda: SANITIZER.span(span),
        "capture": lambda: SANITIZER.capture(span, [FOUND], fetched_at=FETCHED),
        "item": lambda: SANITIZER.item(span),
    }
    with pytest.raises(SanitizationFailed) as caught:
        steps[step]()
    error = caught.value
    assert CANARY not in f"{error} {error!r} {error.args}"
    assert error.__cause__ is None
    assert error.__context__ is None


def test_two_evaluators_whose_names_are_withheld_stay_two_signals_in_any_order() -> None:
    span = with_ids(evaluation={"jane@a": {"value": 1}, "jane@b": {"value": 2}})
    findings = [Finding(rule="r", type="toxicity", severity="low", evaluator=name) for name in ("jane@a", "jane@b")]
    signals = SANITIZER.signals(span, findings)
    assert signals == SANITIZER.signals(span, findings[::-1])
    assert [(signal.evaluator, signal.value) for signal in signals] == [
        ("[WITHHELD chars=6]", 1.0),
        ("[WITHHELD chars=6] #2", 2.0),
    ]
    assert {signal.evaluator for signal in signals} == set(SANITIZER.span(span).attributes["evaluation"])


@pytest.mark.parametrize(
    "attributes",
    [
        {"metadata": {f"a{n}": {f"b{m}": {f"c{k}": k for k in range(9)} for m in range(90)} for n in range(90)}},
        {"input": {"value": [[[1] * 90] * 90] * 90}},
        {"evaluation": {f"judge-{n}": {"value": n, "reasoning": "r", "tags": [f"env:{n}"] * 9} for n in range(100)}},
        {
            "tags": [f"service:{'s' * 90}{n}" for n in range(100)],
            "metadata": {"user_id": 1, **{f"{n}": n for n in range(99)}},
        },
        {"output": {"messages": [{"role": "user", "content": [{"text": "x"}] * 50}] * 90}},
    ],
)
def test_every_kind_of_bulk_is_cut_to_the_cap(attributes: dict[str, Any]) -> None:
    captured = SANITIZER.span(with_ids(**attributes))
    assert len(msgspec.json.encode(captured)) <= MAX_SPAN_BYTES


def test_a_span_with_very_many_odd_evaluator_names_takes_time_in_proportion() -> None:
    """One that took the square of it would hold a run for minutes."""
    entries = {f"odd name {number:06}": {"assessment": "fail"} for number in range(20_000)}
    given = span_of({**KEPT, "evaluation": entries})
    findings = [Finding(rule="r", type="toxicity", severity="low", evaluator=name) for name in entries]
    made = within(3, lambda: SANITIZER.capture(given, findings, fetched_at=FETCHED))
    assert made.truncated
    assert len({one.evaluator for one in made.signals}) == len(made.signals)
