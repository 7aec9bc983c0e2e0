"""Hundreds of values, each unlike any other, planted wherever a span has room: none may come out anywhere."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from evalforge.sandbox.server import running
from helpers.bytes_search import ByteSearch
from helpers.canaries import AFTER, Canary
from helpers.commands import RULE_CACHE, Result, environment, evalforge, on_a_terminal
from helpers.fake_datadog import FakeDatadog, reply
from helpers.firestore_emulator import HOST_VARIABLE, new_project
from helpers.planting import sandbox_traffic, traffic
from helpers.sandbox_api import every_span
from helpers.serving import serving

TRACES, SANDBOX_TRACES = 160, 20
READING = {"EVALFORGE_TEXT": "redact", "EVALFORGE_CONTEXT": "chain", **RULE_CACHE}
TRAFFIC, SANDBOX_TRAFFIC = traffic(TRACES), sandbox_traffic(SANDBOX_TRACES)
PLANTED = [*TRAFFIC.planted, *SANDBOX_TRAFFIC.planted]
SEARCH = ByteSearch(needle for one in PLANTED for needle in one.needles)

REPLACED = (
    "EMAIL",
    "PHONE",
    "CREDIT_CARD",
    "IBAN",
    "US_SSN",
    "NATIONAL_ID",
    "IP",
    "MAC",
    "CRYPTO",
    "SECRET",
    "API_KEY",
)
REPLACED += ("JWT", "PEM", "BLOB", "DATE_OF_BIRTH", "PERSON", "USERNAME", "USER_ID")


@dataclass
class Captured:
    """What two runs made of the traffic: everything that was printed, and all bytes of the store."""

    env: dict[str, str]
    printed: dict[str, Result]
    stored: bytes

    def shown(self) -> bytes:
        return b"\n".join(f"{one.out}\n{one.err}".encode() for one in self.printed.values())


def as_read(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, default=lambda raw: raw.decode("utf-8", "replace")).encode()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """A sandbox that was sent its traffic over HTTP."""
    with running() as bound:
        spans, metrics = [{"spans": SANDBOX_TRAFFIC.events}], {"metrics": SANDBOX_TRAFFIC.metrics}
        for path, body in (
            ("/api/v2/llmobs", spans),
            ("/api/intake/llm-obs/v2/eval-metric", {"data": {"attributes": metrics}}),
        ):
            assert httpx2.post(bound.url + path, json=body, trust_env=False).status_code == 202
        yield bound.url


@pytest.fixture(scope="module")
def datadog() -> Iterator[str]:
    with FakeDatadog(spans=TRAFFIC.items) as server:
        yield server.url


@pytest.fixture(scope="module", params=["sqlite", "firestore"])
def captured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sandbox: str, datadog: str
) -> Captured:
    folder = tmp_path_factory.mktemp("canaries")
    env = environment(folder / "store.db", **READING)
    if request.param == "firestore":
        pytest.importorskip("google.cloud.firestore")
        env |= {
            "EVALFORGE_STORE": f"firestore://{new_project()}",
            HOST_VARIABLE: request.getfixturevalue("firestore_emulator"),
        }
    printed = {
        url: evalforge("capture", "--json", "--debug", env=env | {"EVALFORGE_DATADOG_URL": url})
        for url in (sandbox, datadog)
    }
    assert [one.code for one in printed.values()] == [0, 0], printed
    for command in (("captures", "list"), ("runs", "list"), ("dead-letters", "list")):
        printed[" ".join(command)] = evalforge(*command, env=env)
    stored = documents(env) if request.param == "firestore" else files(folder)
    return Captured(env, printed, stored)


def files(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.iterdir()))


def documents(env: dict[str, str]) -> bytes:
    """Every document of every collection, as the emulator itself answers."""
    project = env["EVALFORGE_STORE"].removeprefix("firestore://")
    base = f"http://{env[HOST_VARIABLE]}/v1/projects/{project}/databases/(default)/documents"
    owner = {"headers": {"Authorization": "Bearer owner"}, "trust_env": False, "timeout": 30}
    names = httpx2.post(f"{base}:listCollectionIds", json={}, **owner).json()["collectionIds"]
    assert len(names) >= 4
    answers: list[bytes] = []
    for name in names:
        token = ""
        while token is not None:
            page = httpx2.get(f"{base}/{name}", params={"pageSize": "300", "pageToken": token}, **owner)
            answers.append(page.content)
            token = page.json().get("nextPageToken")
    return b"\n".join(answers)


def test_every_canary_is_its_own_and_was_served(sandbox: str) -> None:
    values = [one.value for one in PLANTED]
    assert len(set(values)) == len(values) >= 500
    served = ByteSearch(values).found(as_read([every_span(sandbox), TRAFFIC.items]))
    unseen = {one.kind for one in PLANTED if one.value not in served}
    assert len(served) > len(values) - 30, unseen  # pieces of streams and gzip are not to be seen so


def test_no_canary_is_in_the_store_the_logs_or_what_the_commands_print(captured: Captured) -> None:
    assert SEARCH.found(captured.stored) == set()
    assert SEARCH.found(captured.shown()) == set()


def test_what_was_planted_left_its_text_and_a_placeholder_in_every_trace(captured: Captured) -> None:
    kept = captured.printed["captures list"].lines
    assert len(kept) == TRAFFIC.traces + SANDBOX_TRACES
    assert {one["redaction"]["policy"] for one in kept} == {"redact-1"}
    assert sum(one["context_state"] == "whole" for one in kept) > 0.9 * len(kept)
    texts = json.dumps(kept)
    assert texts.count(AFTER) > 0.6 * len(PLANTED)
    for kind in REPLACED:
        assert re.search(rf"\[{kind}_[0-9a-f]{{6}}[] ]", texts), kind
    assert len(captured.printed["dead-letters list"].lines) == 30
    assert [one["trace_id"] for one in kept if not re.search(r"\[[A-Z_]+_[0-9a-f]{6}", json.dumps(one))] == []


def test_no_canary_is_in_what_the_service_answers_or_logs(captured: Captured, datadog: str) -> None:
    env = captured.env | {"EVALFORGE_DATADOG_URL": datadog}
    trace = captured.printed["captures list"].lines[0]["trace_id"]
    with serving(env) as service:
        answers = [
            service.ask(method, path, body, timeout=60)
            for method, path, body in (
                ("POST", "/ingestion/run-once", b"{}"),
                ("POST", "/ingestion/run-once", b'{"lookback_hours": "x"}'),
                ("GET", "/captures?limit=500", None),
                ("GET", f"/captures/{trace}", None),
                ("GET", "/captures/abcdef", None),
                ("GET", "/captures?cursor=x", None),
                ("GET", "/health", None),
                ("GET", "/nowhere", None),
            )
        ]
        run = next(document for status, document in answers if status == 200)
    assert [status for status, _ in answers[:1]] == [200]
    assert run["tally"]["captures_unchanged"] == TRAFFIC.traces
    assert SEARCH.found(as_read([answers, service.log])) == set()


def test_no_canary_is_in_what_a_person_is_shown(captured: Captured) -> None:
    traces = [one["trace_id"] for one in captured.printed["captures list"].lines]
    run = captured.printed["runs list"].lines[0]["run_id"]
    commands = [("captures", "show", trace) for trace in traces[:: len(traces) // 3]]
    commands += [("captures", "list"), ("runs", "show", run), ("runs", "list"), ("dead-letters", "list")]
    for command in commands:
        code, seen = on_a_terminal(*command, env=captured.env, columns="300")
        done = evalforge(*command, "--debug", env=captured.env)
        assert (code, done.code) == (0, 0), seen
        assert SEARCH.found(f"{seen}\n{done.out}\n{done.err}".encode()) == set(), command


def test_verify_agrees_and_sees_one_that_is_put_there(captured: Captured, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.write_text("\n".join(max(one.value.splitlines(), key=len) for one in PLANTED), encoding="utf-8")
    log = tmp_path / "log"
    log.write_bytes(b"\n".join(one.err.encode() for one in list(captured.printed.values())[:2]))
    verify = ("pii", "verify", "--canaries", str(planted), "--log", str(log))
    done = evalforge(*verify, env=captured.env, timeout=100)
    assert (done.code, done.lines) == (0, []), done.err
    with log.open("a") as lines:
        lines.write(json.dumps({"message": PLANTED[7].value}) + "\n")
    done = evalforge(*verify, env=captured.env, timeout=100)
    assert done.code == 1
    assert "CANARY" in {one["type"] for one in done.lines}
    assert SEARCH.found((done.out + done.err).encode()) == set()


def test_no_canary_is_in_what_sanitize_makes_of_the_same_traffic(tmp_path: Path) -> None:
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in TRAFFIC.items]
    broken = [line[:-2] for line in lines[:100]] + [one.said.encode("utf-16") for one in PLANTED[:10]]
    lines = [line.replace(b"\n", b" ") for line in lines + broken]
    feed = b"\n".join(lines)
    env = environment(tmp_path / "none.db", **READING)
    for arguments in ((), ("--explain",)):
        done = evalforge("sanitize", *arguments, "--debug", env=env, stdin=feed)
        assert (done.code, len(done.lines)) == (0, len(lines))
        assert SEARCH.found((done.out + done.err).encode()) == set()
        assert done.out.count(AFTER) > 0.6 * len(TRAFFIC.captured)


# Failures that are provoked


LEAKY: list[Canary] = PLANTED[:40]
ASKED_ABOUT = 50
"""More texts than these may hold a secret of a vendor; the library is not asked about others."""
BROKEN_LIBRARY = """
class Rules: pass
class Scanner:
    def __init__(self, *_, **__): pass
    def scan(self, data):
        if b"look at" in data:
            raise RuntimeError("cannot scan " + repr(data))
        return []
