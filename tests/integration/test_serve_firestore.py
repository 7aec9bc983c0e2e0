"""The HTTP service over Firestore: the same answers, true on a fresh instance, and a problem where it is not there."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.commands import environment
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog
from helpers.firestore_emulator import HOST_VARIABLE, new_project
from helpers.serving import serving

LONGEST_SECONDS = 25


@pytest.fixture
def env(firestore_emulator: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    with FakeDatadog(spans=[failed(number) for number in range(1, 6)]) as server:
        yield environment(tmp_path / "unused.db", server.url) | {
            "EVALFORGE_STORE": f"firestore://{new_project()}",
            HOST_VARIABLE: firestore_emulator,
        }


def test_what_one_instance_captured_a_fresh_one_tells_page_by_page(env: dict[str, str]) -> None:
    with serving(env) as first:
        assert first.ask("GET", "/health")[1]["status"] == "never_run"
        status, report = first.ask("POST", "/ingestion/run-once", b"{}")
        assert (status, report["outcome"]) == (200, "complete")
    with serving(env) as fresh:
        health = fresh.ask("GET", "/health")[1]
        assert (health["status"], health["captures_waiting"]) == ("ok", 5)
        assert health["last_run"]["run_id"] == report["run_id"]
        page = fresh.ask("GET", "/captures?limit=3")[1]
        rest = fresh.ask("GET", f"/captures?limit=3&cursor={page['next_cursor']}")[1]
        seen = [one["trace_id"] for one in page["items"] + rest["items"]]
        assert (seen, rest["next_cursor"]) == ([f"{number:032x}" for number in range(5, 0, -1)], None)
        assert fresh.ask("GET", f"/captures/{seen[0]}")[1] == page["items"][0]
        assert [fresh.ask("GET", f"/captures/{one}")[0] for one in ("__id__", "a%2Fb", "abc")] == [400, 404, 404]


def test_a_firestore_that_is_not_there_is_a_problem_within_its_patience(env: dict[str, str]) -> None:
    with serving(env | {HOST_VARIABLE: "127.0.0.1:9"}) as served:
        begun = time.monotonic()
        status, document = served.ask("GET", "/health", timeout=LONGEST_SECONDS)
        assert (status, document["title"]) == (503, "Service Unavailable")
        assert time.monotonic() - begun < LONGEST_SECONDS
        assert served.process.poll() is None
