"""What holds whatever a span's texts are, once they are read (project's PII facts, §10)."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evalforge.ingestion.merging import merge, settle, unite, with_context
from evalforge.ingestion.models import Finding
from evalforge.ingestion.pii.policy import MAX_SPAN_BYTES
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.sanitizing import FETCHED, FOUND, KEPT, KEY, REDACTING, SANITIZER, TRACE, everything, sanitized, span_of
from helpers.scanning import FailingScanner, SmallScanner

VALUES = ["Zq7jane.doe@example.com", "4111 1111 1111 1111", "4000-0566-5566-5556", "BOB@corp.example.org"]
PIECES = ["jane.doe@", "Jane.Doe@", "4111 1111", "0566-5566", "corp.example", "41111111", "05665566"]
"""None of these may be left of any of them."""
PLACES = ["input", "output", "metadata", "error", "name", "intent", "tool_definitions", "tags", "evaluation", "meta"]
KEYS = ["value", "messages", "content", "text", "note", "reasoning", "query", "arguments", "result", "name", "message"]


def nested(value: Any, levels: int) -> Any:
    """The value as JSON inside a string inside JSON, so many times."""
    for _ in range(levels):
        value = json.dumps({"note": value})
    return value


around = st.sampled_from(["", " ", "a ", "Über ", "\n", "(", "é", "“", "\u200a", "🙂", "日本 ", '"', "\\ "])
planted_text = st.builds(lambda before, value, after: before + value + after, around, st.sampled_from(VALUES), around)
words = st.sampled_from(["the order", "is late", "retry 3", "line\nbreak", "", "ok", "Größe", "a,b;c", "x=1", "{}"])
leaves = st.none() | st.booleans() | st.integers(-999_999, 999_999) | st.floats(0, 1) | words | planted_text
keys = st.sampled_from(KEYS) | st.sampled_from(VALUES)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.builds(nested, inner, st.integers(1, 2))
    ),
    max_leaves=15,
)
spans = st.dictionaries(st.sampled_from(PLACES), trees, max_size=5)


@settings(max_examples=300, deadline=None)
@given(spans, st.integers(0, 2))
def test_no_planted_value_comes_out_of_any_tree_at_any_nesting(attributes: dict[str, Any], levels: int) -> None:
    attributes = {key: nested(value, levels) for key, value in attributes.items()}
    span = span_of({"trace_id": TRACE, "span_id": "12", **attributes})
    finding = Finding(rule="judge", type="toxicity", severity="low", evaluator=VALUES[0])
    output = everything(span, finding, sanitizer=REDACTING)
    assert [piece for piece in PIECES if piece in output] == []
    assert len(msgspec.json.encode(REDACTING.span(span))) <= MAX_SPAN_BYTES


@settings(max_examples=200, deadline=None)
@given(spans)
def test_sanitising_again_changes_nothing(attributes: dict[str, Any]) -> None:
    once = sanitized(REDACTING, **attributes)
    assert sanitized(REDACTING, **once) == once


harmless = st.recursive(
    st.none() | st.booleans() | st.integers(-999_999, 999_999) | words,
    lambda inner: (
        st.lists(inner, max_size=4).filter(lambda many: len(many) != 2)
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4).filter(
            lambda one: not {"name", "value"} <= one.keys()
        )
        | inner.map(json.dumps)
        | inner.map(lambda one: json.dumps(one, indent=2))
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(harmless)
def test_where_nothing_is_found_everything_stays_as_it_was(tree: Any) -> None:
    assume(_nesting(tree) <= 4)
    given_attributes = {"input": {"value": tree}, "metadata": {"note": tree}}
    assert sanitized(REDACTING, **given_attributes) == given_attributes


def _nesting(value: Any) -> int:
    """How many levels of JSON inside strings there are."""
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            return 0
        return 1 + _nesting(inner) if isinstance(inner, str | dict | list) else 0
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(_nesting, parts), default=0)


@given(st.lists(st.sampled_from(VALUES), min_size=1, max_size=6), st.randoms())
def test_one_value_has_one_placeholder_in_a_trace_in_any_order_and_no_other_in_it(
    values: list[str], random: Any
) -> None:
    def placeholders(trace_id: str, texts: list[str]) -> dict[str, str]:
        span = span_of({"trace_id": trace_id, "span_id": "1", "metadata": {f"note{n}": t for n, t in enumerate(texts)}})
        shown = REDACTING.span(span).attributes["metadata"]
        return {text: shown[f"note{number}"] for number, text in enumerate(texts)}

    shuffled = random.sample(values, len(values))
    here = placeholders(TRACE, values)
    assert here == placeholders(TRACE, shuffled)
    assert len(set(here.values())) == len(set(values))
    there = placeholders("ab" * 16, values)
    assert not set(here.values()) & set(there.values())


def test_two_spellings_of_one_value_have_one_placeholder() -> None:
    found = sanitized(REDACTING, input={"value": "4111 1111 1111 1111 4111-1111-1111-1111 a@b.io A@B.IO"})
    first, second, third, fourth = found["input"]["value"].split(" ")
    assert first == second != third == fourth
    assert re.fullmatch(r"\[CARD_[0-9a-f]{6}\]", first)


def test_another_hash_key_gives_other_placeholders() -> None:
    other = Sanitizer(hash_key=KEY[::-1], scanner=SmallScanner())
    given_attributes = {"input": {"value": VALUES[0]}}
    assert sanitized(other, **given_attributes) != sanitized(REDACTING, **given_attributes)


@pytest.mark.parametrize("error", [None, RuntimeError("Zq7jane.doe@example.com"), MemoryError(), RecursionError()])
def test_a_text_that_cannot_be_scanned_is_withheld_whole_and_alone(error: Exception | None) -> None:
    sanitizer = Sanitizer(hash_key=KEY, scanner=FailingScanner("Zq7", error))
    span = span_of(
        {**KEPT, "input": {"value": "I am Zq7jane.doe"}, "output": {"value": "Hello a@b.io"}, "metadata": {"Zq7 k": 1}}
    )
    output = everything(span, sanitizer=sanitizer)
    assert "Zq7" not in output
    captured = sanitizer.span(span)
    assert captured.attributes["input"] == {"value": "[WITHHELD chars=16]"}
    assert captured.attributes["output"]["value"].startswith("Hello [EMAIL_")
    assert captured.redaction == {"EMAIL": 1, "WITHHELD": 2}


@pytest.mark.parametrize("hits", [[(0, 99)], [(-1, 2)], [(3, 3)], "not hits"])
def test_a_scanner_that_talks_nonsense_is_not_believed(hits: Any) -> None:
    class Nonsense:
        def scan(self, text: str, *, key: str = "") -> Any:
            from evalforge.ingestion.pii.text.hits import Hit

            return hits if isinstance(hits, str) else [Hit(start, end, "EMAIL", "x") for start, end in hits]

    sanitizer = Sanitizer(hash_key=KEY, scanner=Nonsense())
    assert sanitized(sanitizer, input={"value": "hello"}) == {"input": {"value": "[WITHHELD chars=5]"}}


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(4)))
def test_spans_in_any_order_and_read_again_give_the_same_capture(order: list[int]) -> None:
    spans = [
        span_of(
            {**KEPT, "span_id": str(number + 1), "start_ns": 1761833858897 + number},
        )
        for number in range(4)
    ]
    for number, span in enumerate(spans):
        span.attributes["input"] = {"value": f"{VALUES[number]} wrote to {VALUES[0]}"}

    def capture(numbers: list[int]) -> bytes:
        first, *rest = [REDACTING.capture(spans[number], [FOUND], fetched_at=FETCHED) for number in numbers]
        for one in rest:
            first = merge(first, one)
        return msgspec.json.encode(first)

    assert capture(order) == capture([*order, *order[::-1]]) == capture([0, 1, 2, 3])


def test_a_capture_says_which_policy_made_it_and_what_was_replaced() -> None:
    span = span_of({**KEPT, "input": {"value": f"{VALUES[0]} {VALUES[1]} {VALUES[0]}"}})
    read = REDACTING.capture(span, [FOUND], fetched_at=FETCHED).redaction
    assert (read.policy, read.counts) == ("redact-1", {"CARD": 1, "EMAIL": 2})
    assert SANITIZER.capture(span, [FOUND], fetched_at=FETCHED).redaction.policy == "withhold-2"


def test_a_capture_of_the_other_policy_is_replaced_when_its_span_is_read_again() -> None:
    attributes = {**KEPT, "parent_id": "77", "name": "look up", "input": {"value": f"I am {VALUES[0]}"}}
    attributes["evaluation"] = {"by jane": {"assessment": "fail"}}
    span = span_of(attributes)
    judged = Finding(rule="judge", type="toxicity", severity="high", evaluator="by jane")
    for first, then in ((SANITIZER, REDACTING), (REDACTING, SANITIZER)):
        parent = first.span(span_of({**KEPT, "span_id": "77"}))
        stored = with_context(first.capture(span, [FOUND, judged], fetched_at=FETCHED), [parent], "not_found")
        assert stored.context_state == "whole"
        read = then.capture(span, [FOUND, judged], fetched_at=FETCHED)
        made = settle(unite(stored, read, lambda _: "unread"), stored)
        assert msgspec.json.encode(made) == msgspec.json.encode(read)
        assert (made.context_state, made.context_reason) == ("none", "not_read")
