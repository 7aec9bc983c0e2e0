"""Runs that overlap leave the collector as they found it."""

import gc
import threading

from evalforge.common.garbage import RARELY, collecting_rarely


def test_the_collector_is_as_it_was_once_the_last_of_overlapping_runs_is_over() -> None:
    before = gc.get_threshold()
    inside, over = threading.Event(), threading.Event()

    def other() -> None:
        with collecting_rarely():
            inside.set()
            over.wait(10)

    thread = threading.Thread(target=other)
    with collecting_rarely():
        thread.start()
        assert inside.wait(10)
    assert gc.get_threshold() == RARELY
    over.set()
    thread.join()
    assert gc.get_threshold() == before
