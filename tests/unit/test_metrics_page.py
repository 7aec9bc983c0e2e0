"""The page of metrics and cost says what the code measures, assumes and costs."""

import re
from pathlib import Path

from benchmarks import costs

from evalforge.metrics.measures import ABOUT, PREFIX
from evalforge.models import StoreOperations, Usage
from evalforge.models.costs import cost_of, prices
from evalforge.wiring.telemetry import SECONDS, SECONDS_WHEN_STOPPED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "metrics-and-cost.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([^`\n]+)`")


def table_after(head: str) -> list[list[str]]:
    """The cells of the rows of the table that begins so."""
    rows = PAGE.partition(f"\n{head}")[2].splitlines()[2:]
    end = next(number for number, row in enumerate(rows) if not row.startswith("|"))
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows[:end]]


def test_the_page_of_metrics_has_every_name_with_kind_unit_and_the_values_of_its_tags() -> None:
    rows = table_after("| Name |")
    told = {
        name.strip("`"): (kind, unit, tuple(CODE.findall(tags)), meaning) for name, kind, unit, tags, meaning in rows
    }
    assert told == {
        PREFIX + name: (
            about.kind,
            about.unit or "",
            tuple(word for tag, values in about.tags.items() for word in (tag, *values)),
            about.meaning,
        )
        for name, about in ABOUT.items()
    }


def test_the_page_of_cost_has_the_table_of_the_benchmark_and_what_the_code_assumes() -> None:
    table = prices()
    assert costs.cloud_run_table() in PAGE
    assert f"{table.cloud_run.vcpus:g} vCPU and {table.cloud_run.gib:g} GiB" in PAGE
    assert f"{table.internet.bytes_a_call // 1024} KiB sent a call" in PAGE
    new_traces = StoreOperations(
        kind="firestore", reads=42_000 * costs.A_TRACE.reads, writes=42_000 * costs.A_TRACE.writes
    )
    assert round(cost_of(Usage(store=new_traces), 0), 2) == 0.10
    assert round(cost_of(Usage(instance_seconds=3600.0), 0), 2) == 0.09


def test_the_page_of_metrics_names_every_monitor() -> None:
    rows = table_after("| Monitor |")
    assert {name.strip("`") for name, _ in rows} == {path.name for path in (ROOT / "deploy/datadog/monitors").iterdir()}


def test_the_page_says_how_long_a_run_waits() -> None:
    assert (SECONDS, SECONDS_WHEN_STOPPED) == (3, 1)
    assert "It waits three seconds at most, one second if\na signal ended it." in PAGE
