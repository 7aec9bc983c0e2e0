"""What stands under a key that is dropped, hashed or replaced is a finding, unless it is what we put there."""

from typing import Any

import msgspec
import pytest

from evalforge.ingestion.pii.verification import Verifier
from helpers.captures import capture, span
from helpers.scanning import SmallScanner

USER, SESSION, OTHER = ("u1_" + "0f" * 20, "s1_" + "0f" * 20, "h1_" + "0f" * 20)
MARK = "[WITHHELD chars=4]"


def found(value: Any) -> list[tuple[str, str]]:
    """Path and type of what is found in a line that holds this."""
    line = msgspec.json.encode(value)
    return [(leak.path, leak.type) for leak in Verifier(SmallScanner()).line("log:1", line)]


@pytest.mark.parametrize(
    ("value", "path", "kind"),
    [
        ({"user_id": "jane"}, "user_id", "USER_ID"),
        ({"user_id": 42}, "user_id", "USER_ID"),
        ({"user_id": OTHER}, "user_id", "USER_ID"),
        ({"user_id": ["jane"]}, "user_id", "USER_ID"),
        ({"user": {"id": "jane"}}, "user.id", "USER_ID"),
        ({"session_id": USER}, "session_id", "SESSION_ID"),
        ({"metadata": {"user_name": "Jane Doe"}}, "metadata.user_name", "PERSON"),
        ({"metadata": {"customer_name": "Jane Doe"}}, "metadata.customer_name", "PERSON"),
        ({"metadata": {"customer_name": "[PERSON_3f9a2c] Doe"}}, "metadata.customer_name", "PERSON"),
        ({"metadata": {"user_email": {"to": "jane"}}}, "metadata.user_email", "EMAIL"),
        ({"metadata": {"signature": "jane"}}, "metadata.signature", "DROPPED"),
        ({"metadata": {"db_password": 1234}}, "metadata.db_password", "SECRET"),
        ({"metadata": ["password", "hunter2!X"]}, "metadata.1", "SECRET"),
        ({"headers": [{"name": "Authorization", "value": "abc"}]}, "headers.0.value", "SECRET"),
        ({"tags": ["user_id:jane"]}, "tags.0", "USER_ID"),
        ({"counts": {"PHONE": 4155550123}}, "counts.PHONE", "PHONE"),
    ],
)
def test_what_a_key_says_must_not_be_there_is_found_whatever_it_looks_like(value: Any, path: str, kind: str) -> None:
    assert found(value) == [(path, kind)]


@pytest.mark.parametrize(
    "value",
    [
        {"user_id": USER, "session_id": SESSION, "usr": {"id": None}},
        {"user_id": MARK, "user_email": "", "password": True},
        {"customer_name": "[PERSON_3f9a2c] [PERSON_3f9a2c]", "auth": "Basic", "pass": 3},
        ["password", "[SECRET_3f9a2c]"],
        ["password", "username"],
        {"tags": ["service:user", "password", f"user_id:{USER}", f"user_id:{MARK}"]},
        {"headers": [{"name": "Authorization", "value": "[SECRET_3f9a2c]"}, {"name": "accept", "value": "abc"}]},
        {"evaluation": {"email": {"value": 0.4}, "password": {"value": "no"}}},
        {"redaction": {"policy": "redact-1", "counts": {"USER_ID": 2, "SECRET": 1}}},
        {"max_tokens": 5, "card_count": None, "input_tokens": 7},
    ],
)
def test_what_the_sanitiser_puts_under_such_a_key_is_no_finding(value: Any) -> None:
    assert found(value) == []


def test_the_fields_of_a_capture_are_no_findings_and_those_of_its_attributes_are() -> None:
    stored = capture("a1", [span(user_hash=USER, redaction={"USER_ID": 1}, attributes={"metadata": {"uid": "jane"}})])
    leaks = list(Verifier(SmallScanner()).noun("captures/a1", stored))
    assert [(leak.path, leak.type) for leak in leaks] == [("trace_payload.spans.0.attributes.metadata.uid", "USER_ID")]
    assert "jane" not in str(leaks)
