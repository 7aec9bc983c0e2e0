"""Objects under the key of a secret or a person: what describes a field stays, and a value in one goes."""

import json
from typing import Any

import pytest

from evalforge.ingestion.pii.verification import Verifier
from helpers.sanitizing import REDACTING, sanitized
from helpers.scanning import SmallScanner


def shown(value: Any) -> str:
    """What becomes of it as an attribute, and as JSON in a text."""
    found = sanitized(REDACTING, metadata=value, input={"value": json.dumps(value)})
    return json.dumps([found["metadata"], found["input"]["value"]])


@pytest.mark.parametrize(
    "value",
    [
        {"db_password": {"sensitive": True, "type": "string", "value": "opensesame"}},
        {"outputs": {"admin_api_key": {"value": "opensesame", "version": 3}}},
        {"smtp_pass": {"current": "opensesame"}},
        {"password": {"type": "opensesame"}},
        {"email": {"type": "string", "default": "opensesame@example.org"}},
        {"phone": {"type": "string", "example": "opensesame"}},
    ],
)
def test_a_value_in_an_object_under_such_a_key_is_replaced(value: Any) -> None:
    assert "opensesame" not in shown(value)


SCHEMA = {"properties": {"email": {"type": "string", "format": "email"}, "user_id": {"type": ["string", "null"]}}}


def test_a_schema_that_describes_such_a_field_stays_as_it_is() -> None:
    assert sanitized(REDACTING, metadata=SCHEMA)["metadata"] == SCHEMA


def test_the_description_of_such_a_field_is_read_as_text() -> None:
    assert "jane@" not in shown({"properties": {"email": {"type": "string", "description": "as jane@example.org"}}})


def test_a_schema_in_a_stored_record_is_no_finding() -> None:
    assert list(Verifier(SmallScanner()).line("log:1", json.dumps(SCHEMA).encode())) == []
