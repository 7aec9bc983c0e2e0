"""Which slices of a segment are read whole, by how far the searches over it have come."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from evalforge.common.clock import timestamp
from evalforge.ingestion.segment_reading import OUT_OF_ORDER, PartReading, SegmentReading
from evalforge.models import Window

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOURS = [NOON + timedelta(hours=number) for number in range(4)]


class Segment:
    """Four hours from noon; `whole` are the hours that were read whole."""

    def __init__(self) -> None:
        self.whole: list[int] = []
        self.reading = SegmentReading(HOURS, NOON + timedelta(hours=4), whole=self._whole, taken_back=self._taken_back)

    def _whole(self, _: SegmentReading, slices: Sequence[datetime]) -> None:
        self.whole += [one.hour for one in slices]

    def _taken_back(self, _: SegmentReading, slices: Sequence[datetime]) -> None:
        self.whole = [hour for hour in self.whole if hour not in {one.hour for one in slices}]

    def part(self, start: float, end: float) -> PartReading:
        """A search from one hour after noon to another."""
        window = Window(start=timestamp(NOON + timedelta(hours=start)), end=timestamp(NOON + timedelta(hours=end)))
        return PartReading(self.reading, window)

    def read_by(self, start: float, end: float) -> PartReading:
        """As `part`, and known to the segment."""
        part = self.part(start, end)
        self.reading.add(part)
        return part


def test_a_slice_is_whole_once_every_search_that_touches_it_has_passed_it() -> None:
    segment = Segment()
    one, other = segment.read_by(0, 4), segment.read_by(0, 4)
    one.saw(["2026-11-23T14"], sure=True)
    assert segment.whole == []
    other.saw(["2026-11-23T13"], sure=True)
    assert segment.whole == [12]
    one.ended(None)
    other.ended(None)
    assert segment.whole == [12, 13, 14, 15]


def test_a_half_that_was_given_away_is_waited_for_where_it_touches_a_slice_and_nowhere_else() -> None:
    segment = Segment()
    first, half = segment.read_by(0, 4), segment.part(1.5, 4)
    first.cut(half)
    first.ended(None)
    assert segment.whole == [12]
    half.saw(["2026-11-23T14"], sure=True)
    assert segment.whole == [12, 13]
    half.ended(None)
    assert segment.whole == [12, 13, 14, 15]


def test_a_half_may_be_read_before_the_search_that_gave_it_away() -> None:
    segment = Segment()
    first, half = segment.read_by(0, 4), segment.part(2, 4)
    first.cut(half)
    half.ended(None)
    assert segment.whole == [14, 15]


def test_a_span_that_began_outside_of_the_window_does_not_tell_how_far_a_search_has_come() -> None:
    segment = Segment()
    first = segment.read_by(0, 2)
    segment.read_by(2, 4)
    first.saw(["2026-11-23T15"], sure=True)
    assert segment.whole == []


def test_a_search_whose_pages_were_not_in_the_order_of_time_may_not_give_a_half_away_and_claim_the_rest() -> None:
    segment = Segment()
    first, half = segment.read_by(0, 4), segment.part(2, 4)
    first.saw(["2026-11-23T13", "2026-11-23T12"], sure=True)
    first.cut(half)
    first.ended(None)
    assert segment.reading.reason == OUT_OF_ORDER
    assert segment.whole == []


def test_what_ended_early_keeps_its_reason_and_leaves_the_rest() -> None:
    segment = Segment()
    part = segment.read_by(0, 4)
    part.saw(["2026-11-23T13"], sure=True)
    part.ended("the deadline")
    assert (segment.whole, segment.reading.reason) == ([12], "the deadline")
    assert segment.reading.left == HOURS[1:]


def test_a_search_whose_pages_are_not_in_order_takes_back_only_what_it_touches() -> None:
    segment = Segment()
    first, second = segment.read_by(0, 2), segment.read_by(2, 4)
    second.saw(["2026-11-23T15"], sure=True)
    first.saw(["2026-11-23T13"], sure=True)
    assert segment.whole == [14, 12]
    first.saw(["2026-11-23T12"], sure=True)
    assert segment.whole == [14]
    first.saw(["2026-11-23T13"], sure=True)
    assert segment.whole == [14], "from then on only its end tells"
    first.ended(None)
    second.ended(None)
    assert sorted(segment.whole) == [12, 13, 14, 15]
