"""What users add to the policy in their rules file: what is accepted, what is refused and where, what it changes."""

from pathlib import Path
from typing import Any

import pytest

from evalforge.common.errors import RulesError
from evalforge.ingestion.custom_rules import MAX_PATTERN_CHARS, MOST_RECOGNIZERS, read_custom_rules
from evalforge.ingestion.failure_rules import load_rules
from evalforge.ingestion.pii.custom import CustomRules
from evalforge.ingestion.pii.text.engine import TextEngine
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.scanning import SmallScanner

TICKET: dict[str, Any] = {
    "name": "ticket",
    "type": "TICKET",
    "pattern": r"\bTCK-\d{6}\b",
    "positive": ["see «TCK-123456», please"],
    "negative": ["TCK-12"],
}
RULE = "[[rule]]\nname = 'r1'\nquery = '@status:error'\ntype = 'llm_error'\nseverity = 'low'\n"


def written(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return f"'''{value}'''" if isinstance(value, str) else str(value)


def recognizer(**changes: object) -> str:
    """A table whose fields stand on lines 2 to 6; what is added comes after."""
    fields = {key: value for key, value in {**TICKET, **changes}.items() if value is not None}
    return "[[recognizer]]\n" + "".join(f"{key} = {written(value)}\n" for key, value in fields.items())


def load(folder: Path, text: str) -> CustomRules:
    path = folder / "rules.toml"
    path.write_text(text)
    return read_custom_rules(path)


def failure_rules(folder: Path, text: str) -> list[str]:
    path = folder / "rules.toml"
    path.write_text(text)
    found = load_rules(path, quality_threshold=0.5, quality_evaluators=["quality"])
    return [rule.name for rule in found.rules]


def test_a_recognizer_and_allowed_keys_are_read(tmp_path: Path) -> None:
    custom = load(tmp_path, recognizer() + "[pii]\nallow_keys = ['orderNumber', 'card-id', 'order.number']\n")
    assert [rule.name for rule in custom.recognizers] == ["ticket"]
    assert custom.keys.allowed == {"order_number", "card_id"}
    hits = TextEngine(custom.recognizers).scan("TCK-123456 is jane@example.com")
    assert [(hit.type, hit.rule) for hit in hits] == [("TICKET", "ticket"), ("EMAIL", "email")]


def test_a_recognizer_may_have_every_field_of_the_built_in_ones(tmp_path: Path) -> None:
    text = recognizer(
        name="badge",
        type="STAFF_BADGE",
        pattern=r"\b(\d{4}-\d{4}-\d{4}-\d{4})\b",
        gate=r"\d-\d",
        check="luhn",
        context=["badge"],
        positive=["badge «4111-1111-1111-1111»"],
        negative=["4111-1111-1111-1111", "badge 4111-1111-1111-1112"],
    )
    (rule,) = load(tmp_path, text).recognizers
    assert (rule.type, rule.gate) == ("STAFF_BADGE", rb"\d-\d")


def test_a_file_that_only_adds_leaves_the_built_in_failure_rules_in_force(tmp_path: Path) -> None:
    built_in = [rule.name for rule in load_rules(None, quality_threshold=0.5, quality_evaluators=["quality"]).rules]
    assert failure_rules(tmp_path, recognizer()) == built_in
    assert failure_rules(tmp_path, "[pii]\nallow_keys = ['order_number']\n") == built_in
    assert failure_rules(tmp_path, RULE + recognizer()) == ["r1"]
    assert failure_rules(tmp_path, recognizer() + RULE + "[pii]\n") == ["r1"]


def policy_of(custom: CustomRules) -> str:
    return Sanitizer(hash_key=b"k", scanner=SmallScanner(), custom=custom).policy


def test_a_file_of_failure_rules_alone_changes_no_policy(tmp_path: Path) -> None:
    assert policy_of(load(tmp_path, RULE)) == policy_of(read_custom_rules(None)) == "redact-1"
    assert policy_of(load(tmp_path, RULE + "[pii]\nallow_keys = []\n")) == "redact-1"


def test_the_policy_changes_with_the_meaning_of_the_rules_and_with_nothing_else(tmp_path: Path) -> None:
    other = {"name": "badge", "type": "BADGE", "pattern": r"\bB-\d{5}\b", "positive": ["«B-12345»"]}
    one, two = recognizer(context=["see", "look"]), recognizer(**other)
    keys = "[pii]\nallow_keys = ['order_number', 'card_id']\n"
    policy = policy_of(load(tmp_path, one + two + keys))
    assert policy.startswith("redact-1+")
    assert len(policy) == len("redact-1+3f9a2c1d")
    same = [
        two + one + keys,
        "# a comment\n" + RULE + one + two + keys,
        one + two + "[pii]\nallow_keys = ['cardId', 'order-number', 'card_id']\n",
        recognizer(context=["look", "see"], positive=["see «TCK-000000»"], negative=["x", "y"]) + two + keys,
    ]
    assert {policy_of(load(tmp_path, text)) for text in same} == {policy}
    changed = [
        one + two,
        one + keys,
        two + keys,
        recognizer() + two + keys,
        one + recognizer(**other | {"type": "STAFF"}) + keys,
        one + two + "[pii]\nallow_keys = ['order_number']\n",
    ]
    policies = [policy_of(load(tmp_path, text)) for text in changed]
    assert len({*policies, policy, "redact-1"}) == len(policies) + 2


def test_the_order_in_the_file_decides_nothing(tmp_path: Path) -> None:
    one = recognizer(name="a", type="AAA", positive=["see «TCK-123456»"])
    two = recognizer(name="b", type="BBB", positive=["see «TCK-123456»"])
    found = [TextEngine(load(tmp_path, text).recognizers).scan("TCK-123456") for text in (one + two, two + one)]
    assert found[0] == found[1]


KEYS_FILE = "[pii]\nallow_keys = [\n  'order_number',\n  '{}',\n]\n"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[[recognizer]\n", 1, "not TOML"),
        (recognizer() + "[other]\n", 7, "'other' is unknown"),
        ("[recognizer]\nname = 'x'\n", 1, "recognizers are written as [[recognizer]]"),
        ("recognizer = 3\n", 1, "[[recognizer]]"),
        ("recognizer = [3]\n", None, "recognizer 1: a recognizer is a table"),
        (recognizer(colour="red"), 7, "unknown fields: colour"),
        (recognizer(name=None), 1, "needs a name"),
        (recognizer(name=7), 2, "needs a name, which is text"),
        (recognizer(name="a b"), 2, "1 to 100 letters"),
        (recognizer(type=None), 1, "lacks type"),
        (recognizer(pattern=None), 1, "lacks pattern"),
        (recognizer(positive=None), 1, "lacks positive"),
        (recognizer(negative=[]), 1, "lacks negative"),
        (recognizer(type="ticket"), 3, "upper case"),
        (recognizer(type="T"), 3, "2 to 20 letters"),
        (recognizer(type="TICKET_3f9a2c"), 3, "upper case"),
        (recognizer(type=7), 3, "has the type 7"),
        *[(recognizer(type=mark), 3, mark) for mark in ("WITHHELD", "TRUNCATED", "DROPPED", "HASHED", "BLOB")],
        (recognizer(pattern=7), 4, "no ASCII text"),
        (recognizer(pattern="Ü-\\d{6}"), 4, "no ASCII text"),
        (recognizer(pattern="(?=TCK)"), 4, "RE2 refuses (invalid perl operator"),
        (recognizer(pattern=r"(a)\1"), 4, "RE2 refuses"),
        (recognizer(pattern=r"(?:TCK-\d{6})?"), 4, "finds the empty text"),
        (recognizer(pattern="x" * (MAX_PATTERN_CHARS + 1)), 4, "the most are 2000"),
        (recognizer(gate="("), 7, "has a gate that RE2 refuses"),
        (recognizer(gate="@"), 7, "the gate finds nothing in positive example 1, where the pattern does"),
        (recognizer(gate="x", negative=["TCK-654321"], positive=["x «TCK-123456»"]), 7, "in negative example 1"),
        (recognizer(check="vibes"), 7, "'vibes'; there are aadhaar, address"),
        (recognizer(check="luhn"), 5, "nothing is found in positive example 1"),
        (recognizer(context="born"), 7, "something else than a list of text"),
        (recognizer(context=["("]), 7, "has a context that RE2 refuses"),
        (recognizer(positive=["see TCK-123456"]), 5, "encloses nothing in « and »"),
        (recognizer(positive=["see «TCK-12»"]), 5, "nothing is found in positive example 1"),
        (recognizer(positive=["see «TCK-123456», please", "«see TCK-123456»"]), 5, "found in positive example 2"),
        (recognizer(positive="«TCK-123456»"), 5, "a list of text"),
        (recognizer(negative=["no", "TCK-123456"]), 6, "something is found in negative example 2"),
        (recognizer(name="email"), 2, "'email' is given to a built-in recognizer"),
        (recognizer() + recognizer(), 8, "'ticket' is given to two recognizers"),
        (RULE + recognizer() + recognizer(name="b", type="b"), 14, "upper case"),
        (recognizer(type="b") + RULE, 3, "upper case"),
        ("[[pii]]\nallow_keys = []\n", 1, "[pii], with one bracket"),
        ("pii = 3\n", 1, "[pii], with one bracket"),
        ("[pii]\nallow = ['x']\n", 2, "'allow' is unknown; [pii] has allow_keys"),
        ("[pii]\nallow_keys = 'order_number'\n", 2, "must be a list"),
        ("[pii]\nallow_keys = [1]\n", 2, "must be a list"),
        ("[pii]\nallow_keys = ['--']\n", 2, "'--' is no key"),
        ("[pii]\nallow_keys = ['" + "x" * 200 + "']\n", 2, "1 to 128 characters"),
        (recognizer() + "[pii]\nallow_keys = ['password']\n", 8, "'password' cannot be allowed: it names a secret"),
        (KEYS_FILE.format("user_id"), 4, "'user_id' cannot be allowed: it names a user or a session"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_a_bad_file_is_refused_with_file_line_and_reason(
    tmp_path: Path, text: str, line: int | None, reason: str
) -> None:
    with pytest.raises(RulesError) as refusal:
        load(tmp_path, text)
    assert reason in refusal.value.reason
    assert refusal.value.line == line
    assert str(tmp_path / "rules.toml") in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "what_to_do"),
    [
        (recognizer(colour="red"), "accepted are after, check, context, gate, name,"),
        (recognizer(negative=[]), "write negative = ["),
        (recognizer(pattern="(?=TCK)x"), "write the words of the surroundings in context or after"),
        (recognizer(pattern="x*"), "ask for one character at least"),
        (recognizer(positive=["see TCK-123456"]), "write « and » around what must be found"),
        (recognizer(positive=["see «TCX-123456»"]), "widen the pattern, or correct the example"),
        (recognizer(positive=["see «TCK-12345»6"], pattern=r"TCK-\d+"), "move « and »"),
        (recognizer(negative=["TCK-123456"]), "narrow the pattern, or ask for context or a check"),
        (recognizer(negative="TCK-12"), 'write a list: negative = ["..."]'),
        (recognizer(type="ticket"), "such as TICKET"),
        (recognizer(check="luhnn"), "did you mean luhn?"),
        (recognizer() + recognizer(), "choose another"),
        (recognizer(name="email"), "choose another"),
        (recognizer(pattern=r"\d{16}", positive=["«1234567890123456»"]), "put \\b around it or ask for context"),
        (recognizer(gate="ZZZ"), "leave the gate out"),
        ('[[recognizer]]\nname = "x"\ntype = TICKET\n', "texts stand in quotes, patterns best in single ones"),
        ('[[recognizer]]\nname = "x"\npattern = "\\d"\n', "texts stand in quotes, patterns best in single ones"),
    ],
)
def test_a_refusal_says_what_to_do(tmp_path: Path, text: str, what_to_do: str) -> None:
    with pytest.raises(RulesError) as refusal:
        load(tmp_path, text)
    assert what_to_do in refusal.value.reason


def test_an_example_on_a_line_of_its_own_is_refused_with_that_line(tmp_path: Path) -> None:
    text = recognizer(positive=None) + 'positive = [\n  "see «TCK-123456»",\n  "«TCK-12»",\n]\n'
    with pytest.raises(RulesError) as refusal:
        load(tmp_path, text)
    assert refusal.value.line == 8


@pytest.mark.parametrize(
    ("pattern", "found", "reason"),
    [
        (r"\[[A-Z]+_[0-9a-f]{6}\]", "[EMAIL_3f9a2c]", "placeholders and marks"),
        (r"[A-Z]+_[0-9a-f]{6}", "CASE_00ff00", "placeholders and marks"),
        (r"[A-Z]+ chars=\d+", "TEXT chars=3", "placeholders and marks"),
        (r"\b[0-9a-f]{32}\b", "0af7651916cd43dd8448eb211c80319c", "ids of traces"),
        (r"\b[0-9a-f]{16}\b", "00f067aa0ba902b7", "ids of traces"),
        (r"\b\d{19,20}\b", "14624140233640368324", "ids of traces"),
        (r"\d{10}", "4155550132", "ids of traces"),
        (r"\w+", "word", "placeholders and marks"),
    ],
)
def test_a_recognizer_that_would_damage_placeholders_or_ids_is_refused(
    tmp_path: Path, pattern: str, found: str, reason: str
) -> None:
    with pytest.raises(RulesError, match="it would damage") as refusal:
        load(tmp_path, recognizer(pattern=pattern, positive=[f"«{found}»"], negative=["-"]))
    assert reason in refusal.value.reason
    assert refusal.value.line == 4


def test_what_only_looks_like_ids_with_a_word_beside_it_is_no_damage(tmp_path: Path) -> None:
    text = recognizer(
        pattern=r"\b\d{19}\b",
        context=["ticket"],
        positive=["ticket «9532127138774266268»"],
        negative=["9532127138774266268"],
    )
    assert load(tmp_path, text).recognizers


def test_there_may_be_many_recognizers_but_not_more_than_the_cap(tmp_path: Path) -> None:
    many = [recognizer(name=f"r{number}") for number in range(MOST_RECOGNIZERS)]
    assert len(load(tmp_path, "".join(many)).recognizers) == MOST_RECOGNIZERS
    with pytest.raises(RulesError, match="more than 200"):
        load(tmp_path, "".join([*many, recognizer()]))
