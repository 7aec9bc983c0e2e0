"""Who one span of a trace names is replaced in the texts of all of its spans, however the name is spelt there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from helpers.bytes_search import ByteSearch
from helpers.canaries import AFTER, BEFORE, Canary, Random, digits, full_name, needles_of, word
from helpers.carriers import FORMS, PLACES, Attributes
from helpers.commands import RULE_CACHE, environment, evalforge
from helpers.exported import failed, item
from helpers.fake_datadog import FakeDatadog
from helpers.planting import NAMED_IN, TOLD, united

SPELT = ("percent", "HTML throughout", "escapes", "zero width", "fullwidth", "soft hyphens", "query of a URL", "form")


def somebody(rng: Random, key: str) -> Canary:
    """A person's name, or the handle or id of one."""
    name = full_name(rng) if key in ("user_name", "tag", "in JSON") else word(rng) + digits(rng, 3)
    return Canary(f"told by {key}", name, f"{BEFORE} {name} {AFTER}", needles_of(name))


def trace_of(number: int, root: Attributes, parent: Attributes, child: Attributes) -> list[Any]:
    """A root, a healthy parent and a failing child."""
    trace = f"{number:032x}"
    top = item(3 * number, trace=trace, **root)
    middle = item(3 * number + 1, trace=trace, parent_id=top["id"], **parent)
    return [top, middle, failed(3 * number + 2, trace=trace, parent_id=middle["id"], **child)]


def captured(tmp_path: Path, spans: list[Any]) -> tuple[list[Any], bytes]:
    """The captures, and all that is stored and said."""
    with FakeDatadog(spans=spans) as server:
        env = environment(tmp_path / "store.db", server.url, EVALFORGE_TEXT="redact", **RULE_CACHE)
        done = evalforge("capture", "--json", env=env)
    assert done.code == 0, done.err
    listed = evalforge("captures", "list", env=env)
    seen = b"\n".join([(done.out + done.err + listed.out).encode(), *(one.read_bytes() for one in tmp_path.iterdir())])
    return listed.lines, seen


@pytest.mark.parametrize("teller", ["root", "parent", "child"])
def test_who_another_span_of_the_trace_names_is_replaced_too(tmp_path: Path, teller: str) -> None:
    rng, people, spans = Random(11), list[Canary](), list[Any]()
    for number, (key, place) in enumerate([(key, place) for key in TOLD for place in NAMED_IN], start=1):
        people.append(one := somebody(rng, key))
        text = PLACES[place](one.said)
        above = text if not {"error", "evaluation"} & text.keys() else PLACES["message"](one.said)
        given = {"root": above, "parent": above, "child": text} | {teller: TOLD[key](one.value)}
        spans += trace_of(number, **given)
    captures, seen = captured(tmp_path, spans)
    assert len(captures) == len(people)
    assert json.dumps(captures).count(AFTER) >= 2 * len(people)
    assert ByteSearch(needle for one in people for needle in one.needles).found(seen) == set()


@pytest.mark.parametrize("spelling", SPELT)
def test_a_name_is_found_however_it_is_spelt(tmp_path: Path, spelling: str) -> None:
    rng, people, spans = Random(12), list[Canary](), list[Any]()
    for number, key in enumerate((key for key in TOLD if key != "in JSON"), start=1):
        people.append(one := somebody(rng, key))
        spans += trace_of(number, {}, {}, united(TOLD[key](one.value), FORMS[spelling](one)))
    _, seen = captured(tmp_path, spans)
    assert ByteSearch(needle for one in people for needle in one.needles).found(seen) == set()


def test_the_placeholder_of_a_name_is_the_same_in_all_spans_of_its_trace(tmp_path: Path) -> None:
    one = somebody(Random(13), "user_name")
    text = PLACES["message"](one.said)
    [capture], _ = captured(tmp_path, trace_of(1, TOLD["user_name"](one.value), text, text))
    marks = re.findall(r"\[PERSON_[0-9a-f]{6}\] \[PERSON_[0-9a-f]{6}\]", json.dumps(capture["trace_payload"]))
    assert len(marks) >= 2  # a mark for each word of the name
    assert len(set(marks)) == 1
