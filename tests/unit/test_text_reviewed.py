"""What reviewers got past the rules is found, and what they saw taken without reason stays."""

import pytest

from helpers.engines import canonicals, found, redacted

HEX40 = "4f1c9ab27de05836bb91c27e40d3a5f8617c9e02"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Unable to send SMS to +14155550132 21211", "+14155550132"),
        ("+14155550132 24/7", "+14155550132"),
        ("+14155550132 2026-11-23 10:00", "+14155550132"),
        ("+41791234567 10:30", "+41791234567"),
        ("+33 6 12 34 56 78\n75001 Paris", "+33 6 12 34 56 78"),
        ("+14155550132-24", "+14155550132"),
        ("+14155550132.5", "+14155550132"),
        ("+14155550132 (2)", "+14155550132"),
        ("+1 415-555-0132\n94105", "+1 415-555-0132"),
        ("1. +44 20 7946 0958\n2. +44 20 7946 0959", "+44 20 7946 0958"),
        ("phone: 4155550132 24", "4155550132"),
        ("phone: 415 555 0132 24", "415 555 0132"),
        ("ring 06 12 30 58 41 24/7", "06 12 30 58 41"),
        ("ring 0412 375 622 10:30", "0412 375 622"),
        ("ring +33 6 12 34\n56 78 now", "+33 6 12 34\n56 78"),
        ("ring +1\t415\t555\t0132", "+1\t415\t555\t0132"),
        ("ring 0049 151 23456789", "0049 151 23456789"),
        ("ring 001 415 555 0132", "001 415 555 0132"),
    ],
)
def test_a_phone_ends_where_its_country_says_whatever_digits_follow(text: str, number: str) -> None:
    assert ("PHONE", number) in found(text)


def test_a_phone_has_one_canonical_form_with_00_and_with_plus() -> None:
    assert canonicals("0049 151 23456789") == canonicals("+4915123456789")


@pytest.mark.parametrize(
    "text",
    [
        "001 002 003 004 005",
        "req 4cc9 at 1795439686290 ms",
        "can call 100000 times",
        "will reach 1000000 rows",
        "cell 123456",
        "id 7cc94a at 4111111111111",
    ],
)
def test_numbers_that_only_look_like_phones_and_cards_stay(text: str) -> None:
    assert found(text) == []
