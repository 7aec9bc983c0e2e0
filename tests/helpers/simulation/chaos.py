"""One seed played from its beginning to its verdict."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalforge.storage.sqlite import SqliteStore
from helpers.simulation.invariants import canaries_in
from helpers.simulation.times import HOUR, MINUTE
from helpers.simulation.world import World

HOURS = 4.0
OVERLAPS = 0.15
"""How often a run begins while another is likely at work."""
STOPS = 0.05
"""How often a run is told to stop by a signal."""
IN_MEMORY = Path("/dev/shm")


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder for a while, on a file system in memory where there is one, which spares the wait for disks."""
    usable = IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if usable else None, prefix="evalforge-") as folder:
        yield Path(folder)


@dataclass(frozen=True)
class Verdict:
    """What became of one seed. `wrong` is empty if all is well."""

    seed: int
    wrong: tuple[str, ...]
    faults: Counter[str]
    runs: int
    requests: int
    captures: int
    story: tuple[str, ...]

    @property
    def kills(self) -> int:
        """How many runs were killed."""
        return sum(count for kind, count in self.faults.items() if kind.startswith("killed"))


def play(seed: int) -> Verdict:
    """Chaos over a few hours, then the fault-free phase; with the real store on a file."""
    with folder_in_memory() as folder:
        path = folder / "store.db"
        world = World(seed, lambda: SqliteStore(path), hours=HOURS)
        late = world.traffic.late
        _plan(world)
        world.scheduler.run()
        world.converge()
        wrong = [*world.wrong, *canaries_in(folder)]
        captures = world.captured
    faults = world.faults.happened + late
    return Verdict(
        seed, tuple(wrong), faults, len(world.reports), len(world.datadog.requests), captures, tuple(world.story)
    )


def replay_command(seed: int) -> str:
    """What to type to see one seed again."""
    return f"PYTHONPATH=tests .venv/bin/python -m helpers.simulation --first {seed} --seeds 1 --story"


def _plan(world: World) -> None:
    random, moment = world.random, 0.0
    while moment < HOURS * HOUR:
        stop_after = random.uniform(0, 20) if random.random() < STOPS else None
        world.start_run(moment, world.faults.doom(), stop_after)
        while random.random() < OVERLAPS:
            world.start_run(moment + random.uniform(0, 30), world.faults.doom())
        moment += random.choice((5, 15, 15, 15, 40)) * MINUTE
