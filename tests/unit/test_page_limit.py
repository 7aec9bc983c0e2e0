"""How many spans a page is asked for when Datadog's answers decide."""

from evalforge.ingestion.search.page_limit import AdaptivePageLimit


def test_pages_grow_to_a_thousand_while_answers_come_whole() -> None:
    limit, asked = AdaptivePageLimit(), []
    for _ in range(6):
        asked.append(limit.spans)
        limit.went_well(limit.spans)
    assert asked == [100, 200, 400, 800, 1000, 1000]


def test_several_answers_that_fail_at_once_halve_a_page_once() -> None:
    limit = AdaptivePageLimit()
    for _ in range(4):
        limit.was_too_much(100)
    assert limit.spans == 50
    limit.was_too_much(50)
    assert limit.spans == 25


def test_after_a_bad_answer_pages_grow_again_only_after_ten_good_ones() -> None:
    limit = AdaptivePageLimit()
    limit.was_too_much(100)
    for _ in range(9):
        limit.went_well(50)
    assert limit.spans == 50
    limit.went_well(50)
    assert limit.spans == 100


def test_no_page_is_of_less_than_one_span() -> None:
    limit = AdaptivePageLimit()
    for asked in (100, 50, 25, 12, 6, 3, 1, 1):
        limit.was_too_much(asked)
    assert limit.spans == 1
