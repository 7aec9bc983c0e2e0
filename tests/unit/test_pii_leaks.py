"""What a customer wrote comes out nowhere, wherever it stood."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalforge.ingestion.models import Finding
from evalforge.ingestion.pii.policy import MAX_SPAN_BYTES
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.sanitizing import (
    CANARY,
    KEPT,
    REDACTING,
    SANITIZER,
    TRACE,
    everything,
    span_of,
)

SECRET_NUMBERS = [4111111111111111, 14155550132, 4.111111111111111e15, 14155550132.0]
SECRETS = [CANARY, "call me on +1 415-555-0132", "sk-proj-Abc123Def456", *SECRET_NUMBERS]


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


@pytest.mark.parametrize(
    ("sanitizer", "secret"),
    [
        *((SANITIZER, secret) for secret in SECRETS),
        (REDACTING, CANARY),
        (REDACTING, "4111-1111-1111-1111"),
    ],
)
def test_a_secret_planted_everywhere_comes_out_nowhere(sanitizer: Sanitizer, secret: Any) -> None:
    attributes = planted(secret)
    finding = Finding(rule="judge", type="toxicity", severity="low", evaluator=str(secret))
    span = span_of(attributes, links={str(secret): secret})
    output = everything(span, finding, sanitizer=sanitizer)
    digits = str(secret).partition(".")[0]
    assert str(secret) not in output
    assert (digits if digits.isdigit() else "jane") not in output
    assert "4111" not in output.replace(TRACE, "")
    assert len(msgspec.json.encode(sanitizer.span(span))) <= MAX_SPAN_BYTES


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


@pytest.mark.parametrize("sanitizer", [SANITIZER, REDACTING], ids=["withholding", "redacting"])
@settings(max_examples=200, deadline=None)
@given(
    attributes=st.dictionaries(
        st.sampled_from([*KEPT, "input", "output", "meta", "tool_definitions", "_dd"]), JSON, max_size=12
    )
)
def test_whatever_a_span_holds_it_is_clean_small_the_same_each_time_and_left_alone(
    sanitizer: Sanitizer, attributes: dict[str, Any]
) -> None:
    attributes |= {"trace_id": TRACE}
    span = msgspec.structs.replace(span_of(attributes), attributes=attributes)
    before = copy.deepcopy(attributes)
    output = everything(span, sanitizer=sanitizer)
    assert CANARY not in output
    assert len(msgspec.json.encode(sanitizer.span(span))) <= MAX_SPAN_BYTES
    assert repr(attributes) == repr(before)
    turned = msgspec.structs.replace(span, attributes=_turned(attributes))
    assert everything(turned, sanitizer=sanitizer) == output


def _turned(value: Any) -> Any:
    """The same value with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: _turned(child) for key, child in reversed(value.items())}
    return [_turned(child) for child in value] if isinstance(value, list) else value
