"""The acceptance of the live tests, on the sandbox; and their recording, of which no value survives, replayed."""

import json
import re
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evalforge.common.clock import SystemClock
from evalforge.sandbox.replay import expected_traffic, replay
from evalforge.sandbox.server import running
from helpers.acceptance import CALLS, SETTINGS, accept, replayed
from helpers.bytes_search import ByteSearch
from helpers.commands import environment, evalforge
from helpers.exported import failed, item, judged
from helpers.fake_datadog import FakeDatadog
from helpers.firestore_emulator import new_project
from helpers.recording import Sanitiser, shifted
from helpers.recording_proxy import recording
from helpers.recordings import FOLDER
from helpers.secret_page import Canaries, secret_item


def test_what_the_live_tests_ask_of_datadog_holds_for_the_sandbox_and_sqlite(tmp_path: Path) -> None:
    with running() as sandbox, recording(sandbox.url, CALLS) as recorder:
        replay(sandbox.url, SystemClock().now())
        accepted = accept(environment(tmp_path / "store.db", recorder.url) | SETTINGS)
        recorded = recorder.recorded(most=10_000)
        raw = json.dumps(recorder.raw)
    assert (recorder.calls <= CALLS, recorder.refused) == (True, 0)
    assert len(accepted.captures) > 0
    again = replayed(recorded["spans"], environment(tmp_path / "again.db"))
    assert len(again) >= len(accepted.decisions)
    live = Counter(one["failure_type"] for one in accepted.decisions)
    assert live - Counter(one["failure_type"] for one in again) == Counter(), "every failure is one in the replay too"
    planted = ByteSearch(one for one in expected_traffic().planted if len(one) > 5)
    assert planted.found(raw.encode()), "there was something to hide"
    assert planted.found(json.dumps(recorded).encode()) == set()


def test_and_for_the_sandbox_and_firestores_emulator(firestore_emulator: str, tmp_path: Path) -> None:
    from google.cloud.firestore import Client

    with closing(Client(project=new_project())) as client:
        client.collection("warm").document("up").delete(timeout=30)  # the emulator's first commit takes it a while
    with running() as sandbox, recording(sandbox.url, CALLS) as recorder:
        replay(sandbox.url, SystemClock().now())
        more = {"EVALFORGE_STORE": f"firestore://{new_project()}", "FIRESTORE_EMULATOR_HOST": firestore_emulator}
        accepted = accept(environment(tmp_path, recorder.url) | SETTINGS | more)
    assert len(accepted.captures) > 0


def test_no_canary_survives_a_recording(tmp_path: Path) -> None:
    new = Canaries()
    items = [secret_item(new, 1_790_000_000_000 + number) for number in range(4)]
    sanitiser = Sanitiser(items)
    clean = json.dumps([sanitiser.item(one) for one in items])
    assert len(new.made) > 500
    assert ByteSearch(new.made).found(clean.encode()) == set()


def test_a_recording_keeps_what_decides_and_which_ids_are_the_same() -> None:
    spans = [failed(1, tags=["service:billing-of-acme", "http.status_code:504", "error_type:acme.RateLimitError"])]
    spans += [judged("hallucination", 2), judged("of-acme", 3), item(4, parent_id=spans[0]["id"])]
    sanitiser = Sanitiser(spans)
    clean = [sanitiser.item(one)["attributes"] for one in spans]
    assert [one["status"] for one in clean] == ["error", "ok", "ok", "ok"]
    assert re.match(r"service:text-\d+$", clean[0]["tags"][0])
    assert clean[0]["tags"][1:] == ["http.status_code:504", "error_type:RateLimitError"]
    assert list(clean[1]["evaluation"]) == ["hallucination"]
    assert list(clean[2]["evaluation"]) == ["evaluator-1"]
    assert clean[2]["evaluation"]["evaluator-1"]["assessment"] == "fail"
    assert clean[3]["parent_id"] == clean[0]["span_id"] != spans[0]["id"]
    starts = [one["start_ns"] for one in clean]
    assert sorted(range(4), key=starts.__getitem__) == sorted(
        range(4), key=[one["attributes"]["start_ns"] for one in spans].__getitem__
    )
    now_ms = int(time.time() * 1000)
    moved = [shifted({"attributes": one}, now_ms)["attributes"]["start_ns"] for one in clean]
    assert all(now_ms - 120_000 < one < now_ms for one in moved)


def test_a_failing_trace_of_the_recording_is_one_of_the_replay(tmp_path: Path) -> None:
    spans: list[Any] = [failed(1, trace="aa" * 8), judged("of-acme", 2, trace="bb" * 8), item(3, trace="cc" * 8)]
    with FakeDatadog(spans=spans) as server:
        assert evalforge("capture", env=environment(tmp_path / "a.db", server.url)).code == 0
    listed = evalforge("captures", "list", env=environment(tmp_path / "a.db")).lines
    sanitiser = Sanitiser(spans)
    clean = [sanitiser.item(one) for one in spans]
    ids = {one["attributes"]["trace_id"]: new["attributes"]["trace_id"] for one, new in zip(spans, clean, strict=True)}
    again = replayed(clean, environment(tmp_path / "b.db"))
    told = {(ids[one["trace_id"]], one["failure_type"], one["severity"]) for one in listed}
    assert told == {(one["trace_id"], one["failure_type"], one["severity"]) for one in again}


def test_beyond_its_budget_a_recorder_hands_nothing_on(tmp_path: Path) -> None:
    with FakeDatadog(spans=[failed(1)]) as server, recording(server.url, budget=3) as recorder:
        evalforge("capture", env=environment(tmp_path / "store.db", recorder.url))
        assert len(server.requests) == 3
        assert recorder.refused > 0


RECORDINGS = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda path: path.stem)
def test_each_recording_is_decided_as_it_was_when_it_was_made(tmp_path: Path, file: Path) -> None:
    recorded = json.loads(file.read_text(encoding="utf-8"))
    assert replayed(recorded["spans"], environment(tmp_path / "store.db")) == recorded["decisions"]


def test_there_is_a_recording() -> None:
    assert RECORDINGS
