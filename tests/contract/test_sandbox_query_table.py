"""The sandbox's query evaluator against the table that the failure rules are held to as well."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalforge.sandbox.query import matches

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "query_table.json").read_text())


@pytest.mark.parametrize("row", ROWS, ids=[f"{place}: {row['query']}" for place, row in enumerate(ROWS)])
def test_the_sandbox_reads_a_query_as_the_table_says(row: dict[str, Any]) -> None:
    assert matches(row["query"], row["span"]) is row["expected"], row["source"]
