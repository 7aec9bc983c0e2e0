"""What a span's own fields tell is gone from its texts: ids of one word, sessions, and however many names there are."""

import json
from functools import lru_cache
from typing import Any

import pytest

from evalforge.ingestion.pii.names import Names
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.engines import engine
from helpers.sanitizing import KEPT, KEY, sanitized, span_of
from helpers.time_limits import within


@lru_cache(maxsize=1)
def reading() -> Sanitizer:
    return Sanitizer(hash_key=KEY, scanner=engine())


def shown(text: str, *tags: str, **attributes: Any) -> str:
    """What becomes of a text beside these tags."""
    found = sanitized(reading(), tags=list(tags), input={"value": text}, **attributes)
    return str(found["input"]["value"])


@pytest.mark.parametrize(
    ("tag", "text", "left"),
    [
        ("usr.id:waldoxyz", "Hi waldoxyz, Waldoxyz.", "waldoxyz"),
        ("user_id:waldoxyz", "path /srv/waldoxyz/a.csv", "waldoxyz"),
        ("session_id:sess-abc-12345", "in session sess-abc-12345 it broke", "12345"),
        ("conversation_id:c0ffee99", "GET /chats/C0FFEE99", "ffee"),
        ("session_id:8841209", "session 8841209 ended", "8841209"),
        ("session_id:8841209", "GET /x?session_id=8841209&n=1", "8841209"),
        ("session_id:8841209", "8841209 (session)", "8841209"),
        ("session_id:1234567890", "took 1234567890 ns", "1234567890"),
        ("user_id:1234567", "of 1234567", "1234567"),
        ("user_id:user-88412", "of USER_88412", "88412"),
        ("user_id:user123", "of user123", "123"),
    ],
)
def test_an_id_of_one_word_and_a_session_that_a_field_tells_are_gone_from_the_text(
    tag: str, text: str, left: str
) -> None:
    found = shown(text, tag)
    assert left not in found.lower()
    assert "[USER_ID_" in found or "[SESSION_ID_" in found


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("usr.id:admin", "the admin is out"),
        ("user_id:support", "ask support for it"),
        ("user_id:scheduler", "the scheduler ran the batch"),
        ("usr.id:anna", "annas and anna"),
        ("user_id:waldo", "waldoxyz and xwaldo"),
        ("session_id:main", "the main session"),
        ("session_id:a1b2", "a1b2 is a cell"),
        ("thread_id:sess-12345", "sess-123456 and asess-12345"),
        ("user_id:python3", "python3 -m venv"),
        ("user_id:10000", "10000 rows"),
        ("user_id:utf-8", "read as utf-8 or UTF 8"),
        ("user_id:sha256", "the sha256 of it"),
        ("user_id:base64", "base64 again"),
        ("usr.id:oauth2", "by OAuth2"),
        ("user_id:http2", "over http2"),
        ("user_id:main.py", "in main.py, line 3"),
        ("user_id:llama3", "asked llama3"),
        ("user_id:order1", "order1 is late"),
        ("user_id:value", "no value"),
        ("user_id:hello", "Hello there"),
        ("user_id:string", "a string"),
        ("user_id:http-client", "an http error of the http-client"),
        ("user_id:json_user", "JSON of a user"),
        ("user_id:error-handler", "Error: no handler"),
        ("user_id:data-science-team", "data of the science team"),
        ("user_handle:json_user", "JSON of a user"),
        ("session_id:12345678", "took 12345678 ns"),
        ("session_id:sha256", "the sha256 of it"),
    ],
)
def test_words_of_the_language_short_ids_and_longer_words_stay(tag: str, text: str) -> None:
    assert shown(text, tag) == text


@pytest.mark.parametrize(
    ("told", "text", "left"),
    [
        ("jane-doe", "Doe, jane; jane-doe", "doe jane"),
        ("jane_admin", "ask Jane, the admin", "jane"),
        ("john-jenkins", "Mr Jenkins of Jenkins", "jenkins"),
    ],
)
def test_a_name_in_an_id_of_several_words_is_gone_and_the_words_beside_it_stay(told: str, text: str, left: str) -> None:
    found = shown(text, f"user_id:{told}")
    assert [word for word in left.split() if word in found.lower()] == []
    assert ("admin" in found) == ("admin" in text)


@pytest.mark.parametrize("kind", ["customer_name", "email"])
def test_of_many_names_that_a_span_tells_none_stays_in_its_text(kind: str) -> None:
    letters = "abcdefghij"
    names = ["qz" + "".join(letters[int(digit)] for digit in f"{number:04}") for number in range(1_500)]
    told = names if kind == "customer_name" else [f"{name}@corp" for name in names]
    rows = [{kind: one} for one in told]
    for one in (told[0], told[777], told[1_499]):
        assert one not in shown(f"and {one} too", metadata={"rows": rows})


def test_many_ids_that_begin_alike_are_looked_for_in_a_bounded_time() -> None:
    names = Names()
    ids = [{"user_id": "a " * (1 + number % 90) + str(number)} for number in range(1_900)]
    names.learn({"metadata": {"rows": ids}}, lambda _: None)
    text = "a " * 4_000 + "77"
    within(0.5, lambda: names.find(text))
    assert any(hit.end == len(text) for hit in names.find(text))


