"""What EvalForge must do on any Datadog and any store: the same for the sandbox and the emulator, and for real ones.

    accept(env)     # doctor, probe, two captures, the list of captures, a search for leaks

`env` is all that the commands get. Every call to Datadog counts against the budget of whoever hands them on.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from helpers.commands import Result, evalforge
from helpers.fake_datadog import FakeDatadog
from helpers.recording import shifted

CALLS = 120
"""The budget of one acceptance: 4 of doctor, 10 of probe, 2 runs of at most 50."""
SETTINGS = {"EVALFORGE_MAX_CALLS": "50", "EVALFORGE_PAGE_LIMIT": "50", "EVALFORGE_REQUESTS_PER_MINUTE": "120"}
LOOKBACK = "2h"
CORE = ("trace_id", "failure_type", "severity")


@dataclass
class Accepted:
    """What the commands said."""

    report: dict[str, Any]
    captures: list[dict[str, Any]]
    probe: dict[str, Any]

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """Which traces failed, and how."""
        return sorted(({name: one[name] for name in CORE} for one in self.captures), key=lambda one: one["trace_id"])


def accept(env: dict[str, str], *, partial_is_good: bool = False) -> Accepted:
    """Run everything; raises AssertionError where one does not hold."""
    doctor = run("doctor", env, 0)
    probe = run("probe", env, 0).report
    outcomes = ("complete", "partial") if partial_is_good else ("complete",)
    first, second = (capture(env, outcomes) for _ in range(2))
    captures = run("captures list --format jsonl", env, 0).lines
    run("pii verify", env, 0)
    after = run("doctor --offline", env, 0)
    assert probe["undecodable"] == 0
    required = [one for one in probe["differences"] if one["difference"] == "missing though required"]
    assert required == []
    if "partial" not in (first["outcome"], second["outcome"]):
        found = first["tally"]["captures_created"]
        assert second["tally"]["captures_created"] <= max(2, found // 10), "a second run finds little that is new"
        assert len(captures) >= found
    assert len({one["trace_id"] for one in captures}) == len(captures)
    assert first["tally"]["dead_letters"] == 0
    checks = {one["check"]: one["state"] for done in (doctor, after) for one in done.report["findings"]}
    assert checks["store writing"] == "ok"
    return Accepted(report=first, captures=captures, probe=probe)


def run(command: str, env: dict[str, str], code: int) -> Result:
    """The command's result. What failed is said without what Datadog sent."""
    done = evalforge(*command.split(), env=env, timeout=900)
    assert done.code == code, f"{command}: exit {done.code}: {problems(done)}"
    return done


def problems(done: Result) -> Any:
    """Of doctor its problems, of others the last line of stderr."""
    try:
        findings = json.loads(done.out)["findings"]
    except (ValueError, KeyError, TypeError):
        return done.err.splitlines()[-1:]
    return [(one["check"], one["found"], one["advice"]) for one in findings if one["state"] == "problem"]


def capture(env: dict[str, str], outcomes: tuple[str, ...]) -> dict[str, Any]:
    """The report of one run."""
    done = evalforge("capture", "--json", "--lookback", LOOKBACK, env=env, timeout=900)
    assert done.code in (0, 3), f"capture: exit {done.code}: {problems(done)}"
    assert done.report["outcome"] in outcomes, done.report["coverage"]
    return done.report


def replayed(spans: list[Any], env: dict[str, str]) -> list[dict[str, Any]]:
    """What a capture makes of recorded spans: which traces fail, and how."""
    now_ms = int(time.time() * 1000)
    with FakeDatadog(spans=[shifted(one, now_ms) for one in spans]) as server:
        done = evalforge("capture", "--json", env=env | {"EVALFORGE_DATADOG_URL": server.url})
    assert (done.code, done.report["tally"]["dead_letters"]) == (0, 0), done.err
    listed = evalforge("captures", "list", "--format", "jsonl", env=env).lines
    return sorted(({name: one[name] for name in CORE} for one in listed), key=lambda one: one["trace_id"])
