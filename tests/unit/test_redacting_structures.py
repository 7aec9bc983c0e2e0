"""Where a value hides in a span whose texts are read: keys, JSON, URLs, forms, tags, numbers, encodings."""

import base64
import gzip
import json
from functools import partial
from typing import Any

import msgspec
import pytest

from evalforge.ingestion.models import Finding
from evalforge.ingestion.pii.policy import MAX_KEY, MAX_SPAN_BYTES, MAX_TEXT
from helpers.sanitizing import FETCHED, KEPT, REDACTING, TRACE, sanitized, span_of

EMAIL = "jane.doe@example.com"


redacted = partial(sanitized, REDACTING)


def text(value: str, **beside: Any) -> str:
    found = redacted(input={"value": value}, **beside)["input"]["value"]
    assert isinstance(found, str)
    return found


MARKED = text(EMAIL)


# Keys


def test_a_key_is_shown_unless_it_says_who() -> None:
    found = redacted(metadata={"orderId": 17, EMAIL: "x", "retry count": 2})
    assert found == {"metadata": {MARKED: "x", "orderId": 17, "retry count": 2}}


def test_a_long_key_is_cut() -> None:
    (key,) = redacted(metadata={"k" * 500: 1})["metadata"]
    assert len(key) <= MAX_KEY
    assert key.endswith("chars=464]")


def test_keys_that_come_out_alike_stay_apart() -> None:
    assert set(redacted(metadata={EMAIL: 1, EMAIL.upper(): 2})["metadata"]) == {MARKED, f"{MARKED} #2"}


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("aws_secret_access_key", "SECRET"),
        ("dbPassword", "SECRET"),
        ("SECRET_KEY", "SECRET"),
        ("customer_name", "PERSON"),
        ("contact.email", "EMAIL"),
        ("homePhone", "PHONE"),
    ],
)
def test_a_value_is_replaced_whole_under_a_key_that_names_a_secret_or_a_person(key: str, kind: str) -> None:
    for shown in redacted(metadata={key: "tiny"})["metadata"].values():  # none, if the key is one that is dropped
        assert shown.startswith(f"[{kind}_")
    inside = text(json.dumps({"a": 1, key: "tiny"}))
    assert "tiny" not in inside
    assert json.loads(inside)["a"] == 1


@pytest.mark.parametrize(
    "key", ["max_tokens", "secretary", "file_name", "tokenizer", "model_name", "mailbox", "namespace"]
)
def test_a_key_that_only_sounds_like_one_says_nothing(key: str) -> None:
    assert json.loads(text(json.dumps({key: "tiny"}))) == {key: "tiny"}


# JSON inside strings


def test_keys_keep_their_fates_in_json_inside_strings() -> None:
    inner = {"password": "hunter2", "user_id": 42, "logprobs": [1, 2], "to": EMAIL, "ok": True}
    for _ in range(4):
        inner = {"body": json.dumps(inner)}
    found = json.loads(text(inner["body"]))
    for _ in range(3):
        found = json.loads(found["body"])
    assert found.keys() == {"user_id", "logprobs", "to", "ok"}
    assert found["user_id"].startswith("u1_")
    assert found["logprobs"] == "[WITHHELD chars=5]"
    assert (found["to"], found["ok"]) == (MARKED, True)


def test_json_that_is_nested_deeper_than_four_strings_is_withheld() -> None:
    inner: Any = {"a": EMAIL}
    for _ in range(4):
        inner = {"body": json.dumps(inner)}
    shown = text(json.dumps(inner))
    assert EMAIL not in shown
    assert "[WITHHELD chars=" in shown


@pytest.mark.parametrize(
    "form", ['{"a" : 1,\n "b":[ ]}', '["x", null]', '"quoted"', ' {"a": 1.50}\n', "[1,", "{}", "[]"]
)
def test_json_without_anything_to_replace_stays_as_it_was_written(form: str) -> None:
    assert text(form) == form


def test_a_value_that_a_repeated_key_hides_from_readers_is_not_kept() -> None:
    assert text('{"a": "' + EMAIL + '", "a": 1}') == '{"a":1}'


def test_escapes_in_json_hide_nothing() -> None:
    assert text('{"a": "jane.doe\\u0040example.com"}') == json.dumps({"a": MARKED}, separators=(",", ":"))


@pytest.mark.parametrize(
    "odd", ['{"a": NaN}', '{"a": 1e999}', '{"a": ' + "9" * 5000 + "}", "[" * 500 + "]" * 500, '{"a": "\\ud800"}']
)
def test_odd_json_gives_something_that_can_be_stored(odd: str) -> None:
    msgspec.json.encode(REDACTING.span(span_of({"trace_id": TRACE, "input": {"value": odd}})))


