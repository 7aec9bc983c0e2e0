"""Whether a recognizer does what its examples say, through the whole engine with that rule alone; and no harm.

In a positive example « and » enclose exactly what is found; in a negative one nothing is.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from evalforge.ingestion.pii.text.engine import Budget, TextEngine, windows
from evalforge.ingestion.pii.text.hits import Unscannable
from evalforge.ingestion.pii.text.recognizers import Recognizer
from evalforge.ingestion.pii.text.view import seen

MARKED = re.compile("«(.*?)»", re.DOTALL)
MARKS = str.maketrans("", "", "«»")

OWN = (
    "[EMAIL_3f9a2c]",
    "[US_SSN_0b4417]",
    "[API_KEY_123456]",
    "[BLOB_c0ffee chars=120]",
    "[WITHHELD chars=16]",
    "[TRUNCATED chars=4096]",
)
"""What the sanitiser itself writes into a text."""
IDS = (
    "6903738200000000af2d3775dfc70530",
    "6b0429d300000000cff7e050b5047782",
    "0af7651916cd43dd8448eb211c80319c",
    "00f067aa0ba902b7",
    "b7ad6b7169203331",
    "14624140233640368324",
    "9532127138774266268",
    "1762406423849150381",
    "u1_7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1f",
    "s1_0a4d55a8d778e5022fab701977c5d840bbc486d0",
)
"""Ids of traces and spans, as Datadog and OpenTelemetry write them, and pseudonyms."""
AROUND = ("{}", "see {} there")
NARROWER = "; put \\b around it or ask for context"


class Failure(NamedTuple):
    """What is wrong with a rule: the field that shows it, the example if it is one, and the reason."""

    field: str
    reason: str
    example: str = ""


def split(example: str) -> tuple[str, list[str]]:
    """The text of an example, and what it says is found."""
    return example.translate(MARKS), MARKED.findall(example)


def failure(rule: Recognizer) -> Failure | None:
    """The first example that does not hold, or None."""
    return next(_failures(rule), None)


def harm(rule: Recognizer) -> Failure | None:
    """That the rule fits on what EvalForge writes into texts, or on an id of a trace or span; or None."""
    for own in OWN:
        if any(_fits(rule, around.format(own), own.strip("[]")) for around in AROUND):
            return Failure(
                "pattern", f"it would damage EvalForge's own placeholders and marks, such as {own}{NARROWER}"
            )
    alone = _alone(rule)
    for text in IDS:
        if any(alone.scan(around.format(text)) for around in AROUND):
            return Failure("pattern", f"it would damage ids of traces, spans and users, such as {text}{NARROWER}")
    return None


def _failures(rule: Recognizer) -> Iterator[Failure]:
    alone = _alone(rule)
    ungated = _alone(replace(rule, gate=rule.pattern.pattern))
    for field, examples in (("positive", rule.positive), ("negative", rule.negative)):
        for number, example in enumerate(examples, start=1):
            where = f"{field} example {number}"
            text, expected = split(example)
            if field == "positive" and not expected:
                yield Failure(
                    field, f"{where} encloses nothing in « and »: write « and » around what must be found", example
                )
                continue
            try:
                found = [text[hit.start : hit.end] for hit in alone.scan(text)]
                if not found and ungated.scan(text):
                    yield Failure(
                        "gate", f"the gate finds nothing in {where}, where the pattern does; leave the gate out"
                    )
                    continue
            except Unscannable as reason:
                yield Failure(field, f"{where} cannot be scanned: {reason}", example)
                continue
            if field == "negative" and found:
                todo = "narrow the pattern, or ask for context or a check"
                yield Failure(field, f"something is found in {where}: {todo}", example)
            elif field == "positive" and found != expected:
                what, todo = (
                    ("something else than what « and » enclose", "move « and », or change the pattern")
                    if found
                    else ("nothing", "widen the pattern, or correct the example; a check or context may refuse it too")
                )
                yield Failure(field, f"{what} is found in {where}: {todo}", example)


def _alone(rule: Recognizer) -> TextEngine:
    return TextEngine([rule], built_in_rules=False, vendors=False)


def _fits(rule: Recognizer, text: str, mark: str) -> bool:
    """Whether the rule's pattern fits on the mark in a text that is not folded, which would hide marks from it."""
    data = seen(text).data
    return any(
        mark.encode() in match.group(0)
        for start, last in windows(rule, data, Budget(len(data)))
        for match in rule.pattern.finditer(data, start)
        if match.start() <= last
    )
