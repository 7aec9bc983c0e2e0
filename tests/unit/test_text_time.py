"""Time is bounded: no text of 200 KB, however it is made, costs more than a small part of a second."""

import contextlib
from random import Random

import pytest

from evalforge.ingestion.pii.names import Names
from evalforge.ingestion.pii.placeholders import Placeholders
from evalforge.ingestion.pii.redactor import Redactor, Remembering
from evalforge.ingestion.pii.text import vendor_secrets
from evalforge.ingestion.pii.text.hits import Unscannable
from helpers.engines import engine
from helpers.hard_texts import UNITS, hard_text
from helpers.time_limits import within

MIXES = (
    ["\\u0041", "%41", "&#65;", "a", "\\n", " ", "x@y.io"],
    ["`", "\\u0041", "%", "&#;", " "],
    ["%2541", "aa", "\\\\n", "&amp;"],
    ["&lt;", '\\"', "%20", "é", "1"],
    ["api_key=", "token: ", "password", "Ab", "'", " "],
)
"""Of each a text is drawn piece by piece."""
LONGEST_SECONDS = 0.5
"""Five times the goal of 100 ms. What is quadratic takes a hundred times as long."""


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_a_text_of_200_kb_takes_a_bounded_time(unit: str) -> None:
    text, loaded = hard_text(unit), engine()
    vendor_secrets.load()

    def scanned() -> None:
        with contextlib.suppress(Unscannable):
            loaded.scan(text)

    within(LONGEST_SECONDS, scanned)


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_a_text_of_200_kb_is_redacted_in_a_bounded_time(unit: str) -> None:
    text, redactor = hard_text(unit), redacting()
    within(LONGEST_SECONDS, lambda: redactor.redact(text))


@pytest.mark.parametrize("pieces", MIXES, ids=lambda pieces: repr(pieces[0]))
def test_a_mix_of_pieces_is_scanned_and_redacted_in_a_bounded_time(pieces: list[str]) -> None:
    text, redactor, loaded = "".join(Random(3).choices(pieces, k=70_000))[:200_000], redacting(), engine()

    def both() -> None:
        with contextlib.suppress(Unscannable):
            loaded.scan(text)
        redactor.redact(text)

    within(LONGEST_SECONDS, both)


def redacting() -> Redactor:
    names = Names()
    told = {"user_name": "Jane Doe", "email": "jane@example.com", "phone": "+1 415 555 0132", "user_handle": "a.a"}
    names.learn(told, lambda _: None)
    return Redactor(Remembering(engine()), Placeholders(b"0123456789abcdef"), names)
