"""Overlapping and suspended runs, in virtual time."""

import pytest

from evalforge.storage.sqlite import SqliteStore
from helpers.simulation.chaos import folder_in_memory
from helpers.simulation.faults import Doom
from helpers.simulation.invariants import over_the_rate
from helpers.simulation.times import HOUR
from helpers.simulation.world import World

ALL_HAPPENED = 8 * HOUR


@pytest.mark.parametrize("seed", range(1, 4))
def test_of_eight_runs_at_once_one_reads_and_the_others_ask_for_nothing(seed: int) -> None:
    with folder_in_memory() as folder:
        world = World(seed, lambda: SqliteStore(folder / "store.db"))
        world.faults.quiet = True
        for _ in range(8):
            world.start_run(ALL_HAPPENED)
        world.scheduler.run()
    assert len(world.reports) == 1
    assert {process.name for _, process in world.datadog.requests} == {world.reports[0].run_id}
    assert sum("LeaseHeld" in line for line in world.story) == 7


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_suspended_run_does_not_go_on_asking_beside_the_one_that_took_its_place(seed: int) -> None:
    with folder_in_memory() as folder:
        world = World(seed, lambda: SqliteStore(folder / "store.db"), traces=120)
        world.faults.quiet = True
        world.rate, world.page_limit, world.traces_a_commit = 20, 3, 450
        suspended = world.start_run(ALL_HAPPENED, Doom("search", 4, after=True, frozen_seconds=190.0))
        world.scheduler.run()
    late = [
        moment for moment, process in world.datadog.requests if process is suspended and moment > suspended.thawed_at
    ]
    assert len(late) <= 1
    assert not over_the_rate(world.datadog.requests, world.rate)
    assert [report.run_id for report in world.reports] == ["run-002"]
