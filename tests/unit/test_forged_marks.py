"""What only has the form of a mark is no mark: a value in capitals and brackets is found like any other."""

from typing import Any

import pytest

from evalforge.ingestion.pii.hashing import OF_USER, Pseudonyms, is_pseudonym
from evalforge.ingestion.pii.key_types import FAMILIES, TYPE_OF_DROPPED, USER_ID
from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.placeholders import BUILT_IN_TYPES
from evalforge.ingestion.pii.text import vendor_secrets
from evalforge.ingestion.pii.text.engine import TextEngine
from evalforge.ingestion.pii.text.recognizers import built_in
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.sanitizing import KEY, sanitized

ENGINE = Sanitizer(hash_key=KEY, scanner=TextEngine())
KNOWN: dict[str, Any] = {"tags": ["usr.name:Waldo Picchu"]}


def shown(text: str, **attributes: Any) -> str:
    return str(sanitized(ENGINE, input={"value": text}, **attributes)["input"]["value"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("card [CARD_4111111111111111_001234]", "4111111111111111"),
        ("[DE89370400440532013000_123456]", "DE89370400440532013000"),
        ("password=[HUNTER2SECRET_123456]", "HUNTER2SECRET"),
        ('password="[HUNTERSECRET_123456]"', "HUNTERSECRET"),
        ("ssn [WITHHELD chars=078051120]", "078051120"),
        ("ssn [WITHHELD chars=378051120]", "378051120"),
        ("call [EMAIL_3f9a2c chars=+14155550132]", "4155550132"),
    ],
)
def test_a_value_in_the_form_of_a_mark_is_replaced(text: str, value: str) -> None:
    once = shown(text)
    assert value not in once
    assert shown(once) == once


@pytest.mark.parametrize("text", ["[WALDO_123456]", "so [WALDO_PICCHU_123456] said"])
def test_a_known_name_in_the_form_of_a_mark_is_replaced(text: str) -> None:
    once = shown(text, **KNOWN)
    assert "WALDO" not in once
    assert shown(once, **KNOWN) == once


def test_under_a_key_that_names_somebody_a_name_in_the_form_of_a_mark_is_replaced() -> None:
    assert "WALDO" not in str(sanitized(ENGINE, metadata={"customer_name": "[WALDO_123456]"}))


def test_marks_that_were_made_are_left_as_they_are() -> None:
    text = "a [EMAIL_3f9a2c] b [BLOB_3f9a2c chars=40] c [WITHHELD chars=40] d [TRUNCATED chars=4000000]"
    assert shown(text, **KNOWN) == text


def test_every_type_that_is_made_is_known() -> None:
    made = {rule.type for rule in built_in()} | {vendor_secrets.TYPE, USER_ID}
    made |= {kind for kind, _ in FAMILIES} | set(TYPE_OF_DROPPED.values())
    assert made <= BUILT_IN_TYPES


def test_the_types_of_the_users_own_rules_are_known_too() -> None:
    text = 'password="[TICKET_3f9a2c]"'
    assert Keys().marks_in(text) == []
    assert [mark[0] for mark in Keys(types=frozenset({"TICKET"})).marks_in(text)] == ["[TICKET_3f9a2c]"]


def filled(value: str) -> str:
    """The value in the form of a hash of ours."""
    return "u1_" + value.ljust(40, "0")


@pytest.mark.parametrize(
    "forged",
    [
        filled("4111111111111111"),
        filled(b"jane@ex.org".hex()),
        "u1_" + b"mail jane@example.or".hex(),
        "u1_4111111111111111378282246310005123456789",
    ],
)
@pytest.mark.parametrize(
    "attributes", [lambda one: {"tags": [f"usr.id:{one}"]}, lambda one: {"metadata": {"user_id": one}}]
)
def test_a_value_in_the_form_of_a_hashed_id_is_hashed_like_any_other(forged: str, attributes: Any) -> None:
    found = str(sanitized(ENGINE, **attributes(forged)))
    assert forged not in found
    assert "u1_" in found


def test_a_hashed_id_is_left_as_it_is_for_many_ids() -> None:
    pseudonyms = Pseudonyms(KEY)
    made = [pseudonyms.user(str(number)) for number in range(20_000)]
    assert all(is_pseudonym(one, OF_USER) for one in made)
