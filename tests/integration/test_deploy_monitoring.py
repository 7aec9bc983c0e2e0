"""What is counted in the service's log is what a run says there, and whoever stopped, or never began, is told of.

The filters and queries are those that terraform works out; the lines are those of real runs; the alerts are judged by
Prometheus' own promtool, whose language Cloud Monitoring speaks.
"""

import json
import re
import shutil
import subprocess
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from helpers.commands import environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog, page, reply
from helpers.terraform import planned

SERVICE = 'resource.type="cloud_run_revision" AND resource.labels.service_name="evalforge" AND '
COUNTED = re.compile(r'jsonPayload\.message="([^"]+)"\Z')
EXTRACTED = re.compile(r"EXTRACT\(jsonPayload\.([a-z_.]+)\)\Z")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The log of a run that is complete but for a span that cannot be read, and of one whose keys are refused."""
    poison = b'{"id": "777", "type": "span", "attributes": {"trace_id": "77", "status": err}}'
    store = tmp_path_factory.mktemp("store") / "store.db"
    with FakeDatadog() as server:
        server.script += [page([]), page([failed(1), poison], {"page": {}, "status": "done"})]
        whole = evalforge("capture", "--json", env=environment(store, server.url))
    with FakeDatadog() as server:
        server.script += [reply(403)] * 9
        refused = evalforge("capture", "--json", env=environment(store, server.url))
    assert (whole.code, refused.code) == (0, 4)
    return [json.loads(line) for run in (whole, refused) for line in run.err.splitlines() if line.startswith("{")]


def test_each_metric_counts_an_event_that_runs_emit_with_what_it_reads_of_it(lines: list[dict[str, Any]]) -> None:
    metrics = planned()["monitoring"]["metrics"]
    assert set(metrics) == {"runs", "failed_runs", "dead_letters", "datadog_calls", "captures_created"}
    for name, metric in metrics.items():
        assert metric["filter"].startswith(SERVICE), name
        counted = COUNTED.fullmatch(metric["filter"].removeprefix(SERVICE))
        assert counted is not None, name
        events = [line for line in lines if line["message"] == counted[1]]
        assert events, f"{name}: no run says {counted[1]!r}"
        for wanted in (*metric["labels"].values(), *filter(None, [metric["value"]])):
            path = EXTRACTED.fullmatch(wanted)
            assert path is not None, wanted
            assert {type(at(line, path[1])) for line in events} <= {str, int}, wanted


def test_complete_and_failed_runs_are_told_apart_by_the_outcome_that_the_alerts_ask_for(
    lines: list[dict[str, Any]],
) -> None:
    monitoring = planned()["monitoring"]
    assert monitoring["metrics"]["runs"]["labels"] == {"outcome": "EXTRACT(jsonPayload.report.outcome)"}
    outcomes = [line["report"]["outcome"] for line in lines if line["message"] == "report"]
    assert outcomes == ["complete", "failed"]
    for alert in ("stopped", "never"):
        assert 'outcome="complete"' in monitoring["alerts"][alert]["query"]


def at(line: Any, path: str) -> Any:
    """What stands there."""
    return reduce(lambda value, name: value[name], path.split("."), line)


# Alerts

RUNS = 'logging_googleapis_com:user_evalforge_runs{monitored_resource="cloud_run_revision",outcome="%s"}'
LETTERS = 'logging_googleapis_com:user_evalforge_dead_letters{monitored_resource="cloud_run_revision"}'
EVERY_15_MINUTES = " ".join(f"{run}+0x14" for run in range(1, 20))
"""A count, a value a minute, that grows with each run for five hours."""
CASES: dict[str, tuple[dict[str, str], dict[int, set[str]]]] = {
    "a service that works": ({RUNS % "complete": EVERY_15_MINUTES}, {50: set(), 120: set(), 280: set()}),
    "a service that never worked": ({}, {10: set(), 44: set(), 46: {"never"}, 300: {"never"}}),
    "a service whose runs all fail": ({RUNS % "failed": EVERY_15_MINUTES}, {44: set(), 46: {"never"}}),
    "a service that stopped after an hour": (
        {RUNS % "complete": "1+0x14 2+0x14 3+0x14 4+0x14 5+0x600"},
        {60: set(), 100: set(), 107: {"stopped"}, 120: {"stopped"}, 160: {"stopped", "never"}},
    ),
    "a series that ended with the instance": (
        {RUNS % "complete": "1+0x14 2+0x14 3+0x14 4+0x14 5+0x5"},
        {60: set(), 112: {"stopped"}, 170: {"stopped", "never"}},
    ),
    "dead letters": (
        {RUNS % "complete": EVERY_15_MINUTES, LETTERS: "1+0x59 3+0x600"},
        {50: set(), 70: {"dead_letters"}, 130: set()},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_alert_fires_when_it_should_and_only_then(case: str, tmp_path: Path) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    series, firing = CASES[case]
    alerts = planned()["monitoring"]["alerts"]
    rules = [{"alert": name, "expr": one["query"], "for": f"{one['seconds']}s"} for name, one in alerts.items()]
    asked = [
        {"alertname": name, "eval_time": f"{minute}m", "exp_alerts": [{}] if name in names else []}
        for minute, names in firing.items()
        for name in alerts
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": asked,
    }
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "evalforge", "rules": rules}]}))
    (tmp_path / "test.yml").write_text(
        json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]})
    )
    done = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
