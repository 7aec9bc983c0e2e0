"""What keys over a value say of it: those of people, of secrets, of ids, and lists and labels that hold keys."""

import json
from functools import partial
from typing import Any

import pytest

from helpers.sanitizing import REDACTING, sanitized

redacted = partial(sanitized, REDACTING)


def shown(value: Any) -> Any:
    """The value inside JSON in a text."""
    return json.loads(redacted(input={"value": json.dumps(value)})["input"]["value"])


@pytest.mark.parametrize(
    "person",
    [
        {"customer": {"name": "Waldo Picchu"}},
        {"users": [{"name": "Waldo"}]},
        {"user": {"profile": {"first_name": "Waldo"}}},
        {"user_info": {"display_name": "Waldo"}},
        {"currentUser": {"login": "waldo"}},
        {"patient": {"name": "Waldo"}},
        {"recipient": {"name": "Waldo"}},
        {"sender": {"name": "Waldo"}},
        {"owner": {"login": "waldo"}},
        {"employee": {"name": "Waldo"}},
        {"order": {"customer": {"name": "Waldo"}}},
    ],
)
def test_a_name_below_a_key_of_a_person_is_theirs(person: dict[str, Any]) -> None:
    assert "waldo" not in json.dumps(shown(person)).lower()
    assert "waldo" not in json.dumps(redacted(metadata=person, input={"value": "Waldo Picchu called"})).lower()


@pytest.mark.parametrize(
    "technical",
    [
        {"client": {"name": "httpx"}},
        {"driver": {"name": "postgres"}},
        {"customer": {"plan": "basic", "orders": [{"name": "lamp"}]}},
        {"tool": {"name": "search"}},
        {"app": {"display_name": "Shop"}},
        {"pass": 12, "fail": 3},
        {"passed": "yes", "author_count": 3, "mapping": "x", "spin": "up"},
    ],
)
def test_a_name_below_a_key_of_a_thing_stays(technical: dict[str, Any]) -> None:
    assert shown(technical) == technical


@pytest.mark.parametrize(
    "key",
    [
        "dd_app_key",
        "app_key",
        "appKey",
        "application_key",
        "pw",
        "pass",
        "auth",
        "pem",
        "license_key",
        "database_url",
        "otp",
        "pin",
        "pinCode",
        "mfa_code",
        "2fa",
    ],
)
def test_a_key_that_names_a_secret_in_short_is_known(key: str) -> None:
    assert "tiger" not in json.dumps(shown({key: "tiger"}))


@pytest.mark.parametrize(
    "labelled",
    [
        {"Name": "DB_PASSWORD", "Value": "opensesame"},
        {"ParameterKey": "DbPassword", "ParameterValue": "opensesame"},
        {"header": "Authorization", "value": "opensesame"},
        {"key": "password", "val": "opensesame"},
        {"rawHeaders": ["Host", "x.io", "Authorization", "opensesame1", "Cookie", "sid=opensesame1"]},
        ["--password", "opensesame"],
        ["mysql", "--password", "opensesame", "-v"],
    ],
)
def test_a_value_is_read_by_the_label_beside_it(labelled: Any) -> None:
    output = redacted(input={"value": json.dumps(labelled)})["input"]["value"]
    assert "opensesame" not in output
    assert redacted(input={"value": output})["input"]["value"] == output


@pytest.mark.parametrize(
    "listed",
    [
        ["phone", "tablet"],
        ["user", "assistant"],
        {"required": ["email", "phone"]},
        {"required": ["first_name", "last_name"]},
        {"required": ["password", "token", "email"]},
        {"l": ["card", "cash"]},
    ],
)
def test_a_list_of_words_is_no_key_and_value(listed: Any) -> None:
    assert shown(listed) == listed


def test_a_number_under_an_id_is_read_if_the_key_or_the_trace_says_that_it_is_somebodys() -> None:
    assert shown({"id": 4155550132, "span_ids": [4111111111111111]}) == {
        "id": 4155550132,
        "span_ids": [4111111111111111],
    }
    assert "4111111111111111" not in json.dumps(shown({"national_id": 4111111111111111}))
    assert "52998224725" not in json.dumps(shown({"national_id": 52998224725, "gov_id": 52998224725}))
    found = redacted(metadata={"phone": "4155550132"}, input={"value": json.dumps({"id": 4155550132})})
    assert "4155550132" not in json.dumps(found)


@pytest.mark.parametrize("pieces", [("mail jane@exa", "mple.com")])
def test_pieces_of_one_role_are_a_stream(pieces: tuple[str, str]) -> None:
    output = redacted(output={"value": [{"role": "assistant", "content": piece} for piece in pieces]})
    assert "mple.com" not in json.dumps(output)


def test_a_list_of_values_of_which_one_is_whole_is_no_stream() -> None:
    values = shown({"l": ["red", "green", "jane@x.io", "blue"]})["l"]
    assert values[:2] + values[3:] == ["red", "green", "blue"]
    assert values[2].startswith("[EMAIL_")