"""


def said(ones: list[Canary]) -> str:
    return " ".join(one.said for one in ones)


@pytest.mark.parametrize(
    "answer",
    [
        reply(400, {"errors": [{"title": "Bad request", "detail": said(LEAKY)}]}),
        reply(403, {"errors": [said(LEAKY)]}),
        reply(500, said(LEAKY).encode()),
        reply(200, {"data": said(LEAKY), "meta": {"page": {"after": said(LEAKY)}}}),
        reply(200, {"data": [{"id": said(LEAKY)}], "meta": {"status": said(LEAKY)}}),
        reply(200, f'{{"data": [{{"id": {json.dumps(said(LEAKY))}'.encode()),
        reply(200, said(LEAKY).encode(), {"X-RateLimit-Reset": LEAKY[0].value}),
    ],
    ids=["400", "403", "500", "no list", "odd items", "cut", "no JSON"],
)
def test_no_canary_is_in_what_is_said_of_a_bad_answer(tmp_path: Path, answer: object) -> None:
    with FakeDatadog(spans=TRAFFIC.items[:30], script=[answer] * 3) as server:  # type: ignore[list-item]
        env = environment(tmp_path / "store.db", server.url, EVALFORGE_MAX_CALLS="6", **READING)
        done = evalforge("capture", "--json", "--debug", env=env)
    assert SEARCH.found((done.out + done.err).encode() + files(tmp_path)) == set()


def test_an_engine_that_fails_with_the_text_in_its_error_withholds_and_says_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "kingfisher_sdk.py").write_text(BROKEN_LIBRARY)
    with FakeDatadog(spans=TRAFFIC.items) as server:
        env = environment(tmp_path / "store.db", server.url, PYTHONPATH=str(folder), **READING)
        done = evalforge("capture", "--json", "--debug", env=env)
    listed = evalforge("captures", "list", "--debug", env=env)
    assert (done.code, len(listed.lines)) == (0, TRAFFIC.traces)
    assert listed.out.count("[WITHHELD chars=") > ASKED_ABOUT
    seen = (done.out + done.err + listed.out + listed.err).encode()
    assert SEARCH.found(seen + (tmp_path / "store.db").read_bytes()) == set()


def test_a_document_that_somebody_else_wrote_is_not_shown_in_an_error(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with FakeDatadog(spans=TRAFFIC.items[:30]) as server:
        env = environment(store, server.url, **READING)
        assert evalforge("capture", env=env).code == 0
        trace = evalforge("captures", "list", env=env).lines[0]["trace_id"]
        for document in (json.dumps({"signals": said(LEAKY), LEAKY[0].value: 1}), said(LEAKY)):
            with closing(sqlite3.connect(store)) as connection, connection:
                connection.execute("UPDATE captures SET document = ?", (document.encode(),))
            for command in (
                ("captures", "list"),
                ("captures", "show", trace),
                ("capture", "--json"),
                ("pii", "verify"),
            ):
                done = evalforge(*command, "--debug", env=env)
                assert SEARCH.found((done.out + done.err).encode()) == set(), command


def test_the_search_sees_what_is_there() -> None:
    one = PLANTED[0]
    for hidden in (one.value, one.value.upper(), one.value.encode().hex(), json.dumps(one.value)):
        assert SEARCH.found(f"x{hidden}x".encode())
    assert SEARCH.found(b"nothing") == set()
