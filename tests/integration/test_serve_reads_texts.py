"""`evalforge serve` over texts: what reads them is loaded once in the life of the process, not for each run."""

import time
from pathlib import Path

from helpers.commands import RULE_CACHE, environment
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog
from helpers.serving import Served, serving


def seconds_of_a_run(served: Served) -> float:
    begun = time.monotonic()
    status, report = served.ask("POST", "/ingestion/run-once")
    assert (status, report["outcome"]) == (200, "complete"), report
    return time.monotonic() - begun


def test_the_rules_for_texts_are_loaded_with_the_first_run_alone(tmp_path: Path) -> None:
    """The shortest of some later runs, so that a busy machine changes nothing."""
    env = environment(tmp_path / "store.db", EVALFORGE_TEXT="redact", **RULE_CACHE)
    with FakeDatadog(spans=[failed()]) as server, serving(env | {"EVALFORGE_DATADOG_URL": server.url}) as served:
        first = seconds_of_a_run(served)
        later = [seconds_of_a_run(served) for _ in range(4)]
    assert min(later) < first / 4
