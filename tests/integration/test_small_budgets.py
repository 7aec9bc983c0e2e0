"""A budget of calls that is far too small for an hour: each run goes on within it where the one before stopped."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helpers.commands import environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog

FAILURES, A_PAGE = 60, 4
MOST_RUNS = 30


def spread(seconds_apart: float, hours_ago: int = 2) -> list[Any]:
    """Failures of one hour, all in it."""
    now = datetime.now(UTC)
    begin = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    starts = [begin + timedelta(seconds=1 + number * seconds_apart) for number in range(FAILURES)]
    return [failed(number, start_ns=int(start.timestamp() * 1e9)) for number, start in enumerate(starts, start=1)]


@pytest.mark.parametrize("calls", [5, 6, 9])
def test_an_hour_with_more_pages_than_calls_is_read_by_several_runs(tmp_path: Path, calls: int) -> None:
    store = tmp_path / "store.db"
    with FakeDatadog(spans=spread(50)) as server:
        env = environment(
            store,
            server.url,
            EVALFORGE_MAX_CALLS=str(calls),
            EVALFORGE_PAGE_LIMIT=str(A_PAGE),
            EVALFORGE_CONTEXT="none",
            EVALFORGE_LOOKBACK_HOURS="6",
        )
        created = []
        while sum(created) < FAILURES and len(created) < MOST_RUNS:
            done = evalforge("capture", "--json", env=env)
            assert done.code in (0, 3)
            created.append(done.report["tally"]["captures_created"])
    assert sum(created) == FAILURES, created
    assert len(created) <= FAILURES / A_PAGE / (calls - 4) + 5


def test_what_is_left_of_an_hour_counts_as_read_only_when_all_of_it_was(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with FakeDatadog(spans=spread(50)) as server:
        env = environment(store, server.url, EVALFORGE_PAGE_LIMIT="4", EVALFORGE_CONTEXT="none")
        seen = 0
        for _ in range(MOST_RUNS):
            done = evalforge("capture", "--json", env=env | {"EVALFORGE_MAX_CALLS": "8"})
            seen += done.report["tally"]["captures_created"]
            whole = [one for one in evalforge("coverage", env=env).lines if one["state"] == "complete"]
            hour = server.spans[0]["attributes"]["start_ns"] / 1e9
            is_told = any(moment(one["start"]) <= hour and moment(one["end"]) >= hour + 3_500 for one in whole)
            assert not is_told or seen == FAILURES
            if is_told:
                break
        assert seen == FAILURES
        whole_run = evalforge("capture", "--json", env=env)
    assert (whole_run.code, whole_run.report["tally"]["captures_created"]) == (0, 0)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
