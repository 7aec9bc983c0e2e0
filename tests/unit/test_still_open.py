"""What a run remembers of crowded traces is whole, small and bounded."""

from evalforge.ingestion.still_open import StillOpen
from helpers.captures import capture, span


def crowded(trace_id: str):
    return capture(trace_id, [span(str(number), error_message="[WITHHELD chars=900]") for number in range(40)])


def test_what_was_remembered_comes_back_equal_and_once():
    kept, one = StillOpen(), capture("a1", status="triaged", processed=True)
    kept.remember(one)
    assert kept.take("a1") == one
    assert kept.take("a1") is None


def test_no_more_is_remembered_than_there_is_room_for_and_the_oldest_goes_first():
    kept = StillOpen(most_bytes=5_000)
    for number in range(100):
        kept.remember(crowded(f"{number:x}"))
    left = [number for number in range(100) if kept.take(f"{number:x}") is not None]
    assert 1 <= len(left) < 10
    assert left == list(range(100 - len(left), 100))
    kept.remember(crowded("ff"))
    assert kept.take("ff") is not None
