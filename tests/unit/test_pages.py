"""A page is cut into its spans; one poisonous span costs none of the others."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.ingestion.search.pages import BrokenBody, split_page
from helpers.time_limits import within

GOOD = b'{"id":"1","attributes":{"name":"a \\"quoted\\" [name] {x}, \\\\"}}'


def body(*items: bytes, meta: Any = None) -> bytes:
    tail = b"" if meta is None else b', "meta": ' + json.dumps(meta).encode()
    return b'{ "data": [' + b", ".join(items) + b"]" + tail + b" }"


def test_a_page_is_cut_into_the_bytes_of_each_item() -> None:
    page = split_page(body(GOOD, b'{"id": "2"}', meta={"status": "done", "page": {"after": "c1"}, "elapsed": 3}))
    assert page.items == (GOOD, b'{"id": "2"}')
    assert (page.cursor, page.status) == ("c1", "done")


END = {
    "page null": {"page": None},
    "page empty": {"page": {}},
    "page absent": {"elapsed": 3},
    "after null": {"page": {"after": None}},
    "after empty": {"page": {"after": ""}},
    "meta absent": None,
    "page of another type": {"page": [1]},
    "meta of another type": "done",
    "status of another type": {"status": 7, "elapsed": "long", "page": None},
}


@pytest.mark.parametrize("meta", END.values(), ids=END.keys())
@pytest.mark.parametrize("poison", [b"", b'{"a":"\\ud800"}'], ids=["clean", "poisoned"])
def test_the_end_of_the_data_has_many_forms(meta: Any, poison: bytes) -> None:
    page = split_page(body(*filter(None, [GOOD, poison]), meta=meta))
    assert page.items[0] == GOOD
    assert (page.cursor, page.cursor_unusable, page.status) == (None, False, None)


def test_a_cursor_that_is_a_number_is_sent_back_as_text() -> None:
    assert split_page(body(meta={"page": {"after": 17}})).cursor == "17"


@pytest.mark.parametrize("after", [{"x": 1}, [1], True, 1.5])
def test_a_cursor_that_cannot_be_followed_is_told_apart_from_the_end(after: Any) -> None:
    page = split_page(body(GOOD, meta={"page": {"after": after}}))
    assert (page.items, page.cursor, page.cursor_unusable) == ((GOOD,), None, True)


@pytest.mark.parametrize("raw", [b'{"data":null,"meta":{}}', b'{"data":[],"meta":{}}', b'{"data":[]}'])
def test_no_data_is_an_empty_page(raw: bytes) -> None:
    assert split_page(raw).items == ()


@pytest.mark.parametrize("raw", [b'{"meta":{"page":null}}', b'{"errors":[{"detail":"no"}],"meta":{}}', b"{}"])
def test_an_answer_without_data_is_broken_and_not_the_end(raw: bytes) -> None:
    with pytest.raises(BrokenBody, match="no data"):
        split_page(raw)


POISON = {
    "a lone surrogate": b'{"name":"\\ud800"}',
    "NaN": b'{"n":NaN}',
    "1e400": b'{"n":1e400}',
    "2000 levels": b"[" * 2000 + b"]" * 2000,
    "100,000 levels": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a raw NUL": b'{"name":"a\x00b"}',
    "invalid UTF-8": b'{"name":"\xff"}',
    "an invalid escape": b'{"name":"\\x"}',
    "broken inside, but balanced": b'{"name": , oops [1 2] "x"}',
    "brackets that do not match": b'{"name": [}}',
    "a bare word": b"undefined",
    "null": b"null",
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_a_poisonous_item_costs_none_of_the_others(poison: bytes) -> None:
    items = [GOOD] * 50 + [poison] + [GOOD] * 49
    page = split_page(body(*items, meta={"page": {"after": "c1"}, "status": "timeout"}))
    assert page.items == tuple(items)
    assert (page.cursor, page.status) == ("c1", "timeout")


BROKEN = {
    "nothing": b"",
    "HTML": b"<html>",
    "a list": b"[]",
    "a string": b'"data"',
    "an empty object": b"{}",
    "errors": b'{"errors":["x"]}',
    "data of another type": b'{"data":{"a":1},"meta":{}}',
    "data of another type, poisoned": b'{"data":{"a":"\\ud800"},"meta":{}}',
    "errors, poisoned": b'{"errors":["\\ud800"]}',
    "two objects": b'{"data":[NaN]}{"data":[]}',
    "a string without its end": b'{"data":["abc]}',
    "meta that is no JSON": b'{"data":[],"meta":{oops}}',
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_answer_of_the_search_is_broken(raw: bytes) -> None:
    with pytest.raises(BrokenBody):
        split_page(raw)


@pytest.mark.parametrize("poison", [b"1", b'"\\ud800"'], ids=["clean", "poisoned"])
def test_an_answer_cut_anywhere_is_broken(poison: bytes) -> None:
    whole = b'{"data":[' + GOOD + b"," + poison + b'],"meta":{"page":{"after":"c1"}}}'
    for length in range(len(whole)):
        with pytest.raises(BrokenBody):
            split_page(whole[:length])


@pytest.mark.parametrize(
    "raw",
    [
        b'{"data":["' + b'\\"' * 1_000_000,
        b'{"data":[' + b'"' * 1_000_001,
        b'{"data":[' + b"[" * 1_000_000,
        b'{"' * 700_000,
    ],
    ids=["escaped quotes", "quotes", "brackets", "braces"],
)
def test_hostile_bodies_are_cut_in_linear_time(raw: bytes) -> None:
    def cut() -> None:
        with pytest.raises(BrokenBody):
            split_page(raw)

    within(1, cut)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=5), st.sampled_from([None, 1, 4]))
def test_both_ways_to_cut_give_the_same_items(values: list[Any], indent: int | None) -> None:
    items = [json.dumps(value, indent=indent).encode() for value in values]
    assert split_page(body(*items)).items == tuple(items)
    assert split_page(body(*items, b'"\\ud800"')).items == (*items, b'"\\ud800"')


@given(st.binary(max_size=100) | st.text('{}[],:" \\datmeNu1', max_size=60).map(str.encode))
def test_any_bytes_are_a_page_or_broken(raw: bytes) -> None:
    with suppress(BrokenBody):
        split_page(b'{"data":[' + raw)
