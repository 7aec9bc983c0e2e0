"""The engine finds entities where they stand in the original, whatever hides them, and fails closed."""

import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalforge.ingestion.pii.text import vendor_secrets
from evalforge.ingestion.pii.text.engine import MOST_CHARACTERS, TextEngine
from evalforge.ingestion.pii.text.folding import fold
from evalforge.ingestion.pii.text.gate import Gate, told
from evalforge.ingestion.pii.text.hits import TextScanner, Unscannable
from evalforge.ingestion.pii.text.recognizers import recognizers
from helpers.engines import canonicals, engine, found, redacted

VALUES = {
    "EMAIL": "jane.doe@example.org",
    "PHONE": "+1 (415) 555-0132",
    "CREDIT_CARD": "4111 1111 1111 1111",
    "IBAN": "GB29 NWBK 6016 1331 9268 19",
    "US_SSN": "536-90-4399",
    "IP": "203.0.113.77",
    "MAC": "cc:e9:16:cf:7d:65",
    "CRYPTO": "0x5ea6babf76e8ff76c86d9f12b8f7295c87e6a372",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlc2ln",
    "API_KEY": "ghp_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R",
    "NATIONAL_ID": "RSSMRA85T10A562S",
}


@pytest.mark.parametrize(("entity", "value"), VALUES.items(), ids=VALUES)
@pytest.mark.parametrize(
    "carrier",
    ["{}", "it is {}.", "| id | {} |", "<v>{}</v>", "x('{}')", "电话{}号", '{{"v": "{}"}}', "customer:{}", "a\n{}\nb"],
)
def test_a_value_is_found_whole_in_every_carrier(entity: str, value: str, carrier: str) -> None:
    assert (entity, value) in found(carrier.format(value))


GLUE = "_+-.:/\\%&[=,'!~#$*^@"
"""Beside these a value can be a part of something else: of a longer number, of a name, of an escape."""


@given(st.sampled_from(list(VALUES.values())), st.text(max_size=1), st.text(max_size=1))
@settings(max_examples=300, deadline=None)
def test_no_character_beside_a_value_saves_it(value: str, before: str, after: str) -> None:
    shown = fold(before).text + fold(after).text
    if any((character.isalnum() and character.isascii()) or character in GLUE for character in shown):
        return
    assert value not in redacted(f"say {before}{value}{after} now")


@given(st.text(max_size=300))
@example("\\u0040%00%41@\x1f[EMAIL_3f9a2c]\ud800")
@settings(max_examples=400, deadline=None)
def test_hits_of_any_text_are_in_order_apart_and_inside_it(text: str) -> None:
    last = 0
    for hit in engine().scan(text):
        assert last <= hit.start < hit.end <= len(text)
        assert hit.canonical
        last = hit.end


FRAGMENTS = [
    *VALUES.values(),
    "password: ",
    "call me at ",
    " ",
    "\n",
    ",",
    "555 1234",
    "born on ",
    "1/2/1990",
    "://",
    "a:b@",
    "\\n",
    "%40",
    "x",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join))
@settings(max_examples=400, deadline=None)
def test_what_is_redacted_once_has_nothing_left_to_find(text: str) -> None:
    assert engine().scan(redacted(text)) == []


@pytest.mark.parametrize(
    "placeholder",
    ["[EMAIL_3f9a2c]", "[CREDIT_CARD_411111]", "[WITHHELD chars=12]", "[TRUNCATED chars=4111111]", "[US_SSN_078051]"],
)
@pytest.mark.parametrize(
    "carrier", ["{}", "password={}", "Bearer {}", "call me at {}", "SSN {} {}", "https://u:{}@h/x", "born {}"]
)
def test_placeholders_are_inert(placeholder: str, carrier: str) -> None:
    assert found(carrier.format(*[placeholder] * carrier.count("{}"))) == []


@pytest.mark.parametrize(
    ("spellings", "canonical"),
    [
        (
            ["Jane@Example.org", "jane [at] example [dot] org", "jane%40example.org", "jаne@example.org"],
            "jane@example.org",
        ),
        (
            ["+1 415 555 0132", "(415) 555-0132", "415.555.0132", "1-415-555-0132", "+１４１５５５５０１３２"],
            "155550132",
        ),
        (["4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"], "4111111111111111"),
        (["GB29 NWBK 6016 1331 9268 19", "gb29nwbk60161331926819"], "GB29NWBK60161331926819"),
        (["2001:db8::1:2ff", "2001:0DB8:0:0:0:0:1:2FF"], "2001:db8::1:2ff"),
        (["cc:e9:16:cf:7d:65", "CC-E9-16-CF-7D-65"], "cce916cf7d65"),
    ],
)
def test_all_spellings_of_a_value_have_one_canonical_form(spellings: list[str], canonical: str) -> None:
    assert {tuple(canonicals(f"it is {spelling} now")) for spelling in spellings} == {(canonical,)}


@pytest.mark.parametrize(
    ("key", "text", "entity"),
    [
        ("password", "hunter2x", "SECRET"),
        ("aws_secret_access_key", "mUGJshocDo11t66uM9DKweSbjdsb+gq1YCjJ4mLZ", "SECRET"),
        ("phone", "61 60 34", "PHONE"),
        ("ssn", "536904399", "US_SSN"),
        ("date_of_birth", "1984-09-03", "DATE_OF_BIRTH"),
        ("passport_number", "C01X00T47", "NATIONAL_ID"),
    ],
)
def test_the_key_over_a_text_counts_as_context(key: str, text: str, entity: str) -> None:
    assert found(text, key=key) == [(entity, text)]
    assert found(text) == []