# URLs, forms, pairs


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("see https://x.io/a?q=1&email=jane.doe%40example.com#top", f"see https://x.io/a?q=1&email={MARKED}#top"),
        ("https://x.io/?to=jane.doe%40example.com&n=2", f"https://x.io/?to={MARKED}&n=2"),
        ("a=1&to=jane.doe%40example.com", f"a=1&to={MARKED}"),
        ("https://x.io/path?page=2&sort=asc", "https://x.io/path?page=2&sort=asc"),
    ],
)
def test_the_queries_of_urls_and_forms_are_read_decoded(given: str, shown: str) -> None:
    assert text(given) == shown


@pytest.mark.parametrize(
    "pair",
    [
        "password=hunter22",
        "login failed: password='hunter22', try again",
        'curl -d "client_secret=hunter22"',
        '```json\n{"api_key": "hunter22", ...\n```',
        "{'password': 'hunter22'}",
        "https://x.io/?access_token=hunter22",
        "user_id=hunter22 did it",
        "aws_secret_access_key = hunter22",
    ],
)
def test_a_key_keeps_its_say_where_it_is_written_out(pair: str) -> None:
    assert "hunter22" not in text(pair)


@pytest.mark.parametrize(
    "code",
    [
        "token = get_token()",
        "password: str = Field(...)",
        "api_key=os.environ['KEY']",
        "password=${PASSWORD}",
        "cookie: Cookie | None = None",
        "max_tokens=1024, temperature=0.2",
        "secret = settings.secret",
        "the password: it must be changed",
        "def f(token: str, user: User) -> None:",
        "authorization: Bearer <token>",
    ],
)
def test_code_and_prose_that_only_name_a_secret_stay(code: str) -> None:
    assert text(code) == code


# Tags


def test_tags_are_read_by_key_and_value() -> None:
    tags = [
        "team:red",
        f"contact:{EMAIL}",
        f"user_email:{EMAIL}",
        EMAIL,
        "db_password:x1",
        "https://a.b/c",
        "service:a b",
    ]
    secret = text("db_password=x1aaaa")[:19]
    found = redacted(tags=tags)["tags"]
    assert found[:3] == ["team:red", f"contact:{MARKED}", MARKED]
    assert found[3].startswith(secret.replace("=", ":"))
    assert found[4:] == ["https://a.b/c", "service:a b"]


# Numbers


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"n": 999_999}, 999_999),
        ({"n": 4111111111111111}, None),
        ({"n": 4.111111111111111e15}, None),
        ({"order_id": 4111111111111111}, 4111111111111111),
        ({"n": 1761833858897}, 1761833858897),
        ({"n": -3.5}, -3.5),
        ({"n": 2**70}, "[WITHHELD chars=22]"),
    ],
)
def test_a_number_stays_unless_it_is_somebodys(given: dict[str, Any], shown: Any) -> None:
    (found,) = redacted(metadata={"deep": given})["metadata"]["deep"].values()
    assert found == (text("4111111111111111") if shown is None else shown)


def test_numbers_in_typed_fields_are_still_withheld_if_they_are_out_of_range() -> None:
    assert redacted(metrics={"input_tokens": 14155550132}) == {"metrics": {"input_tokens": "[WITHHELD chars=11]"}}


def test_a_number_in_place_of_a_time_is_withheld_though_it_is_written_as_text() -> None:
    found = redacted(start_ns="4155550132000001", duration="078-05-1120")
    assert found == {"start_ns": "[WITHHELD chars=16]", "duration": "[WITHHELD chars=11]"}
    assert redacted(**found) == found


# Encodings


@pytest.mark.parametrize(
    "blob",
    [
        base64.b64encode(EMAIL.encode()).decode(),
        base64.urlsafe_b64encode(b"Jane Doe, born 1990? >>").decode(),
        base64.b64encode(b"4155550132").decode(),
        base64.b64encode(bytes(range(256))).decode(),
        base64.b64encode(gzip.compress(EMAIL.encode() * 9 + bytes(range(99)), mtime=0)).decode(),
        EMAIL.encode().hex(),
        b"4111111111111111".hex(),
        b"4111 1111 1111 1111".hex(),
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==",
        "data:text/plain,jane%20doe%20lives%20here",
    ],
)
def test_an_encoded_text_is_replaced_whole(blob: str) -> None:
    shown = text(f"before {blob} after")
    assert shown.startswith("before [BLOB_")
    assert shown.endswith(f" chars={len(blob)}] after")


@pytest.mark.parametrize(
    "plain",
    [
        TRACE,
        "14624140233640368324",
        "550e8400-e29b-41d4-a716-446655440000",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
        "getUserAccountNameFromDatabase",
        "/usr/lib/python3/site-packages/urllib3",
        "sha512-" + base64.b64encode(bytes(range(100, 164))).decode(),
        "INTERNAL_SERVER_ERROR_RETRYABLE",
        "antidisestablishmentarianism",
    ],
)
def test_ids_digests_and_long_words_are_no_blobs(plain: str) -> None:
    assert text(f"at {plain} now") == f"at {plain} now"


# Known names


