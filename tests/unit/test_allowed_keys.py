"""Keys that a user allows: identifiers under them stay as they are, wherever the key stands; nothing else does."""

import json
import string
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evalforge.ingestion.pii.allowed_keys import why_not
from evalforge.ingestion.pii.custom import CustomRules
from evalforge.ingestion.pii.key_types import redacting_fate_of
from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.verification import Verifier
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.engines import engine
from helpers.sanitizing import KEY, sanitized, span_of

CARD = "4111111111111111"
ALLOWED = frozenset({"order_number", "card_id", "address", "via", "signature"})
ALLOWING = Sanitizer(hash_key=KEY, scanner=engine(), custom=CustomRules(keys=Keys(ALLOWED), digest="3f9a2c1d"))
PLAIN = Sanitizer(hash_key=KEY, scanner=engine())
SPELLINGS = ["order_number", "orderNumber", "Order-Number", "order.number", "x/order_number", "ORDER NUMBER"]
CARRIERS: list[Any] = [
    {"metadata": {"order_number": CARD}},
    {"metadata": {"order_number": int(CARD)}},
    {"metadata": {"order_number": [CARD, int(CARD), "A-1"]}},
    {"metadata": {"order": {"number": CARD}}},
    {"metadata": {"deep": [{"orderNumber": {"order_number": CARD}}]}},
    {"metadata": {"headers": [["order_number", CARD]]}},
    {"metadata": {"fields": [{"name": "order_number", "value": CARD}]}},
    {"tags": [f"order_number:{CARD}", f"orderNumber:{CARD}", f"shop.order_number:{CARD}"]},
    {"input": {"value": json.dumps({"order_number": CARD, "many": [{"order_number": int(CARD)}]})}},
    {"input": {"value": json.dumps({"a": json.dumps({"order_number": CARD})})}},
    {"input": {"value": f"https://shop.example/x?order_number={CARD}&a=b"}},
    {"input": {"value": f"order_number={CARD}&a=b"}},
    {"input": {"value": f"no luck with order_number={CARD}, order_number: {CARD} and 'order_number': '{CARD}'"}},
    {"input": {"value": f'cut off {{"order_number": "{CARD}", "no'}},
]


@pytest.mark.parametrize("attributes", CARRIERS, ids=lambda one: json.dumps(one)[:60])
def test_an_identifier_under_an_allowed_key_stays_wherever_the_key_stands(attributes: dict[str, Any]) -> None:
    as_shown = json.loads(json.dumps(attributes).replace(", ", ",").replace(": ", ":"))
    assert CARD not in json.dumps(sanitized(PLAIN, **attributes))
    shown = sanitized(ALLOWING, **attributes)
    assert json.dumps(shown).count(CARD) == json.dumps(as_shown).count(CARD)
    assert sanitized(ALLOWING, **shown) == shown
    assert list(Verifier(engine(), keys=Keys(ALLOWED)).noun("x", ALLOWING.span(span_of(attributes)))) == []
    assert list(Verifier(engine()).noun("x", ALLOWING.span(span_of(attributes))))


@pytest.mark.parametrize("key", SPELLINGS)
def test_keys_compare_in_their_normal_form(key: str) -> None:
    assert sanitized(ALLOWING, metadata={key: CARD}) == {"metadata": {key: CARD}}
    assert sanitized(ALLOWING, tags=[f"{key}:{CARD}"]) == {"tags": [f"{key}:{CARD}"]}


def test_identifiers_in_a_list_are_not_taken_for_the_pieces_of_one_text() -> None:
    found = sanitized(ALLOWING, metadata={"order_number": ["41111111", "11111111"], "other": ["41111111", "11111111"]})
    assert found["metadata"]["order_number"] == ["41111111", "11111111"]
    assert "11111111" not in json.dumps(found["metadata"]["other"])
    assert "jane" not in json.dumps(sanitized(ALLOWING, metadata={"order_number": ["jane.doe@", "example.com"]}))


def test_an_ambiguous_word_that_is_allowed_is_not_dropped() -> None:
    given_values = {"address": "0x7ffe-12", "card_id": "AB-1", "via": "lb:12", "signature": "v1:ab12"}
    assert sanitized(PLAIN, metadata=given_values) == {"metadata": {}}
    assert sanitized(ALLOWING, metadata=given_values) == {"metadata": given_values}
    assert sanitized(ALLOWING, tags=["card_id:AB-1"]) == {"tags": ["card_id:AB-1"]}


def test_a_key_that_only_ends_alike_keeps_its_fate() -> None:
    found = sanitized(ALLOWING, metadata={"card_number": CARD, "postcard_id": CARD, "email": "A-1", "password": "A-1"})
    assert CARD not in json.dumps(found)
    assert sorted(found["metadata"]) == ["postcard_id"]


def test_other_text_under_an_allowed_key_is_read_as_ever() -> None:
    texts = ["mail jane@example.com", "jane@example.com", f"card {CARD}", "call +1 415 555 0132"]
    for text in texts:
        for attributes in ({"metadata": {"order_number": text}}, {"tags": [f"order_number:{text}"]}):
            shown = json.dumps(sanitized(ALLOWING, **attributes))
            assert "jane" not in shown
            assert CARD not in shown
            assert "555" not in shown


