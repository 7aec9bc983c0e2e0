"""A run is killed at every write there is, once before it and once with its answer lost: enumerated, not sampled."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import pytest

from evalforge.ports import CaptureStore
from evalforge.storage.sqlite import SqliteStore
from helpers.firestore_emulator import new_project
from helpers.simulation.chaos import folder_in_memory
from helpers.simulation.faults import ANY_WRITE, Doom
from helpers.simulation.process import Process
from helpers.simulation.times import HOUR
from helpers.simulation.world import World

SEED, TRACES = 3, 14
FIRST_RUN, SECOND_RUN = 1 * HOUR, 4 * HOUR
"""The second run, which is killed, finds traces that are stored, changed and new."""

Opener = Callable[[], CaptureStore]


@pytest.fixture(params=["sqlite", "firestore"])
def new_store(request: pytest.FixtureRequest) -> Iterator[Callable[[], Opener]]:
    """Gives an opener of one more empty store each time."""
    if request.param == "sqlite":
        with folder_in_memory() as folder:
            paths = (folder / f"{number}.db" for number in count())

            def sqlite() -> Opener:
                return partial(SqliteStore, next(paths))

            yield sqlite
        return
    request.getfixturevalue("firestore_emulator")
    from evalforge.storage.firestore import FirestoreStore

    def firestore() -> Opener:
        return partial(FirestoreStore, new_project(), "(default)", "evalforge_")

    yield firestore


def played(open_store: Opener, doom: Doom | None) -> tuple[World, Process]:
    """Two runs, the second of which is doomed; then everything as it must be in the end."""
    world = World(SEED, open_store, traces=TRACES)
    world.faults.quiet = True
    world.page_limit, world.traces_a_commit, world.rate = 5, 2, 200
    world.start_run(FIRST_RUN)
    second = world.start_run(SECOND_RUN, doom)
    world.scheduler.run()
    world.converge()
    return world, second


@pytest.mark.timeout(300)
def test_a_run_killed_at_any_write_loses_nothing_and_counts_nothing_twice(new_store: Callable[[], Opener]) -> None:
    whole, undisturbed = played(new_store(), None)
    assert not whole.wrong
    assert undisturbed.writes >= 8
    for number in range(1, undisturbed.writes + 1):
        for after in (False, True):
            world, second = played(new_store(), Doom(ANY_WRITE, number, after))
            assert second.dead, (number, after)
            assert not world.wrong, (number, after, world.wrong, world.story)
