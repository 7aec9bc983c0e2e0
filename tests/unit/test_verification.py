"""Reading what is stored once more: what must not be there is named by place and type, and never shown."""

import base64
import json
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from evalforge.ingestion.pii.verification import Verifier, leaks_in_bytes, leaks_in_file, leaks_in_store
from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import capture, dead_letter, run, span
from helpers.clocks import FakeClock
from helpers.engines import engine
from helpers.scanning import FailingScanner, SmallScanner

MAIL = "jane.doe@example.com"
HASH = "u1_" + "0f" * 20


def of_capture(verifier: Verifier, **attributes: object) -> list[tuple[str, str]]:
    noun = capture("a1", [span(user_hash=HASH, attributes=attributes)])
    return [(leak.path, leak.type) for leak in verifier.noun("captures/a1", noun)]


def test_a_clean_capture_has_no_finding():
    told = {"input": {"value": "[WITHHELD chars=40]"}, "tags": [f"user_id:{HASH}", "service:shop"], "start_ns": 10**18}
    assert of_capture(Verifier(SmallScanner()), **told, output={"value": "mail [EMAIL_3f9a2c] about it"}) == []


@pytest.mark.parametrize(
    ("attributes", "path", "kind"),
    [
        ({"input": {"value": f"mail {MAIL}"}}, "input.value", "EMAIL"),
        ({"metadata": {MAIL: {"value": 1}}}, "metadata.[key]", "EMAIL"),
        ({"metadata": {"x" + MAIL: {"to": MAIL}}}, "metadata.[key].to", "EMAIL"),
        ({"metadata": {"card": 4111111111111111}}, "metadata.card", "CARD"),
        ({"metadata": {"note": "4111111111111111"}}, "metadata.note", "CARD"),
        ({"tags": ["service:shop", f"to:{MAIL}"]}, "tags.1", "EMAIL"),
    ],
    ids=["a text", "a key", "below a key", "a number", "digits alone", "a tag"],
)
def test_what_must_not_be_stored_is_found_in_texts_keys_numbers_and_tags(attributes, path, kind):
    found = of_capture(Verifier(SmallScanner()), **attributes)
    assert (f"trace_payload.spans.0.attributes.{path}", kind) in found
    assert MAIL not in str(found)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"[BLOB {MAIL}]", "EMAIL"),
        (f"[BLOB_3f9a2c {MAIL}]", "EMAIL"),
        ('password="[HUNTERSECRET_123456]"', "SECRET"),
        ("see https://shop.example/?user_id=waldo", "USER_ID"),
        ("amFuZS5kb2VAZXhhbXBsZS5jb20=", "BLOB"),
    ],
)
def test_what_the_sanitiser_would_replace_in_a_text_is_found(text: str, kind: str):
    line = msgspec.json.encode({"a": text})
    assert [leak.type for leak in Verifier(SmallScanner()).line("log:1", line)] == [kind]


def test_the_times_in_a_link_to_datadog_are_no_cards():
    noun = capture("a1", [span()])
    link = "https://app.datadoghq.com/llm/traces?query=trace_id:cc81&start=1795380460150&end=1795382260150&paused=true"
    noun = msgspec.structs.replace(noun, datadog_url=link)
    assert list(Verifier(SmallScanner()).noun("captures/a1", noun)) == []


def test_short_hashes_whose_digits_are_all_decimal_are_no_cards_where_they_belong():
    card = "h1_4111111111111111"
    assert list(Verifier(engine()).noun("captures/a1", capture("a1", [span(content_hash=card)]))) == []
    record = msgspec.structs.replace(run("r1"), hash_key_id="h1_411111111111")
    assert list(Verifier(engine()).noun("runs/r1", record)) == []
    assert of_capture(Verifier(engine()), metadata={"note": card}) != []


def test_marks_and_hashes_under_keys_are_no_finding():
    told = {
        "metadata": {"note": f"user_id={HASH} password=[SECRET_3f9a2c] usr.name: [PERSON_3f9a2c] [PERSON_3f9a2d]"},
        "input": {"value": f"https://shop.example/?user_id={HASH}&email=[EMAIL_3f9a2c]&q=[BLOB_3f9a2c chars=40]"},
        "output": {"value": "PERSON/1/n1_" + "4a" * 10},
    }
    assert of_capture(Verifier(SmallScanner()), **told) == []


def test_a_text_that_cannot_be_scanned_is_a_finding():
    verifier = Verifier(FailingScanner("boom"))
    assert [kind for _, kind in of_capture(verifier, input={"value": "boom"})] == ["UNSCANNABLE"]


def test_a_planted_text_is_found_wherever_it_is_and_however_it_is_spelt(tmp_path: Path):
    canary = 'q"7-canary-é'
    verifier = Verifier(SmallScanner(), [canary])
    assert [kind for _, kind in of_capture(verifier, name=f"x{canary}x")] == ["CANARY"]
    log = tmp_path / "log"
    log.write_bytes(msgspec.json.encode({"message": canary}) + b"\nno json " + canary.encode() + b"\n{}\n")
    lines = [[leak.where for leak in found] for found in leaks_in_file(log, verifier)]
    assert lines == [[f"{log}:1"], [f"{log}:2"], []]
    assert [leak.type for found in leaks_in_bytes(log, verifier) for leak in found] == ["CANARY"]


@pytest.mark.parametrize("before", ["", "x", "xy"])
@pytest.mark.parametrize("canary", ["Canary+7f3a ü", "Zq7Canary", "q-7-Canary&4"])
def test_a_planted_text_is_found_in_other_cases_and_encodings(canary: str, before: str):
    verifier = Verifier(SmallScanner(), [canary])
    content = before.encode() + canary.encode() + b"tail"
    spellings = [
        *(canary.lower().encode(), canary.upper().encode(), quote(canary, safe="").encode()),
        *(quote_plus(canary.lower()).encode(), escape(canary).encode()),
        *(base64.b64encode(content), base64.urlsafe_b64encode(content), base64.b64encode(content[:-4])),
        *(content.hex().encode(), content.hex().upper().encode()),
    ]
    assert [one for one in spellings if not list(verifier.raw("file", b"x " + one + b" x"))] == []


@pytest.mark.parametrize("canary", ["20261123001", "tab\there", "é"])
def test_a_planted_text_of_digits_or_with_escapes_is_found_too(canary: str):
    verifier = Verifier(SmallScanner(), [canary])
    assert [kind for _, kind in of_capture(verifier, span_id=canary)] == ["CANARY"]
    assert [one.type for one in verifier.raw("file", json.dumps(f"x{canary}x").encode())] == ["CANARY"]


def test_a_planted_text_that_is_spelt_as_in_json_inside_a_text_is_found():
    verifier = Verifier(SmallScanner(), ['q"7-canary'])
    told = {"input": {"value": json.dumps({"note": 'q"7-canary'})}, "metadata": {"other": 1}}
    assert of_capture(verifier, **told) == [("trace_payload.spans.0.attributes.input.value", "CANARY")]


def test_the_whole_store_is_read():
    store, clock = SqliteStore(None), FakeClock()
    lease = store.acquire_lease("r1", clock.now(), 60)
    leaking = capture("a1", [span(name=MAIL)])
    store.commit(lease, Batch(captures=[leaking, capture("b2")], dead_letters=[dead_letter(shape=MAIL)]))
    store.save_run(run(errors=(MAIL,)))
    found = [leak.where for part in leaks_in_store(store, Verifier(SmallScanner())) for leak in part]
    store.close()
    assert found == ["captures/a1", "runs/r1", "dead-letters/d1"]