def test_a_key_that_holds_a_value_itself_gives_no_hit_outside_the_text() -> None:
    assert found("nothing here", key="jane@example.org") == []


def test_ids_and_times_are_left_alone() -> None:
    for text in (
        "trace_id=6265615739747578722 span_id=4908704474530845390",
        "start_ns: 1795423310218000000, duration 8938666344",
        "traceparent: 00-20b43977336b206e745f51b9411ae550-6f5450d27cf6704e-01",
        "request 22487ada-0f9d-44eb-9a23-b29bef8ea1a9 took 4134.604 ms",
        "chatcmpl-Jdb1dHG1j42gJ2EEeJg2J35b3cC82 usage=7987/2488 max_tokens=4096",
        "2026-03-14T09:21:33.412Z commit 6b0775ed771eed77f7c279fd2448ab62c9705e56",
    ):
        assert found(text) == []


def test_a_secret_beside_the_marker_that_tells_kingfisher_to_look_away_is_found() -> None:
    secret = "dt0c01." + "ABCDEFGHIJKLMNOPQRSTUVWX" + "." + "A2B4C6D8E1F3G5H7" * 4
    text = f"{secret}  # kingfisher:ignore"
    assert found(text) == [("API_KEY", secret)]


def test_offsets_of_a_vendors_secret_are_characters_though_the_text_is_not_ascii() -> None:
    secret = "dt0c01." + "ABCDEFGHIJKLMNOPQRSTUVWX" + "." + "A2B4C6D8E1F3G5H7" * 4
    assert found(f"日本語 é ü 🙂 {secret} é") == [("API_KEY", secret)]


def test_a_vendors_secret_is_found_again_in_every_text() -> None:
    secret = b"dt0c01." + b"ABCDEFGHIJKLMNOPQRSTUVWX" + b"." + b"A2B4C6D8E1F3G5H7" * 4
    assert len(vendor_secrets.find(secret + b" and " + secret)) == 2
    assert [vendor_secrets.find(secret) for _ in range(3)] == [[(0, len(secret))]] * 3


def test_letters_that_look_like_a_byte_order_mark_do_not_hide_a_vendors_secret() -> None:
    secret = "dt0c01." + "ABCDEFGHIJKLMNOPQRSTUVWX" + "." + "A2B4C6D8E1F3G5H7" * 4
    assert found(f"ÿþ {secret}") == [("API_KEY", secret)]


def test_a_text_over_the_cap_is_unscannable() -> None:
    with pytest.raises(Unscannable, match="262145 characters"):
        engine().scan("a" * (MOST_CHARACTERS + 1))


class Broken:
    """A pattern that fails as a bug would: with what it was looking at in its message."""

    groups = 0

    def search(self, data: bytes, *_: int) -> Any:
        raise RuntimeError(data.decode())


def test_a_failure_inside_withholds_and_tells_nothing_of_the_text() -> None:
    rule = recognizers([{"name": "x", "type": "XX", "pattern": "jane", "positive": ["«jane»"], "negative": ["b"]}])[0]
    object.__setattr__(rule, "pattern", Broken())
    failing = TextEngine([rule])
    text = f"this is {VALUES['EMAIL']}"
    with pytest.raises(Unscannable) as raised:
        failing.scan(text)
    assert "jane" not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize("answer", [None, [], [0, 1]])
def test_an_answer_of_re2_without_the_pattern_that_always_fits_means_withhold(answer: list[int] | None) -> None:
    with pytest.raises(Unscannable, match="memory"):
        told(answer, always=2)


def test_a_gate_tells_nothing_found_from_giving_up() -> None:
    gate = Gate([("", b"a"), ("digits", b"b"), ("token", b"c")])
    assert gate.ranks(b"") == []
    assert gate.ranks(b"xbxa") == [0]
    assert gate.ranks(b"xbxa 1 2 3 4 5 6") == [0, 1]
    assert gate.ranks(b"c" * 12 + b"a123456b") == [0, 1, 2]


def test_nothing_of_the_engine_is_imported_before_the_first_text() -> None:
    code = (
        "import sys; from evalforge.ingestion.pii.text.lazy import LazyTextEngine; scanner = LazyTextEngine();"
        "assert not {'re2', 'kingfisher_sdk', 'phonenumbers'} & set(sys.modules);"
        "assert scanner.scan('a@b.de')[0].type == 'EMAIL'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_text_of_more_candidates_than_there_may_be_is_unscannable() -> None:
    with pytest.raises(Unscannable, match="too many"):
        engine().scan("10.1.2.3 " * 20_000)


def test_many_threads_find_the_same() -> None:
    text = " | ".join(VALUES.values())
    expected: Sequence[Any] = engine().scan(text)
    wrong: list[Any] = []

    def scan() -> None:
        wrong.extend(hits for hits in (engine().scan(text) for _ in range(50)) if hits != expected)

    threads = [threading.Thread(target=scan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_engine_is_a_text_scanner() -> None:
    scanner: TextScanner = engine()
    assert scanner.scan("", key="") == []
