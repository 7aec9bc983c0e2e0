"""Folding shows what a reader would see, and knows where in the original each character came from."""

import base64
import urllib.parse

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalforge.ingestion.pii.text.folding import fold
from evalforge.ingestion.pii.text.hits import Unscannable

EMAIL = "jane@example.com"
SPELLINGS = {
    "zero width": "ja\u200bne@exam\u00adple.com",
    "fullwidth": "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ",
    "homoglyphs": "jаnе@ехаmрlе.соm",
    "percent": "jane%40example%2Ecom",
    "percent twice": "jane%2540example.com",
    "html number": "jane&#64;example.com",
    "html hexadecimal": "jane&#x40;example.com",
    "html name": "jane&commat;example.com",
    "html twice": "jane&amp;#64;example.com",
    "json": "jane\\u0040example.com",
    "json in json in json": "jane\\\\\\\\u0040example.com",
    "backslash x": "jane\\x40example.com",
    "colour": "\x1b[31mjane@\x1b[0mexample.com",
    "escaped colour": "\\u001b[31mjane@example.com\\x1b[0m",
    "nul": "jane\0@example.com",
    "variation selector": "jane\ufe0f@example.com",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_folds_to_the_plain_one(spelling: str) -> None:
    view = fold(f"to {spelling} now")
    start = view.text.index(EMAIL)
    assert view.text.strip("\n ").startswith("to")
    begins, ends = view.original(start, start + len(EMAIL))
    assert begins >= 3
    assert ends <= 3 + len(spelling)
    assert spelling[begins - 3 : ends - 3] in spelling


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("٤١١١", "4111"),
        ("4111\u00a01111\u20091111", "4111 1111 1111"),
        ("078‐05−1120", "078-05-1120"),
        ("phone:\\n0770", "phone:\n0770"),
        ('{\\"a\\": 1}', '{"a": 1}'),
        ("a\\\\\\\\nb", "a\nb"),
        ("Łódź Dvořák", "?ódz Dvorák"),
        ("номер 5", "????? 5"),
        ("100% sure & so on", "100% sure & so on"),
        ("[EMAIL_3f9a2c] and [WITHHELD chars=12]", "\x1f and \x1f"),
        ("[NOTE] [A_B] list[INDEX]", "[NOTE] [A_B] list[INDEX]"),
        ("a\x1fb", "ab"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert fold(text).data.decode("latin-1") == shown


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="\\%&["), max_size=200))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    view = fold(text)
    assert view.text == text
    assert view.offsets is None


@given(st.text(max_size=200))
@example("\\u0041\\u0042%41&#65;\u200b\x1b[0m[EMAIL_3f9a2c]%25%34%31")
def test_each_shown_character_has_its_place_in_the_original_and_places_never_go_back(text: str) -> None:
    view = fold(text)
    places = [view.original(place, place + 1) for place in range(len(view.data))]
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert places == sorted(places)


@given(st.text("abc01@. ", max_size=40), st.integers(0, 3))
def test_layers_of_percent_encoding_are_undone_and_the_whole_still_covers_the_whole(text: str, layers: int) -> None:
    encoded = text
    for _ in range(layers):
        encoded = urllib.parse.quote(encoded, safe="")
    view = fold(encoded)
    assert view.text == text
    if text:
        assert view.original(0, len(text)) == (0, len(encoded))


@settings(deadline=None)
@given(st.text("ab\u200b%41@", min_size=1, max_size=60), st.data())
def test_a_hole_stands_for_all_of_the_original_behind_it(text: str, data: st.DataObject) -> None:
    view = fold(text)
    if not view.text:
        return
    start = data.draw(st.integers(0, len(view.text) - 1))
    end = data.draw(st.integers(start + 1, len(view.text)))
    with_hole = view.without([(start, end)])
    assert with_hole.text == view.text[:start] + "\x1f" + view.text[end:]
    assert with_hole.original(start, start + 1) == view.original(start, end)
    assert [with_hole.original(place, place + 1) for place in range(start + 1, len(with_hole.text))] == [
        view.original(place, place + 1) for place in range(end, len(view.text))
    ]


def test_a_text_of_nothing_but_escapes_is_refused_rather_than_undone_for_ever() -> None:
    with pytest.raises(Unscannable, match="too many escapes"):
        fold("a\\n" * 60_000)


def test_half_a_pair_of_surrogates_does_no_harm() -> None:
    assert fold("a\ud800b@c.de").text.startswith("a")
    assert base64.b64encode(fold("\ud800").data) == b"Pw=="


def test_the_bound_on_escapes_is_one_for_all_layers() -> None:
    fold("%41 " * 8_000)
    with pytest.raises(Unscannable, match="too many escapes"):
        fold("%252541 " * 8_000)
