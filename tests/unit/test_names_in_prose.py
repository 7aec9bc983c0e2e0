"""Names of people in running text, with the real model and the real rules."""

import io
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalforge.common.config import read_settings
from evalforge.common.errors import ConfigurationError
from evalforge.ingestion.pii.text.hits import Unscannable
from evalforge.ingestion.pii.text.name_model import NameModel
from evalforge.ingestion.pii.text.people import PeopleScanner
from evalforge.wiring import sanitized
from helpers.commands import HASH_KEY
from helpers.engines import engine
from helpers.time_limits import within

NAME_FORMS = ["Jane Doe", "Peter B. Miller", "Jane O'Neil-McDonald", "Seán Ó Briain", "Margaretha Dahlqvist"]


@lru_cache(maxsize=1)
def scanner() -> PeopleScanner:
    return PeopleScanner(engine(), NameModel().people)


def people(text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in scanner().scan(text) if hit.type == "PERSON"]


@pytest.mark.parametrize("name", NAME_FORMS)
def test_a_full_name_in_a_sentence_is_found(name: str) -> None:
    assert people(f"Yesterday {name} called about the invoice of last month.") == [name]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My name is Tere Pons, please update it.", "Tere Pons"),
        ("My name is Sofia", "Sofia"),
        ("Dear Ingrid,\nthank you for your order.", "Ingrid"),
        ("Please ask Mrs. Thalberg about it.", "Thalberg"),
        ("contact:Maud Hedman", "Maud Hedman"),
        ("Regards,\\nPeter Miller\\nSales", "Peter Miller"),
        ("I met Ja\u200bne Doe there.", "Ja\u200bne Doe"),
    ],
)
def test_a_name_is_found_by_what_introduces_it_and_behind_escapes(text: str, name: str) -> None:
    assert people(text) == [name]


def test_parts_of_a_name_that_was_found_are_found_in_the_whole_text() -> None:
    text = "I spoke with Cecilie Josefsen.\nLater Cecilie wrote again; Josefsen & Co. pays."
    assert people(text) == ["Cecilie Josefsen", "Cecilie", "Josefsen"]


@pytest.mark.parametrize(
    "text",
    [
        "Raise KeyError if the Request Handler returns True, see Azure Blob Storage.",
        "The Cloud Logging API and Visual Studio Code are needed; Machine Learning is not.",
        "HTTP GET /api/v1/users failed: Connection Refused by Envoy Proxy",
        "class TitledHelpFormatter(HelpFormatter): Format help",
        "Claude Sonnet and Gemini Flash were compared on Monday in New York.",
        "the user asked for a refund",
        "Hello World! Dear Customer, dear Support Team,",
    ],
)
def test_technical_text_names_nobody(text: str) -> None:
    assert people(text) == []


def test_what_the_rules_find_is_found_as_without_the_model() -> None:
    text = "Write to Jane Doe at jane.doe@example.com or call +49 30 901820."
    assert [hit for hit in scanner().scan(text) if hit.type != "PERSON"] == list(engine().scan(text))
    assert people(text) == ["Jane Doe"]


def test_two_spellings_of_white_space_are_one_name() -> None:
    hits = [hit.canonical for hit in scanner().scan("I met Jane Doe. Then Jane  Doe left.") if hit.type == "PERSON"]
    assert set(hits) == {"jane doe"}


WORDS = st.sampled_from(["I", "met", "the", "invoice", "of", "Jane Doe", "Peter Miller", "in", "Paris", ".", "\n"])


@settings(max_examples=40, deadline=None)
@given(st.lists(WORDS, max_size=20).map(" ".join))
def test_hits_are_in_order_apart_and_a_redacted_text_has_no_more(text: str) -> None:
    hits = scanner().scan(text)
    assert all(before.end <= after.start for before, after in itertools.pairwise(hits))
    out, done = "", 0
    for hit in hits:
        out, done = out + text[done : hit.start] + "[PERSON_3f9a2c]", hit.end
    assert not scanner().scan(out + text[done:])


def failing(line: str) -> Sequence[tuple[int, int]]:
    raise MemoryError(line)


