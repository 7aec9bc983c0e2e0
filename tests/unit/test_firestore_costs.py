"""The table of Firestore's costs is what its counts and prices make of it."""

from pathlib import Path

from benchmarks import costs

DOCUMENT = Path(__file__).parents[2] / "docs" / "firestore-costs.md"


def test_the_table_in_the_documents_is_what_the_counts_and_prices_make() -> None:
    text = DOCUMENT.read_text()
    assert costs.table() in text
    assert f"{costs.RESCAN.reads} reads and {costs.RESCAN.writes} writes" in text


def test_what_is_free_costs_nothing_and_what_is_above_is_told_by_the_price() -> None:
    assert costs.dollars_a_month(costs.FREE_A_DAY) == 0
    free = costs.FREE_A_DAY
    more = costs.Operations(reads=free.reads + 100_000, writes=free.writes + 100_000, deletes=free.deletes + 100_000)
    assert round(costs.dollars_a_month(more), 6) == round(30 * (0.03 + 0.09 + 0.01), 6)


def test_manifests_cost_less_than_either_other_way_at_any_number_of_failures() -> None:
    for failures in costs.FAILURES_A_DAY:
        ours, *others = [costs.dollars_a_month(way(failures)) for way in costs.STRATEGIES.values()]
        assert all(ours < other for other in others)
