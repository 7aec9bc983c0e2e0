"""Context from end to end: recorded traffic through the sandbox, a budget that ends, and nothing raw on the way."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evalforge.common.clock import SystemClock
from evalforge.sandbox.replay import expected_traffic, replay
from evalforge.sandbox.server import running
from helpers.commands import environment, evalforge
from helpers.exported import failed, item
from helpers.fake_datadog import FakeDatadog

CALLS_BEFORE_CONTEXT = 4
"""The list of evaluators, one page to learn names, a page of failures of the newest hour, and one of those before."""
TRACE = f"{7:032x}"
CANARY = "canary-jane.doe-4111111111111111"


@pytest.fixture(scope="module")
def recorded() -> Iterator[str]:
    """The URL of a sandbox that holds the recorded day."""
    with running() as sandbox:
        replay(sandbox.url, SystemClock().now())
        yield sandbox.url


def documents(store: Path) -> list[Any]:
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute("SELECT * FROM captures ORDER BY 1").fetchall()


def listed(store: Path) -> list[dict[str, Any]]:
    return evalforge("captures", "list", env=environment(store)).lines


@pytest.mark.parametrize("scan", ["failures", "all"])
def test_nine_of_ten_captures_of_the_demo_hold_the_root_and_the_way_to_the_failure(
    recorded: str, tmp_path: Path, scan: str
) -> None:
    store = tmp_path / "store.db"
    env = environment(store, recorded, EVALFORGE_SCAN=scan)
    first = evalforge("capture", "--json", env=env)
    assert first.code == 0, first.err
    captures = listed(store)
    payloads = [one["trace_payload"] for one in captures]
    held = [{span["span_id"]: span["parent_id"] for span in one["spans"] + one["context"]} for one in payloads]
    assert len(captures) >= 0.9 * len(expected_traffic().failing)
    assert sum(None in spans.values() for spans in held) >= 0.9 * len(captures)
    for one, spans in zip(captures, held, strict=True):
        assert (one["context_state"] == "whole") == (set(spans.values()) <= {None, *spans})
        ids = [span["span_id"] for key in ("spans", "context") for span in one["trace_payload"][key]]
        assert len(set(ids)) == len(ids)
    assert sum(one["user_hash"] is not None for one in captures) >= 0.9 * len(captures)
    before = documents(store)
    second = evalforge("capture", "--json", env=env).report["tally"]
    assert (second["context_calls"], second["captures_updated"]) == (0, 0)
    assert documents(store) == before


def test_context_changes_no_verdict_of_the_demo(recorded: str, tmp_path: Path) -> None:
    found = []
    for context in ("none", "chain"):
        store = tmp_path / f"{context}.db"
        assert evalforge("capture", env=environment(store, recorded, EVALFORGE_CONTEXT=context)).code == 0
        fields = ("trace_id", "failure_type", "severity", "signals", "signature", "origin_span_id", "last_failed_at")
        found.append([[one[field] for field in fields] for one in listed(store)])
    assert found[0] == found[1]


def test_a_budget_that_ends_before_the_context_keeps_the_captures_and_the_next_run_reads_it(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    spans = [item(1, trace=TRACE), failed(2, trace=TRACE, parent_id=str(14624140233640368324 + 1))]
    with FakeDatadog(spans=spans) as server:
        env = environment(store, server.url)
        first = evalforge("capture", "--json", env=env | {"EVALFORGE_MAX_CALLS": str(CALLS_BEFORE_CONTEXT)})
        [poor] = listed(store)
        second = evalforge("capture", "--json", env=env)
        [rich] = listed(store)
        third = evalforge("capture", "--json", env=env).report["tally"]
    assert (first.code, first.report["tally"]["captures_created"]) == (3, 1)
    assert any("context" in reason and "budget" in reason for reason in first.report["coverage"]["reasons"])
    assert (poor["context_state"], poor["context_reason"]) == ("none", "not_read")
    assert (second.code, second.report["tally"]["captures_updated"]) == (0, 1)
    assert (rich["context_state"], len(rich["trace_payload"]["context"])) == ("whole", 1)
    assert (third["context_calls"], third["captures_unchanged"]) == (0, 1)


def test_nothing_raw_of_the_context_is_kept(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    root = item(
        1,
        trace=TRACE,
        name=CANARY,
        input={"value": CANARY, "messages": [{"role": "user", "content": CANARY}]},
        metadata={CANARY: CANARY, "user_id": CANARY},
        tags=[f"{CANARY}:{CANARY}", f"user_email:{CANARY}", f"session_id:{CANARY}"],
        **{CANARY: CANARY},
    )
    with FakeDatadog(spans=[root, failed(2, trace=TRACE, parent_id=root["id"])]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    [one] = listed(store)
    assert len(one["trace_payload"]["context"]) == 1
    assert one["user_hash"] is not None
    assert one["session_hash"] is not None
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir()) + (result.out + result.err).encode()
    assert CANARY.encode() not in written
    assert b"jane.doe" not in written
