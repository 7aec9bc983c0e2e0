"""The documented answers of the Export API, replayed: `evalforge capture` makes of each what stands beside it.

Each file of `golden/` names its source and holds answers, in the order in which they are given, and what the captures
(sorted by trace id) must hold: every field named there, lists element by element; fields that are not named are free.
The answers are to the first search, over the newest hour, and `context` to that for context.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from evalforge.ingestion.pii.hashing import Pseudonyms
from helpers import fake_datadog as dd
from helpers.commands import HASH_KEY, Result, environment, evalforge
from helpers.fake_datadog import FakeDatadog

GOLDEN = Path(__file__).parent / "golden"
ANSWERS = sorted(set(GOLDEN.glob("*.json")) - {GOLDEN / "pages.json"})
PAGES = json.loads((GOLDEN / "pages.json").read_text())
NO_NAMES_TO_LEARN = NOTHING_OLDER = dd.page([], {"status": "done", "page": None})


def replayed(
    store: Path, answers: list[Any], context: list[Any], **settings: str
) -> tuple[Result, list[dict[str, Any]]]:
    """One run that is given these answers, and the captures it leaves, by trace id."""
    learning = [] if settings.get("EVALFORGE_SCAN") == "all" else [NO_NAMES_TO_LEARN]
    first, last = ([dd.reply(200, answer) for answer in each] for each in (answers, context))
    with FakeDatadog(script=[*learning, *first, NOTHING_OLDER, *last]) as server:
        run = evalforge("capture", "--json", env=environment(store, server.url, **settings))
        assert server.script == []
    lines = evalforge("captures", "list", env=environment(store)).lines
    return run, sorted(lines, key=lambda one: one["trace_id"])


def differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Where the actual value lacks what is expected of it."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            found
            for key, part in expected.items()
            for found in differences(part, actual.get(key, "nothing"), f"{path}.{key}")
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [found for at, (part, other) in pairs for found in differences(part, other, f"{path}[{at}]")]
    return [] if expected == actual else [f"{path}: {actual!r} instead of {expected!r}"]


@pytest.mark.parametrize("file", ANSWERS, ids=lambda path: path.stem)
def test_a_documented_answer_gives_the_captures_that_stand_beside_it(tmp_path: Path, file: Path) -> None:
    golden = json.loads(file.read_text())
    run, captures = replayed(
        tmp_path / "store.db", golden["answers"], golden.get("context", []), **golden.get("settings", {})
    )
    assert run.report["outcome"] == golden.get("outcome", "complete"), run.err
    assert run.report["tally"]["dead_letters"] == 0
    assert differences(golden["captures"], captures) == []
    hashes = Pseudonyms(HASH_KEY.encode())
    for field, (purpose, identity) in golden.get("hashed", {}).items():
        assert [one[field] for one in captures] == [getattr(hashes, purpose)(identity)]


@pytest.mark.parametrize("last", PAGES["last"])
def test_the_data_goes_on_after_a_cursor_and_ends_in_each_documented_way(tmp_path: Path, last: str) -> None:
    second = json.loads(json.dumps(PAGES["span"]))
    second["id"] = second["attributes"]["span_id"] = "9"
    second["attributes"]["trace_id"] = "9"
    answers = [
        {"data": [PAGES["span"]], "meta": PAGES["first"], "links": PAGES["first_links"]},
        {"data": [second], "meta": {"status": "done", **PAGES["last"][last]}},
    ]
    run, captures = replayed(tmp_path / "store.db", answers, [])
    assert (run.code, run.report["outcome"]) == (0, "complete")
    assert [one["trace_id"] for one in captures] == [PAGES["span"]["attributes"]["trace_id"], "9"]


def test_the_comparison_sees_what_is_missing_other_or_too_many() -> None:
    actual = {"a": 1, "b": [{"c": 2}, {"c": 3}]}
    assert differences({"a": 1, "b": [{"c": 2}, {}]}, actual) == []
    assert differences({"a": 2}, actual) == [".a: 1 instead of 2"]
    assert differences({"d": None}, actual) == [".d: 'nothing' instead of None"]
    assert len(differences({"b": [{"c": 2}]}, actual)) == 1
    assert differences({"b": [{}, {"c": 4}]}, actual) == [".b[1].c: 3 instead of 4"]
