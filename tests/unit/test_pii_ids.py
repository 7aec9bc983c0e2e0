"""Ids: of spans, which stay or become hashes, and of people and sessions, which become keyed hashes."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from evalforge.common.errors import ConfigurationError
from evalforge.ingestion.decoding import decode_span
from evalforge.ingestion.pii.policy import MAX_USERS
from evalforge.ingestion.pii_sanitizer import SanitizationFailed, Sanitizer
from evalforge.models import named_in
from helpers.sanitizing import FETCHED, FOUND, KEY, SANITIZER, TRACE, sanitized, span_of, user_hash, with_ids

# Ids


@pytest.mark.parametrize(("sent", "kept"), [("undefined", None), ("", None), (None, None), ("12ab", "12ab"), (7, "7")])
def test_the_parent_is_a_plain_id_or_none(sent: object, kept: str | None) -> None:
    assert SANITIZER.span(with_ids(parent_id=sent)).parent_id == kept


def test_an_odd_span_id_becomes_a_hash_that_its_children_still_find() -> None:
    parent = SANITIZER.span(span_of({"trace_id": TRACE, "span_id": "jane@example.com"}))
    child = SANITIZER.span(with_ids(parent_id="jane@example.com"))
    assert parent.span_id == child.parent_id == SANITIZER.pseudonym("jane@example.com", "span")
    assert parent.attributes["span_id"] == parent.span_id


def test_a_span_without_an_id_is_known_by_its_bytes() -> None:
    span = decode_span(b'{"attributes":{"trace_id":"ab"}}')
    assert SANITIZER.span(span).span_id == SANITIZER.pseudonym(span.raw, "span-bytes")


def test_pseudonyms_differ_by_purpose_and_key() -> None:
    other = Sanitizer(hash_key=KEY[::-1])
    assert len({SANITIZER.pseudonym("x", "a"), SANITIZER.pseudonym("x", "b"), other.pseudonym("x", "a")}) == 3


@pytest.mark.parametrize("trace_id", [None, "", "jane@example.com", "../../etc"])
def test_a_trace_without_a_plain_id_makes_no_capture(trace_id: object) -> None:
    with pytest.raises(SanitizationFailed) as caught:
        SANITIZER.capture(span_of({"trace_id": trace_id, "span_id": "1"}), [FOUND], fetched_at=FETCHED)
    assert "jane" not in str(caught.value)


# Hashes


def test_an_id_has_one_hash_whatever_its_type_place_and_form() -> None:
    found = {
        user_hash(tags=["user_id:42"]),
        user_hash(metadata={"userId": 42}),
        user_hash(metadata={"user": {"id": 42.0}}),
        user_hash(input={"value": {"usr.id": " 42 "}}),
        user_hash(headers=[["user-id", "42"]]),
        user_hash(headers=[{"name": "user-id", "value": "42"}]),
    }
    assert len(found) == 1
    (hashed,) = found
    assert hashed is not None
    assert hashed.startswith("u1_")
    assert len(hashed) == 43


def test_the_same_person_has_another_hash_under_another_key() -> None:
    other = Sanitizer(hash_key=KEY[::-1]).span(with_ids(tags=["user_id:42"])).user_hash
    assert other not in (None, user_hash(tags=["user_id:42"]))


def test_a_session_has_another_hash_than_a_user_with_the_same_id() -> None:
    span = SANITIZER.span(with_ids(tags=["user_id:42", "session_id:42"]))
    assert span.session_hash is not None
    assert span.session_hash.startswith("s1_")
    assert span.session_hash[3:] != str(span.user_hash)[3:]


def test_a_composed_and_a_decomposed_letter_are_one_id() -> None:
    assert user_hash(tags=["user_id:jos\u00e9"]) == user_hash(tags=["user_id:jose\u0301"])


def test_the_hash_is_the_same_in_another_process() -> None:
    code = (
        "from evalforge.ingestion.decoding import decode_span; from evalforge.ingestion.pii_sanitizer import Sanitizer;"
        f's=Sanitizer(hash_key={KEY!r}); d=decode_span(b\'{{"attributes":{{"span_id":"1","tags":["user_id:42"]}}}}\');'
        "print(s.span(d).user_hash)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == user_hash(tags=["user_id:42"])


def test_the_user_comes_from_the_tags_then_the_metadata_then_anywhere() -> None:
    places: dict[str, Any] = {"tags": ["user_id:1"], "metadata": {"user_id": "2"}, "input": {"value": {"user_id": "3"}}}
    for number in ("1", "2", "3"):
        assert user_hash(**places) == user_hash(tags=[f"user_id:{number}"])
        places.pop(next(iter(places)))


def test_an_id_of_an_account_is_the_user_only_where_no_user_is_named() -> None:
    assert user_hash(tags=["account_id:9"], metadata={"user_id": 1}) == user_hash(tags=["user_id:1"])
    assert user_hash(tags=["account_id:9"]) is not None
    assert user_hash(tags=["device_id:9"]) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", None),
        (None, None),
        ("  ", None),
        ({"a": 1}, "[WITHHELD chars=7]"),
        ([1], "[WITHHELD chars=3]"),
        (True, True),
    ],
)
def test_what_is_no_id_is_not_hashed(value: object, shown: object) -> None:
    assert sanitized(metadata={"user_id": value}) == {"metadata": {"user_id": shown}}
    assert user_hash(metadata={"user_id": value}) is None


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="EVALFORGE_HASH_KEY"):
        Sanitizer(hash_key=b"")


def test_the_key_is_in_no_repr() -> None:
    assert "0123456789abcdef" not in repr(SANITIZER) + repr(vars(SANITIZER))


def test_a_span_names_so_many_users_and_the_ids_of_further_ones_are_withheld() -> None:
    customers = [{"customer_id": f"c{n:02}"} for n in range(MAX_USERS + 3)]
    span = SANITIZER.span(with_ids(tags=["user_id:42"], metadata={"a": customers, "b": customers, "user_id": "42"}))
    assert len(named_in(msgspec.json.encode(span))) == MAX_USERS
    assert span.user_hash == user_hash(tags=["user_id:42"]) == span.attributes["metadata"]["user_id"]
    first, second = (name for name in span.attributes["metadata"] if name.startswith("[WITHHELD"))
    shown = [one["customer_id"] for one in span.attributes["metadata"][first]]
    assert shown[MAX_USERS - 2].startswith("u1_")
    assert shown[MAX_USERS - 1 :] == ["[WITHHELD chars=3]"] * 4
    assert [one["customer_id"] for one in span.attributes["metadata"][second]] == shown
