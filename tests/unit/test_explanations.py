"""What `--explain` says of each replacement: where, of which type and by which rule; never the value."""

import base64
import io
import json
from typing import Any

import pytest

from evalforge.ingestion.line_sanitizer import sanitize_lines
from evalforge.ingestion.pii.custom import CustomRules
from evalforge.ingestion.pii.text.engine import TextEngine
from evalforge.ingestion.pii.text.recognizers import recognizers
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.sanitizing import KEY, with_ids

TICKET = {
    "name": "our-ticket",
    "type": "TICKET",
    "pattern": r"\bTCK-\d{6}\b",
    "positive": ["«TCK-123456»"],
    "negative": ["TCK-12"],
}
OWN = tuple(recognizers([TICKET]))
SANITIZER = Sanitizer(hash_key=KEY, scanner=TextEngine(OWN), custom=CustomRules(recognizers=OWN, digest="3f9a2c1d"))
VENDORS = "dapi" + "a1b2c3d4e5f60718293a4b5c6d7e8f90"
HIDDEN = base64.b64encode(b"hello jane, how are you today?").decode()


def explained(**attributes: Any) -> list[tuple[str, str, str, str]]:
    records: list[dict[str, str]] = []
    SANITIZER.item(with_ids(**attributes), records)
    assert all(set(record) == {"path", "action", "reason", "rule"} for record in records)
    return [(one["path"], one["action"], one["reason"], one["rule"]) for one in records]


@pytest.mark.parametrize(
    ("attributes", "record"),
    [
        ({"input": {"value": "see TCK-123456"}}, ("input.value", "redacted", "TICKET", "our-ticket")),
        ({"input": {"value": json.dumps(["TCK-123456"])}}, ("input.value.0", "redacted", "TICKET", "our-ticket")),
        (
            {"input": {"value": json.dumps({"a": ["TCK-1", "TCK-123456"]})}},
            ("input.value.a.1", "redacted", "TICKET", "our-ticket"),
        ),
        ({"tags": ["team:a", "case:TCK-123456"]}, ("tags.1", "redacted", "TICKET", "our-ticket")),
        ({"metadata": {"see TCK-123456": 1}}, ("metadata", "redacted", "TICKET", "our-ticket")),
        ({"input": {"value": "I am jane@example.com"}}, ("input.value", "redacted", "EMAIL", "email")),
        ({"metadata": {"number": 4111111111111111}}, ("metadata.number", "redacted", "CREDIT_CARD", "card")),
        ({"input": {"value": f"hello {HIDDEN}"}}, ("input.value", "redacted", "BLOB", "base64-text")),
        ({"input": {"value": "hello 6a616e6520616e6420626f6279"}}, ("input.value", "redacted", "BLOB", "encoded text")),
        ({"input": {"value": "x?phone=ab12cd&q=1"}}, ("input.value", "redacted", "PHONE", "key phone")),
        ({"metadata": {"db_password": "hunter2"}}, ("metadata.db_password", "redacted", "SECRET", "key SECRET")),
        ({"metadata": {"password": "hunter2"}}, ("metadata.password", "dropped", "key password", "key password")),
        ({"metadata": {"user_id": "u-4711"}}, ("metadata.user_id", "hashed", "key user_id", "key user_id")),
        (
            {"metadata": {"username": "jdoe77"}, "input": {"value": "I am jdoe77"}},
            ("input.value", "redacted", "USERNAME", "known name"),
        ),
    ],
    ids=lambda value: value[3] if isinstance(value, tuple) else "",
)
def test_each_replacement_names_its_path_and_its_rule(
    attributes: dict[str, Any], record: tuple[str, str, str, str]
) -> None:
    assert record in explained(**attributes)


def test_what_only_the_vendors_formats_know_is_by_kingfisher() -> None:
    (record,) = explained(input={"value": f"clone with {VENDORS} and"})
    assert record == ("input.value", "redacted", "API_KEY", "kingfisher")


def test_no_value_is_in_an_explanation() -> None:
    records = explained(
        input={"value": "TCK-123456 jane@example.com password=Hunter2-44 4111 1111 1111 1111"},
        metadata={"jane@example.com": "TCK-123456", "username": "jdoe77"},
        tags=["jane@example.com:TCK-123456"],
    )
    said = json.dumps(records)
    for value in ("123456", "jane", "Hunter2", "4111", "jdoe77"):
        assert value not in said


def test_a_name_that_another_line_tells_is_in_no_path() -> None:
    lines = [
        {"trace_id": "ab", "span_id": "1", "tags": ["usr.name:Waldo Picchu"]},
        {
            "trace_id": "ab",
            "span_id": "2",
            "metadata": {"Waldo": {"x": "a@b.co"}},
            "evaluation": {"Waldo Picchu": {"reasoning": "a@b.co"}},
        },
    ]
    source = io.BytesIO(b"\n".join(json.dumps({"attributes": line}).encode() for line in lines))
    shown = b"".join(sanitize_lines(source, SANITIZER, explain=True)).decode()
    assert '"path":"metadata.[PERSON_' in shown
    assert "waldo" not in shown.casefold()
    assert "picchu" not in shown.casefold()
