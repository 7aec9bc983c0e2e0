"""Every rule does what its examples say, alone and with the others; one that cannot be used is refused."""

import re
from typing import Any

import pytest

from evalforge.ingestion.pii.text.engine import TextEngine
from evalforge.ingestion.pii.text.recognizers import Recognizer, built_in, recognizers
from helpers.engines import engine

MARKED = re.compile("«(.*?)»", re.DOTALL)
RULE: dict[str, Any] = {
    "name": "badge",
    "type": "BADGE",
    "pattern": r"\bB-\d{5}\b",
    "positive": ["badge «B-12345»"],
    "negative": ["B-1234"],
}


def split(example: str) -> tuple[str, list[str]]:
    """The text of an example and what it says is found."""
    return example.replace("«", "").replace("»", ""), MARKED.findall(example)


@pytest.mark.parametrize("rule", built_in(), ids=lambda rule: rule.name)
def test_every_rule_has_both_kinds_of_examples_and_they_hold(rule: Recognizer) -> None:
    alone = TextEngine([rule], built_in_rules=False, vendors=False)
    assert rule.positive
    assert rule.negative
    for example in rule.positive:
        text, expected = split(example)
        assert expected, example
        hits = alone.scan(text)
        assert [text[hit.start : hit.end] for hit in hits] == expected, example
        assert {hit.type for hit in hits} == {rule.type}
    for example in rule.negative:
        assert alone.scan(example) == [], example


def test_what_a_positive_example_holds_is_gone_with_all_rules_together() -> None:
    for rule in built_in():
        for example in rule.positive:
            text, expected = split(example)
            covered = {place for hit in engine().scan(text) for place in range(hit.start, hit.end)}
            for value in expected:
                start = text.index(value)
                letters = [place for place in range(start, start + len(value)) if text[place].isalnum()]
                assert covered.issuperset(letters), (rule.name, example)


def test_the_gate_never_keeps_a_rule_from_what_its_pattern_finds() -> None:
    for rule in built_in():
        bare = TextEngine([rule], built_in_rules=False, vendors=False)
        for example in rule.positive:
            assert bare.scan(split(example)[0]), (rule.name, example)


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
        ({"check": "vibes"}, "no check is called 'vibes'"),
        ({"type": "badge"}, "upper case"),
        ({"positive": []}, "lacks positive"),
        ({"negative": []}, "lacks negative"),
        ({"patern": "x"}, "unknown fields: patern"),
        ({"context": "born"}, "lists of text"),
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