@pytest.mark.parametrize(
    "value",
    [
        "sk-proj-Ab12Cd34Ef56Gh78Ij90Kl",
        "AKIAR5PR47PUWUI2X7G4",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlc2ln",
        "amFuZS5kb2VAZXhhbXBsZS5jb20-",
        "6a616e652e646f65406578616d706c652e636f6d",
        "password:Hunter2-2024",
        "a/db_password:Hunter2-2024",
    ],
)
def test_what_looks_like_a_secret_or_hides_a_text_is_read_although_its_key_is_allowed(value: str) -> None:
    for attributes in (
        {"metadata": {"order_number": value}},
        {"tags": [f"order_number:{value}"]},
        {"input": {"value": f"order_number={value} there"}},
    ):
        assert value not in json.dumps(sanitized(ALLOWING, **attributes))


def test_a_name_that_the_span_tells_is_replaced_under_an_allowed_key_too() -> None:
    found = sanitized(ALLOWING, metadata={"user_id": "jane-4711", "order_number": "jane-4711"})
    assert "jane-4711" not in json.dumps(found)


def test_a_value_under_an_allowed_key_teaches_no_name() -> None:
    found = sanitized(ALLOWING, metadata={"card_id": "AB-10001"}, input={"value": "the card AB-10001"})
    assert found["input"] == {"value": "the card AB-10001"}


outside = st.characters(exclude_characters=string.ascii_letters + string.digits + "._:/-")


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=20), outside, st.text(max_size=20), st.sampled_from(["metadata", "json", "list", "tag", "text"])
)
def test_a_text_with_any_other_character_comes_out_as_if_its_key_were_not_allowed(
    before: str, other: str, after: str, carrier: str
) -> None:
    """Compared with a key that nothing is known of, and of the same length."""
    value = before + other + after + "jane@example.com"

    def shown(key: str) -> str:
        attributes = {
            "metadata": {"metadata": {key: value}},
            "json": {"input": {"value": json.dumps({key: value})}},
            "list": {"metadata": {key: [value]}},
            "tag": {"tags": [f"{key}:{value}"]},
            "text": {"input": {"value": f"{key}={value}"}},
        }[carrier]
        return json.dumps(sanitized(ALLOWING, **attributes))

    allowed = shown("order_number")
    assert "jane@" not in allowed
    assert "example.com" not in allowed
    assume(carrier != "text")  # there the value may end before the other character
    assert allowed == shown("oxder_number").replace("oxder", "order")


@settings(max_examples=200, deadline=None)
@given(st.from_regex(r"[A-Za-z0-9._:/-]{1,128}", fullmatch=True) | st.integers(-(10**30), 10**30) | st.floats())
def test_what_is_kept_under_an_allowed_key_is_an_identifier_or_a_number(value: Any) -> None:
    found = sanitized(ALLOWING, metadata={"order_number": value})["metadata"]["order_number"]
    assert found == value or "[" in found


SECRETS = """password api_key apiKey authorization token access_token db_password jwt cookie order.token pin dsn bearer
    client_secret aws_secret_access_key x-api-key"""
PERSONAL = """email ssn phone user.name full_name card_number cardholder_name cvv iban ip client_ip dob birthday
    latitude customer_name phone_number home_address username"""
ALLOWABLE = """order_number card_id card cards address via signature forwarded street zip geo long mobile driver_name
    cell_no request_id latency max_tokens bos_token headers.order_number"""
REASONS = {
    "it names a secret": SECRETS,
    "its value is hashed": "user_id session.id accountId user thread_id",
    "it names personal data": PERSONAL,
    "withheld as a whole": "logprobs",
    "texts of every kind": "value content message input",
    "": ALLOWABLE,
}


@pytest.mark.parametrize(("key", "reason"), [(key, why) for why, keys in REASONS.items() for key in keys.split()])
def test_a_key_is_allowed_unless_it_names_a_secret_or_a_person(key: str, reason: str) -> None:
    found = why_not(redacting_fate_of("", key), key)
    assert reason in found
    assert bool(found) == bool(reason)


def test_the_policy_of_a_capture_tells_that_there_are_custom_rules() -> None:
    assert ALLOWING.policy == "redact-1+3f9a2c1d"
    assert PLAIN.policy == "redact-1"
    assert Sanitizer(hash_key=KEY, custom=CustomRules(digest="3f9a2c1d")).policy == "withhold-2"


def test_a_path_that_names_a_user_or_a_secret_keeps_its_fate_whatever_its_end_is() -> None:
    allowing = Sanitizer(hash_key=KEY, scanner=engine(), custom=CustomRules(keys=Keys(frozenset({"id", "key"}))))
    found = sanitized(allowing, metadata={"user": {"id": "jane-4711"}, "api.key": "A-1", "id": CARD})
    assert found["metadata"]["id"] == CARD
    assert found["metadata"]["user"]["user_id"].startswith("u1_")
    assert "api" not in json.dumps(found)


RANDOM = ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "mUGJshocDo11t66uM9DKweSbjdsbAgq1YCjJ4mLZ"]
OF_WORDS = [
    "ShopOrderNumberVersion2Draft",
    "5f1a2b3c4d5e6f7a8b9c0d1e",
    "eu/central/Warehouse12/Row7",
    "INV-2024-000012-A",
]


@pytest.mark.parametrize("secret", RANDOM)
def test_what_looks_made_at_random_is_no_identifier(secret: str) -> None:
    shown = sanitized(ALLOWING, metadata={"order_number": secret, "via": [secret]}, tags=[f"card_id:{secret}"])
    assert secret not in json.dumps(shown)
    assert sanitized(ALLOWING, **shown) == shown


@pytest.mark.parametrize("kept", OF_WORDS)
def test_long_identifiers_of_words_and_numbers_stay(kept: str) -> None:
    assert sanitized(ALLOWING, metadata={"order_number": kept}) == {"metadata": {"order_number": kept}}
