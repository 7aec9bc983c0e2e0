"""A text that comes in pieces, as chunks of an answer or its tokens: what is in none of them is found all the same."""

import json
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from evalforge.ingestion.pii.text.hits import Hit
from evalforge.ingestion.pii_sanitizer import Sanitizer
from helpers.engines import engine
from helpers.sanitizing import KEY, REDACTING, sanitized
from helpers.scanning import SmallScanner

redacted = partial(sanitized, REDACTING)


@pytest.mark.parametrize(
    "pieces",
    [
        ["I am jane.doe", "@exam", "ple.com."],
        [{"delta": "jane.d"}, {"delta": "oe@example.com"}],
        [{"choices": [{"delta": {"content": piece}}]} for piece in ("jane.doe@", "example", ".com")],
        [{"type": "text", "text": "4111 1111"}, {"type": "text", "text": " 1111 1111"}],
        [{"function": {"arguments": '{"to": "jane.doe@ex'}}, {"function": {"arguments": 'ample.com"}'}}],
    ],
)
def test_a_value_that_is_cut_over_the_pieces_of_a_stream_is_found(pieces: list[Any]) -> None:
    shown = redacted(output={"value": pieces})["output"]["value"]
    assert len(shown) == len(pieces)
    output = json.dumps(shown)
    assert not any(part in output for part in ("jane", "oe@ex", "ample.com", "ple.com", "1111"))


def test_a_value_that_is_in_one_piece_is_found_though_the_word_that_tells_it_is_cut() -> None:
    reading = Sanitizer(hash_key=KEY, scanner=engine())
    shown = sanitized(reading, output={"value": ["the p", "assword is 0uaQ9#4z8W35 or", " so"]})["output"]["value"]
    assert re.fullmatch(r"the password is \[SECRET_[0-9a-f]{6}\] or so", shown[0])
    assert shown[1:] == ["", ""]


def test_a_piece_that_cannot_be_scanned_at_first_does_not_pass_for_one_that_has_the_value() -> None:
    class Tired(SmallScanner):
        """Fails on each text once, but not on the whole."""

        def __init__(self) -> None:
            self._met = {"mail jane.doe@example.com now"}

        def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:
            if text not in self._met:
                self._met.add(text)
                raise MemoryError
            return super().scan(text, key=key)

    shown = sanitized(Sanitizer(hash_key=KEY, scanner=Tired()), output={"value": ["mail jane.doe@exa", "mple.com now"]})
    assert re.fullmatch(r"mail \[EMAIL_[0-9a-f]{6}\] now", shown["output"]["value"][0])


@pytest.mark.parametrize(
    "many",
    [
        ["red", "green", "blue"],
        ["a@b.io", "c@d.io", "e@f.io"],
        [{"role": "user", "content": "mail me at x@"}, {"role": "assistant", "content": "b.io is down"}],
        [{"text": "one"}, {"text": "two"}],
    ],
)
def test_lists_that_are_no_streams_keep_their_items(many: list[Any]) -> None:
    shown = redacted(output={"value": many})["output"]["value"]
    if "@" not in json.dumps(many):
        assert shown == many
    assert all(shown)
