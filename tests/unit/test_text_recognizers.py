"""Every rule does what its examples say, alone and with the others; one that cannot be used is refused."""

import re
from typing import Any

import pytest

from evalforge.ingestion.pii.text.engine import TextEngine
from evalforge.ingestion.pii.text.examples import failure, harm, split
from evalforge.ingestion.pii.text.recognizers import Recognizer, built_in, recognizers
from helpers.engines import engine

RULE: dict[str, Any] = {
    "name": "badge",
    "type": "BADGE",
    "pattern": r"\bB-\d{5}\b",
    "positive": ["badge «B-12345»"],
    "negative": ["B-1234"],
}


@pytest.mark.parametrize("rule", built_in(), ids=lambda rule: rule.name)
def test_every_rule_has_both_kinds_of_examples_and_they_hold(rule: Recognizer) -> None:
    assert rule.positive
    assert rule.negative
    assert failure(rule) is None


@pytest.mark.parametrize("rule", built_in(), ids=lambda rule: rule.name)
def test_no_rule_harms_marks_or_ids(rule: Recognizer) -> None:
    assert harm(rule) is None


def test_what_a_positive_example_holds_is_gone_with_all_rules_together() -> None:
    for rule in built_in():
        for example in rule.positive:
            text, expected = split(example)
            covered = {place for hit in engine().scan(text) for place in range(hit.start, hit.end)}
            for value in expected:
                start = text.index(value)
                letters = [place for place in range(start, start + len(value)) if text[place].isalnum()]
                assert covered.issuperset(letters), (rule.name, example)


def test_a_rule_of_the_users_own_works_beside_the_built_in_ones() -> None:
    own = TextEngine(recognizers([RULE]))
    hits = own.scan("B-12345 is jane@example.com")
    assert [(hit.type, hit.canonical) for hit in hits] == [("BADGE", "B-12345"), ("EMAIL", "jane@example.com")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pattern": "(?=x)"}, "RE2 refuses"),
        ({"pattern": "x*"}, "finds the empty text"),
        ({"pattern": "ü"}, "ASCII"),
        ({"check": "vibes"}, "a check that does not exist: 'vibes'; there are aadhaar"),
        ({"check": ["card"]}, "a check that does not exist"),
        ({"type": "badge"}, "upper case"),
        ({"type": "BADGE_3F"}, "upper case"),
        ({"gate": "("}, "a gate that RE2 refuses"),
        ({"context": ["("]}, "a context that RE2 refuses"),
        ({"context": [""]}, "an empty word in context"),
        ({"positive": []}, "lacks positive"),
        ({"negative": []}, "lacks negative"),
        ({"patern": "x"}, "unknown fields: patern"),
        ({"context": "born"}, "a list of text"),
        ({"name": ""}, "needs a name"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_its_name_and_the_reason(
    change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as refused:
        recognizers([RULE | change])
    assert "badge" in str(refused.value) or change.get("name") == ""


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="'badge' is there twice"):
        recognizers([RULE, RULE])