def test_who_a_span_is_about_is_replaced_wherever_its_texts_name_them() -> None:
    beside = {
        "metadata": {"user_name": "Jane van Doe", "user": {"handle": "x"}, "phone": "+44 20 7946 0018"},
        "tags": ["usr.login:jdoe42"],
        "headers": [["X-User-Email", "j@d.io"]],
    }
    shown = text("Hi Jane, jane VAN doe (JDOE42) called from +44 20 7946 0018; jdoe4200 and Janet did not", **beside)
    assert "Jane," not in shown
    assert "jane VAN doe" not in shown
    assert "JDOE42)" not in shown
    assert "7946" not in shown
    assert shown.endswith("jdoe4200 and Janet did not")


def test_a_name_is_known_from_json_inside_a_string_and_from_places_that_come_later() -> None:
    found = redacted(
        error={"message": "no account for Xaver Quill"},
        input={"value": json.dumps({"customer_name": "Xaver Quill", "n": 1})},
    )
    assert "Quill" not in json.dumps(found)


@pytest.mark.parametrize("name", ["user", "Admin", "ab", "", "unknown", 7, None, True])
def test_a_name_that_names_nobody_is_looked_for_nowhere(name: Any) -> None:
    said = "The user is an admin, 7 of ab, unknown"
    assert text(said, metadata={"user_name": name}) == said


# Caps


def test_a_text_is_cut_at_a_cap_and_never_within_a_placeholder() -> None:
    long = ("x" * (MAX_TEXT - 40)) + f" {EMAIL} " + "y" * 10_000
    shown = text(long)
    assert len(shown) <= MAX_TEXT
    assert "jane" not in shown
    body, mark = shown.rsplit("[TRUNCATED chars=", 1)
    assert body.rstrip("x ") in ("", MARKED)
    assert text(shown) == shown
    assert int(mark.rstrip("]")) > 10_000


def test_what_the_cap_cuts_in_two_is_known_for_what_it_is() -> None:
    for shift in range(len(EMAIL) + 2):
        assert "jane" not in text("x" * (MAX_TEXT - 28 - shift) + f" {EMAIL} " + "y" * 100)


@pytest.mark.parametrize("character", ["x", "é", "\x01", "日", '"', "\ud800"])
def test_a_span_full_of_text_of_any_kind_stays_under_its_cap(character: str) -> None:
    long = f"{EMAIL} " + character * 9_000
    span = span_of(
        {
            **KEPT,
            **dict.fromkeys(
                ["name", "ml_app", "service", "env", "span_kind", "status", "model_name", "model_provider"], long
            ),
            "tags": [f"env:{long}", f"service:{long}", f"{long}:x"],
            "error": {"type": long, "message": long, "stack": long},
            "input": {"value": json.dumps({"a": [long] * 5}), "messages": [{"role": long, "content": long}] * 5},
            "metadata": {long + str(n): long for n in range(9)},
            "evaluation": {long + str(n): {"value": long, "assessment": "fail"} for n in range(9)},
        }
    )
    captured = REDACTING.span(span)
    encoded = msgspec.json.encode(captured)
    assert len(encoded) <= MAX_SPAN_BYTES
    assert captured.truncated
    assert b"jane" not in encoded


def test_nothing_beside_the_attributes_can_steer_a_terminal() -> None:
    odd = "a\x1b[31mb\r\nc\u202ed"
    span = span_of({**KEPT, **dict.fromkeys(["name", "ml_app"], odd), "error": {"type": odd, "message": odd}})
    finding = Finding(rule="r", type="toxicity", severity="low", evaluator=odd)
    capture = REDACTING.capture(span, [finding], fetched_at=FETCHED)
    (one,) = capture.trace_payload.spans
    shown = [one.name, one.ml_app, one.error_type, one.error_message, capture.signals[0].evaluator]
    assert all(text == "a [31mb  c d" for text in shown), shown


@pytest.mark.parametrize(
    "said", ["a=1&password=hunter22", "https://x.io/?api_key=hunter22&to=jane.doe%40example.com", "SECRET=hunter22!"]
)
def test_what_was_replaced_is_not_replaced_again(said: str) -> None:
    once = text(said)
    assert "hunter22" not in once
    assert text(once) == once


def test_a_name_that_a_placeholder_happens_to_hold_is_not_looked_for_in_it() -> None:
    assert text(f"{MARKED} [WITHHELD chars=7]", metadata={"user_name": "Withheld", "username": "email"}) == (
        f"{MARKED} [WITHHELD chars=7]"
    )


def test_a_value_under_two_keys_has_one_name_in_any_order_of_the_keys() -> None:
    person = {"user_id": "Zq7jane", "username": "Zq7jane"}
    shown = [
        sanitized(REDACTING, metadata=dict(order), input={"value": "hello Zq7jane"})["input"]["value"]
        for order in (person.items(), reversed(person.items()))
    ]
    assert shown[0] == shown[1]
