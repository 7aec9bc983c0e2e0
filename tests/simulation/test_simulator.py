"""The simulator itself: its time, and checks that no bug of today makes speak."""

import threading
from random import Random

from evalforge.models import CoverageRecord, SliceReading
from evalforge.storage.sqlite import SqliteStore
from helpers.simulation.invariants import over_the_rate, unread_of_record
from helpers.simulation.process import Process
from helpers.simulation.scheduler import Scheduler
from helpers.simulation.times import HOUR
from helpers.simulation.world import World


def test_time_passes_for_all_at_once_also_for_threads_that_a_run_made_itself() -> None:
    scheduler, ended = Scheduler(Random(1)), []

    def work() -> None:
        workers = [threading.Thread(target=scheduler.sleep, args=(10.0,)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        ended.append(scheduler.seconds)

    scheduler.start(5, work)
    scheduler.run()
    assert ended == [15.0]


def test_threads_take_turns_in_the_order_of_time() -> None:
    scheduler, seen = Scheduler(Random(1)), []

    def work(name: str, seconds: float) -> None:
        for _ in range(3):
            scheduler.sleep(seconds)
            seen.append((scheduler.seconds, name))

    scheduler.start(0, lambda: work("slow", 10))
    scheduler.start(1, lambda: work("quick", 4))
    scheduler.run()
    assert seen == [(5, "quick"), (9, "quick"), (10, "slow"), (13, "quick"), (20, "slow"), (30, "slow")]


def test_a_record_of_coverage_that_claims_what_was_not_read_is_caught() -> None:
    world = World(1, lambda: SqliteStore(None))
    read_at, start, end = "2026-11-23T09:00:00.000Z", "2026-11-23T00:00:00.000Z", "2026-11-23T07:00:00.000Z"
    read = SliceReading(start=start, end=end, until=end, read_at=read_at)
    for reading, caught in ((read, True), (SliceReading(start=start, end=end, reason="the deadline"), False)):
        record = CoverageRecord(asked="rules", since=start, slices=(reading,))
        assert bool(unread_of_record(record, world.traffic, world.oracle, {}, 10 * HOUR)) is caught


def test_a_minute_with_more_requests_than_allowed_is_caught() -> None:
    world = World(1, lambda: SqliteStore(None))
    process = Process("run-001", world.scheduler, world.faults, None)
    assert not over_the_rate([(60.0 * number / 20, process) for number in range(100)], 20)
    assert over_the_rate([(59.0 * number / 20, process) for number in range(100)], 20)
