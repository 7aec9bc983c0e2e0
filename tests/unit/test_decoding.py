"""Odd spans are decoded all the same; what is no span at all is refused without a word of its text."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.ingestion.decoding import LARGEST_SPAN_BYTES, UndecodableSpan, decode_span, shape_of

TRACE = "6903738200000000af2d3775dfc70530"


def item(**attributes: Any) -> bytes:
    return json.dumps({"id": "77", "type": "span", "attributes": {"trace_id": TRACE, **attributes}}).encode()


def test_a_documented_span_is_decoded_with_its_ids_times_and_tags() -> None:
    span = decode_span(item(span_id="14624140233640368324", start_ns=1761833858897, duration=83000, tags=["env:prod"]))
    assert (span.trace_id, span.span_id) == (TRACE, "14624140233640368324")
    assert (span.start_ns, span.duration_ns) == (1761833858897_000_000, 83_000_000_000)
    assert span.tag("env") == "prod"


def test_the_raw_bytes_are_kept_as_they_came() -> None:
    raw = b'{ "attributes": { "name" :"x"} }'
    assert decode_span(raw).raw == raw


def test_without_a_span_id_the_id_of_the_item_stands_in() -> None:
    assert decode_span(item()).span_id == "77"


ODD = {
    "nothing but attributes": b'{"attributes":{}}',
    "null metrics": item(metrics=None),
    "wrong types": item(name=[], status=5, input="text", evaluation=[1], metrics="x", start_ns="soon", span_id={}),
    "tags that are no strings": item(tags=[1, None, {"a": 1}, "env:prod"]),
    "2^64": item(metrics={"n": 2**64, "m": -(2**70)}),
    "an integer of 5000 digits": b'{"attributes":{"n":' + b"9" * 5000 + b"}}",
    "1e400": b'{"attributes":{"n":1e400}}',
    "NaN": b'{"attributes":{"n":NaN,"m":-Infinity}}',
    "a lone surrogate": b'{"attributes":{"name":"\\ud800"}}',
    "an escaped NUL": item(name="a\0b"),
    "a raw NUL": b'{"attributes":{"name":"a\x00b"}}',
    "a raw line end": b'{"attributes":{"name":"a\nb"}}',
    "invalid UTF-8": b'{"attributes":{"name":"\xff\xfe"}}',
    "a surrogate in UTF-8": b'{"attributes":{"name":"\xed\xa0\x80"}}',
    "a byte order mark": b'\xef\xbb\xbf{"attributes":{}}',
    "200 levels": b'{"attributes":{"metadata":' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}}",
    "400 KB": item(name="x" * 400_000),
    "5 MB": item(name="x" * 5_000_000),
    "unknown fields": b'{"new":1,"attributes":{"newer":2,"status":"maybe","span_kind":"alien"}}',
}


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD.keys())
def test_an_odd_span_is_decoded_all_the_same(raw: bytes) -> None:
    assert isinstance(decode_span(raw).attributes, dict)


def test_what_is_sound_in_an_odd_span_stays() -> None:
    span = decode_span(b'{"attributes":{"trace_id":"ab12","name":"\\ud800","tags":["env:prod"],"n":NaN}}')
    assert (span.trace_id, span.tag("env")) == ("ab12", "prod")


HOPELESS = {
    "broken": (b'{"attributes":{"name":"Ann"', "not JSON at character"),
    "nothing": (b"", "not JSON at character 0"),
    "a list": (b'["Ann"]', "not an object"),
    "a number": (b"5", "not an object"),
    "null": (b"null", "not an object"),
    "flat": (b'{"trace_id":"ab12","name":"Ann"}', "no attributes object"),
    "attributes that are a list": (b'{"attributes":["Ann"]}', "no attributes object"),
    "100,000 levels": (b'{"attributes":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
    "more than 8 MB": (b'{"attributes":{"name":"' + b"x" * LARGEST_SPAN_BYTES + b'"}}', "too large"),
    "HTML": (b"<p>Ann</p>", "not JSON at character 0"),
}


@pytest.mark.parametrize(("raw", "reason"), HOPELESS.values(), ids=HOPELESS.keys())
def test_what_is_no_span_is_refused_with_a_reason_and_without_its_text(raw: bytes, reason: str) -> None:
    with pytest.raises(UndecodableSpan) as refused:
        decode_span(raw)
    assert refused.value.reason.startswith(reason)
    assert "Ann" not in f"{refused.value} {refused.value.shape}"
    assert refused.value.__context__ is None or "Ann" not in repr(vars(refused.value.__context__))


def test_ids_are_found_in_a_span_that_is_cut_short() -> None:
    span_id = "14624140233640368324"
    raw = b'{"attributes":{"span_id":"%s","trace_id":"6903738200000000af2d3775dfc70530","name":"An' % span_id.encode()
    with pytest.raises(UndecodableSpan) as refused:
        decode_span(raw)
    assert (refused.value.trace_id, refused.value.span_id) == (TRACE, span_id)


@pytest.mark.parametrize("text", ['"id": "Ada Lovelace"', '"id":4111168011970456', '"span_id":"4111168011970456"'])
def test_a_word_or_a_card_in_broken_bytes_is_not_taken_for_an_id(text: str) -> None:
    raw = ('{"attributes":{"input":{' + text + '},"trace_id":"Ed Abe","x":').encode()
    with pytest.raises(UndecodableSpan) as refused:
        decode_span(raw)
    assert (refused.value.trace_id, refused.value.span_id) == (None, None)


def test_an_id_that_is_neither_hex_nor_decimal_is_not_told() -> None:
    with pytest.raises(UndecodableSpan) as refused:
        decode_span(b'{"id":"ann@example.com","trace_id":"ann smith"}')
    assert (refused.value.trace_id, refused.value.span_id) == (None, None)


@pytest.mark.parametrize(
    ("raw", "shape"),
    [
        (b"{" + b"x" * 511, "512 bytes, starts with '{'"),
        (b"[" + b"x" * 3071, "3 KB, starts with '['"),
        (b" {" + b"x" * 2_200_000, "2 MB, starts with '{'"),
        (b"Ann", "3 bytes, starts as no object"),
        (b"", "0 bytes, starts as no object"),
    ],
)
def test_a_shape_is_the_size_and_the_opening_character(raw: bytes, shape: str) -> None:
    assert shape_of(raw) == shape


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)
FIELDS = st.sampled_from(["trace_id", "span_id", "start_ns", "duration", "tags", "name", "evaluation", "metrics"])


@given(st.dictionaries(FIELDS, JSON), JSON)
def test_any_value_in_any_field_is_decoded(attributes: dict[str, Any], identity: Any) -> None:
    span = decode_span(json.dumps({"id": identity, "attributes": attributes}).encode())
    assert span.attributes.keys() == attributes.keys()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_span_or_undecodable(raw: bytes) -> None:
    with suppress(UndecodableSpan):
        decode_span(raw)