def test_a_model_that_fails_makes_the_text_unscannable_and_its_message_holds_no_text() -> None:
    broken = PeopleScanner(engine(), failing)
    with pytest.raises(Unscannable) as raised:
        broken.scan("Yesterday Jane Doe called.")
    assert "Jane" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert not broken.scan("nobody is named here")


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}o".capitalize() for n in range(3_200)),
        "Jane Doe " * 1_700,
        "A." * 8_000,
        "Aa," * 5_000,
        "Mr. " * 4_000,
        "my name is A" * 1_300,
        "[EMAIL_3f9a2c] Aa Bb " * 700,
    ],
    ids=["distinct names", "one name", "initials", "commas", "titles", "introductions", "marks"],
)
def test_the_time_for_a_text_is_bounded(text: str) -> None:
    loaded = scanner()
    within(15, lambda: loaded.scan(text[:16_192]))


def test_one_scanner_serves_many_threads() -> None:
    texts = [f"On day {number} Jane Doe met Peter Miller in room {number}." for number in range(24)]
    expected = [people(text) for text in texts]
    fresh = PeopleScanner(engine(), NameModel().people)
    found: dict[int, list[str]] = {}

    def work(number: int) -> None:
        text = texts[number]
        found[number] = [text[hit.start : hit.end] for hit in fresh.scan(text)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(len(texts))] == expected


def seconds_of_the_first_line() -> float:
    start = time.process_time()
    assert NameModel().people("Yesterday Jane Doe called about it.")
    return time.process_time() - start


def test_the_pipeline_is_loaded_once_in_a_process_as_each_run_of_a_service_asks_anew() -> None:
    seconds_of_the_first_line()
    assert min(seconds_of_the_first_line() for _ in range(3)) < 0.1


LINE = (
    b'{"id":"1","type":"span","attributes":{"trace_id":"12ab","span_id":"1",'
    b'"input":{"value":"Yesterday Jane Doe called about it."}}}\n'
)


def test_names_in_prose_are_replaced_where_the_setting_says_so_and_only_there() -> None:
    base = {"EVALFORGE_HASH_KEY": HASH_KEY}
    off = b"".join(sanitized(read_settings(base), io.BytesIO(LINE), explain=False))
    on = b"".join(sanitized(read_settings(base | {"EVALFORGE_NER": "on"}), io.BytesIO(LINE), explain=False))
    assert b"Jane Doe" in off
    assert b"Jane" not in on
    assert b"Yesterday [PERSON_" in on


def test_without_the_model_the_setting_is_refused_and_says_how_to_install_it(tmp_path: Path) -> None:
    """A process that sees everything but the model's package."""
    code = (
        "import sys\n"
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name.startswith('en_core_web') else real(name, *a)\n"
        "from evalforge.cli import run_command\n"
        "sys.exit(run_command(['sanitize', '-']))\n"
    )
    env = {"EVALFORGE_HASH_KEY": HASH_KEY, "EVALFORGE_NER": "on", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, input=LINE, capture_output=True)
    assert done.returncode == ConfigurationError.exit_code
    assert b"make ner" in done.stderr
    assert b"EVALFORGE_NER=on" in done.stderr
    assert done.stdout == b""


def test_the_model_is_loaded_with_the_first_text_that_may_name_somebody() -> None:
    code = (
        "import io, sys\n"
        "from evalforge.common.config import read_settings\n"
        "from evalforge.wiring import sanitized\n"
        "env = {'EVALFORGE_HASH_KEY': 'k' * 40, 'EVALFORGE_NER': 'on'}\n"
        'line = b\'{"attributes": {"input": {"value": "%s"}}}\'\n'
        "list(sanitized(read_settings(env), io.BytesIO(line % b'no name'), explain=False))\n"
        "before = 'spacy' in sys.modules\n"
        "list(sanitized(read_settings(env), io.BytesIO(line % b'Yesterday Jane Doe called'), explain=False))\n"
        "sys.exit(0 if (before, 'spacy' in sys.modules) == (False, True) else 1)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