def test_where_a_span_tells_more_names_than_are_looked_for_its_texts_are_withheld() -> None:
    rows = [
        {"customer_name": f"qz{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}"} for n in range(2_100)
    ]
    assert shown("a text", metadata={"rows": rows}) == "[WITHHELD chars=6]"


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("ssn:078051120", "078051120 and 078-05-1120"),
        ("phone:+447700900123", "+44 7700 900123 and 07700 900123 and 07700900123 and (0044) 7700 900123"),
        ("phone:4155550132", "+1 415 555 0132 and (415) 555-0132 and 4155550132"),
        ("password:op3n-Sesame", "password: op3n-Sesame and op3n-Sesame"),
    ],
)
def test_a_value_that_a_field_tells_has_one_placeholder_however_the_text_spells_it(tag: str, text: str) -> None:
    marks = {part.strip(" (),.:") for part in shown(text, tag).replace("password:", "").split(" and ")}
    assert len(marks) == 1
    assert marks.pop().startswith("[")


@pytest.mark.parametrize(
    "text",
    [
        'auth: "basic"',
        "auth='oauth2'",
        "see https://x.io/?auth=bearer&page=2",
        '{"auth":"none"}',
        'said {"auth": "required"} once',
        "{'auth': 'Basic'}",
    ],
)
def test_a_way_to_sign_in_is_no_secret(text: str) -> None:
    assert shown(text) == text
    assert shown("oauth2 and basic", metadata={"auth": "oauth2"}) == "oauth2 and basic"


@pytest.mark.parametrize("form", [lambda piece: {"content": piece}, lambda piece: {"delta": {"content": piece}}])
def test_a_name_that_is_a_piece_of_a_stream_is_gone_when_the_pieces_are_joined(form: Any) -> None:
    stream = [form(piece) for piece in ("jane", "hello ", "a@b", ".com", " ", "doe", "x")]
    found = json.dumps(sanitized(reading(), tags=["usr.name:Jane Doe"], output={"value": stream}))
    assert [word for word in ("jane", "doe", "a@b") if word in found] == []
    assert "hello" in found


def test_two_tags_are_no_key_and_its_value() -> None:
    found = sanitized(reading(), tags=["service:user", "checkout:beta"], input={"value": "the Checkout beta"})
    assert found == {"tags": ["service:user", "checkout:beta"], "input": {"value": "the Checkout beta"}}


def test_a_number_that_a_find_has_eaten_the_sign_of_is_gone_too() -> None:
    assert "555" not in shown("user:pass@host+1 415 555 0123")


def test_a_secret_behind_its_option_is_gone_though_it_begins_like_a_mark() -> None:
    found = sanitized(reading(), metadata={"args": ["--password", "[WITHHELD chars=3]hunter2X", "x"]})
    assert "hunter2X" not in str(found)
    assert sanitized(reading(), **found) == found


OWN = {"u": "u1_" + "0f" * 20, "s": "s1_" + "0f" * 20, "h": "h1_" + "0f" * 20}


@pytest.mark.parametrize(("key", "kept"), [("user_id", "u"), ("session_id", "s")])
def test_a_hash_is_kept_as_one_of_ours_only_where_it_may_be(key: str, kept: str) -> None:
    for kind, told in OWN.items():
        found = sanitized(reading(), metadata={key: told})["metadata"][key]
        assert found.startswith(f"{kept}1_")
        assert (found == told) == (kind == kept)
        assert sanitized(reading(), tags=[f"{key}:{told}"])["tags"] == [f"{key}:{found}"]


def test_ids_of_spans_are_kept_as_hashes_only_if_they_are_hashes_of_such() -> None:
    for kind, told in OWN.items():
        span = span_of({**KEPT, "span_id": told, "parent_id": told})
        shown_span, item = reading().span(span), reading().item(span)["attributes"]
        assert shown_span.span_id == shown_span.parent_id == item["span_id"] == item["parent_id"]
        assert (shown_span.span_id == told) == (kind == "h")
        assert shown_span.span_id.startswith("h1_")


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ("opensesame", "the opensesame did not work, nor did OpenSesame"),
        ("Picchu-Waldo!", "I typed Picchu-Waldo! twice"),
        ("correct-horse-battery-staple", "it is correct-horse-battery-staple"),
        ("correct horse battery staple", "it is correct horse battery staple"),
    ],
)
def test_a_password_without_digits_that_a_field_tells_is_gone_from_the_text(told: str, text: str) -> None:
    found = shown(text, metadata={"db_password": told}).lower()
    assert not [word for word in told.lower().replace("-", " ").strip("!").split() if word in found]
    assert "[secret_" in found


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ("required", "a key is required"),
        ("same-origin", "the same origin as before"),
        ("not provided", "it was not provided"),
        ("unauthorized", "401 Unauthorized"),
        ("production", "in production"),
        ("letmein", "they letmein"),
    ],
)
def test_words_that_stand_under_the_key_of_a_secret_stay_elsewhere(told: str, text: str) -> None:
    assert shown(text, metadata={"auth": told, "credentials": told}) == text
