"""What a person reads of a span's texts at a terminal."""

import io
from typing import Any

from rich.console import Console

from evalforge.cli.show_texts import LONGEST, paragraphs, texts
from evalforge.models import CapturedSpan, Signal

SIGNAL = Signal(rule="judge", type="toxicity", severity="high", span_id="7", evaluator="tone")


def span(**fields: Any) -> CapturedSpan:
    return CapturedSpan(span_id="7", failure_type="toxicity", severity="high", **fields)


def test_the_error_the_judges_reason_and_what_was_said_are_there_in_that_order() -> None:
    shown = span(
        error_message="no account for [EMAIL_3f9a2c]",
        attributes={
            "evaluation": {"tone": {"reasoning": "it is rude"}, "other": {"reasoning": "it is fine"}},
            "input": {
                "messages": [{"role": "user", "content": f"question {number}"} for number in range(6)],
                "value": "question 5",
            },
            "output": {
                "messages": [
                    {"role": "assistant", "tool_calls": [{"name": "look_up", "arguments": {"id": 7}}]},
                    {"role": "tool", "tool_results": [{"name": "look_up", "result": "nothing"}]},
                ]
            },
        },
    )
    assert texts(shown, [SIGNAL]) == [
        ("error", "no account for [EMAIL_3f9a2c]"),
        ("tone", "it is rude"),
        ("input", "(2 earlier messages)"),
        *(("input", f"user: question {number}") for number in range(2, 6)),
        ("output", "assistant calls look_up: {'id': 7}"),
        ("output", "look_up answers: nothing"),
    ]


def test_a_plain_value_and_documents_are_read_too() -> None:
    shown = span(attributes={"input": {"value": "a question"}, "output": {"documents": [{"text": "a page"}]}})
    assert texts(shown, []) == [("input", "a question"), ("output", "a page")]


def test_whatever_the_attributes_are_nothing_is_raised() -> None:
    for odd in (None, 7, "text", [], [1], {"messages": [1, {"content": [1, {"text": "x"}]}]}, {"value": 3}):
        texts(span(attributes={"input": odd, "output": odd, "evaluation": odd}), [SIGNAL])


def test_a_long_text_is_cut_and_says_so_and_none_steers_the_terminal() -> None:
    console = Console(width=80, record=True, file=io.StringIO(), force_terminal=True)
    long = "word " * LONGEST
    for paragraph in paragraphs(span(error_message=f"\x1b[31m{long}"), [], 4):
        console.print(paragraph)
    told = console.export_text()
    assert "more)" in told
    assert "\x1b" not in told
    assert len(told) < 2 * LONGEST
