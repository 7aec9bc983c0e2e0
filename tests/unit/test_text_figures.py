"""What share of values is found in texts of many kinds, and what share of clean texts is left alone.

The figures are those of the issue that asked for redaction; the texts are made here, from formats (`planted_values`).
Everything goes the whole way of a span, so that keys, JSON in text and tags are read as they are in production.
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import Any

import msgspec
import pytest

from evalforge.ingestion.pii.placeholders import MARK
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.clean_lines import LINES, clean_line
from helpers.engines import engine
from helpers.national_ids import NATIONAL_IDS
from helpers.planted_values import CORE, HEX, SECRETS, Maker, some
from helpers.sanitizing import KEY, with_ids

TIMES, CLEAN_LINES = 60, 1_500
RECALL_OF_CORE, RECALL_OF_EACH, RECALL_OF_SECRETS, RECALL_OF_NATIONAL_IDS, FALSE_POSITIVES = (
    0.995,
    0.98,
    0.98,
    0.80,
    0.01,
)


def in_json(value: str) -> dict[str, Any]:
    return {"input": {"value": json.dumps({"order": 7, "note": f"customer wrote {value} again"})}}


def in_nested_json(value: str) -> dict[str, Any]:
    inner = json.dumps({"text": value})
    return {"output": {"messages": [{"role": "tool", "content": json.dumps({"result": inner})}]}}


def in_text(form: str) -> Callable[[str], dict[str, Any]]:
    return lambda value: {"input": {"value": form.replace("{}", value)}}


CARRIERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "alone": in_text("{}"),
    "sentence": in_text("Hello, you find me under {}. Thanks a lot"),
    "brackets": in_text("as told before ({}) it is late"),
    "quotes": in_text("'{}', \"{}\""),
    "log": in_text("2026-11-23 10:46:00,123 WARN shop.agent customer={} attempt=2"),
    "markup": in_text("<p><b>{}</b></p>"),
    "table": in_text("| Jo | {} | 12.50 |"),
    "csv": in_text("7,open,{},EUR"),
    "lines": in_text("first line\n{}\nlast line"),
    "escaped": in_text("said:\\n{}\\nand left"),
    "beside other scripts": in_text("联系{}谢谢"),
    "json": in_json,
    "nested json": in_nested_json,
    "message": lambda value: {"input": {"messages": [{"role": "user", "content": f"Is {value} on file?"}]}},
    "arguments": lambda value: {
        "output": {"messages": [{"tool_calls": [{"name": "f", "arguments": json.dumps({"who": value})}]}]}
    },
    "metadata": lambda value: {"metadata": {"remark": value}},
    "tag": lambda value: {"tags": [f"remark:{value}"]},
    "error": lambda value: {"error": {"type": "ValueError", "message": f"no such customer: {value}"}},
    "stack": lambda value: {"error": {"stack": f'  File "a.py", line 3, in f\n    g("{value}")\nKeyError: {value}'}},
}


@lru_cache(maxsize=1)
def sanitizer() -> Sanitizer:
    return Sanitizer(hash_key=KEY, scanner=engine())


def written(value: Any) -> str:
    """All text of a sanitised span but for the placeholders, whose digits are nobody's; JSON in text undone."""
    return re.sub(r'[\\"]+', '"', MARK.sub("[]", msgspec.json.encode(value).decode()))


def survives(value: str, carrier: Callable[[str], dict[str, Any]]) -> bool:
    """Whether three characters in a row of the value are left that the text does not have without it."""
    kept = dict(sanitizer().item(with_ids(**carrier(value)))["attributes"])
    kept.pop("trace_id"), kept.pop("span_id")
    without = written(carrier("")) + "trace"
    return any(run in written(kept) and run not in without for run in re.findall(r"\w{3,}", value))


def recall(make: Maker, forms: tuple[str, ...] = ("{}",)) -> float:
    """Of values in every carrier and form by turns."""
    random = Random(1)
    lost = 0
    for number in range(TIMES):
        carrier, form = list(CARRIERS.values())[number % len(CARRIERS)], forms[number % len(forms)]
        lost += survives(make(random), lambda value, carrier=carrier, form=form: carrier(form.replace("{}", value)))
    return 1 - lost / TIMES


@lru_cache(maxsize=1)
def core() -> dict[str, float]:
    return {name: recall(make) for name, make in CORE.items()}


@pytest.mark.parametrize("name", CORE)
def test_nearly_every_value_of_a_core_type_is_gone(name: str) -> None:
    assert core()[name] >= RECALL_OF_EACH


def test_of_all_core_types_together_hardly_a_value_is_left() -> None:
    assert sum(core().values()) / len(CORE) >= RECALL_OF_CORE


@pytest.mark.parametrize("name", SECRETS)
def test_nearly_every_secret_is_gone(name: str) -> None:
    make, forms = SECRETS[name]
    assert recall(make, forms) >= RECALL_OF_SECRETS


def test_most_numbers_that_states_give_are_gone_whatever_the_state() -> None:
    found = {name: recall(make) for name, make in NATIONAL_IDS.items()}
    assert sum(found.values()) / len(found) >= RECALL_OF_NATIONAL_IDS, found


def test_clean_technical_lines_are_left_alone() -> None:
    random = Random(2)
    lines = [clean_line(random) for _ in range(CLEAN_LINES)]
    changed = [
        line
        for line in lines
        if sanitizer().item(with_ids(input={"value": line}))["attributes"]["input"]["value"] != line
    ]
    assert len(changed) <= FALSE_POSITIVES * len(lines), changed[:10]


def test_every_kind_of_clean_line_is_among_them() -> None:
    random = Random(2)
    begun = {clean_line(random)[:6] for _ in range(CLEAN_LINES)}
    assert len(begun) >= len(LINES)


def test_no_id_of_a_trace_a_span_or_a_request_is_touched_wherever_it_stands() -> None:
    random = Random(3)
    for _ in range(200):
        ids = {
            "trace_id": some(random, HEX, 32),
            "span_id": str(random.randint(10**17, 2**64 - 1)),
            "parent_id": str(random.randint(10**17, 2**64 - 1)),
        }
        request, call = f"req_{some(random, HEX, 24)}", f"call_{some(random, HEX, 20)}"
        told = f"trace {ids['trace_id']} span {ids['span_id']} {request}"
        attributes = {
            **ids,
            "metadata": {"request_id": request, "call": call, "dd.trace_id": ids["span_id"]},
            "input": {"value": told},
        }
        kept = sanitizer().item(with_ids(**attributes))["attributes"]
        assert kept == attributes
