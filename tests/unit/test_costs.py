"""Dollars follow from counts and from one table of prices, and a run that costs too much is told what to change."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.models import StoreOperations, Usage
from evalforge.models.costs import cost_of, prices, too_costly

ROOT = Path(__file__).parents[2]


def test_every_price_has_a_source_and_a_date() -> None:
    table = prices()
    for part in (table.firestore, table.cloud_run, table.scheduler, table.internet):
        assert part.source
        assert date(2026, 1, 1) < part.as_of < date(2100, 1, 1)


@pytest.mark.parametrize(
    ("usage", "calls", "dollars"),
    [
        (Usage(), 2500, 0.0),
        (Usage(bytes_received=10**9, store=StoreOperations(reads=10**6, writes=10**6, deletes=10**6)), 9, 0.0),
        (Usage(store=StoreOperations(kind="firestore", reads=100_000)), 0, 0.03),
        (Usage(store=StoreOperations(kind="firestore", writes=100_000)), 0, 0.09),
        (Usage(store=StoreOperations(kind="firestore", deletes=100_000)), 0, 0.01),
        (Usage(instance_seconds=300.0), 0, 300 * (0.000024 + 0.5 * 0.0000025) + 0.4e-6),
        (Usage(instance_seconds=1.0), 262_144, 0.000025 + 0.12),
    ],
    ids=["calls alone", "sqlite", "reads", "writes", "deletes", "cloud run", "a gibibyte sent"],
)
def test_what_is_billed_costs_its_price_and_all_else_nothing(usage: Usage, calls: int, dollars: float) -> None:
    assert cost_of(usage, calls) == pytest.approx(dollars, abs=2e-6)


@given(cost=st.floats(0, 10), most=st.floats(0.001, 10))
def test_a_run_may_go_on_as_long_as_it_costs_no_more_than_it_may(cost: float, most: float) -> None:
    reason = too_costly(cost, most)
    assert (reason is None) == (cost <= most)
    if reason is not None:
        assert f"EVALFORGE_MAX_RUN_COST_USD={most:g}" in reason
        assert "raise it" in reason


def test_no_price_is_written_down_anywhere_but_in_the_table() -> None:
    """The benchmark and the code take them from there."""
    for path in (ROOT / "benchmarks" / "costs.py", *sorted((ROOT / "src" / "evalforge").rglob("*.py"))):
        text = path.read_text()
        assert not [price for price in ("0.09", "0.000024", "0.0000025", "writes=20_000") if price in text], path
