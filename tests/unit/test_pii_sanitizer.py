"""What the sanitiser lets through, and above all what it does not."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalforge.common.errors import ConfigurationError
from evalforge.ingestion.decoding import decode_span
from evalforge.ingestion.models import Finding, Span
from evalforge.ingestion.pii_policy import MAX_DEPTH, MAX_ITEMS, MAX_KEYS, MAX_SPAN_BYTES
from evalforge.ingestion.pii_sanitizer import SanitizationFailed, Sanitizer
from evalforge.models import FailureCapture

KEY = b"0123456789abcdef0123456789abcdef"
SANITIZER = Sanitizer(hash_key=KEY)
FOUND = Finding(rule="errors", type="llm_error", severity="high")
FETCHED = "2026-11-23T10:46:00.000Z"
TRACE = "6903738200000000af2d3775dfc70530"

KEPT: dict[str, Any] = {
    "span_id": "14624140233640368324",
    "trace_id": TRACE,
    "parent_id": "undefined",
    "span_kind": "llm",
    "status": "error",
    "start_ns": 1761833858897,
    "duration": 83000,
    "ml_app": "support-bot",
    "model_name": "gpt-4o-mini-2024-07-18",
    "model_provider": "openai",
    "metrics": {"input_tokens": 10.0, "output_tokens": 12, "estimated_total_cost": 7500.0, "time_to_first_token": 0.4},
    "metadata": {"temperature": 0.2, "max_tokens": 256, "top_p": 1},
    "tags": ["service:support-api", "env:prod", "error:1", "http.status_code:429", "version:1.4.2", "version:"],
    "error": {"type": "openai.RateLimitError"},
    "output": {
        "messages": [
            {"role": "assistant", "tool_calls": [{"tool_id": "call_a1b2c3d4e5f6g7h8", "type": "function"}]},
        ]
    },
    "evaluation": {
        "failure_to_answer": {
            "eval_metric_type": "categorical",
            "value": "failed to answer",
            "assessment": "fail",
            "status": "OK",
        },
        "helpfulness-check": {"eval_metric_type": "score", "value": 0.25, "assessment": "fail"},
        "quality": {"eval_metric_type": "score", "value": 0.5},
        "refused": {"eval_metric_type": "boolean", "value": True},
    },
}
"""A span of which nothing is withheld."""


def span_of(attributes: dict[str, Any], **item: Any) -> Span:
    return decode_span(json.dumps({"id": "1", "type": "span", **item, "attributes": attributes}).encode())


def with_ids(**attributes: Any) -> Span:
    return span_of({"trace_id": TRACE, "span_id": "12", **attributes})


def sanitized(**attributes: Any) -> dict[str, Any]:
    """The attributes beside the ids, as `item` gives them."""
    found = SANITIZER.item(with_ids(**attributes))["attributes"]
    return {key: value for key, value in found.items() if key not in ("trace_id", "span_id")}


def everything(span: Span, *findings: Finding) -> str:
    """All that ever leaves the sanitiser for this span, as text."""
    explain: list[dict[str, str]] = []
    parts = (
        SANITIZER.item(span, explain),
        SANITIZER.span(span),
        SANITIZER.capture(span, [FOUND, *findings], fetched_at=FETCHED),
    )
    return msgspec.json.encode([*parts, explain]).decode("utf-8")


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


# What is not


CANARY = "Zq7jane.doe@example.com"
SECRET_NUMBERS = [4111111111111111, 14155550132, 4.111111111111111e15, 14155550132.0]


def planted(secret: Any) -> dict[str, Any]:
    """The secret everywhere that a span has room for it."""
    text = str(secret)
    layers: Any = {text: secret, "card number": secret}
    for _ in range(4):
        layers = {"nested": json.dumps(layers), "list": [layers, [secret]]}
    entry = dict.fromkeys(
        ["eval_metric_type", "value", "reasoning", "assessment", "status", "action", "llm_output", "metadata"], secret
    )
    message = {
        **dict.fromkeys(["content", "role", "id", "tool_id", text], secret),
        "tool_calls": [{"name": secret, "arguments": {text: secret}, "tool_id": secret, "type": secret}],
        "tool_results": [{"name": secret, "result": secret, "tool_id": secret, "type": secret}],
        "audio_parts": [{"data": secret}],
    }
    side = {
        "value": secret,
        "messages": [message, secret],
        "documents": [{"text": secret, "name": secret, "id": secret, "score": secret}],
        "prompt": dict.fromkeys(["id", "version", "ml_app", "template", "variables", "tags", "label"], secret),
        "parameters": {"temperature": secret},
        text: secret,
    }
    return {
        "trace_id": TRACE,
        "span_id": "12",
        **dict.fromkeys(
            ["name", "span_kind", "status", "start_ns", "duration", "ml_app", "service", "env", "version", "intent"],
            secret,
        ),
        **dict.fromkeys(["model_name", "model_provider", "session_id", "user_id", text, "agent_service"], secret),
        "error": {"type": secret, "message": secret, "stack": secret, text: secret},
        "metrics": {"input_tokens": secret, "total_cost": secret, "estimated_total_cost": secret, text: secret},
        "metadata": {
            "temperature": secret,
            "n": secret,
            "model": secret,
            "error": secret,
            "deep": layers,
            text: secret,
        },
        "tags": [
            *(
                f"{key}:{text}"
                for key in ["service", "env", "version", "user_id", "error_type", "source", "team", text]
            ),
            text,
            secret,
            f"{text}:x",
        ],
        "evaluation": {text: entry, "failure_to_answer": entry, "list": [entry], "error": {"error": {"type": secret}}},
        "input": side,
        "output": side,
        "tool_definitions": [{"name": secret, "description": secret, "schema": {text: secret}, "version": secret}],
        "headers": [["x-request", secret], {"name": "x-thing", "value": secret}, {"key": secret, "value": secret}],
        "meta": {"error": {"message": secret, "type": secret}, "span": {"kind": secret}, "input": side},
        "_dd": {"trace": secret},
    }


@pytest.mark.parametrize("secret", [CANARY, "call me on +1 415-555-0132", "sk-proj-Abc123Def456", *SECRET_NUMBERS])
def test_a_secret_planted_everywhere_comes_out_nowhere(secret: Any) -> None:
    attributes = planted(secret)
    finding = Finding(rule="judge", type="toxicity", severity="low", evaluator=str(secret))
    span = span_of(attributes, links={str(secret): secret})
    output = everything(span, finding)
    digits = str(secret).partition(".")[0]
    assert str(secret) not in output
    assert (digits if digits.isdigit() else "jane") not in output
    assert "4111" not in output.replace(TRACE, "")
    assert len(msgspec.json.encode(SANITIZER.span(span))) <= MAX_SPAN_BYTES


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


# Ids


@pytest.mark.parametrize(("sent", "kept"), [("undefined", None), ("", None), (None, None), ("12ab", "12ab"), (7, "7")])
def test_the_parent_is_a_plain_id_or_none(sent: object, kept: str | None) -> None:
    assert SANITIZER.span(with_ids(parent_id=sent)).parent_id == kept


def test_an_odd_span_id_becomes_a_hash_that_its_children_still_find() -> None:
    parent = SANITIZER.span(span_of({"trace_id": TRACE, "span_id": "jane@example.com"}))
    child = SANITIZER.span(with_ids(parent_id="jane@example.com"))
    assert parent.span_id == child.parent_id == SANITIZER.pseudonym("jane@example.com", "span")
    assert parent.attributes["span_id"] == parent.span_id


def test_a_span_without_an_id_is_known_by_its_bytes() -> None:
    span = decode_span(b'{"attributes":{"trace_id":"ab"}}')
    assert SANITIZER.span(span).span_id == SANITIZER.pseudonym(span.raw, "span-bytes")


def test_pseudonyms_differ_by_purpose_and_key() -> None:
    other = Sanitizer(hash_key=KEY[::-1])
    assert len({SANITIZER.pseudonym("x", "a"), SANITIZER.pseudonym("x", "b"), other.pseudonym("x", "a")}) == 3


@pytest.mark.parametrize("trace_id", [None, "", "jane@example.com", "../../etc"])
def test_a_trace_without_a_plain_id_makes_no_capture(trace_id: object) -> None:
    with pytest.raises(SanitizationFailed) as caught:
        SANITIZER.capture(span_of({"trace_id": trace_id, "span_id": "1"}), [FOUND], fetched_at=FETCHED)
    assert "jane" not in str(caught.value)


# Hashes


def user_hash(**attributes: Any) -> str | None:
    return SANITIZER.span(with_ids(**attributes)).user_hash


def test_an_id_has_one_hash_whatever_its_type_place_and_form() -> None:
    found = {
        user_hash(tags=["user_id:42"]),
        user_hash(metadata={"userId": 42}),
        user_hash(metadata={"user": {"id": 42.0}}),
        user_hash(input={"value": {"usr.id": " 42 "}}),
        user_hash(headers=[["user-id", "42"]]),
        user_hash(headers=[{"name": "user-id", "value": "42"}]),
    }
    assert len(found) == 1
    (hashed,) = found
    assert hashed is not None
    assert hashed.startswith("u1_")
    assert len(hashed) == 43


def test_the_same_person_has_another_hash_under_another_key() -> None:
    other = Sanitizer(hash_key=KEY[::-1]).span(with_ids(tags=["user_id:42"])).user_hash
    assert other not in (None, user_hash(tags=["user_id:42"]))


def test_a_session_has_another_hash_than_a_user_with_the_same_id() -> None:
    span = SANITIZER.span(with_ids(tags=["user_id:42", "session_id:42"]))
    assert span.session_hash is not None
    assert span.session_hash.startswith("s1_")
    assert span.session_hash[3:] != str(span.user_hash)[3:]


def test_a_composed_and_a_decomposed_letter_are_one_id() -> None:
    assert user_hash(tags=["user_id:jos\u00e9"]) == user_hash(tags=["user_id:jose\u0301"])


def test_the_hash_is_the_same_in_another_process() -> None:
    code = (
        "from evalforge.ingestion.decoding import decode_span; from evalforge.ingestion.pii_sanitizer import Sanitizer;"
        f's=Sanitizer(hash_key={KEY!r}); d=decode_span(b\'{{"attributes":{{"span_id":"1","tags":["user_id:42"]}}}}\');'
        "print(s.span(d).user_hash)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == user_hash(tags=["user_id:42"])


def test_the_user_comes_from_the_tags_then_the_metadata_then_anywhere() -> None:
    places: dict[str, Any] = {"tags": ["user_id:1"], "metadata": {"user_id": "2"}, "input": {"value": {"user_id": "3"}}}
    for number in ("1", "2", "3"):
        assert user_hash(**places) == user_hash(tags=[f"user_id:{number}"])
        places.pop(next(iter(places)))


def test_an_id_of_an_account_is_the_user_only_where_no_user_is_named() -> None:
    assert user_hash(tags=["account_id:9"], metadata={"user_id": 1}) == user_hash(tags=["user_id:1"])
    assert user_hash(tags=["account_id:9"]) is not None
    assert user_hash(tags=["device_id:9"]) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", None),
        (None, None),
        ("  ", None),
        ({"a": 1}, "[WITHHELD chars=7]"),
        ([1], "[WITHHELD chars=3]"),
        (True, True),
    ],
)
def test_what_is_no_id_is_not_hashed(value: object, shown: object) -> None:
    assert sanitized(metadata={"user_id": value}) == {"metadata": {"user_id": shown}}
    assert user_hash(metadata={"user_id": value}) is None


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="EVALFORGE_HASH_KEY"):
        Sanitizer(hash_key=b"")


def test_the_key_is_in_no_repr() -> None:
    assert "0123456789abcdef" not in repr(SANITIZER) + repr(vars(SANITIZER))


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


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12).map(lambda text: CANARY + text)
    | st.sampled_from(["user", "4155550132", "gpt-4o"]),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(
            st.sampled_from(
                [
                    *KEPT,
                    "input",
                    "output",
                    "value",
                    "messages",
                    "content",
                    "role",
                    "name",
                    "user_id",
                    "email",
                    "headers",
                    "user",
                ]
            )
            | st.text(max_size=8).map(lambda text: CANARY + text),
            inner,
            max_size=6,
        )
    ),
    max_leaves=40,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*KEPT, "input", "output", "meta", "tool_definitions", "_dd"]), JSON, max_size=12)
)
def test_whatever_a_span_holds_it_is_clean_small_the_same_each_time_and_left_alone(attributes: dict[str, Any]) -> None:
    attributes |= {"trace_id": TRACE}
    span = msgspec.structs.replace(span_of(attributes), attributes=attributes)
    before = copy.deepcopy(attributes)
    output = everything(span)
    assert CANARY not in output
    assert len(msgspec.json.encode(SANITIZER.span(span))) <= MAX_SPAN_BYTES
    assert repr(attributes) == repr(before)
    turned = msgspec.structs.replace(span, attributes=_turned(attributes))
    assert everything(turned) == output


def _turned(value: Any) -> Any:
    """The same value with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: _turned(child) for key, child in reversed(value.items())}
    return [_turned(child) for child in value] if isinstance(value, list) else value


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
