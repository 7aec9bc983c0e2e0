"""Sending that ends in time, one at a time, with a reason that tells nothing of what an error says."""

import threading
import time

import pytest

from evalforge.common.errors import MetricsNotSent
from evalforge.metrics.sending import within


def test_what_hangs_is_left_behind_and_nothing_more_is_sent_until_it_has_ended() -> None:
    ended, begun = threading.Event(), time.monotonic()
    with pytest.raises(MetricsNotSent, match=r"no answer within 0\.1 s"):
        within(0.1, lambda: bool(ended.wait(30)) and None)
    with pytest.raises(MetricsNotSent, match="those of an earlier run are still under way"):
        within(5, lambda: None)
    assert time.monotonic() - begun < 2
    ended.set()
    for _ in range(100):
        try:
            within(5, lambda: None)
            break
        except MetricsNotSent:
            time.sleep(0.02)
    else:
        pytest.fail("it never ended")


@pytest.mark.parametrize("kind", [ValueError, KeyError, OSError])
def test_an_error_of_any_kind_is_told_by_its_kind_alone(kind: type[Exception]) -> None:
    def send() -> None:
        raise kind("canary-of-an-error")

    with pytest.raises(MetricsNotSent) as told:
        within(5, send)
    assert str(told.value) == kind.__name__
    assert told.value.__cause__ is None
