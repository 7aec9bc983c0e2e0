"""The table of documented query forms, held by the failure rules' evaluator and by what they send to the server."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalforge.ingestion.query.compiler import compile_query
from evalforge.ingestion.query.evaluator import predicate
from evalforge.ingestion.query.syntax import parse
from evalforge.ingestion.query.view import failure_view, plain_view
from helpers.spans import make_span

TABLE: list[dict[str, Any]] = json.loads((Path(__file__).parent / "query_table.json").read_text(encoding="utf-8"))
ROWS = [pytest.param(row, id=f"{number}: {row['query']}") for number, row in enumerate(TABLE, start=1)]


@pytest.mark.parametrize("row", ROWS)
def test_the_rules_evaluator_agrees_with_the_table(row: dict[str, Any]) -> None:
    matched = predicate(parse(row["query"]))(plain_view(make_span(**row["span"])))
    assert (matched is not None) is row["expected"]


@pytest.mark.parametrize("row", ROWS)
def test_what_is_sent_to_the_server_means_the_same(row: dict[str, Any]) -> None:
    sent = compile_query(parse(row["query"]))
    assert sent is not None
    matched = predicate(parse(sent))(plain_view(make_span(**row["span"])))
    assert (matched is not None) is row["expected"]


def test_the_table_is_large_balanced_and_sourced() -> None:
    assert len(TABLE) >= 75
    assert all(row["source"] for row in TABLE)
    expected = sum(row["expected"] for row in TABLE)
    assert abs(2 * expected - len(TABLE)) <= len(TABLE) // 5


def test_a_passed_or_unrun_evaluation_is_invisible_to_rules_but_not_to_queries() -> None:
    query = predicate(parse("@evaluation.x.value:bad"))
    for entry in ({"value": "bad", "assessment": "PASS"}, {"value": "bad", "status": "Warn"}):
        span = make_span(evaluation={"x": entry})
        assert query(plain_view(span)) == ("x",)
        assert query(failure_view(span)) is None
