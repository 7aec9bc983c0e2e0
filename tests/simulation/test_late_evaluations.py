"""Evaluations that come a day and more after their spans: past the look-back, and within reach of the deep pass.

Hours without runs and runs that are cut short come in between; what came must be stored within a day of it.
"""

import pytest

from evalforge.storage.sqlite import SqliteStore
from helpers.simulation.chaos import folder_in_memory
from helpers.simulation.times import HOUR
from helpers.simulation.traffic import Version
from helpers.simulation.world import LOOKBACK_HOURS, World

FOUND_WITHIN = 25 * HOUR
"""A day, and the time between two runs."""
LAST_RUN = 104.0
"""Hours: the last span begins in hour 4, its evaluation comes by hour 74."""
SEEDS = range(1, 7)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
def test_evaluations_thirty_to_seventy_hours_late_are_found_within_a_day(seed: int) -> None:
    with folder_in_memory() as folder:
        world = World(seed, lambda: SqliteStore(folder / "store.db"))
        late = make_late(world)
        world.max_calls, moment = 60, 0.0
        while moment < LAST_RUN * HOUR:
            quiet = moment > 4 * HOUR and world.random.random() < 0.8
            world.start_run(moment, None if quiet else world.faults.doom())
            world.scheduler.at(moment, lambda: setattr(world.faults, "quiet", world.scheduler.seconds > 4 * HOUR))
            moment += world.random.choice((0.25, 0.5, 1.0)) * HOUR
        world.late_found_within = FOUND_WITHIN
        world.scheduler.run()
        world.faults.quiet = True
        differences = world.differences()
    assert not world.wrong + differences, "\n".join(world.wrong + differences)
    assert late >= 5
    assert sum(run.deep_pass.read for run in world.reports) >= 24
    assert any(name in run.lateness.buckets for run in world.reports for name in ("36h", "42h", "48h", "54h", "72h"))


def make_late(world: World) -> int:
    """Every last evaluation comes 30 to 70 hours after its span began; how many."""
    count = 0
    for span in world.traffic.spans:
        if len(span.versions) > 1:
            version: Version = span.versions[-1]
            version.visible_at = span.start + world.random.uniform(30, 70) * HOUR
            count += version.visible_at - span.start > LOOKBACK_HOURS * HOUR
    return count
