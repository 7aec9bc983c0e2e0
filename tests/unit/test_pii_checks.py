"""The typed checks of single values: what is kept, what is withheld."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from evalforge.ingestion.decoding import decode_span
from evalforge.ingestion.pii import checks
from evalforge.ingestion.pii.policy import MAX_DEPTH
from helpers.sanitizing import SANITIZER, everything, sanitized, with_ids


@pytest.mark.parametrize(
    "name",
    [
        "jane@example.com", "10.1.2.3", "srv-10.1.2.3", "fe80::1", "aa:bb:cc:dd:ee:ff", "https://example.com/x", "a b",
        "call-415-555-0132", "ssn-123-45-6789", "a1234567", "AKIAIOSFODNN7EXAMPLE", "sk-proj-abc",
        "ghp_16C7e42F292c6912E7",
        "a" * 101, "", "é", "x1" * 13, "a\n", "GB82WEST12345698765432",
    ],
)  # fmt: skip
def test_a_name_of_doubtful_shape_is_withheld(name: str) -> None:
    found = sanitized(ml_app=name, model_name=name)
    mark = f"[WITHHELD chars={len(name)}]"
    assert found == {"ml_app": mark, "model_name": mark}


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o", "gpt-3.5-turbo-16k-0613", "claude-3-5-sonnet-20241022", "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "claude-3-5-sonnet@20240620", "meta-llama/Llama-3.1-70B-Instruct", "gemini-2.5-flash-preview-04-17",
        "o1-2024-12-17",
        "us.amazon.nova-pro-v1:0", "text-embedding-3-large", "azure_openai", "mixtral-8x7b-32768",
    ],
)  # fmt: skip
def test_the_name_of_a_real_model_is_kept(name: str) -> None:
    assert sanitized(model_name=name) == {"model_name": name}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("builtins.TimeoutError", "builtins.TimeoutError"),
        ("openai.RateLimitError", "openai.RateLimitError"),
        ("acme.jane_doe.TimeoutError", "TimeoutError"),
        ("GuardrailTriggered", "GuardrailTriggered"),
        ("JaneDoeError", "[WITHHELD chars=12]"),
        ("Max turns exceeded", "[WITHHELD chars=18]"),
    ],
)
def test_only_the_class_of_a_well_known_error_is_shown(sent: str, shown: str) -> None:
    assert sanitized(error={"type": sent}) == {"error": {"type": shown}}
    assert SANITIZER.span(with_ids(error={"type": sent})).error_type == shown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metrics", {"input_tokens": 10**9}),
        ("metrics", {"input_tokens": 15550132}),
        ("metrics", {"input_tokens": -1}),
        ("metrics", {"input_tokens": 2**64}),
        ("metrics", {"input_tokens": "12"}),
        ("metrics", {"input_tokens": [1, 2]}),
        ("metadata", {"temperature": 4111111111111111}),
        ("metadata", {"seed": 5550132}),
        ("start_ns", 14155550132),
        ("start_ns", 4111111111111111),
        ("duration", 4111111111111111),
    ],
)
def test_a_number_past_what_its_field_may_hold_is_withheld(field: str, value: Any) -> None:
    text = json.dumps(sanitized(start_ns=1761833858897) | sanitized(**{field: value}))
    assert "WITHHELD" in text
    digits = json.dumps(value).strip("[]{}").rpartition(" ")[2].strip('"')
    assert f": {digits}" not in text


def test_a_start_that_is_no_time_is_not_told_by_the_capture_either() -> None:
    span = SANITIZER.span(with_ids(start_ns=14155550132, duration=14155550132000))
    assert (span.started_at, span.duration_ms) == (None, None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_has_no_form_for_are_withheld(value: float) -> None:
    span = with_ids(metrics={"input_tokens": value}, evaluation={"quality": {"value": value}}, duration=value)
    captured = SANITIZER.span(span)
    assert captured.attributes["metrics"]["input_tokens"].startswith("[WITHHELD")
    assert captured.quality_score is None
    msgspec.json.encode(captured)


def test_odd_text_is_harmless() -> None:
    attributes = rb'{"trace_id":"ab","name":"\ud800\u0000","\udfff":"x","tags":["user_id:\ud800"]}'
    raw = rb'{"id":"\ud800","type":"a\u0000","attributes":' + attributes + b"}"
    assert "\\u0000" not in everything(decode_span(raw))


@pytest.mark.parametrize("around", [lambda inner: {"a": inner}, lambda inner: [inner], lambda inner: {"a": [inner]}])
def test_what_lies_too_deep_is_withheld_whole(around: Callable[[Any], Any]) -> None:
    deep: Any = "bottom of the sea"
    for _ in range(200):
        deep = around(deep)
    encoded = msgspec.json.encode(SANITIZER.item(with_ids(metadata={"deep": deep})))
    assert b"bottom" not in encoded
    assert encoded.count(b"{") + encoded.count(b"[") - encoded.count(b"[WITHHELD") < MAX_DEPTH + 5


def test_types_that_json_does_not_have_are_withheld() -> None:
    span = msgspec.structs.replace(
        with_ids(), attributes={"span_id": "1", "metadata": {"a": {1, 2}, "b": b"x", "c": (1,)}}
    )
    msgspec.json.encode(SANITIZER.span(span))


def test_token_probabilities_are_withheld_as_one() -> None:
    tokens = {"content": [{"token": "J", "bytes": [74]}, {"token": "ane", "bytes": [97, 110, 101]}]}
    found = sanitized(metadata={"logprobs": tokens})["metadata"]
    assert list(found) == ["logprobs"]
    assert found["logprobs"].startswith("[WITHHELD chars=")


@pytest.mark.parametrize("identity", ["call-4111111111111111", "msg-14155550132", "run-4111-1111-1111-1111"])
def test_a_number_behind_the_prefix_of_a_call_id_is_no_id(identity: str) -> None:
    assert checks.call_id(identity) is None


def test_a_call_id_of_a_uuid_is_one() -> None:
    assert checks.call_id("run-123e4567-e89b-12d3-a456-426614174000") is not None


@pytest.mark.parametrize(
    "name", ["a4111--1111--1111--1111", "a415--555--0132", "a4111-_1111-_1111", "akiaiosfodnn7example"]
)
def test_numbers_with_odd_separators_and_cloud_keys_in_lower_case_are_no_identifiers(name: str) -> None:
    assert checks.identifier(name) is None
    assert checks.model(name) is None
